"""One thread per line of bytes: ask, or listen, and state what is worth stating.

    transport ─bytes─▶ driver ─answers─▶ stating ─Reading─▶ queue

Who speaks first is the profile's to say:

    poll      we ask, one answer comes; what lay there before answers an older question
    stream    the device speaks by itself: all of it is read at once, of weights the newest counts,
              and the stamp is the time of arrival
    both      we ask, and take what comes unasked as well

Several devices share a line when questions carry an address; then they take turns, and one that
does not answer is asked rarely until it does. A port that is gone is tried again, slower each time.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from edge_agent.core.reading import Answer, CounterValue, Fault, Identity, Pieces, Sample
from edge_agent.core.turns import Turn, after, next_turn
from edge_agent.drivers.base import LineDriver
from edge_agent.framing import echo
from edge_agent.loops.stating import REOPEN_S_MAX, Clock, DeviceStating, Outlet, Reopening
from edge_agent.transports.base import PortGone, Transport

__all__ = ["REOPEN_S_MAX", "Clock", "LineDevice", "Poller"]

FULL_READ_BYTES = 4096  # more may be waiting
READS_MAX = 64  # in one go, of a device that never stops talking
IDLE_MS = 250  # silence that ends a frame, where silence may; adapters and networks pause for less
STALE_MS = 1_000  # a loop held up for longer finds old weights in the buffer, and throws them away
QUIET_BEFORE_MS = 300  # silence after opening: what begins then begins at its beginning
BEFORE_MS = 200  # what a device may say to what is sent once after opening

log = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class LineDevice:
    """A device on the line, and where it stands in its turn."""

    driver: LineDriver
    stating: DeviceStating
    poll_ms: int
    reply_timeout_ms: int
    turn: Turn


class Poller:
    """Run it in a thread. It ends when `stop` is set; a thread that ends before that has failed."""

    def __init__(
        self,
        *,
        transport: Transport,
        devices: Sequence[LineDevice],
        outlet: Outlet,
        local_echo: bool = False,
    ) -> None:
        assert len(devices) == 1 or all(device.driver.mode != "stream" for device in devices)
        self._transport = transport
        self._devices = devices
        self._outlet = outlet
        self._stop = outlet.stop
        self._clock = outlet.clock
        self._echo = echo.Echo() if local_echo else None
        self._reopening = Reopening(transport.name, outlet.clock)
        # Of the one device that may speak unasked.
        self._read_at_ms = self._byte_at_ms = self._heard_at_ms = self._judged_at_ms = 0
        self._mid_stream = False
        self._shown: dict[str, tuple[Answer, int]] = {}  # the newest of each sensor, and its stamp

    @property
    def name(self) -> str:
        return self._transport.name

    def run(self) -> None:
        for device in self._devices:
            device.turn = Turn(interval_ms=device.poll_ms, due_ms=self._clock.monotonic_ms())
        try:
            while not self._stop.is_set():
                self.turn()
                self._wait()
        except Exception:
            log.exception("the poll loop of %s broke and has ended", self.name)
        finally:
            self._transport.close()

    def turn(self) -> None:
        """One question, or one moment of listening, and what follows from it."""
        with self._outlet.together():
            self._turn()

    def _turn(self) -> None:
        device = self._devices[next_turn([device.turn for device in self._devices])]
        # When it was asked, not when the answer was read: the loop may have been held up between.
        asked_ms = self._clock.wall_ms()
        streams = device.driver.mode == "stream"
        try:
            if self._transport.is_open or self._open():
                answered = self._listen(device) if streams else self._ask(device, asked_ms)
            else:
                answered = self._is_missing(device, asked_ms)
        except PortGone as gone:
            self._reopening.lost(str(gone))
            answered = self._is_missing(device, asked_ms)
        if streams and self._transport.is_open:
            return  # its turn is always, for a moment at a time
        device.turn = after(device.turn, self._clock.monotonic_ms(), answered=answered)

    # ------------------------------------------------------------------ the port

    def _open(self) -> bool:
        if not self._reopening.is_due:
            return False
        self._transport.open()
        log.info("opened %s", self.name)
        now_ms = self._clock.monotonic_ms()
        self._read_at_ms = self._byte_at_ms = self._heard_at_ms = now_ms
        self._judged_at_ms = now_ms - max(device.poll_ms for device in self._devices)
        self._shown.clear()
        self._mid_stream = True
        for device in self._devices:
            device.stating.opened()
            device.driver.reset(mid_stream=device.driver.mode == "stream")
            for line in device.driver.before():
                self._write(line)
                self._read_away()
        return True

    def _is_missing(self, device: LineDevice, at_ms: int) -> bool:
        """No device is to blame for its port: all are asked as before when it is back."""
        device.stating.miss(self._reopening.because, at_ms)
        return True

    def _write(self, request: bytes) -> None:
        if self._echo is not None:
            self._echo.sent(request)
        self._transport.write(request)

    def _read(self) -> bytes:
        received = self._transport.read()
        return self._echo.strip(received) if self._echo is not None else received

    def _read_away(self) -> None:
        until_ms = self._clock.monotonic_ms() + BEFORE_MS
        while self._clock.monotonic_ms() < until_ms and not self._stop.is_set():
            self._transport.read()
        if self._echo is not None:
            self._echo.sent(b"")

    # ------------------------------------------------------------------ asking

    def _ask(self, device: LineDevice, asked_ms: int) -> bool:
        if not device.stating.identified:
            question = device.driver.identify()
            assert question is not None, "settings with a serial number were held to the profile"
            answers = self._exchange(device, question, only_identity=True)
            because = f"the device on {self.name} does not say who it is"
        else:
            answers = self._exchange(device, device.driver.request())
            because = self._why_none()
        if answers:
            self._reopening.heard()
            device.stating.hear(answers, asked_ms)
            device.stating.pass_time(asked_ms)
            return True
        if device.driver.silence_is_normal and device.stating.identified:
            device.stating.pass_time(asked_ms)
            return True
        device.stating.miss(because, asked_ms, unread=device.driver.unread)
        return len(self._devices) == 1  # nobody waits behind it, so it is not asked less

    def _exchange(
        self, device: LineDevice, request: bytes, *, only_identity: bool = False
    ) -> list[Answer]:
        """The first answers in time. With an identity among them, that is the answer.

        A scale that says pieces may say the weight in its next line.
        """
        if not self._takes_unasked(device):
            self._transport.flush()  # what lies there answers an older question
            device.driver.reset()
        self._write(request)
        deadline_ms = self._clock.monotonic_ms() + device.reply_timeout_ms
        answers: list[Answer] = []
        while self._clock.monotonic_ms() < deadline_ms:
            received = self._read()
            answers += _wanted(device.driver.feed(received), only_identity=only_identity)
            if any(not isinstance(answer, Pieces) for answer in answers):
                return answers
            # Told to stop, it still takes the answer that is on its way, but waits for none.
            if not received and self._stop.is_set():
                return []
        return answers + _wanted(device.driver.finish(), only_identity=only_identity)

    def _why_none(self) -> str:
        if self._echo is not None and self._echo.is_missing:
            return f"on {self.name} {echo.MISSING}"
        return f"no answer on {self.name}"

    def _takes_unasked(self, device: LineDevice) -> bool:
        """On a shared line nobody knows whose the unasked word is."""
        return device.driver.mode == "both" and len(self._devices) == 1

    # ------------------------------------------------------------------ listening

    def _listen(self, device: LineDevice) -> bool:
        """One moment of a device that speaks by itself."""
        if not device.stating.identified:
            self._ask(device, self._clock.wall_ms())
            device.driver.reset(mid_stream=True)
            return True
        self._drop_what_is_old(device)
        received = self._read_all()
        now_ms, at_ms = self._clock.monotonic_ms(), self._clock.wall_ms()
        if received:
            self._byte_at_ms = now_ms
        self._find_a_beginning(device, now_ms, at_ms)
        answers = device.driver.feed(received)
        if now_ms - self._byte_at_ms >= IDLE_MS:
            answers += device.driver.finish()
        self._read_at_ms = now_ms
        self._take(device, answers, now_ms, at_ms)
        self._note_silence(device, now_ms, at_ms)
        device.stating.pass_time(at_ms)
        return True

    def _read_all(self) -> bytes:
        """A stream that is read more slowly than it comes gets older and older."""
        whole = b""
        for _ in range(READS_MAX):
            received = self._read()
            whole += received
            if len(received) < FULL_READ_BYTES:
                break
        return whole

    def _drop_what_is_old(self, device: LineDevice) -> None:
        """What waited while the loop was held up would get the stamp of now.

        Scans and tags are kept: late is better than never.
        """
        held_up = self._clock.monotonic_ms() - self._read_at_ms > STALE_MS
        if held_up and not device.driver.silence_is_normal:
            self._transport.flush()
            device.driver.reset(mid_stream=True)
            self._shown.clear()

    def _find_a_beginning(self, device: LineDevice, now_ms: int, at_ms: int) -> None:
        """Opened in silence, the first scan is whole, and must not be lost.

        Opened in the middle of one, its rest would be another code, so it is dropped. A device
        that never stops loses one frame. Of one that speaks only when there is something to say,
        an open port is all that can be known: it is back.
        """
        if not (self._mid_stream and device.driver.silence_is_normal):
            return
        if now_ms - self._byte_at_ms >= QUIET_BEFORE_MS:
            device.driver.reset()
            device.stating.hear_nothing_new(at_ms)
            self._mid_stream = False

    def _take(self, device: LineDevice, answers: list[Answer], now_ms: int, at_ms: int) -> None:
        """A scan or a tag at once; what is shown all the time at the pace of `poll_s`.

        So two weights in a row are as far apart as when they are asked for.
        """
        if answers:
            self._reopening.heard()
            self._heard_at_ms = now_ms
        for answer in answers:
            if isinstance(answer, Pieces):
                self._shown.setdefault(answer.sensor, (answer, at_ms))
            elif isinstance(answer, Sample | Fault | CounterValue):
                self._shown[answer.sensor] = (answer, at_ms)
            else:
                device.stating.hear([answer], at_ms)
        if self._shown and now_ms - self._judged_at_ms >= device.poll_ms:
            self._judged_at_ms = now_ms
            for shown, shown_at_ms in self._shown.values():
                device.stating.hear([shown], shown_at_ms)
            self._shown.clear()

    def _note_silence(self, device: LineDevice, now_ms: int, at_ms: int) -> None:
        pause_ms = max(device.poll_ms, device.reply_timeout_ms)
        if device.driver.silence_is_normal or now_ms - self._heard_at_ms < pause_ms:
            return
        self._heard_at_ms = now_ms
        device.stating.miss(f"nothing heard on {self.name}", at_ms, unread=device.driver.unread)
        device.driver.reset(mid_stream=True)

    def _wait(self) -> None:
        """Until the next turn is due. Who may speak unasked is listened to meanwhile."""
        device = self._devices[0]
        if device.driver.mode == "stream" and self._transport.is_open:
            return
        due_ms = min(device.turn.due_ms for device in self._devices)
        while (rest_ms := due_ms - self._clock.monotonic_ms()) > 0 and not self._stop.is_set():
            if self._takes_unasked(device) and self._transport.is_open:
                self._overhear(device)
            else:
                self._stop.wait(rest_ms / 1000)
                return

    def _overhear(self, device: LineDevice) -> None:
        try:
            answers = device.driver.feed(self._read())
        except PortGone as gone:
            self._reopening.lost(str(gone))
            return
        if device.stating.identified:
            with self._outlet.together():
                self._take(device, answers, self._clock.monotonic_ms(), self._clock.wall_ms())


def _wanted(answers: list[Answer], *, only_identity: bool) -> list[Answer]:
    if only_identity:
        return [*filter(_is_identity, answers)]
    return answers


def _is_identity(answer: Answer) -> bool:
    return isinstance(answer, Identity)
