"""What a gateway says and what it is told: every message on the wire, as a type.

    gateway -> cloud   ReadingBatch, Thinned, Gap, ClockStep, Kept, Presence
    cloud -> gateway   Ack

A reading is named by (gateway, stream, seq). The gateway is in the topic, where the broker can
hold it to its log-in; the stream is a random id made at each agent start; `seq` counts within it
and never returns. A batch is a range of `seq` without holes, so its readings carry no number of
their own: reading i of a batch is `first_seq + i`.

The contract only grows: fields are added at the end with a default, never renamed, never given a
new meaning; unknown fields are ignored; a change that cannot obey gets a new tag. Gateways in
the field are updated last, and `tests/contract/vectors` must decode for ever.

Readings are arrays on the wire, not maps: 14 bytes each in MessagePack, where names would cost 77.
"""

from enum import IntEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct

BATCH_READINGS_MAX = 5_000
BATCH_SENSORS_MAX = 1_000
CODE_CHARS_MAX = 200
ACK_HOLES_MAX = 100
KEPT_RANGES_MAX = 100

EPOCH_MS_MAX = 2**47  # the year 6429
SEQ_MAX = 2**53

# In Python `$` also matches before a newline at the end, in JSON Schema it does not: `$(?!\n)`
# means the end and nothing else to both.
StreamId = Annotated[
    str,
    Meta(pattern=r"^[0-9a-f]{32}$(?!\n)", description="128 random bits, in hex; new at each start"),
]
SensorName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_/-]{1,64}$(?!\n)",
        description="one measuring point, named by the gateway",
    ),
]
Seq = Annotated[int, Meta(ge=1, le=SEQ_MAX, description="counts the readings of a stream from 1")]
Life = Annotated[
    int,
    Meta(
        ge=0,
        le=SEQ_MAX,
        description="orders the streams of a gateway: a later start is greater; 0: not said",
    ),
]
EpochMs = Annotated[int, Meta(ge=0, le=EPOCH_MS_MAX, description="milliseconds since 1970, UTC")]
SensorIndex = Annotated[
    int, Meta(ge=0, lt=BATCH_SENSORS_MAX, description="place in the batch's `sensors`")
]
AfterMs = Annotated[
    int,
    Meta(
        ge=-EPOCH_MS_MAX,
        le=EPOCH_MS_MAX,
        description="milliseconds from the batch's `base_ms` to measured-at",
    ),
]
# A number of tonnes still fits: 2**53 mg is nine thousand of them, and JSON keeps it exact.
Milligrams = Annotated[
    int,
    Meta(ge=-(2**53), le=2**53, description="what the scale shows, in milligrams; may be negative"),
]
Total = Annotated[int, Meta(ge=0, le=2**53, description="counted since the counter began")]
# Open numbers, not closed lists: a newer gateway may say more than this cloud knows.
StabilityCode = Annotated[
    int,
    Meta(
        ge=0, le=255, description="0 the device said it stands still, 1 it did not move, 2 unknown"
    ),
]
QualityCode = Annotated[
    int, Meta(ge=0, le=255, description="0 good, 1 doubtful: shown, but nothing is ordered on it")
]
ClockTrusted = Annotated[
    bool, Meta(description="whether the gateway's clock was set when it measured")
]
Word = Annotated[
    str, Meta(pattern=r"^[a-z][a-z_]{0,31}$(?!\n)", description="what there is to say")
]
# No NUL: PostgreSQL keeps none in a text, and one would hold up a whole batch there.
Because = Annotated[
    str,
    Meta(max_length=200, pattern=r"^[^\u0000]*$", description="why, in a sentence for a person"),
]

CodeText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=CODE_CHARS_MAX,
        pattern=r"^[^\u0000]*$",
        description="what the tag or the barcode says, as it was read",
    ),
]


class Stability(IntEnum):
    """How we know that a weight stood still."""

    STATED = 0  # the device said so
    HELD = 1  # it did not move for the settling time
    UNKNOWN = 2  # nobody can say


class Quality(IntEnum):
    """Whether a number may be acted on, as far as the gateway can tell."""

    GOOD = 0
    DOUBTFUL = 1  # stored and shown, but nothing is ordered on it


class Weighed(Struct, frozen=True, array_like=True, tag=1):
    """A settled weight, in whole milligrams."""

    sensor: SensorIndex
    after_ms: AfterMs
    weight_mg: Milligrams
    stability: StabilityCode = Stability.UNKNOWN
    quality: QualityCode = Quality.GOOD
    clock_trusted: ClockTrusted = False


class Counted(Struct, frozen=True, array_like=True, tag=2):
    """A counter's running total: it only grows, and the cloud takes differences."""

    sensor: SensorIndex
    after_ms: AfterMs
    total: Total
    quality: QualityCode = Quality.GOOD
    clock_trusted: ClockTrusted = False


class Condition(Struct, frozen=True, array_like=True, tag=3):
    """Something is to be said, and it is not a number: silence is never zero.

    `condition` is one of `silent` (no answer), `unstable` (never came to rest), `overload`,
    `underload`, `fault` (it answers, but not with a weight), `restarted` (a counter began again),
    `back` (it can be read again, and there is no number to say so); more may be added.
    """

    sensor: SensorIndex
    after_ms: AfterMs
    condition: Word
    because: Because = ""
    clock_trusted: ClockTrusted = False


