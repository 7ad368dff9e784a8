"""Bytes to complete lines, for every protocol that ends its frames with a character.

A line counts only when its end has been seen: the first half of `123.45 kg` is not 12 of anything.
Noise is kept in the line, where the driver refuses it; a line that never ends is thrown away as
far as its end, whenever that comes.
"""

LINE_BYTES_MAX = 128


class Lines:
    """Any of `terminators` ends a line; empty lines, as between CR and LF, do not count."""

    def __init__(self, terminators: bytes = b"\r\n", bytes_max: int = LINE_BYTES_MAX) -> None:
        self._terminators = frozenset(terminators)
        self._bytes_max = bytes_max
        self._line = bytearray()
        self._overlong = False

    def feed(self, received: bytes) -> list[bytes]:
        lines = []
        for byte in received:
            if byte in self._terminators:
                if self._line and not self._overlong:
                    lines.append(bytes(self._line))
                self.reset()
            elif len(self._line) < self._bytes_max:
                self._line.append(byte)
            else:
                self._overlong = True
        return lines

    def reset(self) -> None:
        """Forget a line that has begun: its end was lost with the cable."""
        self._line.clear()
        self._overlong = False
