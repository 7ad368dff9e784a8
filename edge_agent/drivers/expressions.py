"""The small language in which a profile says what a frame means: `number(digits) if not bit(b, 2)`.

Python's own grammar, of which only this is let in: names, literals, and/or/not, comparisons, `in`,
+ - * // %, `a if c else b`, look-up in a table, and the functions below. No attribute, no loop, no
definition, no float: what a profile can say is a value, and it always ends. Numbers are integers or
Decimals, so 12.340 keeps its last zero.

Compiled once, when the profile is loaded; a mistake names the place in the text.
"""

import ast
import operator
import re
import struct
from collections.abc import Callable, Mapping
from decimal import Decimal, localcontext
from inspect import signature
from math import isfinite

Value = int | str | bytes | bool | Decimal | None
Table = Mapping[str, Value]
Names = Mapping[str, "Value | Table"]
Compiled = Callable[[Names], Value]

_WHOLE = {
    10: re.compile(r" *[+-]?[0-9]{1,99} *"),
    16: re.compile(r" *[0-9A-Fa-f]{1,99} *"),
}
_NUMBER = re.compile(r" *+(?P<sign>[+-]?) *+(?P<digits>[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+) *")

TEXT_MAX = 2_000
POWER_MAX = 30
SINGLE_DIGITS_MAX = 9  # enough to tell any two singles apart
BITS_MAX = 1_024
WIDTH_MAX = 256
# What is worked out from what was worked out must not double with every step.
INTEGER_BITS_MAX = 4_096
DIGITS_MAX = 1_200
CHARS_MAX = 16_384
NESTED_MAX = 32


class ExpressionError(Exception):
    """An expression is wrong: what, where, what is allowed. Raised when it is loaded."""


class NoValue(Exception):  # noqa: N818 - it is an answer, not a mistake
    """The frame does not hold what the expression asks of it: no number there, no such key."""


# ---------------------------------------------------------------------- what a profile may call


def number(text: Value) -> Decimal:
    """Digits with sign, point or comma, and blanks around the sign only.

    `-  1,640` is -1.640, and `1 640` is a line that lost something.
    """
    found = None if isinstance(text, bytes) else _NUMBER.fullmatch(str(text))
    if found is None:
        raise NoValue(f"{text!r} is no number")
    return Decimal(found["sign"] + found["digits"].replace(",", "."))


def whole(text: Value, base: Value = 10) -> int:
    """Digits to an integer, in base 10 or 16."""
    radix = _integer(base)
    if radix not in _WHOLE or _WHOLE[radix].fullmatch(str(text)) is None:
        raise NoValue(f"{text!r} is no whole number in base {radix}")
    return int(str(text), radix)


def scaled(count: Value, decimals: Value) -> Decimal:
    """1234 with 2 decimals is 12.34; with -1 it is 12340."""
    places = _integer(decimals)
    if abs(places) > POWER_MAX:
        raise NoValue(f"{places} decimals")
    with localcontext() as context:
        context.prec = 60
        value = Decimal(_integer(count)).scaleb(-places)
        return value if places >= 0 else value.quantize(Decimal(1))


def bit(status: Value, place: Value) -> bool:
    return bool(_integer(status) >> _within(place, BITS_MAX) & 1)


def bits(status: Value, lowest: Value, highest: Value) -> int:
    """The number in bits `lowest` to `highest`, both included."""
    first, last = _within(lowest, BITS_MAX), _within(highest, BITS_MAX)
    return _integer(status) >> first & ((1 << last - first + 1) - 1)


def highest_bit(status: Value) -> int:
    """The place of the one bit that is set: decimals written one-hot."""
    value = _integer(status)
    if value <= 0 or value & (value - 1):
        raise NoValue(f"not exactly one bit is set in {value:b}")
    return value.bit_length() - 1


def signed(value: Value, width: Value) -> int:
    """Two's complement of any width: 16, 17, 24, 32."""
    plain, size = _integer(value), _within(width, BITS_MAX)
    if plain >> size:
        raise NoValue(f"{plain} is more than {size} bits")
    return plain - (1 << size) if plain >> (size - 1) & 1 else plain


