import math
import random
from dataclasses import replace

import pytest

from cloud.core.learning import (
    Apply,
    Delivery,
    Keep,
    Propose,
    Sample,
    at_rest,
    bias_pieces,
    check_zero,
    learn_tare,
    learn_unit_weight,
    relearn,
    sample_needed,
)
from cloud.core.levels import Calibration
from cloud.core.refusals import SampleTooSmall, SampleUseless, TareNotStill

BOLT = Calibration(
    tare_mg=350_000, unit_weight_ug=4_200_000, unit_sd_ug=42_000, unit_error_ug=8_400
)


@pytest.mark.parametrize(
    ("sample", "spread", "pieces", "bias", "needed"),
    [(10, 0.02, 500, 3.162277660168379, 36), (100, 0.02, 5000, 10.0, 36), (1, 0.01, 100, 1.0, 9)],
)
def test_the_bias_grows_with_the_bin(
    sample: int, spread: float, pieces: int, bias: float, needed: int
) -> None:
    found = bias_pieces(sample=sample, spread_rel=spread, pieces=pieces)
    assert math.isclose(found, bias, abs_tol=1e-9)
    assert sample_needed(spread) == needed


def test_a_counted_sample_teaches_the_unit_weight_and_how_well_it_is_known() -> None:
    sample = Sample(weight_mg=350_000 + 36 * 4_200, tare_mg=350_000, pieces=36)
    learnt = learn_unit_weight(sample, capacity=500)
    assert learnt.unit_weight_ug == 4_200_000
    assert math.isclose(learnt.unit_error_ug, 4_200_000 * 0.02 / 6)
    assert math.isclose(learnt.bias_pieces, 500 * 0.02 / 6)
    assert learnt.applied_to(BOLT).unit_weight_ug == 4_200_000


def test_too_small_a_sample_is_refused_and_says_how_many_are_needed() -> None:
    sample = Sample(weight_mg=350_000 + 10 * 4_200, tare_mg=350_000, pieces=10)
    with pytest.raises(SampleTooSmall) as refused:
        learn_unit_weight(sample, capacity=500)
    assert refused.value.pieces_needed == 36
    assert refused.value.sentence == (
        "Too few pieces were counted: a full bin would be off by 1.9 %, and 1 % is the most."
        " 36 pieces are needed."
    )


def test_a_coarse_scale_needs_a_larger_sample_and_what_it_asks_for_is_enough() -> None:
    coarse = Sample(weight_mg=20 * 200, tare_mg=0, pieces=20, weight_sd_mg=300, spread_rel=0.005)
    with pytest.raises(SampleTooSmall) as refused:
        learn_unit_weight(coarse, capacity=500)
    needed = refused.value.pieces_needed
    learn_unit_weight(replace(coarse, weight_mg=needed * 200, pieces=needed), capacity=500)
    fewer = replace(coarse, weight_mg=(needed - 1) * 200, pieces=needed - 1)
    with pytest.raises(SampleTooSmall):
        learn_unit_weight(fewer, capacity=500)


@pytest.mark.parametrize(("weight_mg", "pieces"), [(0, 10), (-5, 10), (100, 0)])
def test_from_nothing_nothing_is_learnt(weight_mg: int, pieces: int) -> None:
    with pytest.raises(SampleUseless):
        learn_unit_weight(Sample(weight_mg=weight_mg, tare_mg=0, pieces=pieces), capacity=500)


def test_the_error_that_is_told_is_the_error_that_is_made() -> None:
    rng = random.Random(7)
    off = []
    for _ in range(2_000):
        net = sum(rng.gauss(4_200, 84) for _ in range(40))
        sample = Sample(weight_mg=round(net), tare_mg=0, pieces=40, spread_rel=0.02)
        learnt = learn_unit_weight(sample, capacity=100)
        off.append((learnt.unit_weight_ug - 4_200_000) / learnt.unit_error_ug)
    assert 0.93 < math.sqrt(sum(each * each for each in off) / len(off)) < 1.07


def test_a_tare_is_taken_from_a_scale_at_rest() -> None:
    tare = learn_tare([900, 350_100, 350_000, 350_100, 350_200, 350_100], range_mg_max=500)
    assert (tare.tare_mg, tare.range_mg, tare.readings) == (350_100, 200, 5)


@pytest.mark.parametrize(
    ("weights_mg", "because"),
    [
        ([350_000] * 3, "The tare needs 5 readings at rest, and there are 3 yet."),
        ([], "The tare needs 5 readings at rest, and there are 0 yet."),
        (
            [350_000, 350_000, 351_000, 350_000, 350_000],
            "The weight wanders by 1.0 g, and 0.5 g is the most: the tare cannot be taken.",
        ),
    ],
)
def test_a_tare_from_a_scale_that_moves_is_refused_with_the_reason(
    weights_mg: list[int], because: str
) -> None:
    with pytest.raises(TareNotStill) as refused:
        learn_tare(weights_mg, range_mg_max=500)
    assert refused.value.sentence == because


@pytest.mark.parametrize(("zero_error_mg", "bearable"), [(0, True), (2_000, True), (-9_000, False)])
def test_a_zero_that_wandered_is_told_in_pieces(zero_error_mg: int, *, bearable: bool) -> None:
    check = check_zero(zero_error_mg, BOLT)
    assert check.bearable is bearable
    assert check.because.startswith("Without the bin the scale shows")


def test_a_delivery_close_to_what_is_known_is_applied_and_makes_it_better() -> None:
    delivery = Delivery(pieces=200, before_mg=400_000, after_mg=400_000 + 200 * 4_210)
    found = relearn(delivery, BOLT, capacity=500)
    assert isinstance(found, Apply)
    assert 4_200_000 < found.unit_weight.unit_weight_ug < 4_210_000
    assert found.unit_weight.unit_error_ug < BOLT.unit_error_ug
    assert found.because == (
        "200 pieces weighed 842.0 g, 4.2100 g each; in use are 4.2000 g: within half a percent."
    )


def test_a_delivery_far_from_it_is_proposed_with_its_evidence() -> None:
    delivery = Delivery(pieces=200, before_mg=400_000, after_mg=400_000 + 200 * 4_300)
    found = relearn(delivery, BOLT, capacity=500)
    assert isinstance(found, Propose)
    assert found.unit_weight.unit_weight_ug == 4_300_000
    assert found.because.endswith("4.3000 g each; in use are 4.2000 g: +2.4 %.")


@pytest.mark.parametrize(
    "delivery",
    [
        Delivery(pieces=200, before_mg=400_000, after_mg=400_000),
        Delivery(pieces=0, before_mg=0, after_mg=4_200),
        Delivery(pieces=3, before_mg=0, after_mg=12_700),
    ],
)
def test_a_delivery_that_tells_nothing_better_changes_nothing(delivery: Delivery) -> None:
    assert isinstance(relearn(delivery, BOLT, capacity=500), Keep)


def test_what_was_on_the_scale_before_is_not_at_rest() -> None:
    weights = [350_100, 350_000, 900_000, 412_100, 412_000, 412_300]
    assert at_rest(weights, range_mg_max=500) == [412_100, 412_000, 412_300]
    assert at_rest(weights, range_mg_max=250) == [412_300]
    assert at_rest([], range_mg_max=500) == []
