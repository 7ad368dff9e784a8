"""Bytes in any pieces to whole frames: find the start, wait for the end, verify, start again.

    line noise | STX .......... CR | half a fra   me ...
                 +-- a frame --+    +-- kept until the rest comes

One machine serves every family; `FrameRule` says how its frames look. Three promises hold for any
rule: where the bytes are cut never changes the answer, noise costs at most the frame it touches,
and what fails its check is a `Discard` with the reason, never a guess.
"""

from dataclasses import dataclass, field

from edge_agent.framing.checks import CHECKS, WRITTEN

OVERLONG = "no end within the longest frame"
_TEXT = bytes((*range(0x20, 0x7F), 0x09, 0x0A, 0x0D))


@dataclass(frozen=True, kw_only=True)
class LengthField:
    """A frame that says how long it is: `total = number at [at, at + size) + plus`."""

    at: int
    size: int
    plus: int
    total_min: int


@dataclass(frozen=True, kw_only=True)
class CheckRule:
    """Which bytes a checksum covers and where it stands; negative places count from the end."""

    kind: str
    covers_from: int
    covers_to: int  # exclusive
    at: int
    written: str = "byte"
    of_hex: bool = False  # what is covered is written in hex digits

    def holds(self, frame: bytes) -> bool:
        covered = frame[self.covers_from : self.covers_to or None]
        if self.of_hex:
            try:
                covered = bytes.fromhex(covered.decode("latin-1"))
            except ValueError:
                return False
        number = CHECKS[self.kind](covered)
        expected = WRITTEN[self.written](number)
        at = self.at % len(frame)
        written = frame[at : at + len(expected)]
        return (written.upper() if self.written == "hex" else written) == expected

    @property
    def reason(self) -> str:
        return "crc" if self.kind.startswith("crc") else "checksum"


@dataclass(frozen=True, kw_only=True)
class FrameRule:
    """How frames are told from each other.

    One of `length`, `length_field`, `ends` and `ends_when_idle` says where they end.
    """

    start: bytes = b""
    ends: tuple[bytes, ...] = ()
    after_end: int = 0  # bytes of the frame behind its end mark: a checksum
    length: int = 0
    length_field: LengthField | None = None
    checks: tuple[CheckRule, ...] = ()
    bytes_max: int = 256
    mask_bit7: bool = False
    text: bool = True  # a control character or a byte above 7F inside means noise
    start_inside: bool = False  # the start mark may occur again inside (a record of several lines)
    ends_when_idle: bool = False  # silence ends a frame too
    whole: bool = False  # hand on the frame with its start and end


@dataclass(frozen=True)
class Discard:
    """Bytes that gave no frame, and why."""

    reason: str
    raw: bytes


