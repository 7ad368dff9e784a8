"""Exactly once, whatever is repeated, reordered or cut; and what never disturbs the present."""

from itertools import permutations
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cloud.actions import listen, store
from cloud.actions.take_in import TakenIn, take_in
from cloud.core.ranges import Range
from cloud.intake import translate
from cloud.postgres import gateways, ledger
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
    take(conn, batch(2, [weighed(5_000)]))
    admin.execute("DELETE FROM bin_due")
    before = cases.state(admin, first, "*")
    take(conn, batch(1, [weighed(9_000, after_ms=60_000)]))

    assert cases.state(admin, first, "*") == before
    assert cases.due(admin) == set()
    assert cases.seqs(admin) == [1, 2]


def test_a_clock_set_back_by_an_hour_does_not_stop_the_present(site: Any) -> None:
    admin, conn, (first, _) = site
    take(conn, batch(1, [weighed(5_000)]))
    take(conn, batch(2, [weighed(9_000, after_ms=-3_600_000)]))
    assert cases.state(admin, first, "weight_mg, seq, heard_at") == (9_000, 2, at(-3_600))


def test_backlog_of_an_older_life_comes_late_and_moves_nothing(site: Any) -> None:
    """Its clock ran ahead, so by time it would be the newest."""
    admin, conn, (first, _) = site
    take(conn, replace(batch(1, [weighed(5_000)]), life=9))
    old = batch(1, [weighed(9_000, after_ms=300_000)], stream=OTHER_STREAM)
    take(conn, replace(old, life=8))
    assert cases.state(admin, first, "weight_mg") == (5_000,)
    take(conn, replace(batch(2, [weighed(6_000, after_ms=-99)], stream=OTHER_STREAM), life=10))
    assert cases.state(admin, first, "weight_mg") == (5_000,), "a stream has one life"


def test_after_a_lost_spool_the_time_decides(site: Any) -> None:
    """An older agent says no life; a new one after a loss begins at the time of its start."""
    admin, conn, (first, _) = site
    take(conn, batch(50, [weighed(5_000)]))
    take(conn, replace(batch(1, [weighed(7_000, after_ms=-5)], stream=OTHER_STREAM), life=99))
    assert cases.state(admin, first, "weight_mg") == (5_000,)
    take(conn, replace(batch(2, [weighed(8_000, after_ms=5)], stream=OTHER_STREAM), life=99))
    assert cases.state(admin, first, "weight_mg") == (8_000,)


def test_the_order_of_arrival_of_streams_with_lives_means_nothing(site: Any) -> None:
    admin, conn, (first, _) = site
    streams_said = [f"{life:032x}" for life in (1, 2, 3)]
    for order in permutations(range(3)):
        admin.execute("TRUNCATE readings, ledger, streams, bin_state, bin_due CASCADE")
        for life in order:
            said = batch(1, [weighed(life, after_ms=-life * 60_000)], stream=streams_said[life])
            take(conn, replace(said, life=life + 1))
        assert cases.state(admin, first, "weight_mg") == (2,), order


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
    ("off_ms", "because"),
    [
        (11 * 60 * 1000, "it is dated in the future"),
        (-401 * 24 * 3600 * 1000, "it is dated further back than readings are accepted"),
    ],
    ids=["ahead", "long ago"],
)
def test_a_time_that_cannot_be_is_set_aside_acknowledged_and_counted(
    site: Any, off_ms: int, because: str
) -> None:
    admin, conn, (first, _) = site
    taken = take(conn, batch(1, [weighed(9_000, after_ms=off_ms), weighed(5_000)]))
    assert (taken.readings, taken.aside, far(taken)) == (2, 1, [(2, [])])
    assert cases.seqs(admin) == [2]
    rows = admin.execute("SELECT seq, weight_mg, aside_because FROM readings_aside").fetchall()
    assert rows == [(1, 9_000, because)]
    assert cases.state(admin, first, "weight_mg") == (5_000,)
    assert admin.execute("SELECT count(*) FROM readings WHERE measured_at > now()").fetchone()
    assert take(conn, batch(1, [weighed(9_000, after_ms=off_ms), weighed(5_000)])).repeats == 1


