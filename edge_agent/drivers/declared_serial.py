"""Any device on a line of bytes that a profile describes: bytes to frames to answers.

us        SI CR LF                         the profile's request
device    S S     100.00 g CR LF           a frame; the first outcome that fits says what it means
"""

from collections import Counter
from collections.abc import Mapping

from edge_agent.core.reading import Identity
from edge_agent.drivers.answers import Answers
from edge_agent.drivers.base import Answer, Mode
from edge_agent.drivers.declared import Declared, Decoded
from edge_agent.drivers.widths import Widths
from edge_agent.framing.frames import Discard


class DeclaredSerial:
    def __init__(self, declared: Declared, sensors: Mapping[int, str]) -> None:
        self._declared = declared
        self._ask = declared.profile.ask
        self._framer = declared.framer()
        self._answers = Answers(declared, sensors)
        self._widths = Widths()
        self._asked = b""
        self._mid_stream = False

    @property
    def mode(self) -> Mode:
        return self._ask.mode

    @property
    def silence_is_normal(self) -> bool:
        return self._ask.silence_is_normal

    @property
    def unread(self) -> str:
        return self._answers.unread

    @property
    def counts(self) -> Counter[str]:
        return self._answers.counts

    def before(self) -> tuple[bytes, ...]:
        return tuple(self._declared.filled(text) for text in self._ask.before)

    def request(self) -> bytes:
        self._asked = self._declared.filled(self._ask.request)
        return self._asked

    def identify(self) -> bytes | None:
        identity = self._declared.profile.identity
        if identity is None or not identity.ask:
            return None
        self._asked = self._declared.filled(identity.ask)
        return self._asked

    def feed(self, received: bytes) -> list[Answer]:
        return self._read(self._framer.feed(received))

    def finish(self) -> list[Answer]:
        """Only where silence means something.

        Elsewhere half a line stays half a line: a pause in it must not make its rest a line.
        """
        rule = self._declared.frame_rule
        if rule is None or not (rule.ends_when_idle or rule.length_field):
            return []
        return self._read(self._framer.finish())

    def reset(self, *, mid_stream: bool = False) -> None:
        self._framer.reset()
        self._answers.unread = ""
        self._mid_stream = mid_stream

    def _read(self, frames: list[bytes | Discard]) -> list[Answer]:
        if self._mid_stream and frames:
            self._mid_stream = False
            self.counts["fragment"] += 1
            frames = frames[1:]
        return [answer for frame in frames for answer in self._answers_in(frame)]

    def _answers_in(self, frame: bytes | Discard) -> list[Answer]:
        if isinstance(frame, bytes):
            serial_number = self._declared.identity_in(frame)
            if serial_number is not None:
                self.counts["identity"] += 1
                return [Identity(serial_number=serial_number)]
        decoded = self._declared.decode_frame(frame, self._asked)
        return [answer for one in decoded for answer in self._answers.of(self._believed(one))]

    def _believed(self, decoded: Decoded) -> Decoded:
        width = decoded.values.get("width_is")
        if decoded.outcome != "measurement" or width is None:
            return decoded
        because = self._widths.doubt(len(decoded.raw), str(width))
        return Decoded("discard", {"reason": because}, decoded.raw) if because else decoded
