"""Readers of tags and codes, read back through their profiles."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent import profiles
from edge_agent.core.reading import Sighting, Told
from edge_agent.drivers.declared_serial import DeclaredSerial
from edge_agent.simulated import readers
from edge_agent.simulated.readers import SimulatedScanner, SimulatedTagReader
from edge_agent.simulated.site import Command, Scanner, TagReader

VECTORS = Path(__file__).parents[2] / "captures" / "vectors"
EPC, OTHER = "E2806915000050324241CCED", "E28069150000503242419E26"
CARD = "62E3086CED"
TAGS = {"rdm6300": (CARD,), "uhfreader18": (EPC, OTHER), "r200": (EPC, OTHER)}
every_reader = pytest.mark.parametrize("device", TAGS)


def reader(device: str, **changes: object) -> SimulatedTagReader:
    plan = {"tags": TAGS[device]} | changes
    return SimulatedTagReader(TagReader(gateway="g", sensor="s", device=device, **plan), seed=1)


def driver(device: str) -> DeclaredSerial:
    made = DeclaredSerial(profiles.load(device), {0: "s"})
    made.request()
    return made


def asked(one: SimulatedTagReader, now_s: float = 0.0) -> list[object]:
    """As the agent asks, by its profile, or just listens."""
    profile = driver(one.plan.device)
    answers = one.hear(profile.request(), now_s) or (
        one.speak(now_s) if one.plan.device == "rdm6300" else []
    )
    return [answer for answered in answers for answer in profile.feed(answered.line)]


def codes(answers: list[object]) -> list[str]:
    return [answer.code for answer in answers if isinstance(answer, Sighting)]


def command(do: str, **what: object) -> Command:
    return Command(gateway="g", sensor="s", do=do, **what)


def published(name: str) -> bytes:
    device, _, _ = name.partition("-")
    file = {"uhf18": "uhfreader18"}.get(device, device)
    [found] = [
        one for one in json.loads((VECTORS / f"{file}.json").read_text()) if one["id"] == name
    ]
    return bytes.fromhex(found["bytes"])


def test_frames_are_byte_for_byte_the_published_ones() -> None:
    assert readers.uhfreader18([EPC]) == published("uhf18-02")
    assert readers.uhfreader18([OTHER, EPC]) == published("uhf18-06")
    assert readers.uhfreader18([]) == published("uhf18-03")
    assert readers.r200("30751FEB705C5904E3D50D70", -55)[:-4] == (
        published("r200-01")[:6] + b"\x30" + published("r200-01")[7:-4]
    )  # but for the bits of the control word that are not its length
    assert published("r200-03") == readers.R200_NONE
    assert readers.rdm6300(CARD) == b"\x0262E3086CED08\x03"


@every_reader
def test_tags_in_the_field_are_read_by_the_profile(device: str) -> None:
    assert codes(asked(reader(device))) == list(TAGS[device])


@every_reader
def test_without_a_tag_it_says_so_or_nothing(device: str) -> None:
    answers = asked(reader(device, tags=()))
    assert answers == ([] if device == "rdm6300" else [Told(what="no tag")])


@every_reader
def test_tags_come_and_go(device: str) -> None:
    one = reader(device)
    one.command(command("go", code=TAGS[device][0]), 0.0)
    one.command(command("go", code="nobody"), 0.0)
    assert codes(asked(one)) == list(TAGS[device][1:])
    one.command(command("come", code=TAGS[device][0]), 0.0)
    one.command(command("come", code=TAGS[device][0]), 0.0)
    assert sorted(codes(asked(one))) == sorted(TAGS[device])


@every_reader
def test_silent_is_silent(device: str) -> None:
    one = reader(device)
    one.command(command("silence", seconds=5.0), 0.0)
    assert asked(one, 1.0) == []
    assert codes(asked(one, 6.0)) == list(TAGS[device])


def test_some_reads_are_missed_and_a_ghost_is_a_valid_frame() -> None:
    one = reader("rdm6300", missed_share=0.5, ghosts_per_minute=60.0)
    read = [code for turn in range(1, 400) for code in codes(asked(one, turn / 10))]
    ghosts = [code for code in read if code != CARD]
    assert 100 < len(read) < 350
    assert 5 < len(ghosts) < 100
    assert len(set(ghosts)) == len(ghosts)


@pytest.mark.parametrize("device", ["uhfreader18", "r200"])
@given(tags=st.lists(st.binary(min_size=12, max_size=12), max_size=8, unique=True))
def test_any_tags_come_back(device: str, tags: list[bytes]) -> None:
    wanted = tuple(tag.hex().upper() for tag in tags)
    assert codes(asked(reader(device, tags=wanted))) == list(wanted)


def test_one_that_speaks_unasked_hears_nobody() -> None:
    assert reader("rdm6300").hear(b"\x02anything\x03", 0.0) == []


# ---------------------------------------------------------------------- scans


def scanner(**changes: object) -> SimulatedScanner:
    plan = {"codes": ("BIN-0042", "5901234123457")} | changes
    return SimulatedScanner(Scanner(gateway="g", sensor="s", **plan), seed=1)


def scanned(one: SimulatedScanner, now_s: float) -> list[str]:
    profile = driver("barcode")
    return codes([answer for said in one.speak(now_s) for answer in profile.feed(said.line)])


def test_a_scan_is_said_once_and_by_nobodys_question() -> None:
    one = scanner()
    assert one.speaks_at_s == float("inf")
    one.command(command("scan", code="X-1"), 0.0)
    assert one.speaks_at_s == 0.0
    assert scanned(one, 0.0) == ["X-1"]
    assert scanned(one, 9.0) == []
    assert one.hear(b"anything", 9.0) == []


def test_without_a_code_it_is_one_of_its_own() -> None:
    one = scanner()
    one.command(command("scan"), 0.0)
    assert scanned(one, 0.0)[0] in one.plan.codes


def test_people_scan_as_often_as_planned_and_a_seed_replays_them() -> None:
    runs = []
    for _ in range(2):
        one, run = scanner(scans_per_minute=30.0), []
        for second in range(600):
            run += [(second, code) for code in scanned(one, float(second))]
        runs.append(run)
    assert runs[0] == runs[1]
    assert 200 < len(runs[0]) < 400
    assert all(before <= after for before, after in pairwise(second for second, _ in runs[0]))


def test_what_is_scanned_while_it_is_off_is_lost() -> None:
    one = scanner(silences=((0.0, 5.0),))
    one.command(command("scan", code="X-1"), 1.0)
    assert scanned(one, 1.0) == []
    assert scanned(one, 6.0) == []