def test_within_the_accepted_age_old_readings_are_history(site: Any) -> None:
    admin, conn, _ = site
    take(conn, batch(1, [weighed(9_000, after_ms=-399 * 24 * 3600 * 1000)]))
    assert cases.seqs(admin) == [1]


def test_what_is_left_of_a_thinned_range_is_stored_and_the_rest_is_a_gap_with_a_count(
    site: Any,
) -> None:
    admin, conn, _ = site
    said = messages.Thinned(
        stream=STREAM,
        first_seq=1,
        last_seq=100,
        base_ms=NOW_MS,
        sensors=["s01"],
        readings=[weighed(5), weighed(6)],
        places=[0, 49],
        because="the spool was full",
    )
    taken = take(conn, said)
    assert (far(taken), taken.readings) == ([(100, [])], 2)
    assert cases.seqs(admin) == [1, 50]
    rows = admin.execute("SELECT first_seq, last_seq, given_up, gap_because FROM ledger").fetchall()
    assert rows == [(1, 100, 98, "the spool was full")]
    assert take(conn, said).repeats == 1


def test_a_gateway_is_told_exactly_what_a_restored_database_misses(site: Any) -> None:
    admin, conn, _ = site
    take(conn, counting(1, 10), counting(11, 20), counting(21, 30))
    kept = messages.Kept(stream=STREAM, ranges=[(1, 30)])
    taken = take(conn, kept)
    assert (far(taken), taken.rewound) == ([(30, [])], [])
    admin.execute("DELETE FROM ledger WHERE first_seq = 11")
    admin.execute("DELETE FROM readings WHERE seq BETWEEN 11 AND 20")
    admin.execute("UPDATE streams SET contiguous_upto = 10")
    taken = take(conn, kept)
    (said,) = taken.committed
    assert (said.upto, said.holes, said.exact) == (30, (Range(11, 20),), True)
    assert taken.rewound == [("lindau-1", UUID(STREAM))]
    take(conn, counting(11, 20))
    assert cases.seqs(admin) == list(range(1, 31))
    assert take(conn, kept).rewound == []


def test_of_a_stream_never_heard_nothing_is_acknowledged(site: Any) -> None:
    admin, conn, _ = site
    taken = take(conn, messages.Kept(stream=OTHER_STREAM, ranges=[(5, 9)]))
    (said,) = taken.committed
    assert (said.upto, said.holes, said.exact) == (0, (), True)
    assert taken.rewound == [("lindau-1", UUID(OTHER_STREAM))]
    assert admin.execute("SELECT count(*) FROM streams").fetchone() == (0,)


def test_two_machines_under_one_name_are_noticed_and_the_newcomer_waits(site: Any) -> None:
    admin, conn, (first, _) = site

    def present(stream: str, seconds: int) -> None:
        said = messages.Presence(state="online", stream=stream, at_ms=NOW_MS + seconds * 1000)
        take(conn, said, now=at(seconds))

    present(STREAM, 0)
    take(conn, batch(1, [weighed(5_000)]))
    present(OTHER_STREAM, 10)
    take(conn, batch(1, [weighed(9_000, after_ms=11_000)], stream=OTHER_STREAM), now=at(11))
    for turn in range(30, 180, 30):
        present(STREAM, turn)
        present(OTHER_STREAM, turn + 10)
    alarm = admin.execute("SELECT twin_kept, twin_held FROM gateways").fetchone()
    assert alarm == (UUID(STREAM), UUID(OTHER_STREAM))

    later = batch(2, [weighed(7_000, after_ms=170_000)], stream=OTHER_STREAM)
    taken = take(conn, later, now=at(170))
    assert (taken.committed, taken.held) == ([], 1), "neither stored nor acknowledged"
    assert take(conn, messages.Kept(stream=OTHER_STREAM, ranges=[(1, 1)])).committed == []
    taken = take(conn, batch(2, [weighed(6_000, after_ms=171_000)]), now=at(171))
    assert far(taken) == [(2, [])]
    assert first in cases.due(admin), "somebody looks at the bins"

    present(STREAM, 1_200)
    assert admin.execute("SELECT twin_since FROM gateways").fetchone() == (None,)
    assert far(take(conn, later, now=at(1_201))) == [(2, [])]


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


