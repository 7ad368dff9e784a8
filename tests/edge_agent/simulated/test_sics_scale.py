import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent import profiles
from edge_agent.core.reading import Sample
from edge_agent.drivers.declared_serial import DeclaredSerial
from edge_agent.simulated.sics_scale import SimulatedScale
from edge_agent.simulated.site import BinScale, Command, CountingScale

SICS = profiles.load("mt_sics")
COUNTING = CountingScale(gateway="g", sensor="s", base_mg=1_000_000, step_mg=1_001)
BIN = BinScale(
    gateway="g",
    sensor="s",
    unit_weight_ug=4_200_000,
    tare_mg=350_000,
    capacity=2_000,
    pieces=1_000,
    silences=((300.0, 60.0),),
    overloads=((500.0, 10.0),),
    serial_number="B7",
    moving_s=(1.0, 1.0),
)
CALM = 100.0


def said(scale: SimulatedScale, sent: bytes, now_s: float = CALM) -> bytes:
    return b"".join(answered.line for answered in scale.hear(sent, now_s))


def command(do: str, **values: object) -> Command:
    return Command(gateway="g", sensor="s", do=do, **values)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"SI\r\n", b"S S     4550.0 g\r\n"),
        (b"S\r\n", b"S S     4550.0 g\r\n"),
        (b"I4\r\n", b'I4 A "B7"\r\n'),
        (b"@\r\n", b'I4 A "B7"\r\n'),
        (b"Z\r\n", b"Z A\r\n"),
        (b"T\r\n", b"T S     4550.0 g\r\n"),
        (b"XYZ\r\n", b"ES\r\n"),
        (b"\r\n", b""),
    ],
)
def test_it_answers_as_the_manual_says(sent: bytes, answer: bytes) -> None:
    assert said(SimulatedScale(BIN, 1), sent) == answer


@pytest.mark.parametrize("sent", [b"Z\r\n", b"T\r\n"])
def test_after_zero_or_tare_it_shows_nothing(sent: bytes) -> None:
    scale = SimulatedScale(BIN, 1)
    said(scale, sent)
    assert said(scale, b"SI\r\n") == b"S S        0.0 g\r\n"
    scale.command(command("set", pieces=0), CALM)
    assert said(scale, b"SI\r\n", CALM + 2) == b"S S    -4200.0 g\r\n"


def test_while_a_hand_moves_it_now_is_dynamic_and_waiting_is_busy() -> None:
    scale = SimulatedScale(BIN, 1)
    scale.command(command("take", pieces=1), CALM)
    assert said(scale, b"SI\r\n").startswith(b"S D ")
    assert said(scale, b"S\r\n") == b"S I\r\n"


def test_a_planned_overload_shows_no_number() -> None:
    scale = SimulatedScale(BIN, 1)
    assert said(scale, b"SI\r\n", 505.0) == b"S +\r\n"
    assert said(scale, b"SI\r\n", 511.0).startswith(b"S S ")


def test_a_silence_ends_with_the_restart_notice() -> None:
    scale = SimulatedScale(BIN, 1)
    assert said(scale, b"SI\r\n", 310.0) == b""
    assert said(scale, b"SI\r\n", 361.0) == b'I4 A "B7"\r\nS S     4550.0 g\r\n'
    assert said(scale, b"SI\r\n", 362.0) == b"S S     4550.0 g\r\n"


def test_silence_and_overload_can_be_commanded() -> None:
    scale = SimulatedScale(BIN, 1)
    scale.command(command("overload", seconds=5.0), CALM)
    assert said(scale, b"SI\r\n") == b"S +\r\n"
    scale.command(command("silence", seconds=50.0), CALM)
    assert said(scale, b"SI\r\n") == b""
    scale.command(command("speak"), CALM)
    assert said(scale, b"SI\r\n", CALM + 6).endswith(b"S S     4550.0 g\r\n")


def test_each_answer_tells_the_ledger_what_it_showed() -> None:
    scale = SimulatedScale(COUNTING, 1)
    answers = scale.hear(b"SI\r\nSI\r\nI4\r\n", 0.0)
    assert [(a.weight_mg, a.stable, a.n) for a in answers] == [
        (1_001_001, True, 1),
        (1_002_002, True, 2),
        (None, False, 2),
    ]


def test_a_command_in_pieces_is_one_command() -> None:
    scale = SimulatedScale(BIN, 1)
    assert said(scale, b"S") == b""
    assert said(scale, b"I\r") == b"S S     4550.0 g\r\n"
    assert said(scale, b"\n") == b""


# Ten columns hold no more than this.
@given(st.integers(-98_000_000, 998_000_000), st.integers(-(10**6), 10**6))
def test_the_driver_reads_what_the_scale_shows(base_mg: int, step_mg: int) -> None:
    plan = CountingScale(gateway="g", sensor="s", base_mg=base_mg, step_mg=step_mg)
    [answered] = SimulatedScale(plan, 1).hear(b"SI\r\n", 0.0)
    assert DeclaredSerial(SICS, {0: "s"}).feed(answered.line) == [
        Sample(sensor="s", weight_mg=base_mg + step_mg, stable=True)
    ]


@given(st.sampled_from([1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 10_000]))
def test_whatever_it_resolves_the_driver_reads_what_it_shows(resolution_mg: int) -> None:
    plan = BinScale(
        gateway="g",
        sensor="s",
        unit_weight_ug=4_217,
        tare_mg=350_123,
        capacity=9,
        pieces=7,
        resolution_mg=resolution_mg,
    )
    [answered] = SimulatedScale(plan, 1).hear(b"SI\r\n", CALM)
    assert answered.weight_mg is not None
    assert DeclaredSerial(SICS, {0: "s"}).feed(answered.line) == [
        Sample(sensor="s", weight_mg=answered.weight_mg, stable=True)
    ]


@given(st.binary(max_size=300))
def test_noise_on_its_line_does_not_break_it(sent: bytes) -> None:
    scale = SimulatedScale(BIN, 1)
    scale.hear(sent + b"\r\n", CALM)
    assert said(scale, b"\rSI\r\n", CALM).endswith(b" g\r\n")
