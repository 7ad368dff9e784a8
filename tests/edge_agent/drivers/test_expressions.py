"""The small language of the profiles: what it lets in, what it refuses, and that it always ends."""

import struct
import time
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.drivers.expressions import (
    FUNCTIONS,
    ExpressionError,
    Names,
    NoValue,
    Value,
    compile_expression,
)

NOTHING: Names = {}


def value_of(source: str, names: Names = NOTHING) -> object:
    return compile_expression(source, set(names))(names)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1 + 2 * 3", 7),
        ("7 // 2", 3),
        ("-7 % 4", 1),
        ("- 5", -5),
        ("0x1F", 31),
        ("0.10", Decimal("0.10")),  # no float: the zero at the end is kept
        ("0.1 + 0.2", Decimal("0.3")),
        ("'a' + 'b'", "ab"),
        ("1 < 2 < 3", True),
        ("1 < 2 > 3", False),
        ("not 0", True),
        ("1 and 0 or 3", True),  # a truth, not the last operand
        ("2 in (1, 2)", True),
        ("'x' not in ['y']", True),
        ("None is None", True),
        ("1 if 0 else 2", 2),
        ("b'\\x01'", b"\x01"),
    ],
)
def test_it_reads_as_in_python(source: str, value: object) -> None:
    found = value_of(source)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("number(' -  1,640 ')", Decimal("-1.640")),
        ("number('+.5')", Decimal("0.5")),
        ("number('12.')", Decimal(12)),
        ("whole(' 0042')", 42),
        ("whole('1F', 16)", 31),
        ("scaled(1234, 2)", Decimal("12.34")),
        ("scaled(1234, -1)", Decimal(12340)),
        ("bit(0b100, 2)", True),
        ("bits(0b11010, 1, 3)", 0b101),
        ("highest_bit(8)", 3),
        ("signed(0x1FFFF, 17)", -1),
        ("signed(0x7FFF, 16)", 32767),
        ("float32(0x41480000)", Decimal("12.5")),
        ("float32(0x3DCCCCCD)", Decimal("0.1")),
        ("float32(0x4B189680)", Decimal(10000000)),
        ("float64(0x3FB999999999999A)", Decimal("0.1")),
        ("bcd(0x1234)", 1234),
        ("bcd(b'\\x12\\x34')", 1234),
        ("backwards('321')", "123"),
        ("text(b'\\xb0')", "°"),
        ("hex(b'\\x0a\\xff')", "0AFF"),
        ("hex(10)", "A"),
        ("integer(b'\\x01\\x02')", 258),
        ("integer(b'\\x01\\x02', 'little')", 513),
        ("integer('AB')", 0x4142),
        ("part('abcdef', 1, -2)", "bcd"),
        ("part('abc', 1)", "bc"),
        ("padded('A', 3)", "00A"),
        ("strip('  a ')", "a"),
        ("upper('kg')", "KG"),
        ("length('abc')", 3),
        ("length(None)", 0),
        ("starts('@23Q', '@23')", True),
        ("either(None, '', 'a')", "a"),
        ("either()", None),
        ("abs(-1)", 1),
        ("abs(-0.5)", Decimal("0.5")),
    ],
)
def test_what_a_profile_may_call(source: str, value: object) -> None:
    found = value_of(source)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    "source",
    [
        "number('1 640')",  # a line that lost something
        "number('1e3')",
        "number('NaN')",
        "number('1.2.3')",
        "number('')",
        "number('--5')",
        "number('\N{ARABIC-INDIC DIGIT ONE}')",
        "number(b'5')",
        "number(None)",
        "whole('1_000')",
        "whole('0x1F', 16)",
        "whole('\N{ARABIC-INDIC DIGIT ONE}')",
        "whole('1.5')",
        "whole('12', 8)",
        "scaled(1, 99)",
        "scaled(1.5, 1)",
        "bit(1, -1)",
        "bits(1, 0, 99999999999)",
        "bits(1, 5, 2)",
        "highest_bit(6)",
        "highest_bit(0)",
        "signed(1, 99999999999)",
        "signed(0x1FFFF, 16)",
        "float32(0x7FC00000)",
        "float64(0x7FF0000000000000)",
        "bcd(0x1A)",
        "hex(-5)",
        "integer(5)",
        "part(5, 1)",
        "padded('a', 99999999999)",
        "text(None)",  # a tag named None would be one more tag
        "upper(None)",
        "1 // 0",
        "1 % 0",
        "1 + 'a'",
        "'a' * 99999999999",
        "'%999999999d' % 5",
        "-'a'",
        "1 < 'a'",
        "1 in 5",
    ],
)
def test_what_is_not_there_is_no_value(source: str) -> None:
    with pytest.raises(NoValue):
        value_of(source)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "1 +",
        "frame.hex()",
        "().__class__",
        "open('x')",
        "[x for x in 'ab']",
        "lambda: 1",
        "f'{1}'",
        "1 / 3",  # would be no exact number
        "2 ** 99",
        "1 << 99",
        "{}",
        "1j",
        "...",
        "1e999",
        "1e3",
        "bit(1)",
        "number()",
        "part('a', 1, 2, 3)",
        "scaled(count=1, decimals=2)",
        "x := 1",
        "*x",
        "'a'[0]",
        "unknown",
        "unknown['a']",
        "\0",
        "(" * 500 + "1" + ")" * 500,
        "-" * 1_900 + "1",
        "1+" * 1_500 + "1",
        "(1, 2)",
        "(1, 2) == (1, 2)",
        "1 in ((1, 2), 3)",
        "0x" + "f" * 1_500,
        "1" + "+1" * 40,
    ],
)
def test_what_is_not_let_in_is_refused_when_it_is_loaded(source: str) -> None:
    with pytest.raises(ExpressionError):
        compile_expression(source, set())