def test_a_reading_the_database_refuses_is_kept_aside_and_its_company_is_stored(site: Any) -> None:
    admin, conn, _ = site
    admin.execute("ALTER TABLE readings ADD CONSTRAINT no_two_grams CHECK (weight_mg <> 2000)")
    taken = take(conn, counting(4, 6), counting(1, 3), counting(7, 9))

    assert cases.seqs(admin) == [1, 3, 4, 5, 6, 7, 8, 9]
    assert taken.readings == 8
    assert far(taken)[-1] == (9, []), "it is safe as a dead letter, so the gateway may forget it"
    assert admin.execute("SELECT given_up FROM ledger WHERE first_seq = 1").fetchone() == (1,)
    (because,) = cases.letters(admin)
    assert "no_two_grams" in because
    assert far(take(conn, counting(1, 3))) == [(9, [])]
    assert len(cases.letters(admin)) == 1


def test_finding_the_rows_that_are_refused_is_bounded_work(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, conn, _ = site
    admin.execute("ALTER TABLE readings ADD CONSTRAINT no_weight CHECK (weight_mg IS NULL)")
    monkeypatch.setattr(store, "BISECT_TRIES_MAX", 5)
    taken = take(conn, counting(1, 100))
    assert (cases.seqs(admin), far(taken)) == ([], [(100, [])])
    assert len(cases.letters(admin)) == 1, "the whole batch"


def _malformed() -> list[tuple[str, bytes]]:
    """Bytes that are no message, each wrong in its own way."""
    good, text = codec.encode(counting(1, 3)), codec.encode_json(counting(1, 3))
    packed = [(f"cut at {end}", good[:end]) for end in range(0, len(good), 9)]
    packed += [(f"text cut at {end}", text[:end]) for end in range(1, len(text), 40)]
    return [
        *packed,
        ("not a number", text.replace(b"2000]", b"NaN]").replace(b"2000,", b"NaN,")),
        ("too great", text.replace(b",2000,", b",1e999,")),
        ("greater than a number may be", text.replace(b",2000,", b",99999999999999999999,")),
        ("deep", b'{"type":"readings","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        ("deep and packed", b"\x91" * 100_000),
        ("two megabytes", b'{"type":"readings","x":"' + b"a" * 2_000_000 + b'"}'),
        ("no text", b'{"type":"readings","stream":"\xff\xfe"}'),
        ("a newer version", text.replace(b'"type":"readings"', b'"type":"readings9"')),
        ("a list", b"[1,2,3]"),
        ("noise", bytes(range(256)) * 4),
    ]


@pytest.mark.parametrize(("what", "payload"), _malformed(), ids=[what for what, _ in _malformed()])
def test_malformed_bytes_are_a_letter_with_a_reason_and_hold_up_nobody(
    site: Any, what: str, payload: bytes
) -> None:
    admin, conn, _ = site
    bad = translate.arrival(topics.readings("lindau-1"), payload)
    taken = take_in(conn, [arrived(counting(10, 11)), bad, arrived(counting(12, 13))], NOW)
    assert cases.seqs(admin) == [10, 11, 12, 13]
    row = admin.execute("SELECT payload, because, gateway FROM dead_letters").fetchone()
    assert row is not None
    assert (row[0], row[2]) == (payload, "lindau-1")
    assert row[1]
    assert taken.readings == 4


def test_a_key_said_twice_is_one_value_and_is_stored_once(site: Any) -> None:
    admin, conn, _ = site
    twice = codec.encode_json(counting(1, 2)).replace(
        b'"first_seq":1', b'"first_seq":7,"first_seq":1'
    )
    assert b'"first_seq":7' in twice
    bad = translate.arrival(topics.readings("lindau-1"), twice)
    take_in(conn, [bad, bad], NOW)
    assert cases.seqs(admin) == [1, 2]


def test_a_topic_that_is_no_text_is_a_letter(site: Any) -> None:
    admin, conn, _ = site
    take_in(conn, [translate.arrival("(not UTF-8)", codec.encode(counting(1, 2)))], NOW)
    assert cases.letters(admin) == ["this topic is none of ours"]


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


def test_what_the_broker_kept_does_not_bring_back_who_fell_silent(site: Any) -> None:
    admin, conn, _ = site

    def online(said_s: float) -> messages.Presence:
        return messages.Presence(state="online", stream=STREAM, at_ms=NOW_MS + int(said_s * 1000))

    take(conn, counting(1, 1), now=at(-1))
    take(conn, online(0))
    take(conn, online(30), now=at(30))
    with conn.transaction():
        assert gateways.note_silent(conn, at(40)) == ["lindau-1"]
    columns = "SELECT presence, presence_at FROM gateways"
    for said_s, expected in ((30, ("offline", at(30))), (31, ("online", at(60)))):
        kept = translate.arrival(
            topics.presence("lindau-1"), codec.encode(online(said_s)), kept=True
        )
        take_in(conn, [kept], at(60))
        assert admin.execute(columns).fetchone() == expected


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


# A sequence is not rolled back: it fails so often, and then no more.
FAILING = """
CREATE SEQUENCE failed;
GRANT USAGE ON SEQUENCE failed TO binline_ingest;
CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('binline.failed') <= {times} THEN
        RAISE EXCEPTION 'planted' USING ERRCODE = '{code}';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fails BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION fails();
"""
AFTER_THE_READINGS = ["rollups_due", "follow_due", "ledger", "bin_state", "bin_due"]


@pytest.mark.parametrize("table", AFTER_THE_READINGS)
def test_a_deadlock_anywhere_after_the_readings_is_known_for_one_and_done_again(
    site: Any, table: str
) -> None:
    admin, conn, _ = site
    admin.execute(FAILING.format(times=1, code="deadlock_detected", table=table))
    assert take(conn, counting(1, 5)).readings == 5
    assert cases.seqs(admin) == [1, 2, 3, 4, 5]
    assert far(take(conn, counting(1, 5))) == [(5, [])]


@pytest.mark.parametrize("table", AFTER_THE_READINGS)
def test_what_fails_after_the_readings_leaves_nothing_and_acknowledges_nothing(
    site: Any, table: str
) -> None:
    admin, conn, _ = site
    admin.execute(FAILING.format(times=1, code="disk_full", table=table))
    with pytest.raises(psycopg.errors.DiskFull):
        take(conn, counting(1, 5))
    assert cases.seqs(admin) == []
    assert take(conn, counting(1, 5)).readings == 5
    assert cases.seqs(admin) == [1, 2, 3, 4, 5]


def test_a_range_that_is_committed_twice_under_its_lock_is_a_defect(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, conn, _ = site
    take(conn, counting(11, 15))
    monkeypatch.setattr(listen, "_overlapped", lambda *_: {})
    with pytest.raises(AssertionError, match="committed twice"):
        take(conn, batch(11, [weighed(7, after_ms=77)]))
    assert cases.seqs(admin) == [11, 12, 13, 14, 15]


def test_ranges_reach_the_values_of_core(site: Any) -> None:
    _, conn, _ = site
    (said,) = take(conn, counting(5, 6)).committed
    assert said.holes == (Range(1, 4),)
    assert said.stream == UUID(STREAM)
