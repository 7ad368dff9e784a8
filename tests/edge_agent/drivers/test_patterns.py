"""No pattern that is let through can be kept busy, and the patterns people need are let through."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent import profiles
from edge_agent.drivers.patterns import CHARS_MAX, PatternError, compiled

BUSY_S = 1.0  # of the processor's time; what is let through takes a tenth of it at most
LONG = 500  # bytes; nearly every device says what it has to say in 60


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+b",
        r"(a|aa)+b",
        r"(?:a?){30}a{30}b",
        r"(\d+ *)*x",
        r".*.*.*.*x",
        r" * * * * *x",
        r"(?:[ab]*[bc]*[cd]*[da]*){2}x",
        r"(?=(a+)+b).*",
        r"(x?){999999999}",
        r"(?:){999999999}",
        r"(a*?)*?b",
    ],
)
def test_what_could_be_kept_busy_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError, match=r"tries for a frame of 128 bytes|may be empty"):
        compiled(pattern, 128)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "character 0"),
        ("x{1,7777777777}", "too large"),
        ("(" * 1_500, "recursion"),
        ("x" * (CHARS_MAX + 1), f"longer than {CHARS_MAX}"),
        ("(?i)kg", "flags"),
        ("(?i:kg)", "not allowed"),
        (r"(a)\1", "not allowed"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_the_reason(pattern: str, said: str) -> None:
    with pytest.raises(PatternError, match=re.escape(said)):
        compiled(pattern, 128)


@pytest.mark.parametrize(
    "pattern",
    [
        r".*",
        r"(?P<aim>\][A-Za-z]\d)?(?P<content>[\x1d -~]+)",
        r"([0-9A-F]{2})+",
        r"(?:\d+;)*\d+",
        r" *+(?P<sign>[+-]?) *+(?P<weight_text>[\d.]+) *+(?P<unit_text>\w+)? *",
        r"(?:ST|US|OL),(?:GS|NT),[+-] *\d+\.?\d*(?:kg| g|lb)",
        r"[^,]*,[^,]*,[^,]*",
    ],
)
def test_what_people_need_is_let_through_for_long_frames(pattern: str) -> None:
    assert compiled(pattern, LONG)


def took_s(pattern: re.Pattern[str], frame: str) -> float:
    start_s = time.process_time()
    pattern.fullmatch(frame)
    return time.process_time() - start_s


@pytest.mark.parametrize("pattern", [r"a*a*a*b", r"(?:a|aa){1,14}b", r".*,.*,.*,x", r"(a?b?){9}c"])
def test_the_worst_frame_for_the_worst_pattern_that_is_let_through_is_soon_done(
    pattern: str,
) -> None:
    longest = 0
    for length in range(8, 600, 8):
        try:
            allowed = compiled(pattern, length)
        except PatternError:
            break
        longest = length
        for frame in ("a" * length, "," * length, "ab" * (length // 2)):
            assert took_s(allowed, frame) < BUSY_S
    assert longest == 0 or longest < 600


PIECES = st.recursive(
    st.sampled_from(["a", "b", "[ab]", ".", r"\d", "[^a]", " ", "ab", "a$", "1"]),
    lambda inner: st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("(?:{}|{})".format, inner, inner),
        st.builds(
            "(?:{}){}".format,
            inner,
            st.sampled_from(["*", "+", "?", "*?", "+?", "*+", "{2,9}", "{1,40}", "{3}"]),
        ),
        st.builds("(?={}){}".format, inner, inner),
        st.builds("(?>{}){}".format, inner, inner),
    ),
    max_leaves=8,
)


@given(pattern=PIECES, frame=st.text(alphabet="ab1 ", max_size=8), times=st.integers(1, 64))
@settings(max_examples=400)
def test_no_frame_keeps_a_pattern_busy_that_was_let_through(
    pattern: str, frame: str, times: int
) -> None:
    try:
        allowed = compiled(pattern, 128)
    except PatternError:
        return
    assert took_s(allowed, (frame * times)[:128] + "!") < BUSY_S


@pytest.mark.parametrize("name", profiles.shipped())
def test_the_worst_frames_keep_no_shipped_profile_busy(name: str) -> None:
    declared = profiles.load(name, all_needed=False)
    if declared.frame_rule is None:
        return
    length = declared.frame_rule.bytes_max
    patterns = [rule.pattern for rule in declared.rules if rule.pattern]
    written = "".join({*"".join(pattern.pattern for pattern in patterns), " ", "0", "A"})
    start_s = time.process_time()
    for letter in written:
        for pattern in patterns:
            pattern.fullmatch(letter * length)
            pattern.fullmatch((letter + " ") * (length // 2))
    assert (time.process_time() - start_s) / len(written) < BUSY_S
