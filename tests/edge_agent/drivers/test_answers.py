from decimal import Decimal

import pytest

from edge_agent import profiles
from edge_agent.core.reading import (
    Answer,
    CounterValue,
    Fault,
    Pieces,
    Restarted,
    Sample,
    Sighting,
    Told,
)
from edge_agent.drivers.answers import Answers
from edge_agent.drivers.declared import Decoded

SICS = profiles.load("mt_sics")
FOUR_INPUTS = profiles.load("isma_sfar_4di")


def of(outcome: str, **values: object) -> list[Answer]:
    return Answers(SICS, {0: "s"}).of(Decoded(outcome, values))


def weighed(**values: object) -> Answer:
    [answer] = of("measurement", **values)
    return answer


def fault(condition: str, because: str) -> Fault:
    return Fault(sensor="s", condition=condition, because=because)  # type: ignore[arg-type]


@pytest.mark.parametrize("stable", [True, False, None])
def test_a_measurement_is_a_sample_as_stable_as_the_device_can_say(*, stable: bool | None) -> None:
    answer = weighed(weight=Decimal("1.5"), unit="kg", stable=stable)
    assert answer == Sample(sensor="s", weight_mg=1_500_000, stable=stable)


@pytest.mark.parametrize("unit", [None, "", "stone"])
def test_a_weight_without_a_unit_is_a_fault(unit: str | None) -> None:
    assert weighed(weight=Decimal(1), unit=unit) == fault("fault", "a weight without a unit")


@pytest.mark.parametrize(
    "values", [{"count": 12, "unit": "pcs"}, {"weight": Decimal(12), "unit": "pcs"}]
)
def test_pieces_without_a_weight_are_no_sample(values: dict[str, object]) -> None:
    assert weighed(**values) == Pieces(sensor="s", count=12)


def test_beside_a_weight_pieces_say_nothing() -> None:
    said = weighed(weight=Decimal("1.5"), unit="g", count=12, stable=True)
    assert said == Sample(sensor="s", weight_mg=1_500, stable=True)


def test_a_number_that_comes_with_overload_is_not_published() -> None:
    answer = weighed(weight=Decimal(1), unit="kg", overload=True)
    assert isinstance(answer, Fault)
    assert answer.condition == "overload"


@pytest.mark.parametrize(
    ("values", "condition"),
    [
        ({"overload": True}, "overload"),
        ({"overload": False, "underload": True}, "underload"),
        ({"reason": "not_level"}, "fault"),
        ({"reason": "not_executable", "retry": True}, "unstable"),
        ({"reason": "motion"}, "unstable"),
        ({}, "fault"),
    ],
)
def test_a_condition_is_a_fault_with_its_word(values: dict[str, object], condition: str) -> None:
    [answer] = of("condition", **values)
    assert isinstance(answer, Fault)
    assert answer.condition == condition


def test_an_error_of_the_device_is_a_fault_with_its_meaning_and_busy_is_none() -> None:
    assert of("device_error", error="ES", meaning="syntax error") == [
        fault("fault", "syntax error (ES)")
    ]
    assert of("device_error", meaning="busy", retry=True) == [fault("unstable", "busy")]


def test_a_suspect_setting_is_a_fault() -> None:
    assert of("config_suspect", reason="2e30 kg") == [fault("fault", "2e30 kg")]


def test_a_notice_of_a_restart_is_one_and_any_other_is_nothing() -> None:
    assert of("notice", notice="restart") == [Restarted()]
    assert of("notice", notice="about") == []


@pytest.mark.parametrize("outcome", ["discard", "ack", "status", "none"])
def test_what_says_nothing_is_nothing_and_is_counted(outcome: str) -> None:
    answers = Answers(SICS, {0: "s"})
    assert answers.of(Decoded(outcome, {"reason": "crc"})) == []
    assert answers.counts[outcome] == 1


def test_tags_codes_and_no_tag() -> None:
    assert of("tags", id="AB") == [Sighting(sensor="s", code="AB", kind="tag")]
    assert of("epc", uri="urn:x", hex="30") == [Sighting(sensor="s", code="urn:x", kind="tag")]
    assert of("barcode", data="4711") == [Sighting(sensor="s", code="4711", kind="scan")]
    assert of("no_tag") == [Told(what="no tag")]


def test_a_code_whose_check_digit_is_wrong_is_no_sighting() -> None:
    assert of("barcode", data="471", error="gtin check digit, expected 3") == [
        Told(what="a code that was misread: gtin check digit, expected 3")
    ]


def test_a_counter_names_its_channel_and_so_its_sensor() -> None:
    answers = Answers(FOUR_INPUTS, {1: "a", 3: "c"})
    value = {"value": 7, "width": 32}
    assert answers.of(Decoded("counter", {"channel": 3, **value})) == [
        CounterValue(sensor="c", value=7, width=32)
    ]
    assert answers.of(Decoded("counter", {"channel": 2, **value})) == []
    assert answers.counts["of a channel without a sensor"] == 1


def test_a_count_that_does_not_fit_its_width_is_a_fault_and_not_a_crash() -> None:
    [answer] = of("counter", value=70_000, width=16)
    assert isinstance(answer, Fault)
    [answer] = of("counter", value=Decimal("1.5"), width=16)
    assert isinstance(answer, Fault)
    for width in (-1, 0, 65, 10**12):
        [answer] = of("counter", value=0, width=width)
        assert isinstance(answer, Fault)


def test_what_names_no_channel_concerns_every_sensor() -> None:
    answers = Answers(FOUR_INPUTS, {1: "a", 3: "c"})
    found = answers.of(Decoded("device_error", {"error": "9"}))
    assert [answer.sensor for answer in found if isinstance(answer, Fault)] == ["a", "c"]


def test_an_answer_with_another_address_is_not_ours() -> None:
    answers = Answers(profiles.load("dini_argeo", {"address": "01"}), {0: "s"})
    weight = {"weight": Decimal(1), "unit": "kg", "stable": True}
    assert answers.of(Decoded("measurement", {**weight, "address": "02"})) == []
    assert len(answers.of(Decoded("measurement", {**weight, "address": "01"}))) == 1
