"""Batches of nothing but weights, read as columns: many at once, without a value per reading.

    opened ─▶ Envelope: what is said once, the readings still bytes   in the broker's thread
    weights ─▶ Weights of each, or None: it is not plain after all     for all of a transaction

This understands a part of what the wire allows and refuses nothing: MessagePack, as our gateways
write it, each reading an array of all its seven places. Whatever is anything else is left to
`edge_agent.wire.codec`, which alone says what is allowed and why a message is refused. What is
understood here means the same there, to the bit: a property test compares the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec
import numpy as np
import numpy.typing as npt

from cloud.core.columns import SAID, Ints, Weights
from edge_agent.wire import codec, messages

SENSORS_REMEMBERED_MAX = 1_024  # lists of sensors; a gateway says the same one again and again
SENSORS_BYTES_MAX = 4_096  # longer ones are not remembered

# A map of six, or of seven with `life`, that begins with its tag, as the encoder writes it.
_BEGINS = (b"\x86\xa4type\xa8readings", b"\x87\xa4type\xa8readings")
_WITH_LIFE = 0x87
_ROW = b"\x97\x01"  # seven places, the first of which says that it is a weight
_ROW_BYTES_MAX = 2 + 6 * 9
_ARRAY, _ARRAY_16, _ARRAY_32 = 0x90, 0xDC, 0xDD  # the first has its length in the low bits
_WORD = 3  # two to this power bytes: as many as NumPy's largest number has
_FALSE, _TRUE, _UINT64 = 0xC2, 0xC3, 0xCF
# Where they stand, and what the wire allows.
_NUMBERS = (
    ("sensor", 0, messages.BATCH_SENSORS_MAX - 1),
    ("at_ms", -messages.EPOCH_MS_MAX, messages.EPOCH_MS_MAX),  # from the base on, until it is added
    ("weight_mg", -(2**53), 2**53),
)


class _Opened(msgspec.Struct, frozen=True, tag="readings", tag_field="type"):
    stream: messages.StreamId
    first_seq: messages.Seq
    base_ms: messages.EpochMs
    sensors: msgspec.Raw
    readings: msgspec.Raw
    life: messages.Life | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    stream: str
    first_seq: int
    base_ms: int
    life: int
    sensors: tuple[str, ...]
    count: int
    readings: bytes  # MessagePack, one after the other

    @property
    def last_seq(self) -> int:
        return self.first_seq + self.count - 1


_opener = msgspec.msgpack.Decoder(_Opened)
_sensors = msgspec.msgpack.Decoder(list[messages.SensorName])


def opened(payload: bytes) -> Envelope | None:
    """What the batch says once; None: it is not plain."""
    if not payload.startswith(_BEGINS) or len(payload) > codec.PAYLOAD_BYTES_MAX:
        return None
    try:
        said = _opener.decode(payload)
        raw = bytes(said.sensors)
        sensors = _remembered(raw) if len(raw) <= SENSORS_BYTES_MAX else _listed(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError):
        return None
    # As many names as there are fields: then none of them is there twice, nor unknown.
    if (payload[0] == _WITH_LIFE) != (said.life is not msgspec.UNSET):
        return None
    count, readings = _counted(bytes(said.readings))
    envelope = Envelope(
        stream=said.stream,
        first_seq=said.first_seq,
        base_ms=said.base_ms,
        life=0 if said.life is msgspec.UNSET else said.life,
        sensors=sensors,
        count=count,
        readings=readings,
    )
    plain = (
        sensors
        and 1 <= count <= messages.BATCH_READINGS_MAX
        and envelope.last_seq <= messages.SEQ_MAX
        and readings.count(_ROW) >= count
    )
    return envelope if plain else None


def weights(envelopes: Sequence[Envelope]) -> list[Weights | None]:
    """The readings of each; None: they are not plain, or not allowed."""
    if not envelopes:
        return []
    ends = np.cumsum([len(envelope.readings) for envelope in envelopes])
    begins = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
    text = b"".join([*(envelope.readings for envelope in envelopes), bytes(_ROW_BYTES_MAX + 9)])
    octets = np.frombuffer(text, np.uint8)
    starts = np.flatnonzero((octets[:-1] == _ROW[0]) & (octets[1:] == _ROW[1]))
    rows, sound, after = _read(octets, starts)
    if len(starts) != sum(envelope.count for envelope in envelopes):
        # Two bytes within a number can look like a row: no row ends where that one begins.
        follows = np.zeros(len(octets), np.bool_)
        follows[after[sound]] = follows[begins] = True
        real = follows[starts]
        rows, sound, after, starts = rows[real], sound[real], after[real], starts[real]
    low, high = np.searchsorted(starts, begins), np.searchsorted(starts, ends)
    sizes = high - low
    sound &= after == np.append(starts[1:], ends[-1])
    sound &= rows["sensor"] < np.repeat([len(e.sensors) for e in envelopes], sizes)
    rows["at_ms"] += np.repeat(np.array([e.base_ms for e in envelopes]), sizes)
    sound &= (rows["at_ms"] >= 0) & (rows["at_ms"] <= messages.EPOCH_MS_MAX)
    sound_before = np.concatenate([np.zeros(1, np.int64), np.cumsum(sound)])
    found: list[Weights | None] = []
    whole = (sound_before[high] - sound_before[low] == [e.count for e in envelopes]) & (
        sizes == [e.count for e in envelopes]
    )
    for place, (envelope, is_whole) in enumerate(zip(envelopes, whole.tolist(), strict=True)):
        first, last = int(low[place]), int(high[place])
        fits = is_whole and starts[first] == begins[place] and after[last - 1] == ends[place]
        found.append(Weights(envelope.first_seq, rows[first:last]) if fits else None)
    return found


def _read(
    octets: npt.NDArray[np.uint8], starts: Ints
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.bool_], Ints]:
    """What is said from each of `starts` on, whether it is understood, and where it ends."""
    rows = np.empty(len(starts), SAID)
    sound = np.ones(len(starts), np.bool_)
    words = np.ndarray((len(octets) - 8,), ">i8", octets, strides=(1,))
    at = starts + len(_ROW)
    for column, least, most in _NUMBERS:
        token = octets[at]
        number = words[at + 1].astype(np.int64)
        number = ((number >> _SHIFT[token]) & _MASK[token]) + _SMALL[token]
        # Above the greatest that is signed it has come round to below zero.
        sound &= (_BYTES[token] > 0) & ((token != _UINT64) | (number >= 0))
        sound &= (number >= least) & (number <= most)
        rows[column] = number
        at = at + _BYTES[token]
    for column in ("stability", "quality"):
        token = octets[at]
        sound &= token < 0x80  # noqa: PLR2004 - MessagePack: it is the number itself
        rows[column] = token
        at = at + 1
    token = octets[at]
    sound &= (token == _FALSE) | (token == _TRUE)
    rows["clock_trusted"] = token == _TRUE
    return rows, sound, at + 1


def _tables() -> tuple[Ints, Ints, Ints, Ints]:
    """Of each first byte of a whole number: how many bytes it has, and how it becomes a value.

    MessagePack specification, "int format family".
    """
    size, shift, mask, small = (np.zeros(256, np.int64) for _ in range(4))
    size[:0x80], small[:0x80] = 1, np.arange(0x80)
    size[0xE0:], small[0xE0:] = 1, np.arange(-0x20, 0)
    for power in range(4):
        bits = 8 << power
        for token, is_signed in ((0xCC + power, False), (0xD0 + power, True)):
            size[token], shift[token] = 1 + bits // 8, 64 - bits
            mask[token] = -1 if is_signed or power == _WORD else (1 << bits) - 1
    return size, shift, mask, small


_BYTES, _SHIFT, _MASK, _SMALL = _tables()


def _counted(readings: bytes) -> tuple[int, bytes]:
    """How many an array says it has, and what follows."""
    head = readings[0]
    if head == _ARRAY_16:
        return int.from_bytes(readings[1:3]), readings[3:]
    if head == _ARRAY_32:
        return int.from_bytes(readings[1:5]), readings[5:]
    return (head & 0x0F, readings[1:]) if head & 0xF0 == _ARRAY else (0, b"")


def _listed(raw: bytes) -> tuple[str, ...]:
    """The sensors of a batch; none when there are too many, or one is there twice."""
    sensors = _sensors.decode(raw)
    good = len(sensors) <= messages.BATCH_SENSORS_MAX and len(set(sensors)) == len(sensors)
    return tuple(sensors) if good else ()


_remembered = lru_cache(SENSORS_REMEMBERED_MAX)(_listed)
