"""Which weights of a line may be believed where only their width could show that a byte was lost.

Formats without a check right-align the weight in a field that is always as wide. A profile says of
each weight what its width shows (`width_is` among what the outcome says):

known      the maker's width, or the one that was set: believed at once
possible   another maker's: believed when the answers go on like that
wrong      nobody's: bytes were lost or doubled

A scale of a fixed format never changes its width. So once a line has shown the known one for a
while nothing else is believed of it, however often it comes: a full buffer loses the same byte of
every frame.
"""

ALIKE_MIN = 3
"""How many answers in a row must be alike to be believed where one alone is not."""


class Widths:
    """One line's weights, in order."""

    def __init__(self) -> None:
        self._shape: tuple[int, str] | None = None
        self._seen = 0
        self._other: tuple[int, str] | None = None
        self._others = 0

    def doubt(self, length: int, width: str) -> str:
        """Why this weight is not to be believed; empty when it is. `length` is its frame's."""
        if width == "wrong":
            return "the weight has not the width it should have: see `weight_characters`"
        shape = (length, width)
        if shape == self._shape:
            self._seen += 1
            self._others = 0
            return ""
        self._others = self._others + 1 if shape == self._other else 1
        self._other = shape
        if not self._may_change(width):
            return "not as long as the answers before it"
        self._shape, self._seen, self._others = shape, self._others, 0
        return ""

    def _may_change(self, width: str) -> bool:
        if self._shape is None and width == "known":
            return True
        is_proven = (
            self._shape is not None and self._shape[1] == "known" and self._seen >= ALIKE_MIN
        )
        return self._others >= ALIKE_MIN and (width == "known" or not is_proven)