class Sighted(Struct, frozen=True, array_like=True, tag=4):
    """A tag came or went, or a code was scanned: once, however often the reader repeats it.

    `change` is one of `present`, `absent`, `scanned`; more may be added.
    """

    sensor: SensorIndex
    after_ms: AfterMs
    code: CodeText
    change: Word
    clock_trusted: ClockTrusted = False


Reading = Weighed | Counted | Condition | Sighted


class ReadingBatch(Struct, frozen=True, kw_only=True, tag="readings", tag_field="type"):
    """Readings `first_seq` to `first_seq + len(readings) - 1` of one stream.

    Frozen when the spool closes it: the same first seq always means the same content.
    """

    stream: StreamId
    first_seq: Seq
    base_ms: EpochMs
    sensors: Annotated[
        list[SensorName],
        Meta(
            min_length=1,
            max_length=BATCH_SENSORS_MAX,
            description="each once; a reading says its place in this list",
        ),
    ]
    readings: Annotated[
        list[Reading],
        Meta(
            min_length=1,
            max_length=BATCH_READINGS_MAX,
            description="in the order of `seq`, from `first_seq` on",
        ),
    ]
    life: Life = 0

    @property
    def last_seq(self) -> int:
        return self.first_seq + len(self.readings) - 1


class Thinned(Struct, frozen=True, kw_only=True, tag="thinned", tag_field="type"):
    """What is left of readings `first_seq` to `last_seq`: the others were given up, and why.

    A spool that is full gives up the bulk first, and keeps what says most: conditions, sightings,
    totals, and one weight of each sensor and hour.
    """

    stream: StreamId
    first_seq: Seq
    last_seq: Seq
    base_ms: EpochMs
    sensors: Annotated[
        list[SensorName],
        Meta(min_length=1, max_length=BATCH_SENSORS_MAX, description="as in `readings`"),
    ]
    readings: Annotated[
        list[Reading],
        Meta(min_length=1, max_length=BATCH_READINGS_MAX, description="in the order of `seq`"),
    ]
    places: Annotated[
        list[Annotated[int, Meta(ge=0, le=SEQ_MAX)]],
        Meta(
            min_length=1,
            max_length=BATCH_READINGS_MAX,
            description="of each reading: its `seq` less `first_seq`; ascending",
        ),
    ]
    because: Because
    life: Life = 0


class Gap(Struct, frozen=True, kw_only=True, tag="gap", tag_field="type"):
    """Readings that will never come, and why: nothing is dropped in silence."""

    stream: StreamId
    first_seq: Seq
    last_seq: Seq
    because: Because
    life: Life = 0


class ClockStep(Struct, frozen=True, kw_only=True, tag="clock_step", tag_field="type"):
    """The gateway's clock was set: what it measured before, unsure of the time, was off by so much.

    It takes one `seq` of its own, so it is kept, sent and acknowledged like a reading. Within a
    stream and between two steps, times differ by what a monotonic clock said.
    """

    stream: StreamId
    seq: Seq
    step_ms: Annotated[
        int,
        Meta(
            ge=-EPOCH_MS_MAX,
            le=EPOCH_MS_MAX,
            description="to be added to readings before `seq` whose clock was not trusted",
        ),
    ]
    because: Because = ""
    life: Life = 0


class Kept(Struct, frozen=True, kw_only=True, tag="kept", tag_field="type"):
    """What the cloud has acknowledged of a stream and the gateway still holds.

    A cloud that was restored from a backup has acknowledged what it no longer has. It answers
    with an `Ack` whose holes name what it misses, and the gateway sends that again.
    """

    stream: StreamId
    ranges: Annotated[
        list[tuple[Seq, Seq]],
        Meta(
            min_length=1,
            max_length=KEPT_RANGES_MAX,
            description="both ends included, lowest first, without overlap",
        ),
    ]


class Presence(Struct, frozen=True, kw_only=True, tag="presence", tag_field="type"):
    """Whether a gateway is there. Kept by the broker, and left there as the last will."""

    state: Literal["online", "offline"]
    stream: StreamId
    at_ms: EpochMs = 0
    version: Annotated[
        str, Meta(max_length=64, pattern=r"^[^\u0000]*$", description="of the agent")
    ] = ""
    backlog_batches: Annotated[
        int, Meta(ge=0, le=2**31 - 1, description="batches in the spool, not yet acknowledged")
    ] = 0


class Ack(Struct, frozen=True, kw_only=True, tag="ack", tag_field="type"):
    """What the cloud has committed of a stream: all of it up to `committed_upto`, except `holes`.

    Cumulative, so a lost one costs nothing. Holes are closed ranges, lowest first.
    """

    stream: StreamId
    committed_upto: Annotated[
        int, Meta(ge=0, le=SEQ_MAX, description="the highest `seq` committed; 0: none yet")
    ]
    holes: Annotated[
        list[tuple[Seq, Seq]],
        Meta(
            max_length=ACK_HOLES_MAX,
            description="ranges below it that did not come, both ends included, lowest first",
        ),
    ] = []
    exact: Annotated[
        bool,
        Meta(
            description="nothing in a hole, nor beyond `committed_upto`, is committed; false: some "
            "of it may be, for want of room"
        ),
    ] = False


UpMessage = ReadingBatch | Thinned | Gap | ClockStep | Kept | Presence
DownMessage = Ack
Message = UpMessage | DownMessage
