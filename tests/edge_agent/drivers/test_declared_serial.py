"""Real profiles behind the driver: what their devices say, and what the agent makes of it.

MT-SICS by: Mettler AT operating instructions p. 87; Ohaus Ranger RC manual p. 39; InstrumentKit's
and janelia-python's published exchanges with real balances.
"""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent import profiles
from edge_agent.core.reading import Answer, Fault, Identity, Pieces, Sample, Sighting, Told
from edge_agent.drivers.declared_serial import DeclaredSerial

SICS = profiles.load("mt_sics")
NOISE = bytes.fromhex("FF 00 7F")
NINE, ONE, TWO = (b"S S %10d g\r\n" % grams for grams in (9, 1, 2))


def scale(profile: str = "mt_sics", **parameters: str) -> DeclaredSerial:
    return DeclaredSerial(profiles.load(profile, parameters), {0: "s"})


def answers_to(received: bytes) -> list[Answer]:
    return DeclaredSerial(SICS, {0: "s"}).feed(received)


def sample(weight_mg: int, *, stable: bool = True) -> Sample:
    return Sample(sensor="s", weight_mg=weight_mg, stable=stable)


def condition_of(received: bytes) -> str:
    [answer] = answers_to(received)
    assert isinstance(answer, Fault)
    assert answer.because
    return answer.condition


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"S S     100.00 g", sample(100_000)),  # Mettler AT, p. 87
        (b"S D    -0.6800 g", sample(-680, stable=False)),  # janelia-python
        (b"S S      45.02 kg", sample(45_020_000)),
        (b"S S          0 g", sample(0)),
        (b"S S       12.5 mg", sample(12)),  # half to even
        (b"S S       13.5 mg", sample(14)),
        (b"S S        1.5 t", sample(1_500_000_000)),
        (b"S S          1 lb", sample(453_592)),
        (b"S S          1 oz", sample(28_350)),
        (b"S S     16.000 oz", sample(453_592)),
        (b"S S        0.1 g", sample(100)),  # no float on the way: 0.1 is exactly 100 mg
        (b"S S 123456.789 g", sample(123_456_789)),
    ],
)
def test_a_weight_is_read_to_the_milligram(line: bytes, expected: Sample) -> None:
    assert answers_to(line + b"\r\n") == [expected]


@pytest.mark.parametrize(
    ("line", "condition"),
    [
        (b"S I", "unstable"),
        (b"S +", "overload"),
        (b"S -", "underload"),
        (b"ES", "fault"),
        (b"EL", "fault"),
        (b"ET", "fault"),
        (b"S S 9999999999 t", "fault"),
    ],
)
def test_what_is_said_and_is_no_weight_is_a_condition_and_never_a_number(
    line: bytes, condition: str
) -> None:
    assert condition_of(line + b"\r\n") == condition


def test_pieces_are_told_as_such_and_are_no_weight() -> None:
    assert answers_to(b"S S         12 PCS\r\n") == [Pieces(sensor="s", count=12)]


@pytest.mark.parametrize(
    "line",
    [
        b"S S   12.0 %",
        b"S S   12,5 g",
        b"S S   1e3 g",
        b"S S   NaN g",
        b"S S   12.5",
        b"S X   12.5 g",
        b"12.5 g",
        b"S S   12.5 g S S 13 g",
        "S S   \N{ARABIC-INDIC DIGIT ONE} g".encode(),
    ],
)
def test_what_cannot_be_read_is_no_answer_and_is_counted_with_its_reason(line: bytes) -> None:
    heard = DeclaredSerial(SICS, {0: "s"})
    assert heard.feed(line + b"\r\n") == []
    assert heard.counts["discard"] == 1
    assert heard.unread
    heard.reset()
    assert heard.unread == ""


@pytest.mark.parametrize("line", [b'I4 A "123456789"', b'@ A "123456789"'])
def test_a_restart_notice_names_the_scale_and_is_never_a_weight(line: bytes) -> None:
    assert answers_to(line + b"\r\n") == [Identity(serial_number="123456789")]


@pytest.mark.parametrize("line", [b"TA A 2.486 g", b"Z A", b"T S 12.00 g", b"SI", b"I4", b"TAC A"])
def test_answers_to_what_others_asked_are_passed_over(line: bytes) -> None:
    assert answers_to(line + b"\r\n") == []


