"""The nouns that people keep, each described once: fields, what they hold, what they refer to.

Forms, the API and sheets all read and check by this one table, so that a value one of them takes is
taken by all, and every mistake is told at once with what is allowed instead. References are by the
names people use: a site by its name, a place by its path, an item by its SKU.

In the program a weight is a whole number of its smallest unit (`unit_weight_ug`); on paper it is
written in grams (`unit_weight_g`). `digits` is how many decimals lie between the two.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

Value = str | int | bool | None
Values = Mapping[str, Value]

INT_MAX = 2_147_483_647
NAME_CHARS = 120
_PLAIN_NUMBER = re.compile(r"(?P<whole>-?\d{1,15})(?:(?P<mark>[.,])(?P<part>\d{1,9}))?")


class Kind(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    FLAG = "flag"
    NOUN = "noun"  # the key of another noun


@dataclass(frozen=True, kw_only=True)
class Field:
    name: str
    label: str
    kind: Kind = Kind.TEXT
    paper: str = ""  # its name on paper; empty: the same
    required: bool = False
    default: Value = None  # what an empty field means
    low: int = 0
    high: int = INT_MAX
    digits: int = 0
    chars: int = NAME_CHARS
    pattern: str = ""
    allowed: str = ""  # in words, where pattern, choices and bounds do not say it
    choices: tuple[str, ...] = ()
    refers: str = ""  # to which noun, by its key
    hint: str = ""

    @property
    def on_paper(self) -> str:
        return self.paper or self.name

    @property
    def takes(self) -> str:
        """What is allowed, in words."""
        match self.kind:
            case Kind.NUMBER:
                decimals = "decimal" if self.digits == 1 else "decimals"
                what = f"up to {self.digits} {decimals}" if self.digits else "a whole number"
                low, high = paper_of(self, self.low), paper_of(self, self.high)
                reach = f"{low} or more" if self.high == INT_MAX else f"from {low} to {high}"
                return f"{what}, {reach}" + ("" if self.required else ", or nothing")
            case Kind.CHOICE:
                return "one of " + ", ".join(self.choices)
            case Kind.FLAG:
                return "yes or no"
            case Kind.NOUN:
                return self.allowed or f"an existing {NOUNS[self.refers].name.replace('_', ' ')}"
            case Kind.TEXT:
                return self.allowed or f"1 to {self.chars} characters"


def number_field(
    name: str,
    label: str,
    *,
    low: int = 0,
    high: int = INT_MAX,
    digits: int = 0,
    default: int | None = None,
    paper: str = "",
    hint: str = "",
) -> Field:
    return Field(
        name=name, label=label, kind=Kind.NUMBER, low=low, high=high, digits=digits,
        default=default, paper=paper, hint=hint,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Mistake:
    field: str
    given: str
    allowed: str


@dataclass(frozen=True, kw_only=True)
class Noun:
    name: str
    plural: str
    title: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    rule: Callable[[Values], list[Mistake]] = lambda _: []

    @property
    def by_name(self) -> Mapping[str, Field]:
        return {field.name: field for field in self.fields}

    def key_of(self, values: Values) -> tuple[str, ...]:
        return tuple(str(values.get(part) or "") for part in self.key)


def read(noun: Noun, given: Mapping[str, object], was: Values | None = None) -> "Read":
    """Check what the API was given: whole, or with `was` what is to change of it."""
    mistakes = [
        Mistake(field=name, given=str(given[name])[:80], allowed="no such field")
        for name in given
        if name not in noun.by_name
    ]
    values: dict[str, Value] = dict(was or {})
    for field in noun.fields:
        if field.name in given:
            _take(field, given[field.name], values, mistakes)
        elif was is None:
            _take(field, None, values, mistakes)
    return _ruled(noun, values, mistakes)


def read_paper(
    noun: Noun, given: Mapping[str, str], was: Values | None = None, *, comma: bool = False
) -> "Read":
    """Check what a form or a sheet says. `comma`: a comma is the decimal mark there."""
    mistakes: list[Mistake] = []
    values: dict[str, Value] = dict(was or {})
    for field in noun.fields:
        text = given.get(field.on_paper)
        if text is None and was is not None:
            continue
        value = _from_paper(field, (text or "").strip(), comma=comma)
        if isinstance(value, Mistake):
            mistakes.append(value)
        else:
            _take(field, value, values, mistakes)
    return _ruled(noun, values, mistakes)


@dataclass(frozen=True, kw_only=True)
class Read:
    values: Values
    mistakes: tuple[Mistake, ...]


def paper(noun: Noun, values: Values) -> dict[str, str]:
    """As a form or a sheet shows it."""
    return {field.on_paper: paper_of(field, values.get(field.name)) for field in noun.fields}


def paper_of(field: Field, value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and field.digits:
        whole, part = divmod(abs(value), 10**field.digits)
        text = f"{whole}.{part:0{field.digits}}".rstrip("0").rstrip(".")
        return f"-{text}" if value < 0 else text
    return str(value)


def _ruled(noun: Noun, values: dict[str, Value], mistakes: list[Mistake]) -> Read:
    wrong = {mistake.field for mistake in mistakes}
    ruled = [mistake for mistake in noun.rule(values) if mistake.field not in wrong]
    return Read(values=MappingProxyType(values), mistakes=(*mistakes, *ruled))


def _take(field: Field, value: object, values: dict[str, Value], mistakes: list[Mistake]) -> None:
    if value is None or value == "":
        if field.required:
            mistakes.append(Mistake(field=field.name, given="", allowed=field.takes))
        values[field.name] = field.default
        return
    if not _fits(field, value):
        mistakes.append(Mistake(field=field.name, given=str(value)[:80], allowed=field.takes))
        return
    assert isinstance(value, str | int)
    values[field.name] = value


def _fits(field: Field, value: object) -> bool:
    match field.kind:
        case Kind.FLAG:
            return isinstance(value, bool)
        case Kind.NUMBER:
            is_number = isinstance(value, int) and not isinstance(value, bool)
            return is_number and field.low <= int(str(value)) <= field.high
        case Kind.CHOICE:
            return value in field.choices
        case Kind.TEXT | Kind.NOUN:
            if not isinstance(value, str) or len(value) > field.chars or not value.isprintable():
                return False
            return not field.pattern or re.fullmatch(field.pattern, value) is not None


_WORDS = MappingProxyType(
    {"yes": True, "true": True, "1": True, "ja": True, "wahr": True}
    | {"no": False, "false": False, "0": False, "nein": False, "falsch": False}
)


def _from_paper(field: Field, text: str, *, comma: bool) -> Value | Mistake:
    if not text:
        return None
    wrong = Mistake(field=field.name, given=text[:80], allowed=field.takes)
    match field.kind:
        case Kind.FLAG:
            return _WORDS.get(text.lower(), wrong)
        case Kind.NUMBER:
            return _number(field, text, wrong, comma=comma)
        case _:
            return text


def _number(field: Field, text: str, wrong: Mistake, *, comma: bool) -> Value | Mistake:
    found = _PLAIN_NUMBER.fullmatch(text)
    if found is None:
        return wrong
    part = (found["part"] or "").rstrip("0")
    usual = "," if comma else "."
    # 1.234 where a comma is the decimal mark: a thousand, or one and a bit? Nobody shall guess.
    if found["mark"] not in (None, usual) and len(found["part"]) == 3:  # noqa: PLR2004 - as they group
        return Mistake(
            field=field.name, given=text, allowed=f"{field.takes}; is its mark for decimals or "
            f"for thousands? Write it with “{usual}” for decimals and nothing for thousands",
        )  # fmt: skip
    if len(part) > field.digits:
        return wrong
    scaled = int(found["whole"].lstrip("-") + part.ljust(field.digits, "0"))
    return -scaled if found["whole"].startswith("-") else scaled


# ------------------------------------------------------------------------------ the table itself


def _number_of(values: Values, name: str) -> int | None:
    value = values.get(name)
    return value if isinstance(value, int) else None


def _bin_rule(values: Values) -> list[Mistake]:
    mistakes = []
    capacity, minimum = _number_of(values, "capacity"), _number_of(values, "minimum")
    upto = _number_of(values, "order_up_to")
    if capacity is None or minimum is None:
        return []
    if minimum >= capacity:
        mistakes.append(
            Mistake(
                field="minimum", given=str(minimum), allowed=f"less than the capacity {capacity}"
            )
        )
    if upto is not None and not minimum < upto <= capacity:
        mistakes.append(
            Mistake(
                field="order_up_to",
                given=str(upto),
                allowed=f"above the minimum {minimum}, at most the capacity {capacity}, or nothing",
            )
        )
    return mistakes


def _money_rule(values: Values) -> list[Mistake]:
    if (values.get("price_e4") is None) == (values.get("currency") is None):
        return []
    missing = "currency" if values.get("currency") is None else "price_e4"
    return [Mistake(field=missing, given="", allowed="a price and its currency, or neither")]


def _place_rule(values: Values) -> list[Mistake]:
    parts = str(values.get("path") or "").split(" / ")
    good = all(part and part == part.strip() and "/" not in part for part in parts)
    if not good or len(parts) > PLACE_DEPTH:
        return [Mistake(field="path", given=str(values.get("path"))[:80], allowed=_PATH)]
    return []


PLACE_DEPTH = 8
_PATH = f"names from the top down, parted by “ / ”, at most {PLACE_DEPTH}: Hall C / R04 / R04-B"
_NAME = Field(name="name", label="Name", required=True)
_NUMBER = Field(name="number", label="Number", default="", chars=40, hint="in your books")
_ACTIVE = Field(name="active", label="In use", kind=Kind.FLAG, default=True)
_CURRENCY = Field(
    name="currency",
    label="Currency",
    pattern="[A-Z]{3}",
    allowed="three capital letters, as EUR",
)


def _grams(name: str, label: str, *, digits: int, **more: object) -> Field:
    return Field(
        name=name,
        paper=name.rsplit("_", 1)[0] + "_g",
        label=f"{label}, g",
        kind=Kind.NUMBER,
        digits=digits,
        high=10**12,
        **more,  # type: ignore[arg-type] # as the fields above
    )


def _price(label: str) -> Field:
    return Field(
        name="price_e4", paper="price", label=label, kind=Kind.NUMBER, digits=4, high=10**13
    )


CUSTOMER = Noun(
    name="customer",
    plural="customers",
    title="Customers",
    key=("name",),
    fields=(_NAME, _NUMBER, _ACTIVE),
)
SUPPLIER = Noun(
    name="supplier",
    plural="suppliers",
    title="Suppliers",
    key=("name",),
    fields=(_NAME, _NUMBER, _ACTIVE),
)
SITE = Noun(
    name="site",
    plural="sites",
    title="Sites",
    key=("name",),
    fields=(
        _NAME,
        Field(name="customer", label="Customer", kind=Kind.NOUN, refers="customer", required=True),
        Field(name="place", label="Where", default="", hint="as people there say: Plant 2"),
        Field(
            name="time_zone",
            label="Time zone",
            default="UTC",
            pattern=r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*",
            allowed="a time zone by its name, as Europe/Berlin",
        ),
        _ACTIVE,
    ),
)
PLACE = Noun(
    name="place",
    plural="places",
    title="Places",
    key=("site", "path"),
    fields=(
        Field(name="site", label="Site", kind=Kind.NOUN, refers="site", required=True),
        Field(name="path", label="Place", required=True, chars=400, allowed=_PATH, hint=_PATH),
        Field(
            name="kind",
            label="Kind",
            kind=Kind.CHOICE,
            default="spot",
            choices=("area", "rack", "shelf", "spot", "van"),
        ),
        _ACTIVE,
    ),
    rule=_place_rule,
)
ITEM = Noun(
    name="item",
    plural="items",
    title="Items",
    key=("sku",),
    fields=(
        Field(name="sku", label="SKU", required=True, chars=40),
        Field(name="name", label="Name", required=True),
        _grams("unit_weight_ug", "Weight of a piece", digits=6, required=True, low=1),
        _grams("unit_sd_ug", "Differs from piece to piece by", digits=6, default=0),
        _grams("unit_error_ug", "Weight known to within", digits=6, default=0),
        Field(name="pack", label="Pieces in a pack", kind=Kind.NUMBER, low=1, default=1),
        _price("Value of a piece"),
        _CURRENCY,
        _ACTIVE,
    ),
    rule=_money_rule,
)
ITEM_SUPPLIER = Noun(
    name="item_supplier",
    plural="item_suppliers",
    title="Who supplies what",
    key=("item", "supplier"),
    fields=(
        Field(name="item", label="Item (SKU)", kind=Kind.NOUN, refers="item", required=True),
        Field(name="supplier", label="Supplier", kind=Kind.NOUN, refers="supplier", required=True),
        Field(name="supplier_sku", label="Supplier's number", default="", chars=40),
        Field(name="pack", label="Pack", kind=Kind.NUMBER, low=1, hint="empty: as the item"),
        Field(name="moq", label="At least", kind=Kind.NUMBER, low=1, hint="pieces per order"),
        Field(name="lead_time_days", label="Lead time, days", kind=Kind.NUMBER, high=730),
        _price("Price of a piece"),
        _CURRENCY,
        _ACTIVE,
    ),
    rule=_money_rule,
)
BIN = Noun(
    name="bin",
    plural="bins",
    title="Bins",
    key=("code",),
    fields=(
        Field(
            name="code",
            label="Code",
            required=True,
            pattern="[A-Z0-9-]{2,32}",
            allowed="2 to 32 of A to Z, 0 to 9 and -",
        ),
        Field(name="site", label="Site", kind=Kind.NOUN, refers="site", required=True),
        Field(
            name="place",
            label="Place",
            kind=Kind.NOUN,
            refers="place",
            chars=400,
            allowed="the path of a place on this site",
        ),
        Field(name="item", label="Item (SKU)", kind=Kind.NOUN, refers="item", required=True),
        Field(name="supplier", label="Supplier", kind=Kind.NOUN, refers="supplier", required=True),
        Field(name="capacity", label="Capacity", kind=Kind.NUMBER, low=1, required=True),
        Field(name="minimum", label="Minimum", kind=Kind.NUMBER, required=True),
        Field(name="margin", label="Margin", kind=Kind.NUMBER, default=0, hint="low ends above it"),
        Field(name="order_up_to", label="Order up to", kind=Kind.NUMBER, low=1, hint="or capacity"),
        Field(
            name="refill_min_pieces",
            label="Smallest refill",
            kind=Kind.NUMBER,
            low=1,
            hint="empty: a pack",
        ),
        _grams("tare_mg", "Empty bin", digits=3, default=0),
        _grams("scale_sd_mg", "Noise of the scale", digits=3, default=0, hint="0: to be learnt"),
        Field(
            name="measure",
            label="Measured by",
            kind=Kind.CHOICE,
            default="weight",
            choices=("weight", "counter_out", "counter_in", "tags", "steps", "two_bin"),
        ),
        Field(
            name="pieces_per_count",
            label="Pieces per count",
            kind=Kind.NUMBER,
            low=1,
            default=1,
            hint="what is not weighed: what one count stands for",
        ),
        Field(
            name="interval_s",
            label="Heard every, s",
            kind=Kind.NUMBER,
            low=1,
            high=86_400,
            default=60,
            hint="silent for three of these: stale",
        ),
        Field(
            name="ownership",
            label="Whose its parts are",
            kind=Kind.CHOICE,
            default="owned",
            choices=("owned", "consignment"),
            hint="consignment: the supplier's until they are used",
        ),
        Field(
            name="critical",
            label="Critical",
            kind=Kind.FLAG,
            default=False,
            hint="yes: its cases stand before others that are as urgent",
        ),
        _ACTIVE,
    ),
    rule=_bin_rule,
)

# In the order in which they may refer to each other.
NOUNS: Mapping[str, Noun] = MappingProxyType(
    {one.name: one for one in (CUSTOMER, SUPPLIER, SITE, PLACE, ITEM, ITEM_SUPPLIER, BIN)}
)
BY_PLURAL: Mapping[str, Noun] = MappingProxyType({one.plural: one for one in NOUNS.values()})
