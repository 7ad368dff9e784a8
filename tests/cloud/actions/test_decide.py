import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from cloud.actions.assess import Outcome, assess_bin
from cloud.actions.decide import Asked, ask_policy
from cloud.core.evidence import recomputed
from cloud.core.policies.base import Place
from cloud.core.policy_settings import PolicySettings
from cloud.postgres import bins

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_jobs") as conn:
        conn.autocommit = True
        yield conn


def _look(shelf: Any, conn: psycopg.Connection, *seen: tuple[int, datetime]) -> list[Outcome]:
    outcomes = []
    for pieces, at in seen:
        shelf.weigh(pieces, at)
        outcomes.append(assess_bin(conn, shelf.bin_id, at).outcome)
    return outcomes


def _kept(shelf: Any) -> list[tuple[str, str | None, int | None]]:
    return [(row["outcome"], row["ask"], row["quantity"]) for row in shelf.rows("decisions")]


def test_every_decision_is_kept_once_also_that_nothing_is_ordered(
    shelf: Any, conn: psycopg.Connection
) -> None:
    minutes = [NOON + timedelta(minutes=minute) for minute in range(6)]
    levels = (900, 850, 412, 410, 1_900, 1_850)
    _look(shelf, conn, *zip(levels, minutes, strict=True))
    assert _kept(shelf) == [
        ("wait", None, None),  # enough
        ("place", None, 1_500),
        ("wait", None, None),  # its order is on its way
        ("wait", None, None),  # enough again, in the next cycle
    ]
    placed = shelf.rows("decisions")[1]
    assert placed["order_id"] == shelf.order_id()
    assert placed["because"] == shelf.the_order()["because"]
    assert placed["breach_id"] == shelf.rows("breaches")[0]["breach_id"]


def test_each_kept_decision_can_be_made_again(shelf: Any, conn: psycopg.Connection) -> None:
    _look(shelf, conn, (900, NOON), (412, NOON), (400, NOON))
    for row in shelf.rows("decisions"):
        inputs = json.loads(row["inputs"])
        assert recomputed(inputs) == inputs["decision"]
        assert (inputs["policy"]["name"], inputs["policy"]["version"]) == (
            row["policy"],
            row["version"],
        )


