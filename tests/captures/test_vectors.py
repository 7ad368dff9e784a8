"""Every published and derived vector, each in three ways: whole, byte by byte, and behind noise.

A number that the device did not send is the one unforgivable answer; a frame lost to noise is not.
"""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent import profiles
from edge_agent.drivers import bench
from edge_agent.drivers.declared import Declared
from edge_agent.framing import modbus_frames

VECTORS = Path(__file__).parent / "vectors"
NOISE = bytes.fromhex("FF 00 7F")
ADDRESSES = {"cas_ci200": {"address": "11"}}
NUMBERS = ("measurement", "counter", "tags", "barcode", "epc")


def vectors() -> Iterator[tuple[str, dict]]:
    for path in sorted(VECTORS.glob("*.json")):
        for vector in json.loads(path.read_text()):
            yield path.stem, vector


EVERY = [pytest.param(device, vector, id=vector["id"]) for device, vector in vectors()]
ANSWERS = [case for case in EVERY if case.values[1]["expected"][0]["outcome"] != "request"]
BYTES = [case for case in ANSWERS if "registers" not in case.values[1]]
REQUESTS = [case for case in EVERY if case not in ANSWERS]


def test_there_are_as_many_as_there_were() -> None:
    assert len(EVERY) == 194


@pytest.mark.parametrize(("device", "vector"), ANSWERS)
def test_whole(device: str, vector: dict) -> None:
    assert_same(vector, outcomes(device, vector, [sent(vector)]))


@pytest.mark.parametrize(("device", "vector"), BYTES)
def test_byte_by_byte(device: str, vector: dict) -> None:
    assert_same(vector, outcomes(device, vector, [bytes([byte]) for byte in sent(vector)]))


@pytest.mark.parametrize(("device", "vector"), BYTES)
def test_behind_noise_no_number_is_wrong(device: str, vector: dict) -> None:
    if device == "epc_tds":
        pytest.skip("the memory of a tag has no frame that noise could precede")
    for number in outcomes(device, vector, [NOISE + sent(vector)]):
        if number["outcome"] in NUMBERS:
            assert any(fits(expected, number) for expected in vector["expected"]), number


@pytest.mark.parametrize(("device", "vector"), BYTES)
def test_where_the_bytes_are_cut_does_not_matter(device: str, vector: dict) -> None:
    whole = outcomes(device, vector, [sent(vector)])

    @settings(deadline=None, max_examples=30)
    @given(cuts=st.lists(st.integers(0, len(sent(vector))), max_size=6))
    def any_cuts(cuts: list[int]) -> None:
        places = [0, *sorted(cuts), len(sent(vector))]
        pieces = [sent(vector)[a:b] for a, b in pairwise(places)]
        assert outcomes(device, vector, pieces) == whole

    any_cuts()


@pytest.mark.parametrize(("device", "vector"), REQUESTS)
def test_what_we_would_send(device: str, vector: dict) -> None:
    """A command or a read, byte for byte as the device's page prints it."""
    (wanted,) = vector["expected"]
    match wanted:
        case {"function": 3, "unit_id": unit, "address": first, "count": count}:
            ours = [modbus_frames.read_request(unit, 3, first, count)]
        case {"function": 16, "unit_id": unit, "address": first, "values": values}:
            ours = [modbus_frames.write_request(unit, first, values)]
        case _:
            declared = loaded(device, {"parameters": ADDRESSES.get(device, {})})
            ours = [declared.command(name) for name in declared.profile.commands]
    assert bytes.fromhex(vector["request"]) in ours


def loaded(device: str, vector: dict) -> Declared:
    return profiles.load(device, vector.get("parameters"), all_needed=False)


def sent(vector: dict) -> bytes:
    return b"".join(
        bytes.fromhex(piece) for piece in vector.get("pieces", [vector.get("bytes", "")])
    )


def outcomes(device: str, vector: dict, pieces: list[bytes]) -> list[dict]:
    declared = loaded(device, vector)
    if "registers" in vector:
        registers = {int(at): value for at, value in vector["registers"].items()}
        return bench.explain_registers(declared, registers)
    return bench.explain_bytes(declared, pieces, bytes.fromhex(vector.get("request", "")))


def assert_same(vector: dict, found: list[dict]) -> None:
    expected = vector["expected"]
    if expected[0]["outcome"] != "discard":
        found = [one for one in found if one["outcome"] != "discard"]
    assert len(found) >= len(expected), found
    for wanted, got in zip(expected, found, strict=False):
        assert fits(wanted, got), f"wanted {wanted}\n   got {got}"


def fits(wanted: object, got: object) -> bool:
    """Keys that are not wanted are not judged."""
    if isinstance(wanted, dict):
        return isinstance(got, dict) and all(fits(wanted[key], got.get(key)) for key in wanted)
    if isinstance(wanted, list):
        return isinstance(got, list) and len(wanted) == len(got) and all(map(fits, wanted, got))
    return type(wanted) is type(got) and wanted == got
