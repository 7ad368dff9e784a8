"""Words for every state of trust: a new one is not shown without."""

from cloud.core.trust import Trust
from cloud.http.doubts import TRUST_WORDS


def test_every_state_has_a_word_of_its_own_and_says_what_it_means() -> None:
    assert set(TRUST_WORDS) == set(Trust)
    assert len({one.word for one in TRUST_WORDS.values()}) == len(Trust)
    for trust, one in TRUST_WORDS.items():
        assert one.means.endswith(".")
        assert one.do.endswith(".") or trust is Trust.FRESH
        assert len(one.word) <= 10, "it stands on a tile"
