import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.actions import agree
from cloud.actions.act_on_order import act_on_order
from cloud.actions.agree import Wish
from cloud.actions.assess import assess_bin
from cloud.actions.look_for_cases import LOOKS, look_for_cases, put_off
from cloud.core.agreements import Side
from cloud.core.cases import Action, Case, Kind
from cloud.core.clauses import CLAUSES, values_of
from cloud.core.nouns import read
from cloud.core.order_machine import Accept, Change, Confirm, Other, Promise
from cloud.core.refusals import CaseUnknown, SnoozeWithoutReason
from cloud.postgres import asking

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    """As operations see it."""
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "ops@plant.test")
        yield conn


def _assess(database: Any, shelf: Any, pieces: int, at: datetime) -> None:
    shelf.weigh(pieces, at)
    with database.connect("binline_jobs") as jobs:
        assess_bin(jobs, shelf.bin_id, at)


def _open(conn: psycopg.Connection, now: datetime) -> list[Case]:
    return list(look_for_cases(conn, now).cases.open)


def _used_per_day(shelf: Any, pieces: int) -> None:
    """As whoever keeps the store has made it of movements."""
    shelf.admin.execute(
        "UPDATE bin_levels SET usage_per_day = %s, usage_sd = 0, usage_days = 7", (pieces,)
    )


