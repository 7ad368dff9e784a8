import pytest

from edge_agent.drivers.needed import needed, never

KNOWN = {"type": "int16", "bit_at": -1, "on": True}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("a + b", {"a", "b"}),
        ("a if type == 'int16' else b", {"a"}),
        ("a if type == 'int32' else b", {"b"}),
        ("a if c else b", {"a", "b", "c"}),
        ("bit(s, bit_at) if bit_at >= 0 else None", set()),
        ("bit_at >= 0 and bit(s, 1)", {"bit_at"}),
        ("on or a", {"on"}),
        ("a and bit_at >= 0 and b", {"a", "bit_at"}),  # a is asked before the end is known
        ("not (a if on else b)", {"a"}),
        ("t[a]", {"t", "a"}),
        ("number(a)", {"a", "number"}),
    ],
)
def test_only_what_can_be_asked_for_is_needed(source: str, names: set[str]) -> None:
    assert needed(source, KNOWN) - {"bit"} == names - {"bit"}


@pytest.mark.parametrize(
    ("source", "is_never"),
    [
        ("bit_at >= 0", True),
        ("bit_at >= 0 and a", True),
        ("a and bit_at >= 0", True),
        ("a", False),
        ("on", False),
        ("a or bit_at >= 0", False),
        ("not on", True),
    ],
)
def test_what_no_device_can_make_true_is_never(*, source: str, is_never: bool) -> None:
    assert never(source, KNOWN) is is_never
