"""The judge is judged first: every way to go wrong is planted, and must be seen."""

import ast
import sqlite3
import zlib
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.faults import checker
from tests.faults.checker import Hole, Order, Row, World

BEGAN = 1_790_000_000_000
G, S = "count-1", "s01"


def row(n: int, **changes: object) -> Row:
    made = Row(
        gateway=G,
        sensor=S,
        stream="a" * 32,
        seq=n,
        measured_ms=BEGAN + n * 200,
        weight_mg=n * 1_000,
    )
    return replace(made, **changes)


def world(**changes: object) -> World:
    """A hundred answers, all stored; a bin that was low once, ordered and delivered."""
    made = World(
        shown=[(BEGAN + n * 200, G, S, n * 1_000, True) for n in range(1, 101)]
        + [(BEGAN, G, "b01", 900_000, True), (BEGAN + 5_000, G, "b01", 200_000, True)],
        rows=[row(n) for n in range(1, 101)],
        states={(G, S): 100_000, (G, "b01"): 200_000},
        bins={(G, "b01"): ("FLT-1-B01", 300_000)},
        orders=[Order(number=1001, bin="FLT-1-B01", placed_ms=BEGAN + 6_000, state="placed")],
        notices={"n1": (1001, "email", "sent"), "n2": (1001, "webhook", "sent")},
        hooks=[("n2", 1001)],
        mails=[1001],
        faults=[
            {"recovered_ms": 800, "not_fresh": None},
            {"drained_ms": 10, "not_drained": None},
            {"stops": {"ingest": [0.4, 0], "count-1": [0.2, 0]}},
        ],
        pages=[{"t": BEGAN + 20_000, "ms": 40, "status": 200, "trust": {"FLT-1-S01": "fresh"}}],
        samples=[{"t": BEGAN, "of": {"count-1": [40_000, 30]}}],
        texts={"ingest.log": "all is well"},
        secrets={"broker password": "0123456789abcdef"},
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def verdict(invariant: str, judged: World) -> checker.Verdict:
    found = {one.invariant: one for one in checker.judge(judged)}
    return found[invariant]


def fails(invariant: str, judged: World, sentence: str) -> None:
    found = verdict(invariant, judged)
    assert found.verdict == "fail", found
    assert any(sentence in line for line in found.evidence), found.evidence


def test_all_holds_when_all_is_well() -> None:
    assert {one.invariant: one.verdict for one in checker.judge(world())} == dict.fromkeys(
        checker.TITLES, "pass"
    )


def test_it_imports_nothing_of_the_product() -> None:
    names = set()
    for file in (
        Path(checker.__file__),
        Path(checker.__file__).parents[1] / "system/ledger_checker.py",
    ):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            if isinstance(node, ast.ImportFrom):
                names.add((node.module or "").split(".")[0])
    assert not names & {"cloud", "edge_agent", "firmware_configs", "msgspec"}


# ---------------------------------------------------------------- I1


def test_a_lost_answer_is_seen() -> None:
    rows = [row(n) for n in range(1, 101) if n != 40]
    fails("I1", world(rows=rows), "not stored: count-1/s01 40000 mg")


def killed(at_ms: int, gateway: str = G) -> list[dict[str, object]]:
    return [{"excuse": "killed", "gateway": gateway, "at": at_ms}]


@pytest.mark.parametrize(
    ("n", "gateway", "excused"),
    [(50, G, True), (62, G, True), (49, G, False), (90, G, False), (50, "other", False)],
)
def test_a_kill_excuses_the_one_answer_before_it_and_those_nobody_heard_after_it(
    n: int, gateway: str, *, excused: bool
) -> None:
    judged = world(rows=[row(k) for k in range(1, 101) if k != n])
    judged.faults += killed(BEGAN + 50 * 200, gateway)
    assert (verdict("I1", judged).verdict == "pass") is excused


def test_a_kill_does_not_excuse_what_was_on_the_disk() -> None:
    judged = world(
        rows=[row(k) for k in range(1, 101) if k != 50], spooled={"copy": {(G, S, 50_000)}}
    )
    judged.faults += killed(BEGAN + 50 * 200)
    fails("I1", judged, "in the spool (copy), not stored")


def test_a_gap_record_covers_as_many_as_it_names_and_no_more() -> None:
    rows = [row(n) for n in range(1, 101) if n not in range(40, 50)]
    hole = Hole(gateway=G, stream="a" * 32, first=40, last=49, because="full")
    assert verdict("I1", world(rows=rows, holes=[hole])).numbers["covered by gaps"] == 10
    fails("I1", world(rows=rows, holes=[replace(hole, last=48)]), "49000 mg")


def test_a_gap_elsewhere_covers_nothing() -> None:
    rows = [row(n) for n in range(1, 101) if n != 40]
    early = Hole(gateway=G, stream="a" * 32, first=5, last=6, because="full")
    fails("I1", world(rows=rows, holes=[early]), "40000 mg")
    other = Hole(gateway="count-2", stream="a" * 32, first=40, last=40, because="full")
    fails("I1", world(rows=rows, holes=[other]), "40000 mg")


# ---------------------------------------------------------------- I2, I3, I10


def test_a_sequence_number_twice_is_seen() -> None:
    fails("I2", world(rows=[*world().rows, row(40)]), "stored 2 times: seq 40")


def test_an_answer_twice_under_another_number_is_seen() -> None:
    again = row(1, stream="b" * 32, weight_mg=40_000)
    fails("I2", world(rows=[*world().rows, again]), "stored 2 times: count-1/s01 40000")


def test_a_number_that_nobody_showed_is_seen() -> None:
    fails("I3", world(rows=[*world().rows, row(101, weight_mg=77)]), "never shown")


def test_a_number_of_another_scale_is_seen() -> None:
    rows = [replace(one, sensor="s02") if one.seq == 40 else one for one in world().rows]
    fails("I3", world(rows=rows), "never shown")


def test_a_stamp_of_another_time_is_seen_unless_the_clock_was_bent() -> None:
    rows = [
        replace(one, measured_ms=BEGAN + 90_000) if one.seq == 40 else one for one in world().rows
    ]
    judged = world(rows=rows)
    fails("I3", judged, "ms off")
    judged.faults += [{"excuse": "clock", "gateway": G, "at": BEGAN}]
    assert verdict("I3", judged).verdict == "pass"


def test_two_numbers_in_the_wrong_order_are_seen() -> None:
    swap = {40: 41_000, 41: 40_000}
    rows = [replace(one, weight_mg=swap.get(one.seq, one.weight_mg)) for one in world().rows]
    fails("I3", world(rows=rows), "shows 40000 after 41000")


def test_a_present_that_is_not_the_newest_is_seen() -> None:
    fails("I10", world(states={(G, S): 99_000}), "the present is 99000")


# ---------------------------------------------------------------- I4, I5, I14


def order(number: int, **changes: object) -> Order:
    return replace(world().orders[0], number=number, **changes)


def test_two_orders_for_one_need_are_seen() -> None:
    fails("I4", world(orders=[order(1001), order(1002)]), "2 orders for 1 times it was low")


def test_a_need_without_an_order_is_seen() -> None:
    fails("I4", world(orders=[]), "and not ordered")


def test_an_order_before_the_need_is_seen() -> None:
    fails("I14", world(orders=[order(1001, placed_ms=BEGAN + 1_000)]), "had not been low")


def test_a_second_need_may_be_ordered_again() -> None:
    judged = world(orders=[order(1001, state="closed"), order(1002, placed_ms=BEGAN + 9_500)])
    judged.shown += [
        (BEGAN + 8_000, G, "b01", 900_000, True),
        (BEGAN + 9_000, G, "b01", 100_000, True),
    ]
    assert verdict("I4", judged).verdict == "pass"


def test_an_order_that_nobody_was_told_of_is_seen() -> None:
    fails("I5", world(hooks=[]), "no webhook came")
    fails("I5", world(mails=[]), "no mail came")
    fails("I5", world(notices={"n1": (1001, "email", "owed")}), "is owed")


def test_two_keys_for_one_order_are_seen_and_one_key_twice_is_allowed() -> None:
    fails("I5", world(hooks=[("n2", 1001), ("n3", 1001)]), "2 idempotency keys")
    assert verdict("I5", world(hooks=[("n2", 1001), ("n2", 1001)])).verdict == "pass"


def test_a_webhook_for_an_order_that_is_not_there_is_seen() -> None:
    fails("I5", world(hooks=[("n2", 1001), ("n9", 1009)]), "not there: 1009")


# ---------------------------------------------------------------- I7, I8, I9, I11, I12, I13


@pytest.mark.parametrize("took", [-1, 60_001])
def test_a_world_that_does_not_recover_is_seen(took: int) -> None:
    judged = world(faults=[{"recovered_ms": took, "not_fresh": "s01 is old"}])
    assert verdict("I7", judged).verdict == "fail"


def test_what_never_drains_is_seen() -> None:
    fails("I7", world(faults=[{"recovered_ms": 1}, {"not_drained": "5 batches"}]), "5 batches")


def test_a_page_that_calls_the_past_fresh_is_seen() -> None:
    judged = world()
    judged.faults += [{"fault": "F1", "from": BEGAN, "to": BEGAN + 19_000, "blind": ["FLT-1-S01"]}]
    page = {"t": BEGAN + 15_000, "ms": 30, "trust": {"FLT-1-S01": "fresh"}}
    judged.pages.insert(0, page)
    fails("I8", judged, "is fresh")
    page["trust"] = {"FLT-1-S01": "stale"}
    assert verdict("I8", judged).verdict == "pass"


def test_a_page_that_answers_after_the_fault_may_call_fresh_what_is() -> None:
    judged = world()
    judged.faults.append(
        {"fault": "F6", "from": BEGAN, "to": BEGAN + 16_000, "blind": ["FLT-1-S01"]}
    )
    honest = {"t": BEGAN + 9_000, "ms": 30, "trust": {"FLT-1-S01": "stale"}}
    waited = {"t": BEGAN + 14_000, "ms": 2_800, "trust": {"FLT-1-S01": "fresh"}}
    judged.pages = [honest, waited, *judged.pages]
    assert verdict("I8", judged).verdict == "pass"
    judged.pages[1] = waited | {"ms": 1_200}
    fails("I8", judged, "is fresh")


def test_a_page_that_hangs_is_seen() -> None:
    fails("I8", world(pages=[{"t": BEGAN, "ms": 14_000, "trust": {"a": "fresh"}}]), "14000 ms")


def test_a_page_that_never_becomes_fresh_again_is_seen() -> None:
    fails("I8", world(pages=[{"t": BEGAN, "ms": 4, "trust": {"a": "stale"}}]), "in the end")


def test_a_program_that_grows_is_seen() -> None:
    fails("I9", world(samples=[{"t": 1, "of": {"count-1": [150_000, 30]}}]), "took 146 MB")
    fails("I9", world(samples=[{"t": 1, "of": {"ingest": [50_000, 900]}}]), "900 files")
    fails(
        "I9",
        world(samples=[{"t": 1, "of": {"work": [9, 9]}, "spool count-1": 10**9}]),
        "1000000000 bytes",
    )


def test_a_secret_in_a_log_is_seen() -> None:
    fails("I12", world(texts={"ingest.log": "url mqtt://x:0123456789abcdef@"}), "ingest.log")


@pytest.mark.parametrize("stop", [[10.0, None], [1.0, 1], [11.0, 0]])
def test_a_program_that_does_not_end_well_is_seen(stop: list[object]) -> None:
    judged = world(faults=[{"stops": {"ingest": stop}}])
    assert verdict("I13", judged).verdict == "fail"


def test_a_damaged_spool_is_seen(tmp_path: Path) -> None:
    place = tmp_path / "gateways" / G
    place.mkdir(parents=True)
    with sqlite3.connect(place / "spool.db") as conn:
        conn.execute("CREATE TABLE batch (no INTEGER PRIMARY KEY, payload BLOB)")
        conn.executemany("INSERT INTO batch (payload) VALUES (?)", [(b"x" * 900,)] * 40)
    content = bytearray((place / "spool.db").read_bytes())
    content[4096:8192] = bytes(4096)
    (place / "spool.db").write_bytes(content)
    judged = world()
    checker._inspect(judged, tmp_path, None)
    assert verdict("I11", judged).verdict == "fail"


def test_what_is_in_a_spool_is_read_without_our_code(tmp_path: Path) -> None:
    batch = {
        "type": "readings",
        "sensors": ["s01", "b01"],
        "readings": [[1, 0, 5, 77], [1, 1, 6, 8]],
    }
    with sqlite3.connect(tmp_path / "spool.db") as conn:
        conn.execute("CREATE TABLE frozen (no INTEGER PRIMARY KEY, size INTEGER, payload BLOB)")
        payload = msgspec.msgpack.encode(batch)
        for stored in (payload, zlib.compress(payload + b"")):
            conn.execute("INSERT INTO frozen (size, payload) VALUES (?, ?)", (len(payload), stored))
    assert checker.spooled(tmp_path / "spool.db", G) == {(G, "s01", 77)}