def test_a_bin_that_is_fine_needs_nobody(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    _assess(database, shelf, 1_900, NOON)
    assert _open(conn, NOON) == []


def test_low_and_nothing_fits_is_told_with_the_reason_of_the_decision(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    shelf.admin.execute("UPDATE items SET pack = 1600")
    _assess(database, shelf, 450, NOON)
    _used_per_day(shelf, 100)
    (case,) = _open(conn, NOON)
    assert (case.kind, case.action) == (Kind.CANNOT_ORDER, Action.DECIDE_ORDER)
    assert case.because.endswith("1 pack of 1,600 or more do not fit into 1,550.")
    assert case.act_before == NOON + 4.5 * DAY  # 450 left, 100 a day


def test_an_order_that_nobody_answers_and_one_that_never_comes_each_need_a_person(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    _assess(database, shelf, 412, NOON)
    assert _open(conn, NOON + timedelta(minutes=1)) == []
    late = NOON + HOUR
    shelf.weigh(412, late)
    (case,) = _open(conn, late)
    assert (case.kind, case.since) == (Kind.NO_ANSWER, NOON + timedelta(minutes=30))
    assert case.evidence == ("RO-1001", "reading 7")
    much_later = NOON + 9 * DAY
    _assess(database, shelf, 400, much_later)
    kinds = {case.kind for case in _open(conn, much_later)}
    assert Kind.ORDER_AGED_OUT in kinds


def _once_more(shelf: Any, **order: object) -> None:
    """A second order into the bin of the first one, sent at noon and promised for tomorrow."""
    values = {"state": "confirmed", "answered_at": NOON, "promised_at": NOON + DAY, **order}
    shelf.admin.execute(
        "WITH o AS (INSERT INTO orders (site_id, supplier_id, because, drafted_at, sent_at,"
        " answered_at, state) SELECT site_id, supplier_id, '', %(at)s, %(at)s, %(answered_at)s,"
        " %(state)s FROM bins RETURNING order_id)"
        " INSERT INTO order_lines (order_id, number, bin_id, item_id, cycle, ordinal, asked,"
        " quantity, promised_at, because, evidence)"
        " SELECT order_id, 1, bin_id, item_id, 1, 2, 500, 500, %(promised_at)s, '', '{}'"
        "   FROM o, bins",
        {"at": NOON, **values},
    )


def test_an_older_order_that_goes_wrong_is_a_case_beside_a_newer_one_that_is_fine(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    _assess(database, shelf, 412, NOON)
    _once_more(shelf)
    late = NOON + HOUR
    shelf.weigh(412, late)
    (case,) = _open(conn, late)
    assert (case.kind, case.evidence[0]) == (Kind.NO_ANSWER, "RO-1001")
    with database.connect("binline_jobs") as jobs:
        (first, _) = jobs.execute("SELECT order_id FROM orders ORDER BY number").fetchall()
        promise = Promise(line=1, at=NOON + 2 * HOUR)
        act_on_order(jobs, first[0], Confirm(by="max", promises=(promise,)), NOON, actor="max")
    assert _open(conn, late) == []
    never_came = NOON + 3 * HOUR
    shelf.weigh(412, never_came)
    (case,) = _open(conn, never_came)
    assert (case.kind, case.evidence[0]) == (Kind.DELIVERY_WITHOUT_WEIGHT, "RO-1001")
    much_later = NOON + 27 * HOUR
    shelf.weigh(412, much_later)
    told = {(case.kind, case.evidence[0]) for case in _open(conn, much_later)}
    assert told == {
        (Kind.ORDER_AGED_OUT, "RO-1001"),
        (Kind.DELIVERY_WITHOUT_WEIGHT, "RO-1002"),
    }


def test_a_low_bin_is_covered_by_any_of_its_orders_and_late_when_none_comes_in_time(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    _assess(database, shelf, 412, NOON)
    _used_per_day(shelf, 824)  # out in twelve hours
    shelf.admin.execute("UPDATE order_lines SET promised_at = %s", (NOON + 6 * HOUR,))
    _once_more(shelf)
    assert _open(conn, NOON) == [], "the older one comes in time"
    shelf.admin.execute("UPDATE order_lines SET promised_at = %s", (NOON + DAY,))
    (case,) = _open(conn, NOON)
    assert case.kind is Kind.COVERED_LATE, "a promise is no guess"
    assert case.evidence[-2:] == ("RO-1001", "RO-1002")


def test_who_never_said_a_lead_time_is_not_called_late_by_it(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    _assess(database, shelf, 412, NOON)
    _used_per_day(shelf, 1_000)  # out before tonight
    assert _open(conn, NOON) == []
    shelf.admin.execute(
        "INSERT INTO bin_policies (bin_id, lead_time_days) VALUES (%s, 7)", (shelf.bin_id,)
    )
    assert [case.kind for case in _open(conn, NOON)] == [Kind.COVERED_LATE]


def test_a_count_counts_until_something_moves(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    _assess(database, shelf, 1_900, NOON)
    shelf.admin.execute(
        "INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by, because)"
        " SELECT bin_id, item_id, 'audit', 1800, %s, %s, 'ada', 'stocktake' FROM bins",
        (NOON, NOON),
    )
    shelf.admin.execute("UPDATE bin_levels SET plateau_since = %s", (NOON - HOUR,))
    assert [case.kind for case in _open(conn, NOON)] == [Kind.COUNT_DIFFERS]
    shelf.admin.execute("UPDATE bin_levels SET plateau_since = %s", (NOON + timedelta(seconds=1),))
    assert _open(conn, NOON) == []


def test_whole_packs_past_the_level_ordered_up_to_are_no_overstock(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    shelf.admin.execute("UPDATE bins SET order_up_to = 1000")
    _assess(database, shelf, 1_499, NOON)
    assert _open(conn, NOON) == []
    _assess(database, shelf, 1_501, NOON)
    assert [case.kind for case in _open(conn, NOON)] == [Kind.OVERSTOCK]


def test_a_scale_that_is_silent_is_a_case_since_it_should_have_spoken(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    _assess(database, shelf, 1_900, NOON)
    (case,) = _open(conn, NOON + HOUR)
    assert (case.kind, case.since) == (Kind.SENSOR_DOWN, NOON + timedelta(minutes=3))


def test_what_is_put_off_comes_back_by_itself(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    _assess(database, shelf, 412, NOON)
    now = NOON + HOUR
    shelf.weigh(412, now)
    (case,) = _open(conn, now)
    put_off(conn, case.key, by="ada", because="they called", until=now + HOUR, now=now)
    looked = look_for_cases(conn, now)
    assert (looked.cases.open, looked.cases.snoozed) == ((), (case,))
    assert looked.snoozes[case.key].because == "they called"
    put_off(conn, case.key, by="ada", because="longer", until=now + timedelta(minutes=2), now=now)
    assert case in _open(conn, now + timedelta(minutes=2))


def test_putting_off_takes_a_reason_a_later_time_and_a_case(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    _assess(database, shelf, 412, NOON)
    now = NOON + HOUR
    (case, *_) = _open(conn, now)
    with pytest.raises(SnoozeWithoutReason):
        put_off(conn, case.key, by="ada", because=" ", until=now + HOUR, now=now)
    with pytest.raises(SnoozeWithoutReason):
        put_off(conn, case.key, by="ada", because="so", until=now, now=now)
    with pytest.raises(CaseUnknown):
        put_off(conn, "no_answer:99", by="ada", because="so", until=now + HOUR, now=now)


def _agreed(shelf: Any, conn: psycopg.Connection, **clauses: object) -> int:
    (bin_,) = shelf.rows("bins")
    given = {"valid_from": "2026-01-01", **clauses}
    return agree.make(
        conn, site_id=bin_["site_id"], supplier_id=shelf.supplier_id, author="ops@plant.test",
        wish=Wish(read=read(CLAUSES, given), because="Contract 4711"), now=NOON,
    )  # fmt: skip


def test_the_agreement_says_how_long_an_answer_may_take(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    _agreed(shelf, conn, mode="auto", answer_hours=2)
    conn.commit()
    asking.as_operations(conn, "ops@plant.test")
    _assess(database, shelf, 412, NOON)
    shelf.weigh(412, NOON + HOUR)
    assert _open(conn, NOON + HOUR) == [], "without an agreement it would be half an hour"
    shelf.weigh(412, NOON + 3 * HOUR)
    (case,) = _open(conn, NOON + 3 * HOUR)
    assert (case.kind, case.since) == (Kind.NO_ANSWER, NOON + 2 * HOUR)


def test_what_is_proposed_and_what_ends_is_told_and_gone_with_its_cause(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    shelf.weigh(1_900, NOON)
    agreement = _agreed(shelf, conn, mode="auto", valid_until="2026-12-10")
    assert [case.kind for case in _open(conn, NOON)] == [Kind.AGREEMENT_ENDS]
    held = agree.find(conn, agreement).agreement.now
    given = read(CLAUSES, {"valid_until": None}, values_of(held.clauses))
    proposal = agree.propose(
        conn, agreement, base=1, number=None, side=Side.SUPPLIER, author="max@ferro.example",
        wish=Wish(read=given, because="let us go on"), now=NOON,
    )  # fmt: skip
    ends, asked = _open(conn, NOON)
    assert ends.act_before == datetime(2026, 12, 10, 23, tzinfo=UTC), "its last day, in Berlin"
    assert (asked.kind, asked.evidence) == (Kind.PROPOSAL_WAITS, (f"agreement-{agreement}",))
    assert asked.because.endswith(": let us go on")
    agree.answer(
        conn, agreement, proposal.number, accepts=True, side=Side.CUSTOMER, by="ops", now=NOON
    )
    assert _open(conn, NOON) == []


def _weigh_often(shelf: Any, pieces: int) -> None:
    for minutes in range(LOOKS)[::-1]:
        shelf.weigh(pieces, NOON - timedelta(minutes=minutes))


def test_a_weight_of_a_moment_does_not_differ_from_what_is_booked(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    _weigh_often(shelf, 1_800)
    later = NOON + timedelta(minutes=1)
    shelf.weigh(1_620, later)
    shelf.admin.execute("UPDATE bin_levels SET pieces = 1800, level_at = %s", (later,))
    assert _open(conn, later) == [], "a take that is not booked yet"


def test_of_many_bins_that_differ_each_is_held_against_its_own_weights(
    make_shelf: Any, conn: psycopg.Connection
) -> None:
    steady, moment = make_shelf("AAA-1"), make_shelf("AAA-2")
    _weigh_often(steady, 1_800)
    _weigh_often(moment, 1_620)
    moment.weigh(1_800, NOON)
    steady.admin.execute("UPDATE bin_levels SET pieces = 1620")
    assert [case.bin_id for case in _open(conn, NOON)] == [steady.bin_id]


def test_book_and_scale_ten_percent_apart_are_told_until_somebody_has_counted(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    _weigh_often(shelf, 1_800)
    shelf.admin.execute("UPDATE bin_levels SET pieces = 1620, plateau_since = %s", (NOON - HOUR,))
    (case,) = _open(conn, NOON)
    assert (case.kind, case.action, case.since) == (Kind.SCALE_DIFFERS, Action.COUNT, NOON - HOUR)
    assert case.because.endswith(": 1,620 are booked, and the scale weighs 1,800.")
    shelf.admin.execute("UPDATE bin_levels SET level_at = %s", (NOON - HOUR,))
    assert _open(conn, NOON) == [], "that weight was not looked at yet"
    shelf.admin.execute("UPDATE bin_levels SET level_at = %s, pieces = 1790", (NOON,))
    assert _open(conn, NOON) == [], "what the scale cannot tell is no difference"


def test_a_count_that_the_scale_does_not_bear_out_is_told_also_when_it_is_booked(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    _weigh_often(shelf, 1_900)
    shelf.admin.execute(
        "INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by, because)"
        " SELECT bin_id, item_id, 'audit', 1700, %s, %s, 'ada', 'stocktake' FROM bins",
        (NOON, NOON),
    )
    shelf.admin.execute("UPDATE bin_levels SET pieces = 1700, plateau_since = %s", (NOON - HOUR,))
    (case,) = _open(conn, NOON)
    assert case.kind is Kind.COUNT_DIFFERS
    assert case.because.endswith(": 1,700 were counted, the scale says 1,900.")


def test_an_odd_weight_is_a_case_with_its_grams_since_it_was_seen(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    shelf.weigh(1_900, NOON)
    shelf.admin.execute(
        "UPDATE bin_levels SET doubts = %s, plateau_since = %s",
        (json.dumps([["unit_changed", "The bin weighs 9.2 g less."]]), NOON - HOUR),
    )
    (case,) = _open(conn, NOON)
    assert (case.kind, case.action, case.since) == (Kind.CHANGE_WAITS, Action.COUNT, NOON - HOUR)
    assert case.because.endswith(": The bin weighs 9.2 g less.")
    later = NOON + timedelta(minutes=1)
    shelf.admin.execute("UPDATE bin_state SET heard_at = %s, measured_at = %s", (later, later))
    assert [one.key for one in _open(conn, later)] == [case.key]
    shelf.admin.execute("UPDATE bin_levels SET doubts = '[]'")
    assert _open(conn, later) == []


def test_a_finding_that_waits_for_consent_is_told_until_it_has_lost_its_ground(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    shelf.weigh(1_000, NOON - HOUR)
    shelf.weigh(1_900, NOON)
    shelf.admin.execute(
        "INSERT INTO findings (bin_id, item_id, event_at, movement_id, pieces, weighed, before_mg,"
        " after_mg, from_ug, unit_weight_ug, unit_sd_ug, unit_error_ug, says, told_by,"
        " told_because, told_at, state)"
        " SELECT bin_id, item_id, event_at, movement_id, 850, 900, 0, 7, 4200000, 4447000, 0, 0,"
        " '850 came and 900 were weighed.', 'ada', '', %s, 'waiting' FROM movements",
        (NOON,),
    )
    (case,) = _open(conn, NOON)
    assert (case.kind, case.action) == (Kind.FINDING_WAITS, Action.ANSWER_FINDING)
    assert case.because.endswith(" 850 came and 900 were weighed.")
    assert case.evidence == ("finding-1",)
    shelf.admin.execute("UPDATE items SET unit_weight_ug = 4300000")
    assert Kind.FINDING_WAITS not in [one.kind for one in _open(conn, NOON)]


def test_a_change_the_supplier_proposes_waits_for_a_person(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    _assess(database, shelf, 412, NOON)
    other = Other(line=1, pieces=500, at=NOON + DAY)
    act = Change(change_id="c1", by="max", lines=(other,), because="no more on stock")
    with database.connect("binline_jobs") as jobs:
        act_on_order(jobs, shelf.order_id(), act, NOON, actor="max")
    (case,) = _open(conn, NOON)
    assert (case.kind, case.action) == (Kind.CHANGE_PROPOSED, Action.ANSWER_CHANGE)
    assert case.because == (
        "The supplier would change RO-1001 for Hex bolt M8 x 30 at Hartmann Rail 1, R02-B4:"
        " no more on stock."
    )
    with database.connect("binline_jobs") as jobs:
        act_on_order(jobs, shelf.order_id(), Accept(change_id="c1", by="ops"), NOON, actor="ops")
    assert _open(conn, NOON) == []


def test_a_draft_is_a_case_from_the_start(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    _agreed(shelf, conn, mode="approve", draft_hours=48, escalate_after_hours=4)
    conn.commit()
    asking.as_operations(conn, "ops@plant.test")
    _assess(database, shelf, 412, NOON)
    (case,) = _open(conn, NOON)
    assert (case.kind, case.since, case.act_before) == (
        Kind.APPROVAL_WAITS,
        NOON,
        NOON + 48 * HOUR,
    )
    late = NOON + 5 * HOUR
    shelf.weigh(412, late)
    (again,) = _open(conn, late)
    assert (again.since, again.key) == (NOON + 4 * HOUR, f"{case.key}:escalated")


def test_an_empty_bin_is_told_also_where_its_order_is_on_its_way(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    _assess(database, shelf, 0, NOON)
    (case,) = _open(conn, NOON)
    assert case.because.endswith(" is empty, and its order has not come yet.")


def test_an_agreement_without_a_bin_in_use_needs_nobody(
    shelf: Any, database: Any, conn: psycopg.Connection
) -> None:
    _agreed(shelf, conn, valid_until="2026-11-30")
    conn.commit()
    shelf.admin.execute("UPDATE bins SET active = false")
    asking.as_operations(conn, "ops@plant.test")
    assert _open(conn, NOON) == []
