"""Exactly once, whatever is repeated, reordered or cut; and what never disturbs the present."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.actions.take_in import TakenIn, take_in
from cloud.core.ranges import Range
from cloud.intake import translate
from cloud.postgres import ledger
from edge_agent.wire import codec, messages, topics
from tests.cloud import ingest_cases as cases
from tests.cloud.ingest_cases import (
    NOW,
    NOW_MS,
    OTHER_STREAM,
    STREAM,
    arrived,
    at,
    batch,
    counting,
    gap,
    weighed,
)


@pytest.fixture
def site(database: Any) -> Any:
    with database.admin() as admin, database.connect("binline_ingest") as conn:
        bins = cases.make_site(admin)
        yield admin, conn, bins


def take(conn: psycopg.Connection, *spoken: messages.UpMessage, now: Any = NOW) -> TakenIn:
    return take_in(conn, [arrived(message) for message in spoken], now)


def far(taken: TakenIn) -> list[tuple[int, list[tuple[int, int]]]]:
    return [(said.upto, [tuple(hole) for hole in said.holes]) for said in taken.committed]


def test_a_batch_is_stored_acknowledged_and_shown(site: Any) -> None:
    admin, conn, (first, second) = site
    taken = take(conn, batch(1, [weighed(5_000), weighed(7_000, sensor=1)]))

    assert taken.readings == 2
    assert far(taken) == [(2, [])]
    assert cases.seqs(admin) == [1, 2]
    assert cases.state(admin, first, "weight_mg, measured_at, heard_at, seq") == (
        5_000,
        NOW,
        NOW,
        1,
    )
    assert cases.state(admin, second, "weight_mg") == (7_000,)
    assert cases.due(admin) == {first, second}


def test_a_repeat_stores_nothing_and_is_acknowledged_again(site: Any) -> None:
    admin, conn, _ = site
    first = take(conn, counting(1, 5))
    again = take(conn, counting(1, 5), counting(1, 5))

    assert far(again) == far(first) == [(5, [])]
    assert (again.readings, again.repeats) == (0, 2)
    assert cases.seqs(admin) == [1, 2, 3, 4, 5]


def test_what_is_missing_is_named_as_holes_until_it_comes(site: Any) -> None:
    _, conn, _ = site
    assert far(take(conn, counting(11, 20))) == [(20, [(1, 10)])]
    assert far(take(conn, counting(31, 40))) == [(40, [(1, 10), (21, 30)])]
    assert far(take(conn, counting(1, 10))) == [(40, [(21, 30)])]
    assert far(take(conn, gap(21, 30))) == [(40, [])]


def test_with_more_holes_than_fit_what_has_just_come_is_acknowledged_all_the_same(
    site: Any,
) -> None:
    _, conn, _ = site
    taken = take_in(conn, [arrived(counting(seq, seq)) for seq in range(2, 300, 2)], NOW)
    (said,) = taken.committed
    assert len(said.holes) <= translate.HOLES_MAX

    ((upto, holes),) = far(take(conn, counting(400, 400)))
    assert (upto, holes) == (400, [(1, 399)])


def test_holes_never_contain_less_than_what_is_missing(site: Any) -> None:
    _, conn, _ = site
    there: set[int] = set()
    for first in (*range(3, 500, 2), 1):
        there.add(first)
        ((upto, holes),) = far(take(conn, counting(first, first)))
        assert set(range(1, upto + 1)) - cases.covered(holes) <= there
        assert first in set(range(1, upto + 1)) - cases.covered(holes)


def test_a_stream_catches_up_over_more_ranges_than_are_read_at_once(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, conn, _ = site
    monkeypatch.setattr(ledger, "BEYOND_MAX", 7)
    for first in range(2, 60):
        take(conn, counting(first, first))
    assert far(take(conn, counting(1, 1))) == [(59, [])]
    assert admin.execute("SELECT contiguous_upto FROM streams").fetchone() == (59,)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    cuts=st.lists(st.integers(1, 6), min_size=1, max_size=12),
    plan=st.data(),
)
def test_any_order_any_repeats_any_company_leave_each_reading_once(
    site: Any, cuts: list[int], plan: st.DataObject
) -> None:
    admin, conn, (first_bin, _) = site
    admin.execute("TRUNCATE readings, ledger, streams, bin_state, bin_due, dead_letters CASCADE")
    spoken, first = [], 1
    for length in cuts:
        spoken.append(counting(first, first + length - 1))
        first += length
    order = plan.draw(st.permutations(spoken + spoken))
    while order:
        together = plan.draw(st.integers(1, len(order)))
        last = take(conn, *order[:together])
        order = order[together:]

    assert cases.seqs(admin) == list(range(1, first))
    assert far(last) == [(first - 1, [])]
    assert cases.letters(admin) == []
    newest = first - 1
    assert cases.state(admin, first_bin, "weight_mg, seq") == (newest * 1_000, newest)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    spoken=st.lists(
        st.tuples(st.booleans(), st.integers(1, 20), st.integers(0, 8)), min_size=1, max_size=12
    ),
    together=st.integers(1, 4),
)
def test_ranges_that_contradict_each_other_never_store_a_number_twice(
    site: Any, spoken: list[tuple[bool, int, int]], together: int
) -> None:
    admin, conn, _ = site
    admin.execute("TRUNCATE readings, ledger, streams, bin_state, bin_due, dead_letters CASCADE")
    said = [
        gap(first, first + more) if is_gap else counting(first, first + more)
        for is_gap, first, more in spoken
    ]
    for start in range(0, len(said), together):
        take(conn, *said[start : start + together])

    entries = admin.execute("SELECT first_seq, last_seq, gap_because FROM ledger").fetchall()
    listed = [seq for first, last, _ in entries for seq in range(first, last + 1)]
    assert len(listed) == len(set(listed)), "ranges of the ledger overlap"
    assert set(listed) == cases.covered((first, first + more) for _, first, more in spoken)
    stored = cases.seqs(admin)
    assert sorted(stored) == sorted(
        seq for first, last, because in entries if because is None for seq in range(first, last + 1)
    )


def test_the_same_first_number_with_other_content_is_kept_aside_and_changes_nothing(
    site: Any,
) -> None:
    admin, conn, _ = site
    take(conn, batch(1, [weighed(5_000)]))
    taken = take(conn, batch(1, [weighed(6_000)]))

    assert cases.letters(admin) == ["readings from 1 on came before, with other content"]
    assert far(taken) == [(1, [])]
    assert admin.execute("SELECT weight_mg FROM readings").fetchall() == [(5_000,)]


def test_a_gap_that_grew_fills_what_is_left(site: Any) -> None:
    admin, conn, _ = site
    take(conn, gap(1, 10))
    taken = take(conn, gap(1, 20))
    assert far(taken) == [(20, [])]
    assert cases.letters(admin) == []
    assert admin.execute("SELECT first_seq, last_seq FROM ledger ORDER BY 1").fetchall() == [
        (1, 10),
        (11, 20),
    ]


def test_a_late_reading_is_stored_and_does_not_move_the_present(site: Any) -> None:
    admin, conn, (first, _) = site
    take(conn, batch(1, [weighed(5_000)]))
    admin.execute("DELETE FROM bin_due")
    before = cases.state(admin, first, "*")
    take(conn, batch(2, [weighed(9_000, after_ms=-60_000)]))

    assert cases.state(admin, first, "*") == before
    assert cases.due(admin) == set()
    assert cases.seqs(admin) == [1, 2]


def test_within_one_transaction_the_newest_wins_wherever_it_stands(site: Any) -> None:
    admin, conn, (first, _) = site
    take(
        conn,
        batch(3, [weighed(3_000, after_ms=30), weighed(9_000, after_ms=90)]),
        batch(1, [weighed(7_000, after_ms=70), weighed(1_000, after_ms=10)]),
    )
    assert cases.state(admin, first, "weight_mg, seq") == (9_000, 4)


def test_a_condition_is_a_sign_of_life_and_leaves_the_last_weight_as_old_as_it_is(
    site: Any,
) -> None:
    admin, conn, (first, _) = site
    take(conn, batch(1, [weighed(5_000)]))
    admin.execute("DELETE FROM bin_due")
    overload = messages.Condition(sensor=0, after_ms=1_000, condition="overload", because="> max")
    take(conn, batch(2, [overload]))

    columns = "weight_mg, measured_at, heard_at, condition"
    assert cases.state(admin, first, columns) == (5_000, NOW, at(1), "overload")
    assert cases.due(admin) == {first}

    take(conn, batch(3, [weighed(5_000, after_ms=2_000)]))
    assert cases.state(admin, first, columns) == (5_000, at(2), at(2), None)


def test_a_sighting_is_stored_and_is_a_sign_of_life_and_no_number(site: Any) -> None:
    admin, conn, (first, _) = site
    take(conn, batch(1, [weighed(5_000)]))
    seen = messages.Sighted(sensor=0, after_ms=1_000, code="E280", change="present")
    take(conn, batch(2, [seen]))

    stored = admin.execute("SELECT code, change, weight_mg FROM readings ORDER BY seq").fetchall()
    assert stored == [(None, None, 5_000), ("E280", "present", None)]
    heard = "weight_mg, seq, condition, heard_at > measured_at"
    assert cases.state(admin, first, heard) == (5_000, 1, None, True)


def test_the_same_weight_again_is_heard_but_is_no_reason_to_look(site: Any) -> None:
    admin, conn, (first, _) = site
    take(conn, batch(1, [weighed(5_000)]))
    admin.execute("DELETE FROM bin_due")
    take(conn, batch(2, [weighed(5_000, after_ms=60_000)]))
    assert cases.due(admin) == set()
    assert cases.state(admin, first, "heard_at, measured_at") == (at(60), at(60))

    take(conn, batch(3, [weighed(5_000, after_ms=120_000, quality=1)]))
    assert cases.due(admin) == {first}, "doubt about the same number is a change"


@pytest.mark.parametrize(
    "off_ms", [11 * 60 * 1000, -41 * 24 * 3600 * 1000], ids=["ahead", "long ago"]
)
def test_a_time_that_cannot_be_now_is_stored_and_is_not_the_present(site: Any, off_ms: int) -> None:
    admin, conn, (first, _) = site
    take(conn, batch(1, [weighed(9_000, after_ms=off_ms)]))
    assert cases.seqs(admin) == [1]
    assert cases.state(admin, first, "weight_mg") is None

    take(conn, batch(2, [weighed(5_000)]))
    assert cases.state(admin, first, "weight_mg") == (5_000,)


def test_two_streams_of_a_gateway_count_for_themselves(site: Any) -> None:
    admin, conn, _ = site
    taken = take(conn, counting(1, 3), counting(1, 5, stream=OTHER_STREAM))
    assert {(said.stream, said.upto) for said in taken.committed} == {
        (UUID(STREAM), 3),
        (UUID(OTHER_STREAM), 5),
    }
    assert len(cases.seqs(admin)) == 8


def test_two_gateways_may_use_the_same_stream_id_and_never_meet(site: Any) -> None:
    admin, conn, _ = site
    cases.make_site(admin, "hartmann-1")
    take_in(conn, [arrived(counting(1, 3))], NOW)
    taken = take_in(conn, [arrived(counting(1, 5), gateway="hartmann-1")], NOW)
    assert [(said.gateway, said.upto) for said in taken.committed] == [("hartmann-1", 5)]
    assert len(cases.seqs(admin)) == 8


def test_a_sensor_is_registered_by_being_heard(site: Any) -> None:
    admin, conn, bins = site
    take(conn, batch(1, [weighed(1, sensor=1)], sensors=["s01", "new/one"]))
    take(conn, batch(2, [weighed(2, sensor=1)], sensors=["s01", "new/one"]))
    rows = admin.execute("SELECT name, bin_id FROM sensors WHERE bin_id IS NULL").fetchall()
    assert rows == [("new/one", None)]
    assert all(cases.state(admin, bin_id, "1") is None for bin_id in bins)


def test_an_unknown_gateway_is_kept_aside_once_and_not_acknowledged(site: Any) -> None:
    admin, conn, _ = site
    stranger = arrived(counting(1, 3), gateway="nobody-1")
    taken = take_in(conn, [stranger, stranger], NOW)
    known = {letter.fingerprint for letter in taken.letters}
    again = take_in(conn, [stranger], NOW, known)

    assert taken.committed == again.committed == []
    assert cases.letters(admin) == ["no gateway of this name: nobody-1"]
    assert cases.seqs(admin) == []

    cases.make_site(admin, "nobody-1")
    assert far(take_in(conn, [stranger], NOW, known)) == [(3, [])]
    assert cases.seqs(admin) == [1, 2, 3]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("binline/v1/lindau-1/up/readings", b"\xff\x00noise"),
        ("binline/v1/lindau-1/up/readings", b""),
        ("binline/v1/Lindau 1/up/readings", codec.encode(counting(1, 1))),
        ("somewhere/else", codec.encode(counting(1, 1))),
        ("binline/v1/lindau-1/up/presence", codec.encode(counting(1, 1))),
    ],
)
def test_what_is_no_message_is_kept_whole_and_the_rest_goes_on(
    site: Any, topic: str, payload: bytes
) -> None:
    admin, conn, _ = site
    taken = take_in(conn, [translate.arrival(topic, payload), arrived(counting(1, 2))], NOW)
    assert far(taken) == [(2, [])]
    assert admin.execute("SELECT topic, payload FROM dead_letters").fetchall() == [(topic, payload)]


def test_a_batch_with_one_reading_nobody_understands_is_kept_and_its_range_is_dealt_with(
    site: Any,
) -> None:
    admin, conn, _ = site
    strange = codec.encode_json(counting(1, 3)).replace(b"[1,0,2000,2000,", b"[77,0,2000,2000,")
    assert b"[77," in strange
    arrival = translate.arrival(topics.readings("lindau-1"), strange)
    assert far(take_in(conn, [arrival], NOW)) == [(3, [])]
    assert far(take_in(conn, [arrival], NOW)) == [(3, [])]
    assert len(cases.letters(admin)) == 1
    assert far(take(conn, counting(4, 5))) == [(5, [])]


def test_a_batch_the_database_refuses_is_kept_aside_and_its_company_is_stored(site: Any) -> None:
    admin, conn, _ = site
    admin.execute("ALTER TABLE readings ADD CONSTRAINT no_two_grams CHECK (weight_mg <> 2000)")
    taken = take(conn, counting(4, 6), counting(1, 3), counting(7, 9))

    assert cases.seqs(admin) == [4, 5, 6, 7, 8, 9]
    assert taken.readings == 6
    assert far(taken)[-1] == (9, []), "it is safe as a dead letter, so the gateway may forget it"
    (because,) = cases.letters(admin)
    assert "no_two_grams" in because
    assert far(take(conn, counting(1, 3))) == [(9, [])]
    assert len(cases.letters(admin)) == 1


def test_a_zero_byte_in_a_remark_stops_nothing(site: Any) -> None:
    admin, conn, _ = site
    fault = messages.Condition(sensor=0, after_ms=0, condition="fault", because="a\0b")
    assert far(take(conn, batch(1, [fault]), counting(2, 3))) == [(3, [])]
    assert cases.seqs(admin) == [2, 3]
    assert len(cases.letters(admin)) == 1


def test_presence_is_noted_and_an_old_one_kept_by_the_broker_is_no_sign_of_life(site: Any) -> None:
    admin, conn, _ = site
    online = messages.Presence(
        state="online", stream=STREAM, at_ms=NOW_MS, version="0.1.0", backlog_batches=4
    )
    columns = "SELECT presence, presence_at, version, backlog_batches FROM gateways"
    take(conn, online)
    assert admin.execute(columns).fetchone() == ("online", NOW, "0.1.0", 4)

    kept = translate.arrival(topics.presence("lindau-1"), codec.encode(online), kept=True)
    take_in(conn, [kept], at(3600))
    assert admin.execute(columns).fetchone() == ("online", NOW, "0.1.0", 4)

    offline = messages.Presence(state="offline", stream=STREAM)
    take(conn, online, offline, now=at(10))
    assert admin.execute(columns).fetchone() == ("offline", at(10), "", 0)


def test_two_writers_at_once_store_each_reading_once(site: Any, database: Any) -> None:
    admin, conn, _ = site
    with database.connect("binline_ingest") as other:
        waiting = _held_back(conn, other)
        assert waiting.repeats == 1
    assert cases.seqs(admin) == [1, 2, 3]


def _held_back(conn: psycopg.Connection, other: psycopg.Connection) -> TakenIn:
    """`other` takes in the same batch while `conn` has not committed it yet."""
    from concurrent.futures import ThreadPoolExecutor, wait  # noqa: PLC0415 - for this one case

    take(conn, counting(1, 1))
    with ThreadPoolExecutor(1) as threads:
        with conn.transaction():
            take(conn, counting(2, 3))
            second = threads.submit(take, other, counting(2, 3))
            assert wait([second], timeout=0.3).not_done, "it did not wait for the first"
        return second.result(10)


def test_ranges_reach_the_values_of_core(site: Any) -> None:
    _, conn, _ = site
    (said,) = take(conn, counting(5, 6)).committed
    assert said.holes == (Range(1, 4),)
    assert said.stream == UUID(STREAM)
