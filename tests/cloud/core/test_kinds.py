import pytest

from cloud.core.followed import MovementKind
from cloud.core.kinds import kind_of


@pytest.mark.parametrize(
    ("change", "but", "kind", "said"),
    [
        (-1, {}, MovementKind.USAGE, "lighter by 1 piece."),
        (-7, {"after_gap": True}, MovementKind.USAGE, "Nothing was heard meanwhile."),
        (7, {}, MovementKind.PUT_BACK, "heavier by 7 pieces"),
        (50, {}, MovementKind.REFILL, "stayed so for two minutes"),
        (50, {"after_absence": True}, MovementKind.SWAP, "It was off the scale meanwhile."),
        (-3, {"rezeroed": True}, MovementKind.CORRECTION, "3 pieces less."),
        (60, {"rezeroed": True}, MovementKind.CORRECTION, "60 pieces more."),
        (-3, {"beside_count": True}, MovementKind.USAGE, "less than was counted."),
        (3, {"beside_count": True}, MovementKind.CORRECTION, "more than was counted."),
        (60, {"beside_count": True}, MovementKind.REFILL, "more than was counted."),
    ],
)
def test_a_movement_has_a_kind_and_a_sentence(
    change: int, but: dict[str, bool], kind: MovementKind, said: str
) -> None:
    usual = {"after_absence": False, "after_gap": False, "rezeroed": False, "beside_count": False}
    found, because = kind_of(change, refill_pieces=50, **{**usual, **but})
    assert found is kind
    assert because.endswith(said) or said in because
