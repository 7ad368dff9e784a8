"""Arrays for `unnest`, written as PostgreSQL reads them.

The driver turns each element of a list into text by itself, in Python: for some hundred rows that
takes longer than the statement. These are for numbers, and for words that need no escaping.
"""

from collections.abc import Iterable


def numbers(values: Iterable[int | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else str(int(value)) for value in values]) + "}"


def words(values: Iterable[str | None]) -> str:
    """Quoted, for `null` is a word. What has a quote or a backslash in it is none."""
    return "{" + ",".join(["NULL" if word is None else _quoted(word) for word in values]) + "}"


def _quoted(word: str) -> str:
    assert '"' not in word, word
    assert "\\" not in word, word
    return f'"{word}"'
