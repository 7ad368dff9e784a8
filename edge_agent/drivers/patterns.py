r"""How long a pattern may keep us busy, said before it ever sees a frame.

Python's regular expressions try one way after the other: `(\d+)+x` over sixty digits takes years,
and ` * * * * *x` over a frame of blanks minutes. What a line sends is not ours to choose, so each
pattern is measured when the profile is loaded: how many ways are there to share out the longest
frame among its pieces?

    ` *\d+`     one: a character is a blank or a digit, never both
    ` *.+`      as many as there are blanks: each may belong to either side
    ` *+.+`     one: what is possessive gives nothing back
    `(\d+)+`    twice as many with every digit

The measure is an upper bound, made for frames of one byte a character, and never too low.
"""

import re
from dataclasses import dataclass, replace
from functools import cache, reduce
from operator import or_
from re import _constants, _parser  # type: ignore[attr-defined]  # private: so that `re` and we read a pattern alike
from typing import Any

CHARS_MAX = 2_000
TRIES_MAX = 10_000_000  # of one character, for one frame: at most a tenth of a second
_ENDLESS = 10**12  # so that the numbers here do not grow as what they count would
_LETTERS = 256  # a line is read as one character a byte
_ALL = (1 << _LETTERS) - 1
_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}


class PatternError(Exception):
    """A pattern that is none, or one that could keep us busy: what, and what is allowed."""


@dataclass(frozen=True)
class _Work:
    """Of a piece of a pattern."""

    first: int  # what it may begin with
    skippable: bool  # it may fit nothing at all
    ways: int  # to get through it, from one place
    tries: int  # of single characters, to have tried them all


def short(pattern: str) -> str:
    if len(pattern) > CHARS_MAX:
        raise PatternError(f"is longer than {CHARS_MAX} characters")
    return pattern


def compiled(pattern: str, frame_bytes_max: int) -> re.Pattern[str]:
    """The pattern, if no frame of that length can keep it busy."""
    try:
        tree = _parser.parse(short(pattern), re.DOTALL)
        if tree.state.flags & ~(re.DOTALL | re.UNICODE):
            raise PatternError("flags like (?i) are not allowed: write [Kk][Gg]")
        tries = _Measure(frame_bytes_max).sequence(tree, 0).tries
        made = re.compile(pattern, re.DOTALL)
    except re.error as error:
        where = f" at character {error.pos} of {pattern}" if error.pos is not None else ""
        raise PatternError(f"{error.msg}{where}") from error
    except (OverflowError, RecursionError) as error:  # {1,7777777777}, or brackets without end
        raise PatternError(str(error)) from error
    if tries > TRIES_MAX:
        raise PatternError(
            f"could take {min(tries, _ENDLESS):,} tries for a frame of {frame_bytes_max} bytes; "
            f"allowed are {TRIES_MAX:,}. Where a character fits two neighbouring repeats "
            "(` * *`, `.*,.*`, `(a+)+`) say which takes it (`[^,]*`), how often (`{0,9}`), or that "
            "the first keeps what it has (` *+`)"
        )
    return made


class _Measure:
    """Walks the tree that `re` makes of a pattern, for frames of a given length."""

    def __init__(self, frame_bytes_max: int) -> None:
        self._longest = frame_bytes_max

    def sequence(self, pieces: Any, after: int) -> _Work:  # noqa: ANN401 - re's own tree has no types
        """`after` is what may come behind it."""
        works: list[_Work] = []
        for piece in reversed(list(pieces)):
            work = self._of(piece, after)
            works.insert(0, work)
            after = work.first | (after if work.skippable else 0)
        first, skippable, ways, tries = 0, True, 1, 1
        for work in works:
            first |= work.first if skippable else 0
            skippable &= work.skippable
            tries += ways * work.tries
            ways *= work.ways
        return _Work(first, skippable, min(ways, _ENDLESS), min(tries, _ENDLESS))

    def _of(self, piece: tuple[Any, Any], after: int) -> _Work:  # noqa: C901, PLR0911 - a table
        match str(piece[0]), piece[1]:
            case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN", _:
                return _Work(_letters(piece), skippable=False, ways=1, tries=1)
            case "AT", _:
                return _Work(0, skippable=True, ways=1, tries=1)
            case "SUBPATTERN", (_, int(on), int(off), inner) if not on and not off:
                return self.sequence(inner, after)
            case "ATOMIC_GROUP", inner:  # nothing goes back into it
                return replace(self.sequence(inner, after), ways=1)
            case "BRANCH", (_, branches):
                return _either([self.sequence(branch, after) for branch in branches], after)
            case "GROUPREF_EXISTS", (_, yes, no):
                return _either([self.sequence(branch, after) for branch in (yes, no or ())], after)
            case "ASSERT" | "ASSERT_NOT", (_, inner):
                # Once it holds nothing goes back into it; it may be asked anew at every place.
                return _Work(_ALL, skippable=True, ways=1, tries=self.sequence(inner, 0).tries)
            case "MAX_REPEAT" | "MIN_REPEAT", (least, most, inner):
                return self._repeat(least, most, inner, after)
            case "POSSESSIVE_REPEAT", (least, most, inner):
                return replace(self._repeat(least, most, inner, after), ways=1)
            case name, _:
                raise PatternError(f"{name.lower()} is not allowed: it cannot be measured")

    def _repeat(self, least: int, most: int, inner: Any, after: int) -> _Work:  # noqa: ANN401 - as above
        once = self.sequence(inner, after)
        if most > 1:
            once = self.sequence(inner, after | once.first)
            if once.skippable:
                raise PatternError("repeats a group that may be empty: say what is at least in it")
        times = min(most, self._longest)
        choices = max(0, times - least) + 1
        if once.ways == 1:
            ways = choices if once.first & after else 1
            tries = max(1, times) * once.tries
        else:
            ways = min(choices * once.ways**times, _ENDLESS)
            tries = ways * once.tries
        return _Work(once.first, least == 0 or once.skippable, ways, tries)


def _either(branches: list[_Work], after: int) -> _Work:
    """One way where the first character decides, else all of them together."""
    taken, decided = 0, True
    for work in branches:
        begins = work.first | (after if work.skippable else 0)
        decided = decided and not begins & taken
        taken |= begins
    ways = [work.ways for work in branches]
    return _Work(
        first=reduce(or_, (work.first for work in branches)),
        skippable=any(work.skippable for work in branches),
        ways=max(ways) if decided else sum(ways),
        tries=sum(work.tries for work in branches),
    )


# ---------------------------------------------------------------------- sets of characters, as bits


def _letters(piece: tuple[Any, Any]) -> int:
    match str(piece[0]), piece[1]:
        case "LITERAL", code:
            return _ALL & 1 << code if code < _LETTERS else 0
        case "NOT_LITERAL", code:
            return _ALL & ~_letters((_constants.LITERAL, code))
        case "RANGE", (low, high):
            return _ALL & (1 << int(min(high, _LETTERS)) + 1) - (1 << int(min(low, _LETTERS)))
        case "CATEGORY", category:
            return _of_category(str(category))
        case "IN", parts:
            negated = str(parts[0][0]) == "NEGATE"
            union = reduce(or_, map(_letters, parts[1:] if negated else parts), 0)
            return _ALL & ~union if negated else union
        case _:  # ANY
            return _ALL


@cache
def _of_category(category: str) -> int:
    written = re.compile(_CATEGORIES[category])
    return sum(1 << code for code in range(_LETTERS) if written.fullmatch(chr(code)))