@dataclass
class Framer:
    """Feed it what arrived; it answers with what was completed by it."""

    rule: FrameRule
    _held: bytearray = field(default_factory=bytearray)
    _skipped: bytearray = field(default_factory=bytearray)  # how the endless line began

    def feed(self, data: bytes) -> list[bytes | Discard]:
        if self.rule.mask_bit7:
            data = bytes(byte & 0x7F for byte in data)
        self._held += data
        return self._complete()

    def finish(self) -> list[bytes | Discard]:
        """Nothing more will come: what waits for a length that noise announced is seen anew."""
        found: list[bytes | Discard] = []
        if self.rule.ends_when_idle and self._skipped:
            found = [Discard(OVERLONG, bytes(self._skipped))]
        elif self.rule.ends_when_idle and self._held:
            raw = bytes(self._held)
            found = [frame for frame in [self._verified(raw, raw)] if frame]
        elif self.rule.length or self.rule.length_field:
            if self.rule.start and self._held.startswith(self.rule.start):
                reason = self.rule.checks[0].reason if self.rule.checks else "cut short"
                found.append(Discard(reason, bytes(self._held)))
            while self._held:
                del self._held[0]
                found += self._complete()
        self.reset()
        return found

    def reset(self) -> None:
        self._held.clear()
        self._skipped.clear()

    def _complete(self) -> list[bytes | Discard]:
        is_measured = self.rule.length or self.rule.length_field
        if not is_measured and not self.rule.ends:
            return self._await_silence()
        next_frame = self._next_measured if is_measured else self._next_ended
        found: list[bytes | Discard] = []
        while (frame := next_frame()) is not None:
            if frame != b"":
                found.append(frame)
        return found

    def _await_silence(self) -> list[bytes | Discard]:
        """Only silence ends these; a line that is never quiet must not fill the memory."""
        if len(self._held) > self.rule.bytes_max:
            self._skipped = self._skipped or self._held[: self.rule.bytes_max]
            self._held.clear()
        return []

    # ------------------------------------------------------------------ frames that end with a mark

    def _next_ended(self) -> bytes | Discard | None:
        """The next frame up to any of the ends; b"" for one that says nothing; None to wait."""
        rule, held = self.rule, self._held
        if rule.start and not self._find_start():
            return None
        places = [(at, end) for end in rule.ends if (at := held.find(end, len(rule.start))) >= 0]
        at, end = min(places, default=(len(held), b""))
        if self._starts_again(at):
            return b""
        if self._is_overlong(at, end):
            return self._overlong(at, end)
        total = at + len(end) + rule.after_end
        if not end or len(held) < total:
            return None
        raw = bytes(held[:total])
        del held[:total]
        return self._verified(raw, raw[len(rule.start) : at])

    def _starts_again(self, before: int) -> bool:
        """The last start wins: the frame of the one before was cut short."""
        rule, held = self.rule, self._held
        if not rule.start or rule.start_inside:
            return False
        again = held.find(rule.start, 1, before)
        if not 0 < again <= rule.bytes_max:
            return False
        del held[:again]
        return True

    def _is_overlong(self, at: int, end: bytes) -> bool:
        """Whether the end comes too late, or no mark that is still to come can be in time."""
        if end:
            return bool(self._skipped) or at > self.rule.bytes_max
        mark = max(map(len, (self.rule.start, *self.rule.ends)))
        return at - mark >= self.rule.bytes_max

    def _overlong(self, at: int, end: bytes) -> Discard | None:
        """Where frames have a start the next one is looked for.

        Else the rest of the endless line must not become a frame, and is skipped to its end.
        """
        rule, held = self.rule, self._held
        raw = bytes(self._skipped or held[: rule.bytes_max])
        total = at + len(end) + rule.after_end
        if rule.start:
            del held[: len(rule.start)]
        elif not end:
            self._skipped = bytearray(raw)
            del held[: len(held) - max(map(len, rule.ends)) + 1]
            return None
        elif len(held) < total:
            return None
        else:
            self._skipped.clear()
            del held[:total]
        return Discard(OVERLONG, raw)

    # ------------------------------------------------------------------ frames of a known length

    def _next_measured(self) -> bytes | Discard | None:
        rule, held = self.rule, self._held
        while True:
            if rule.start and not self._find_start():
                return None
            total = self._total()
            if total is None or (total > 0 and len(held) < total):
                return None
            if total == 0:  # no such length: this was no beginning
                del held[0]
                continue
            raw = bytes(held[:total])
            if rule.ends and not raw[: total - rule.after_end].endswith(rule.ends):
                del held[0]
                continue
            frame = self._verified(raw, raw[len(rule.start) : total - rule.after_end])
            del held[: 1 if isinstance(frame, Discard) else total]
            return frame

    def _total(self) -> int | None:
        """How long the frame at the front is; None: its header is not here; 0: it is no frame."""
        spec = self.rule.length_field
        if spec is None:
            return self.rule.length
        if len(self._held) < spec.at + spec.size:
            return None
        total = int.from_bytes(self._held[spec.at : spec.at + spec.size], "big") + spec.plus
        return total if spec.total_min <= total <= self.rule.bytes_max else 0

    # ------------------------------------------------------------------ both

    def _find_start(self) -> bool:
        at = self._held.find(self.rule.start)
        if at < 0:
            keep = len(self.rule.start) - 1
            del self._held[: len(self._held) - keep]
            return False
        del self._held[:at]
        return True

    def _verified(self, raw: bytes, content: bytes) -> bytes | Discard:
        if not content:
            return b""
        if self.rule.text and content.translate(None, _TEXT):
            return Discard("not text", raw)
        for check in self.rule.checks:
            if len(raw) < abs(check.at) or not check.holds(raw):
                return Discard(check.reason, raw)
        return raw if self.rule.whole else content
