"""An adapter on two wires hears itself: what we sent comes back in front of the answer.

    us      S I CR LF
    line    S I CR LF  S blank S ...       the echo, then the answer

Only exactly the sent bytes are taken away, and only once. As soon as one differs, all of it is
handed on: it was no echo, and it is not for us to decide which of it was. When not even the echo
comes, nothing was sent, or the adapter has none.
"""

MISSING = (
    "not even our own question came back: the adapter does not send, or has no echo (local_echo)"
)


class Echo:
    """Tell it what was sent; it strips that from what comes back, however that is cut."""

    def __init__(self) -> None:
        self._awaited = b""
        self._returned = b""

    def sent(self, request: bytes) -> None:
        self._awaited, self._returned = request, b""

    @property
    def is_missing(self) -> bool:
        """Not all of it has come back yet."""
        return bool(self._awaited)

    def strip(self, received: bytes) -> bytes:
        if not self._awaited:
            return received
        whole = self._returned + received
        if whole.startswith(self._awaited):
            rest = whole[len(self._awaited) :]
            self.sent(b"")
            return rest
        if self._awaited.startswith(whole):
            self._returned = whole
            return b""
        self.sent(b"")
        return whole
