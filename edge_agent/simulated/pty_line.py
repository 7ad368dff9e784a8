"""A serial line without a cable: a pseudo terminal, behind a path that stays the same.

The far end is in raw mode from the first byte: a terminal as it comes echoes every answer back as
a command, and turns CR into LF.
"""

import os
import tty
from pathlib import Path


class PtyLine:
    """`near` is our end, not blocking; the program under test opens `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # The far end stays open here too: without a second holder the line dies when it is closed.
        self.near, self._far = os.openpty()
        tty.setraw(self._far)
        os.set_blocking(self.near, False)
        # Made aside and moved: a start after a kill finds the old link, and nobody finds none.
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(self._far))
        fresh.replace(path)

    def read(self, bytes_max: int = 4096) -> bytes:
        try:
            return os.read(self.near, bytes_max)
        except (BlockingIOError, InterruptedError):
            return b""

    def write(self, line: bytes) -> bool:
        """False when nobody has been reading for so long that the line is full."""
        try:
            return os.write(self.near, line) == len(line)
        except (BlockingIOError, InterruptedError):
            return False

    def close(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self.near)
        os.close(self._far)