def float32(pattern: Value) -> Decimal:
    """The shortest decimal that is this IEEE number, so 12.5 is 12.5 and not 12.50000023."""
    (value,) = struct.unpack(">f", struct.pack(">I", _integer(pattern) & 0xFFFFFFFF))
    if not isfinite(value):
        raise NoValue("not a finite number")
    candidates = (f"{value:.{digits}g}" for digits in range(1, SINGLE_DIGITS_MAX + 1))
    text = next(text for text in candidates if _as_single(text) == value)
    return Decimal(f"{Decimal(text):f}")


def _as_single(text: str) -> float | None:
    """The IEEE single nearest to a decimal; None when rounding took it beyond the largest."""
    try:
        return float(struct.unpack(">f", struct.pack(">f", float(text)))[0])
    except OverflowError:
        return None


def float64(pattern: Value) -> Decimal:
    (value,) = struct.unpack(">d", struct.pack(">Q", _integer(pattern) & (2**64 - 1)))
    if not isfinite(value):
        raise NoValue("not a finite number")
    return Decimal(f"{Decimal(repr(value)):f}")


def bcd(packed: Value) -> int:
    """Bytes whose hex digits are the decimal digits."""
    digits = packed.hex() if isinstance(packed, bytes) else f"{_integer(packed):x}"
    if not digits.isdecimal():
        raise NoValue(f"{digits} is no BCD")
    return int(digits)


def absolute(value: Value) -> Value:
    if isinstance(value, Decimal):
        return abs(value)
    return abs(_integer(value))


def backwards(text: Value) -> Value:
    return text[::-1] if isinstance(text, str | bytes) else text


def text(raw: Value) -> str:
    """What is not there has no text: a tag named `None` would be one more tag."""
    if raw is None:
        raise NoValue("there is no text")
    return raw.decode("latin-1") if isinstance(raw, bytes) else str(raw)


def hexadecimal(raw: Value) -> str:
    if isinstance(raw, bytes):
        return raw.hex().upper()
    if _integer(raw) < 0:
        raise NoValue(f"{raw!r} has no hex digits")
    return f"{_integer(raw):X}"


def integer_of(raw: Value, order: Value = "big") -> int:
    """Bytes, or characters by their codes, as one number: high byte first unless told `little`."""
    if isinstance(raw, str):
        raw = raw.encode("latin-1")
    if not isinstance(raw, bytes):
        raise NoValue(f"{raw!r} are no bytes")
    return int.from_bytes(raw, "little" if order == "little" else "big")


def part(whole_value: Value, begin: Value, end: Value = None) -> Value:
    """Characters or bytes from `begin` up to, not including, `end`."""
    if not isinstance(whole_value, str | bytes):
        raise NoValue(f"{whole_value!r} has no parts")
    return whole_value[_integer(begin) : None if end is None else _integer(end)]


def padded(value: Value, width: Value) -> str:
    """With zeros in front up to `width`: a hex id keeps its length."""
    return text(value).zfill(_within(width, WIDTH_MAX))


def strip(value: Value) -> str:
    return text(value).strip()


def upper(value: Value) -> str:
    return text(value).upper()


def length(value: Value) -> int:
    return len(value) if isinstance(value, str | bytes) else 0


def starts(value: Value, prefix: Value) -> bool:
    return str(value).startswith(str(prefix))


def either(*values: Value) -> Value:
    """The first that is there: not None and not empty."""
    return next((value for value in values if value is not None and value not in ("", b"")), None)


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "abs": absolute,
    "backwards": backwards,
    "bcd": bcd,
    "bit": bit,
    "bits": bits,
    "either": either,
    "float32": float32,
    "float64": float64,
    "hex": hexadecimal,
    "highest_bit": highest_bit,
    "integer": integer_of,
    "length": length,
    "number": number,
    "padded": padded,
    "part": part,
    "scaled": scaled,
    "signed": signed,
    "starts": starts,
    "strip": strip,
    "text": text,
    "upper": upper,
    "whole": whole,
}


def _integer(value: Value) -> int:
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    raise NoValue(f"{value!r} is no whole number")


