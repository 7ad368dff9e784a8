"""What each state of trust means to who stands before the bin, and what they can do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cloud.core.trust import Trust


@dataclass(frozen=True, kw_only=True)
class TrustWords:
    word: str  # on a tile, where room is short
    means: str
    do: str  # empty: nothing


TRUST_WORDS: Mapping[Trust, TrustWords] = MappingProxyType(
    {
        Trust.FRESH: TrustWords(
            word="Fresh", means="The number may be acted on: orders are placed on it.", do=""
        ),
        Trust.STALE: TrustWords(
            word="Stale",
            means="What moved since then is not known.",
            do="Look at the scale, its cable and its power.",
        ),
        Trust.OFFLINE: TrustWords(
            word="Offline",
            means="Every scale behind it is silent, too. With power, it keeps its readings and"
            " sends them later.",
            do="Look at the gateway's power and network.",
        ),
        Trust.STUCK: TrustWords(
            word="Stuck",
            means="It answers, but it no longer weighs.",
            do="Lift the bin: if the number stays, switch the scale off and on.",
        ),
        Trust.SUSPECT: TrustWords(
            word="Doubtful",
            means="The scale is heard, but what it says cannot be relied on.",
            do="Look at what stands on the scale, and whether something leans on it.",
        ),
        Trust.ABSENT: TrustWords(
            word="Off scale",
            means="What it holds is known again when it is back.",
            do="Put the bin back.",
        ),
        Trust.NOT_ZEROED: TrustWords(
            word="Not zeroed",
            means="The scale took something that lay on it for its zero: every number since is off"
            " by that weight.",
            do="Take everything off, zero the scale, and put the bin back.",
        ),
        Trust.UNIT_CHANGED: TrustWords(
            word="Odd weight",
            means="Until somebody has looked, nothing that came or went is counted by it.",
            do="Look into the bin, count it, or weigh a counted sample.",
        ),
        Trust.UNKNOWN: TrustWords(
            word="No level",
            means="The scale is heard, but there is no level yet.",
            do="Let the bin rest on its scale, or enter a count.",
        ),
    }
)