def test_it_asks_for_the_weight_now_and_who_it_is() -> None:
    assert scale().request() == b"SI\r\n"
    assert scale().identify() == b"I4\r\n"


def test_a_profile_without_an_identity_has_no_question_for_it() -> None:
    assert scale("st_gs").identify() is None


def test_noise_in_front_costs_that_line_and_makes_no_number() -> None:
    assert answers_to(NOISE + b"S S        1.0 g\r\n") == []
    assert answers_to(NOISE + b"\r\nS S        1.0 g\r\n")[-1] == sample(1_000)


def test_a_weight_without_its_head_or_its_end_is_no_weight() -> None:
    line = b"S S     123.45 g\r\n"
    for start in range(1, len(line) - 2):
        assert not any(isinstance(answer, Sample) for answer in answers_to(line[start:]))
    for end in range(len(line) - 1):
        assert answers_to(line[:end]) == []


def test_a_line_that_never_ends_is_thrown_away_as_far_as_its_end() -> None:
    heard = DeclaredSerial(SICS, {0: "s"})
    assert heard.feed(b"x" * 500 + b"S S          9 g\r\nS S          1 g\r\n") == [sample(1_000)]


def test_half_a_line_does_not_survive_a_reset() -> None:
    heard = scale()
    heard.feed(b"S S          9")
    heard.reset()
    assert heard.feed(b"S S          1 g\r\n") == [sample(1_000)]


def test_the_first_frame_of_a_stream_is_dropped_and_only_that() -> None:
    heard = scale()
    heard.reset(mid_stream=True)
    assert heard.feed(NINE + ONE + TWO) == [sample(1_000), sample(2_000)]
    assert heard.counts["fragment"] == 1


def test_a_width_of_another_maker_is_believed_when_the_scale_goes_on_like_that() -> None:
    for line in (b"S S    45.02 kg\r\n", b"S S 45.02 kg\r\n"):  # Ohaus Ranger RC, p. 39; Mettler AT
        heard = scale()
        assert heard.feed(line * 2) == []
        assert "not as long as the answers before it" in heard.unread
        assert heard.feed(line) == [sample(45_020_000)]
        assert heard.feed(line.replace(b"45", b"44")) == [sample(44_020_000)]


def test_a_weight_that_lost_a_digit_is_refused_however_often_it_comes() -> None:
    heard = scale()
    assert heard.feed(b"S S     10.00 g\r\n" * 9) == []
    assert "weight_characters" in heard.unread


def test_an_answer_in_another_unit_than_the_one_that_was_named_is_refused() -> None:
    assert scale(unit="kg").feed(NINE) == []
    assert scale(unit="g").feed(NINE) == [sample(9_000)]


@given(steps=st.integers(-(10**8) + 1, 10**9 - 1), decimals=st.integers(0, 3), stable=st.booleans())
def test_every_weight_that_grams_can_show_comes_back_exactly(
    *, steps: int, decimals: int, stable: bool
) -> None:
    shown = Decimal(steps).scaleb(-decimals)
    line = f"S {'S' if stable else 'D'} {shown:>10f} g\r\n".encode()
    assert answers_to(line) == [sample(steps * 10 ** (3 - decimals), stable=stable)]


def test_the_address_of_the_device_is_in_its_question() -> None:
    assert scale("dini_argeo", address="07").request() == b"07READ\r\n"


def test_a_scan_keeps_its_code_as_it_was_scanned() -> None:
    [seen] = scale("barcode").feed(b"]C0R04-B2\r\n")
    assert seen == Sighting(sensor="s", code="R04-B2", kind="scan")


def test_a_reader_without_a_tag_is_alive() -> None:
    # R200: an error frame, command FF, error 15: no tag in the field
    assert scale("r200").feed(bytes.fromhex("BB 01 FF 00 01 15 16 7E")) == [Told(what="no tag")]


def test_a_pause_in_a_line_does_not_make_its_rest_a_line() -> None:
    heard = scale("barcode")
    assert heard.feed(b"R04") + heard.finish() == []
    assert heard.feed(b"-B2\r") == [Sighting(sensor="s", code="R04-B2", kind="scan")]