def test_a_refusal_shows_the_place_and_what_is_known() -> None:
    with pytest.raises(ExpressionError) as refused:
        compile_expression("1 + wieght", {"weight"})
    assert str(refused.value).splitlines()[1:] == ["  1 + wieght", "      ^"]
    assert "known are: weight" in str(refused.value)


def test_a_call_with_the_wrong_arguments_says_which_are_wanted() -> None:
    with pytest.raises(ExpressionError, match=r"bit\(status, place\): missing.*'place'"):
        compile_expression("bit(5)", set())


def test_a_table_is_looked_up_by_text_and_says_what_it_lacks() -> None:
    units: Names = {"units": {"1": "g"}, "code": 1}
    assert value_of("units[code]", units) == "g"
    with pytest.raises(NoValue, match="units has no 7"):
        value_of("units[7]", units)
    with pytest.raises(NoValue):
        value_of("code[1]", units)


def test_only_the_side_that_is_taken_is_worked_out() -> None:
    assert value_of("1 if 1 else number('x')") == 1
    assert value_of("0 and number('x')") is False
    assert value_of("1 or number('x')") is True


@given(count=st.integers(-(10**12), 10**12), decimals=st.integers(-9, 9))
def test_scaling_is_exact(count: int, decimals: int) -> None:
    found = value_of("scaled(count, decimals)", {"count": count, "decimals": decimals})
    assert found == Decimal(count).scaleb(-decimals)


@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_shortest_decimal_of_a_float_is_that_float(value: float) -> None:
    (pattern,) = struct.unpack(">I", struct.pack(">f", value))
    found = value_of("float32(pattern)", {"pattern": pattern})
    assert isinstance(found, Decimal)
    assert struct.pack(">f", float(found)) == struct.pack(">f", value)


@given(value=st.integers(-(2**23), 2**23 - 1))
def test_twos_complement_comes_back(value: int) -> None:
    assert value_of("signed(raw, 24)", {"raw": value % 2**24}) == value


VALUES: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.decimals(allow_nan=False, allow_infinity=False, places=3),
    st.text(max_size=12),
    st.binary(max_size=12),
    st.sampled_from(["12.5", "-3", "FF", "kg", 0, 1, 8, 16, 10**9, -(10**9)]),
)
WIDEST = 3


@pytest.mark.parametrize("name", FUNCTIONS)
@given(arguments=st.lists(VALUES, min_size=WIDEST, max_size=WIDEST))
@settings(deadline=1_000)
def test_whatever_a_frame_holds_a_function_gives_a_value_or_says_that_there_is_none(
    name: str, arguments: list[Value]
) -> None:
    names: Names = dict(zip("abc", arguments, strict=True))
    for count in range(WIDEST + 1):
        try:
            compiled = compile_expression(f"{name}({', '.join('abc'[:count])})", set(names))
        except ExpressionError:
            continue  # it takes more of them, or fewer
        with suppress(NoValue):
            compiled(names)


LEAVES = st.one_of(
    st.sampled_from(["a", "b", "c", "table", "'kg'", "'12.5'", "3", "0.5", "None", "True", "b'x'"]),
    st.integers(0, 10**6).map(str),
)
SOURCES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(
            "({} {} {})".format,
            inner,
            st.sampled_from(
                ["+", "-", "*", "//", "%", "<", "==", "!=", "in", "not in", "is", "and", "or"]
            ),
            inner,
        ),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("(not {})".format, inner),
        st.builds("(-{})".format, inner),
        st.builds("table[{}]".format, inner),
        st.builds("{}({})".format, st.sampled_from(sorted(FUNCTIONS)), inner),
        st.builds("{}({}, {})".format, st.sampled_from(sorted(FUNCTIONS)), inner, inner),
    ),
    max_leaves=12,
)


@given(source=SOURCES, arguments=st.lists(VALUES, min_size=3, max_size=3))
@settings(deadline=1_000, max_examples=400)
def test_any_expression_gives_a_value_or_says_that_there_is_none(
    source: str, arguments: list[Value]
) -> None:
    names: Names = {**dict(zip("abc", arguments, strict=True)), "table": {"1": "g"}}
    with suppress(ExpressionError, NoValue):
        compile_expression(source, set(names))(names)


@given(source=st.text(max_size=60))
def test_any_text_is_an_expression_or_refused(source: str) -> None:
    with suppress(ExpressionError):
        compile_expression(source, {"a"})


@pytest.mark.parametrize(
    "source", ["n * n", "text_ + text_", "bytes_ + bytes_", "d * d", "integer(bytes_)"]
)
def test_what_is_larger_than_anything_a_device_means_is_no_value(source: str) -> None:
    names: Names = {
        "n": 1 << 4_000,
        "text_": "x" * 10_000,
        "bytes_": b"\xff" * 10_000,
        "d": Decimal("1e1000"),
    }
    with pytest.raises(NoValue):
        compile_expression(source, set(names))(names)


def test_blanks_without_end_around_no_number_are_soon_read() -> None:
    start_s = time.process_time()
    with pytest.raises(NoValue):
        value_of("number(blanks)", {"blanks": " " * 16_000 + "x"})
    assert time.process_time() - start_s < 0.1
