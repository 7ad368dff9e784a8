"""What the bench tools print."""

from edge_agent import profiles
from edge_agent.drivers import bench
from edge_agent.drivers.declared import Decoded
from edge_agent.framing.modbus_frames import read_request, with_crc

SICS = profiles.load("mt_sics")
CHANNELS = profiles.load(
    "modbus_weight_generic",
    {"address": "0", "unit": "g", "channels": "2", "type": "int16", "step": "1"},
)


def test_values_are_plain_and_weights_keep_their_last_zero() -> None:
    [found] = bench.explain_bytes(SICS, [b"S S     10", b"0.00 g\r\n"])
    assert found == {
        "outcome": "measurement",
        "weight": "100.00",
        "unit": "g",
        "stable": True,
        "mode": "net",
        "overload": False,
        "width_is": "known",
        "raw": "53 20 53 20 20 20 20 20 31 30 30 2E 30 30 20 67",
    }


def test_a_condition_says_that_there_is_no_weight() -> None:
    [found] = bench.explain_bytes(SICS, [b"S +\r\n"])
    assert (found["outcome"], found["weight"], found["overload"], found["underload"]) == (
        "condition",
        None,
        True,
        False,
    )


def test_what_was_not_understood_is_shown_with_its_bytes() -> None:
    [found] = bench.explain_bytes(SICS, [b"hello\r"])
    assert found == {"outcome": "discard", "reason": "not understood", "raw": "68 65 6C 6C 6F"}


def test_what_only_silence_ends_is_shown_too() -> None:
    [found] = bench.explain_bytes(profiles.load("epc_tds"), [bytes.fromhex("E20000")])
    assert found["hex"] == "E20000"


def test_tags_of_one_frame_stand_together_and_those_of_the_next_apart() -> None:
    rdm = profiles.load("rdm6300")
    tag = bytes.fromhex("02 33 34 30 30 46 32 39 42 42 34 45 39 03")
    found = bench.explain_bytes(rdm, [tag + tag])
    assert [len(one["tags"]) for one in found if one["outcome"] == "tags"] in ([2], [1, 1])


def test_channels_of_one_look_stand_together() -> None:
    assert bench.explain_registers(CHANNELS, {0: 5, 1: 7}) == [
        {"outcome": "measurement", "unit": "g", "stable": None, "overload": False}
        | {"channels": {"1": "5", "2": "7"}}
    ]


def test_what_differs_by_channel_is_not_said_for_all() -> None:
    """The first channel rests and the second does not."""
    one = {"weight": 1, "stable": True, "unit": "g"}
    found = bench.as_plain(
        [
            Decoded("measurement", {"channel": 1, **one}),
            Decoded("measurement", {"channel": 2, **one, "stable": False}),
        ]
    )
    assert found == [
        {
            "outcome": "measurement",
            "stable": {"1": True, "2": False},
            "unit": "g",
            "channels": {"1": 1, "2": 1},
        }
    ]


# ---------------------------------------------------------------------- raw Modbus answers


def answer(*values: int) -> bytes:
    registers = b"".join(value.to_bytes(2, "big") for value in values)
    return with_crc(bytes((1, 3, len(registers))) + registers)


def test_with_its_question_an_answer_says_what_it_means() -> None:
    [found] = bench.explain_bytes(CHANNELS, [answer(5, 7)], read_request(1, 3, 0, 2))
    assert found["channels"] == {"1": "5", "2": "7"}


def test_without_its_question_it_is_registers_and_nothing_more() -> None:
    assert bench.explain_bytes(CHANNELS, [answer(0xFFFF, 0xFFFE)]) == [
        {"outcome": "registers", "unit_id": 1, "values": [0xFFFF, 0xFFFE], "int32": -2}
    ]


def test_the_question_of_another_answer_does_not_count() -> None:
    [found] = bench.explain_bytes(CHANNELS, [answer(5, 7)], read_request(1, 3, 0, 3))
    assert found["outcome"] == "registers"


def test_a_refusal_and_a_broken_answer_are_told_as_such() -> None:
    [refused] = bench.explain_bytes(CHANNELS, [with_crc(bytes.fromhex("01 83 02"))])
    assert (refused["outcome"], refused["error"]) == ("device_error", "modbus_exception_2")
    [broken] = bench.explain_bytes(CHANNELS, [answer(5)[:-1] + b"\0"])
    assert (broken["outcome"], broken["reason"]) == ("discard", "crc")


def test_bytes_are_shown_in_hex_so_that_all_of_it_is_plain() -> None:
    [shown] = bench.as_plain([Decoded("tags", {"id": b"\x01\xff"})])
    assert shown["tags"] == [{"id": "01 FF"}]
