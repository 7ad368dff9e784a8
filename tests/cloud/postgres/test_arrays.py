from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.postgres import arrays

WORD = st.from_regex(r"[A-Za-z0-9_/ -]{0,9}", fullmatch=True)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.booleans())),
    st.lists(st.one_of(st.none(), WORD, st.sampled_from(["null", "NULL", "{a,b}", "a,b"]))),
)
def test_postgres_reads_what_was_written(
    database: Any, numbers: list[int | None], words: list[str | None]
) -> None:
    with database.connect("binline_ingest") as conn:
        row = conn.execute(
            "SELECT %s::bigint[], %s::text[]", (arrays.numbers(numbers), arrays.words(words))
        ).fetchone()
    assert row == (numbers, words)


@pytest.mark.parametrize("word", ['a"b', "a\\b"])
def test_what_needs_escaping_is_a_defect(word: str) -> None:
    with pytest.raises(AssertionError):
        arrays.words([word])