def test_on_a_number_that_is_not_trusted_nothing_is_decided(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.weigh(100, NOON, quality=1)
    assess_bin(conn, shelf.bin_id, NOON)
    assert shelf.rows("decisions") == []


def test_an_order_knows_when_it_should_be_here(shelf: Any, conn: psycopg.Connection) -> None:
    shelf.admin.execute(
        "INSERT INTO supplier_calendars (supplier_id, zone, cut_off, lead_days, delivery_days)"
        " VALUES (%s, 'Europe/Berlin', '10:00', 2, '{2}')",
        (shelf.supplier_id,),
    )
    _look(shelf, conn, (412, NOON))  # a Friday, past the cut-off: Monday, and two working days
    expected = datetime(2026, 11, 25, 17, tzinfo=UTC)  # the Wednesday, 18:00 in Berlin
    assert shelf.the_order()["due_at"] == expected


def test_the_lead_time_of_the_bin_goes_before_that_of_the_line(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.admin.execute("UPDATE item_suppliers SET lead_time_days = 4, moq = 1501")
    shelf.admin.execute("INSERT INTO bin_policies (bin_id, moq) VALUES (%s, 1)", (shelf.bin_id,))
    _look(shelf, conn, (412, NOON))
    assert shelf.the_order()["due_at"] == datetime(2026, 11, 24, 17, tzinfo=UTC)


def test_an_order_given_up_is_not_ordered_again_but_shown_to_a_person(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.admin.execute(
        "INSERT INTO bin_policies (bin_id, lead_time_days, grace_hours, policy, parameters)"
        " VALUES (%s, 1, 2, 'fixed_quantity', '{\"quantity\": 500, \"multiples\": true}')",
        (shelf.bin_id,),
    )
    late = NOON + timedelta(days=2)
    assert _look(shelf, conn, (412, NOON), (400, late)) == [Outcome.ORDERED, Outcome.UNCHANGED]
    assert shelf.counts() == (1, 1, 1)
    assert _kept(shelf) == [("place", None, 500), ("held", None, 500)]


def test_a_minimum_order_that_does_not_fit_asks_a_person(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.admin.execute("INSERT INTO bin_policies (bin_id, moq) VALUES (%s, 1600)", (shelf.bin_id,))
    assert _look(shelf, conn, (412, NOON)) == [Outcome.WAITING]
    assert _kept(shelf) == [("wait", "no_room", None)]


def test_a_supplier_that_never_takes_an_order_is_told_and_nothing_breaks(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.admin.execute(
        "INSERT INTO supplier_calendars (supplier_id, zone, holidays) SELECT %s, 'UTC',"
        " array_agg(day::date) FROM generate_series(%s::date, %s::date + 1000, interval '1 day') d"
        "(day)",
        (shelf.supplier_id, NOON, NOON),
    )
    shelf.weigh(412, NOON)
    assessment = assess_bin(conn, shelf.bin_id, NOON)
    assert assessment.outcome is Outcome.WAITING
    assert assessment.because.startswith("By its calendar the supplier takes no order")
    assert shelf.counts() == (1, 0, 0)


def test_an_order_from_before_there_were_calendars_covers(
    shelf: Any, conn: psycopg.Connection
) -> None:
    _look(shelf, conn, (412, NOON))
    shelf.admin.execute("UPDATE orders SET due_at = NULL")
    _look(shelf, conn, (400, NOON + timedelta(days=90)))
    assert _kept(shelf)[-1] == ("wait", None, None)


def test_what_the_scale_saw_come_covers_and_what_is_used_a_day_makes_a_rush(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.weigh(800, NOON - timedelta(minutes=1))
    shelf.admin.execute("UPDATE bin_levels SET usage_per_day = 200, usage_days = 7")
    _look(shelf, conn, (412, NOON), (512, NOON + timedelta(minutes=2)))
    assert shelf.the_order()["rush"]
    stock = json.loads(shelf.rows("decisions")[-1]["inputs"])["stock"]
    assert stock["covering"] == 1_500 - 100


PARAMETERS: dict[str, dict[str, Any]] = {
    "min_max": {},
    "fixed_quantity": {"quantity": 500, "multiples": True},
    "periodic": {"every_days": 7, "first_day": "2026-11-20"},
    "days_of_supply": {"days_min": 5, "days_max": 20, "rate_milli_per_day": 100_000},
    "can_order": {"can_order": 700},
    "two_bin": {"container": 500, "containers": 2},
    "level_steps": {
        "steps": [
            {"name": "full", "fewest": 800, "most": 1_000},
            {"name": "half", "fewest": 300, "most": 799},
            {"name": "empty", "fewest": 0, "most": 299},
        ],
        "order_at": "half",
    },
}


def _set(shelf: Any, policy: str, **parameters: Any) -> None:
    shelf.admin.execute(
        "INSERT INTO bin_policies (bin_id, policy, parameters) VALUES (%s, %s, %s)",
        (shelf.bin_id, policy, Jsonb(PARAMETERS.get(policy, {}) | parameters)),
    )


@pytest.mark.parametrize(
    ("policy", "quantity"),
    [
        ("min_max", 1_500),
        ("fixed_quantity", 500),
        ("periodic", 1_500),
        ("days_of_supply", 1_500),
        ("can_order", 1_500),
        ("two_bin", 500),
        ("level_steps", 1_000),
    ],
)
def test_each_policy_orders_by_what_is_stored_and_what_it_decided_can_be_made_again(
    shelf: Any, conn: psycopg.Connection, policy: str, quantity: int
) -> None:
    _set(shelf, policy)
    assert _look(shelf, conn, (412, NOON)) == [Outcome.ORDERED]
    assert shelf.rows("order_lines")[0]["quantity"] == quantity
    (row,) = shelf.rows("decisions")
    assert (row["policy"], row["settings_version"], row["calendar_version"]) == (policy, 1, 0)
    inputs = json.loads(row["inputs"])
    assert recomputed(inputs) == inputs["decision"]
    assert inputs["settings"] == {"version": 1, "calendar_version": 0}


def test_another_version_of_what_is_set_is_another_decision(
    shelf: Any, conn: psycopg.Connection
) -> None:
    _set(shelf, "can_order")
    _look(shelf, conn, (900, NOON), (890, NOON + timedelta(minutes=1)))
    shelf.admin.execute("UPDATE bin_policies SET grace_hours = 6")
    _look(shelf, conn, (880, NOON + timedelta(minutes=2)))
    assert [row["settings_version"] for row in shelf.rows("decisions")] == [1, 2]


def test_what_cannot_be_read_orders_nothing_and_says_so(
    shelf: Any, conn: psycopg.Connection
) -> None:
    _set(shelf, "fixed_quantity", quantity="many")
    shelf.weigh(412, NOON)
    assessment = assess_bin(conn, shelf.bin_id, NOON)
    assert assessment.outcome is Outcome.WAITING
    assert assessment.because.startswith("The policy fixed_quantity, version 1, cannot be made")


def test_planned_usage_is_part_of_the_position_and_kept_with_the_decision(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.admin.execute(
        "INSERT INTO planned_usage (bin_id, from_day, to_day, pieces, by, because, at)"
        " VALUES (%s, '2026-11-21', '2026-11-22', 100, 'me', 'batch', %s)",
        (shelf.bin_id, NOON),
    )
    _look(shelf, conn, (412, NOON))
    assert shelf.rows("order_lines")[0]["quantity"] == 1_500
    assert "412 on hand - 100 planned = 312" in shelf.the_order()["because"]
    inputs = json.loads(shelf.rows("decisions")[0]["inputs"])
    assert inputs["stock"]["planned"] == 100
    assert inputs["planned"][0]["pieces"] == 100
    assert recomputed(inputs) == inputs["decision"]


def test_what_is_asked_as_if_it_were_set_is_never_kept(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.weigh(812, NOON)
    bin_ = bins.find(conn, shelf.bin_id)
    assert bin_ is not None
    instead = PolicySettings(policy="two_bin", parameters={"container": 900, "containers": 2})
    asked = ask_policy(conn, bin_, 812, NOON, instead=instead)
    assert isinstance(asked, Asked)
    assert isinstance(asked.answer.decision, Place)
    assert shelf.rows("bin_policies") == shelf.rows("decisions") == []


def test_of_the_suppliers_round_an_order_of_the_round_before_is_another_cycle(
    shelf: Any, conn: psycopg.Connection
) -> None:
    _set(shelf, "periodic")
    shelf.admin.execute("UPDATE bin_policies SET lead_time_days = 14")
    _look(shelf, conn, (412, NOON), (300, NOON + timedelta(days=7)))
    first, second = (json.loads(row["inputs"])["stock"] for row in shelf.rows("decisions"))
    assert (first["cycle"], second["cycle"]) == (1, 2)
    assert second["live_in_cycle"] == []
    assert second["covering"] == 1_500


def test_usage_known_beforehand_brings_the_order_forward_and_once(
    shelf: Any, conn: psycopg.Connection
) -> None:
    assert _look(shelf, conn, (700, NOON)) == [Outcome.UNCHANGED]
    shelf.admin.execute(
        "INSERT INTO planned_usage (bin_id, from_day, to_day, pieces, by, because, at)"
        " VALUES (%s, '2026-11-21', '2026-11-22', 300, 'me', 'batch', %s)",
        (shelf.bin_id, NOON),
    )
    looks = [(700, NOON + timedelta(minutes=1)), (690, NOON + timedelta(minutes=2))]
    assert _look(shelf, conn, *looks) == [Outcome.ORDERED, Outcome.UNCHANGED]
    assert shelf.rows("breaches") == []
    assert shelf.rows("order_lines")[0]["quantity"] > 0
    # Low at last, and on its way already.
    assert _look(shelf, conn, (400, NOON + timedelta(hours=1))) == [Outcome.UNCHANGED]
    assert len(shelf.rows("orders")) == len(shelf.rows("breaches")) == 1


def test_by_rounds_a_bin_that_is_not_low_is_filled_up_once_a_round(
    shelf: Any, conn: psycopg.Connection
) -> None:
    _set(shelf, "periodic")
    day = timedelta(days=1)
    looks = [(1_400, NOON), (1_390, NOON + timedelta(hours=1)), (1_380, NOON + day)]
    assert _look(shelf, conn, *looks) == [Outcome.ORDERED, Outcome.UNCHANGED, Outcome.UNCHANGED]
    # The first one is still on its way, and the next round orders what was used since.
    assert _look(shelf, conn, (900, NOON + 7 * day)) == [Outcome.ORDERED]
    assert len(shelf.rows("orders")) == 2
    assert shelf.rows("breaches") == []


def test_each_empty_container_is_a_need_and_one_that_was_given_up_is_asked_about(
    shelf: Any, conn: psycopg.Connection
) -> None:
    _set(shelf, "two_bin", container=300, containers=3)
    at = [NOON + timedelta(minutes=n) for n in range(9)]
    looks = [(900, at[0]), (610, at[1]), (600, at[2]), (590, at[3])]
    expected = [Outcome.UNCHANGED, Outcome.UNCHANGED, Outcome.ORDERED, Outcome.UNCHANGED]
    assert _look(shelf, conn, *looks) == expected
    assert _look(shelf, conn, (300, at[4])) == [Outcome.ORDERED]
    assert sorted(row["ordinal"] for row in shelf.rows("order_lines")) == [1, 2]
    shelf.admin.execute(
        "UPDATE orders SET state = 'refused', ended_at = %s WHERE order_id ="
        " (SELECT order_id FROM order_lines WHERE ordinal = 2)",
        (at[5],),
    )
    assert _look(shelf, conn, (290, at[6])) == [Outcome.UNCHANGED]
    assert len(shelf.rows("orders")) == 2
    assert shelf.rows("decisions")[-1]["outcome"] == "held"
