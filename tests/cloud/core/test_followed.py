from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.followed import Doubt, Doubting, Followed, Plateau, Rules, Spot, from_us, to_us
from cloud.core.levels import Calibration
from cloud.core.trust import Trust

REFS = st.tuples(st.integers(0, 2**40), st.integers(1, 2**53))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(
    state=st.builds(
        Followed,
        pieces=st.none() | st.integers(0, 10**9),
        sd_pieces=NUMBERS,
        exact=st.booleans(),
        doubts=st.lists(
            st.builds(Doubt, st.sampled_from(list(Doubting)), st.text(max_size=20)), max_size=2
        ).map(tuple),
        last=st.none() | st.tuples(st.integers(), st.integers(), st.integers()),
        level_us=st.none() | st.integers(0, 10**17),
        plateau_first=st.none() | REFS,
        reference_mg=st.none() | NUMBERS,
        unrest_mg=st.lists(st.integers(0), max_size=4).map(tuple),
        window=st.lists(
            st.builds(
                Spot, st.integers(), st.integers(), st.integers(), st.integers(), st.booleans()
            ),
            max_size=3,
        ).map(tuple),
        pending=st.lists(
            st.builds(Plateau, st.integers(), REFS, REFS, NUMBERS, st.booleans(), st.booleans()),
            max_size=2,
        ).map(tuple),
        zero=st.none() | st.tuples(*[st.integers()] * 4),
        weights=st.lists(st.tuples(st.integers(), st.integers()), max_size=3).map(tuple),
        codes=st.lists(st.text(max_size=8), max_size=3).map(tuple),
    )
)
def test_a_checkpoint_loses_nothing(state: Followed) -> None:
    again = Followed.from_json(state.to_json())
    assert again == state
    assert again.to_json() == state.to_json()


def test_a_checkpoint_of_an_older_program_is_understood_and_what_it_lacks_is_new() -> None:
    assert Followed.from_json('{"pieces":7,"forgotten":1}') == Followed(pieces=7)


def test_times_are_whole_microseconds() -> None:
    at = datetime(2026, 11, 20, 12, 0, 0, 1, tzinfo=UTC)
    assert from_us(to_us(at)) == at
    assert Followed(level_us=to_us(at), plateau_us=to_us(at)).level_at == at
    assert Followed(plateau_us=to_us(at)).plateau_since == at
    assert Followed().level_at is Followed().plateau_since is None
    assert to_us(at + timedelta(days=1)) - to_us(at) == 86_400_000_000


def test_every_doubt_is_a_word_of_trust() -> None:
    assert {kind.value for kind in Doubting} <= {kind.value for kind in Trust}


@pytest.mark.parametrize("wrong", [{"interval_s": 0}, {"pieces_per_count": 0}])
def test_rules_that_cannot_be_are_a_defect(wrong: dict[str, int]) -> None:
    given_ = {"interval_s": 60, "refill_pieces": 5} | wrong
    with pytest.raises(AssertionError):
        Rules(calibration=Calibration(tare_mg=0, unit_weight_ug=1), **given_)
