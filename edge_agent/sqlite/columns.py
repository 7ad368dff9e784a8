"""A batch by columns, as it lies on the disk: half the bytes of the same batch deflated by rows.

    payload   {…, "sensors": […], "readings": [[1, 0, 3, 5008437, 0, 0, True], …]}
    stored    MARK, then deflated: [the message without readings, lengths, columns, odd rows]

A column of numbers is kept as differences, the weight's from the last of the same sensor, so that
most of its bytes are zero; their first bytes stand together, then their second bytes, and so on.
Rows of other kinds stand beside, as they are, with their places.

Nothing is interpreted: what comes back is compared, byte for byte, before anything is stored.
"""

import struct
import zlib
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import msgspec

from edge_agent.wire.messages import BATCH_READINGS_MAX

# No message begins with it (MessagePack never uses it), and no zlib stream of ours.
MARK = b"\xc1"
LEVEL = 6
ROWS_MIN = 4  # fewer are not worth their columns
BYTES_MAX = 1024 * 1024  # of what is inflated: a damaged row must not fill the memory
SENSOR, AFTER, NUMBER = 1, 2, 3  # places in a row
NUMBERS = 4  # the places before are whole numbers; those after are small, and stay as they are
WIDTH_MAX = 8

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode

# Whatever bytes were flipped in what is stored, one of these comes of it.
_NONSENSE = (
    zlib.error,
    struct.error,
    msgspec.MsgspecError,
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
)


def packed(payload: bytes) -> bytes | None:
    """None: it has no columns, or would not come back as it is."""
    try:
        stored = _packed(payload)
    except _NONSENSE:
        return None
    return stored if stored is not None and unpacked(stored) == payload else None


def unpacked(stored: bytes) -> bytes | None:
    """None: this is not what `packed` made."""
    try:
        return _unpacked(stored)
    except (*_NONSENSE, RecursionError):
        return None


def _packed(payload: bytes) -> bytes | None:
    message = _decode(payload)
    rows = message.get("readings") if isinstance(message, dict) else None
    if not isinstance(rows, list) or len(rows) < ROWS_MIN:
        return None
    (most, _), *_ = Counter([(row[0], len(row)) for row in rows]).most_common(1)
    odd = [
        [place, row]
        for place, row in enumerate(rows)
        if (row[0], len(row)) != most or type(row[NUMBER]) is not int
    ]
    if odd:
        places = {place for place, _ in odd}
        even = [row for place, row in enumerate(rows) if place not in places]
    else:
        even = rows
    if len(even) < ROWS_MIN:
        return None
    columns = list(zip(*even, strict=True))
    message["readings"] = []
    whole = _encode(
        [
            message,
            len(even),
            [
                columns[0][0],
                _thin(_steps(columns[SENSOR])),
                _thin(_steps(columns[AFTER])),
                _thin(_steps_of_each(columns[SENSOR], columns[NUMBER])),
                *map(_alike, columns[NUMBERS:]),
            ],
            odd,
        ]
    )
    squeeze = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return MARK + squeeze.compress(whole) + squeeze.flush()


def _unpacked(stored: bytes) -> bytes | None:
    if stored[:1] != MARK:
        return None
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    whole = inflating.decompress(stored[1:], BYTES_MAX)
    if not inflating.eof or inflating.unused_data:
        return None
    message, count, (kind, sensors, after, numbers, *rest), odd = _decode(whole)
    if not 0 < count <= BATCH_READINGS_MAX:
        return None
    sensor_column = list(accumulate(_wide(sensors, count)))
    columns = [
        [kind] * count,
        sensor_column,
        list(accumulate(_wide(after, count))),
        _sums_of_each(sensor_column, _wide(numbers, count)),
        *(_spread(column, count) for column in rest),
    ]
    rows: list[Sequence[Any]] = list(zip(*columns, strict=True))
    for place, row in odd:
        if not 0 <= place <= len(rows):
            return None
        rows.insert(place, row)
    message["readings"] = rows
    return _encode(message)


def _steps(column: Sequence[int]) -> list[int]:
    return [now - before for before, now in zip((0, *column), column, strict=False)]


def _steps_of_each(sensors: Sequence[int], column: Sequence[int]) -> list[int]:
    last: dict[int, int] = {}
    steps = []
    for sensor, number in zip(sensors, column, strict=True):
        steps.append(number - last.get(sensor, 0))
        last[sensor] = number
    return steps


def _sums_of_each(sensors: Sequence[int], steps: Sequence[int]) -> list[int]:
    last: dict[int, int] = {}
    column = []
    for sensor, step in zip(sensors, steps, strict=True):
        last[sensor] = number = last.get(sensor, 0) + step
        column.append(number)
    return column


def _thin(numbers: Sequence[int]) -> bytes:
    """The first bytes of all, then the second ones …; the lowest bit is the sign."""
    signed = [number << 1 if number >= 0 else ~(number << 1) for number in numbers]
    width = (max(signed).bit_length() + 7) // 8
    laid = struct.pack(f"<{len(signed)}Q", *signed)
    return b"".join([bytes([width]), *(laid[place::WIDTH_MAX] for place in range(width))])


def _wide(thin: bytes, count: int) -> list[int]:
    width = thin[0]
    if width > WIDTH_MAX or len(thin) != 1 + width * count:
        raise ValueError(f"{len(thin)} bytes for {count} numbers of {width}")
    laid = bytearray(WIDTH_MAX * count)
    for place in range(width):
        laid[place::WIDTH_MAX] = thin[1 + place * count : 1 + (place + 1) * count]
    return [
        ~number >> 1 if number & 1 else number >> 1 for number in struct.unpack(f"<{count}Q", laid)
    ]


def _alike(column: Sequence[Any]) -> list[Any]:
    """A column that says the same all through says it once."""
    return [column[0]] if column.count(column[0]) == len(column) else list(column)


def _spread(column: Sequence[Any], count: int) -> Sequence[Any]:
    return [column[0]] * count if len(column) == 1 else column
