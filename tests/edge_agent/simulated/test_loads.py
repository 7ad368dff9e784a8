from hypothesis import given
from hypothesis import strategies as st

from edge_agent.simulated.loads import BinLoad, CountingLoad, Shown
from edge_agent.simulated.site import BinScale, Command, CountingScale

CALM = 1_000.0  # long after any hand


def plan(**changes: object) -> BinScale:
    return BinScale(
        **(
            {
                "gateway": "g",
                "sensor": "s",
                "unit_weight_ug": 4_200_000,
                "tare_mg": 350_000,
                "capacity": 2_000,
                "pieces": 1_000,
                "noise_mg": 0,
            }
            | changes
        )
    )


def command(do: str, **values: object) -> Command:
    return Command(gateway="g", sensor="s", do=do, **values)


def test_a_bin_weighs_its_tare_and_its_pieces() -> None:
    assert BinLoad(plan(), "seed").show(CALM) == Shown(weight_mg=4_550_000, stable=True)


def test_a_bin_in_use_loses_about_what_the_plan_says() -> None:
    load = BinLoad(plan(pieces=100_000, usage_per_minute=60.0), "seed")
    load.show(600.0)
    assert 400 < 100_000 - load.pieces < 800


def test_a_low_bin_is_filled_up_by_a_delivery_within_its_time() -> None:
    load = BinLoad(
        plan(pieces=400, refill_below=420, refill_after_s=(60.0, 180.0), refill_to=1_900), "seed"
    )
    load.show(59.0)
    assert load.pieces == 400
    load.show(181.0)
    assert load.pieces == 1_900


def test_a_delivery_brings_what_was_ordered_as_far_as_it_fits() -> None:
    for brought, then in ((1_400, 1_800), (1_700, 2_000)):
        load = BinLoad(
            plan(capacity=2_000, pieces=400, refill_below=420, refill_pieces=brought), "seed"
        )
        load.show(1_000.0)
        assert load.pieces == then


def test_a_bin_that_is_not_low_gets_no_delivery() -> None:
    load = BinLoad(plan(pieces=421, refill_below=420), "seed")
    load.show(100_000.0)
    assert load.pieces == 421


def test_a_hand_makes_the_weight_move_for_a_moment() -> None:
    load = BinLoad(plan(moving_s=(1.0, 1.0)), "seed")
    load.command(command("take", pieces=10), CALM)
    assert not load.show(CALM + 0.9).stable
    assert load.show(CALM + 1.1) == Shown(weight_mg=350_000 + 990 * 4_200, stable=True)


def test_commands_set_take_and_refill() -> None:
    load = BinLoad(plan(refill_to=1_900), "seed")
    for do, pieces, left in (("set", 50, 50), ("take", 60, 0), ("refill", 0, 1_900)):
        load.command(command(do, pieces=pieces), CALM)
        assert load.pieces == left


def test_usage_can_be_stopped_and_started() -> None:
    load = BinLoad(plan(usage_per_minute=60.0), "seed")
    load.command(command("usage", per_minute=0.0), 0.0)
    load.show(600.0)
    assert load.pieces == 1_000
    load.command(command("usage", per_minute=60.0), 600.0)
    load.show(1_200.0)
    assert load.pieces < 1_000


@given(st.lists(st.floats(0, 50), max_size=30))
def test_how_often_it_is_asked_does_not_change_what_happens(steps: list[float]) -> None:
    often, seldom = (
        BinLoad(plan(usage_per_minute=120.0, refill_below=900, noise_mg=40), "seed")
        for _ in range(2)
    )
    now_s = 0.0
    for step in steps:
        now_s += step
        often.show(now_s)
    seldom.show(now_s)
    assert often.pieces == seldom.pieces


@given(st.integers(1, 10**6), st.floats(0, 10_000))
def test_a_weight_is_shown_in_whole_steps_of_the_scale(resolution_mg: int, now_s: float) -> None:
    load = BinLoad(plan(usage_per_minute=10.0, resolution_mg=resolution_mg), "seed")
    assert load.show(now_s).weight_mg % resolution_mg == 0


def test_noise_below_the_resolution_stays_within_a_step() -> None:
    load = BinLoad(plan(noise_mg=40, resolution_mg=100), "seed")
    assert {load.show(CALM).weight_mg for _ in range(200)} == {4_550_000}


def test_the_same_seed_is_the_same_site_and_another_is_not() -> None:
    histories = [
        [load.show(float(second)).weight_mg for second in range(300)]
        for load in (
            BinLoad(plan(usage_per_minute=120.0, noise_mg=40), seed) for seed in ("1", "1", "2")
        )
    ]
    assert histories[0] == histories[1] != histories[2]


def test_every_answer_of_a_counting_load_is_new() -> None:
    counting = CountingScale(gateway="g", sensor="s", base_mg=1_000, step_mg=7)
    load = CountingLoad(counting)
    shown = [load.show(0.0) for _ in range(3)]
    assert shown == [Shown(weight_mg=weight_mg, stable=True) for weight_mg in (1_007, 1_014, 1_021)]
