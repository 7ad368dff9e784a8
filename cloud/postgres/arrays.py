"""Arrays for `unnest`, written as PostgreSQL reads them.

The driver turns each element of a list into text by itself, in Python: for some hundred rows that
takes longer than the statement. These are for numbers, and for words that need no escaping.
"""

from collections.abc import Iterable


def numbers(values: Iterable[object]) -> str:
    """Of numbers, yes and no, days and times: of all whose text holds nothing to be escaped."""
    text = ",".join(map(str, values))
    if "e" in text:  # None, True, False: seldom, and looked for in all of them at once
        text = text.replace("None", "NULL").replace("True", "1").replace("False", "0")
    return "{" + text + "}"


def words(values: Iterable[str | None]) -> str:
    """Quoted, for `null` is a word. What has a quote or a backslash in it is none."""
    return "{" + ",".join(["NULL" if word is None else _quoted(word) for word in values]) + "}"


def _quoted(word: str) -> str:
    assert '"' not in word, word
    assert "\\" not in word, word
    return f'"{word}"'