def _within(value: Value, most: int) -> int:
    """A place or a width: what a frame holds must not make us reach for gigabytes."""
    plain = _integer(value)
    if not 0 <= plain <= most:
        raise NoValue(f"{plain} is not from 0 to {most}")
    return plain


# ---------------------------------------------------------------------- compiling


def _of_numbers(apply: Callable[..., Value]) -> Callable[..., Value]:
    """`"7" * 3` is 777 in Python, and `"%d" % 7` is 7: not here."""

    def applied(left: Value, right: Value) -> Value:
        if not isinstance(left, int | Decimal) or not isinstance(right, int | Decimal):
            raise NoValue(f"{left!r} and {right!r} are not both numbers")
        return apply(left, right)

    return applied


def _joined(left: Value, right: Value) -> Value:
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, bytes) and isinstance(right, bytes):
        return left + right
    return _added(left, right)


_added = _of_numbers(operator.add)
_ARITHMETIC: dict[type[ast.operator], Callable[..., Value]] = {
    ast.Add: _joined,
    ast.Sub: _of_numbers(operator.sub),
    ast.Mult: _of_numbers(operator.mul),
    ast.FloorDiv: _of_numbers(operator.floordiv),
    ast.Mod: _of_numbers(operator.mod),
}
_COMPARE: dict[type[ast.cmpop], Callable[..., bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}


def parsed(source: str) -> ast.expr:
    """The tree of an expression that is short and flat enough to be worked with."""
    if len(source) > TEXT_MAX:
        raise ExpressionError(f"longer than {TEXT_MAX} characters")
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ExpressionError(f"`{source}`: {error}") from error
    if _nesting(tree) > NESTED_MAX:
        raise ExpressionError(f"`{source[:60]}...` is nested more than {NESTED_MAX} deep")
    return tree


def nesting(source: str) -> int:
    """How deep an expression is nested; 0 when it is none."""
    try:
        return _nesting(parsed(source))
    except ExpressionError:
        return 0


def _nesting(tree: ast.AST) -> int:
    level, deep = [tree], 0
    while level:
        deep += 1
        level = [
            child
            for node in level
            for child in ast.iter_child_nodes(node)
            if isinstance(child, ast.expr)
        ]
    return deep


def compile_expression(source: str, known: set[str]) -> Compiled:
    """`known` are the names there will be; any other is a mistake now, not later in the night."""
    return _Compiler(source, known).of(parsed(source))


class _Compiler:
    def __init__(self, source: str, known: set[str]) -> None:
        self._source = source
        self._known = known

    def of(self, node: ast.expr) -> Compiled:  # noqa: C901, PLR0911, PLR0912 - the grammar, in one table
        match node:
            case ast.Constant(value=int(value)) if value.bit_length() > INTEGER_BITS_MAX:
                raise self._refused(node, f"more than {INTEGER_BITS_MAX} bits")
            case ast.Constant(value=None | str() | bytes() | bool() | int() as value):
                return _constantly(value)
            case ast.Constant(value=float(value)) if isfinite(value):
                return self._decimal(node)
            case ast.Name(id=name):
                return self._name(node, name)
            case ast.BoolOp(op=ast.And(), values=values):
                return self._all([self.of(value) for value in values])
            case ast.BoolOp(values=values):
                return self._any([self.of(value) for value in values])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self.of(operand)
                return lambda names: not inner(names)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.of(operand)
                return lambda names: _applied(operator.neg, inner(names))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return self._binary(_ARITHMETIC[type(op)], left, right)
            case ast.Compare():
                return self._compare(node)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._choice(test, body, orelse)
            case ast.Subscript(value=ast.Name(id=table), slice=key):
                return self._look_up(node, table, key)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(node, name, arguments)
            case _:
                raise self._refused(node, f"{type(node).__name__} is not allowed here")

    def _refused(self, node: ast.expr, why: str) -> ExpressionError:
        mark = " " * node.col_offset + "^"
        return ExpressionError(f"{why}\n  {self._source}\n  {mark}")

    def _decimal(self, node: ast.expr) -> Compiled:
        written = ast.get_source_segment(self._source, node) or ""
        if _NUMBER.fullmatch(written) is None:
            raise self._refused(node, f"write {written} with digits and a point")
        exact = Decimal(written)
        return lambda _: exact

    def _name(self, node: ast.expr, name: str) -> Compiled:
        if name not in self._known:
            allowed = ", ".join(sorted(self._known)) or "none"
            raise self._refused(node, f"`{name}` is not known here; known are: {allowed}")

        def read(names: Names) -> Value:
            try:
                return names[name]  # type: ignore[return-value]  # tables are looked up, not read
            except KeyError as missing:
                raise NoValue(f"there is no {name} here") from missing

        return read

    def _several(self, parts: list[Compiled]) -> Compiled:
        return lambda names: tuple(part_of(names) for part_of in parts)  # type: ignore[return-value]  # only for `in`

    def _all(self, parts: list[Compiled]) -> Compiled:
        return lambda names: all(part_of(names) for part_of in parts)

    def _any(self, parts: list[Compiled]) -> Compiled:
        return lambda names: any(part_of(names) for part_of in parts)

    def _binary(self, apply: Callable[..., Value], left: ast.expr, right: ast.expr) -> Compiled:
        first, second = self.of(left), self.of(right)
        return lambda names: _applied(apply, first(names), second(names))

    def _operand(self, op: ast.cmpop, node: ast.expr) -> Compiled:
        """Several stand only behind `in`: as a value they could hold each other without end."""
        match op, node:
            case ast.In() | ast.NotIn(), ast.Tuple(elts=elements) | ast.List(elts=elements):
                return self._several([self.of(element) for element in elements])
        return self.of(node)

    def _compare(self, node: ast.Compare) -> Compiled:
        behind = zip(node.ops, node.comparators, strict=True)
        operands = [self.of(node.left), *(self._operand(op, operand) for op, operand in behind)]
        compares = [_COMPARE[type(op)] for op in node.ops]

        def holds(names: Names) -> bool:
            values = [operand(names) for operand in operands]
            return all(
                bool(_applied(compare, values[i], values[i + 1]))
                for i, compare in enumerate(compares)
            )

        return holds

    def _choice(self, test: ast.expr, body: ast.expr, orelse: ast.expr) -> Compiled:
        condition, then, otherwise = self.of(test), self.of(body), self.of(orelse)
        return lambda names: then(names) if condition(names) else otherwise(names)

    def _look_up(self, node: ast.expr, table: str, key: ast.expr) -> Compiled:
        self._name(node, table)
        wanted = self.of(key)

        def found(names: Names) -> Value:
            entries, key_value = names[table], wanted(names)
            if not isinstance(entries, Mapping) or str(key_value) not in entries:
                raise NoValue(f"{table} has no {key_value!r}")
            return entries[str(key_value)]

        return found

    def _call(self, node: ast.expr, name: str, arguments: list[ast.expr]) -> Compiled:
        if name not in FUNCTIONS:
            raise self._refused(node, f"no function `{name}`; there are: {', '.join(FUNCTIONS)}")
        function = FUNCTIONS[name]
        parts = [self.of(argument) for argument in arguments]
        takes = signature(function)
        try:
            takes.bind(*parts)
        except TypeError as error:
            wanted = ", ".join(takes.parameters)
            raise self._refused(node, f"{name}({wanted}): {error}") from error
        return lambda names: _applied(function, *(part_of(names) for part_of in parts))


def _constantly(value: Value) -> Compiled:
    return lambda _: value


def _applied(function: Callable[..., Value], *values: Value) -> Value:
    """A wrong type or a missing number is an answer of the device, not a crash of ours."""
    try:
        found = function(*values)
    except (TypeError, ValueError, ArithmeticError, IndexError, struct.error) as error:
        raise NoValue(str(error)) from error
    if _is_too_large(found):
        raise NoValue("larger than anything a device means")
    return found


def _is_too_large(value: Value) -> bool:
    match value:
        case int():
            return value.bit_length() > INTEGER_BITS_MAX
        case Decimal():
            exponent = value.as_tuple().exponent
            return (
                not isinstance(exponent, int)  # no number at all
                or abs(exponent) > DIGITS_MAX
                or abs(value.adjusted()) > DIGITS_MAX
            )
        case str() | bytes():
            return len(value) > CHARS_MAX
        case _:
            return False
