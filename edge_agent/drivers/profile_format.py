r"""What a device profile may say, as types: the file's format, its defaults and its limits.

The JSON Schema beside the profiles is made from these types, so an editor completes the keys. Texts
that are bytes on the line (requests, starts, ends) are written with escapes: "SI\r\n", "\u0002".
Expressions are the small language of `expressions.py`.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

Expression = Annotated[str, Meta(description="an expression over fields, parameters and tables")]
LineText = Annotated[
    str, Meta(description="bytes as they are on the line, one per character", max_length=500)
]
Mark = Annotated[
    str, Meta(description="bytes that begin or end a frame, one per character", max_length=16)
]
FRAME_BYTES_MAX = 4_096
Place = Annotated[int, Meta(ge=-FRAME_BYTES_MAX, le=FRAME_BYTES_MAX)]
Length = Annotated[int, Meta(ge=0, le=FRAME_BYTES_MAX)]
Address = Annotated[int, Meta(ge=0, le=65_535)]
Scalar = str | Annotated[int, Meta(ge=-(2**53), le=2**53)] | bool
# More than any device needs, and few enough to be gone through for every frame.
Few = Meta(max_length=32)
Several = Meta(max_length=64)

RegisterType = Literal[
    "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64", "bytes"
]


class Parameter(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the device does not send and the installation must say."""

    why: str
    type: Literal["text", "int", "flag"] = "text"
    default: Scalar | UnsetType = UNSET  # none: it must be given
    choices: Annotated[list[Scalar], Several] = []


class Preset(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Line settings a device is also found with, to be tried in this order."""

    baud: Annotated[int, Meta(ge=110, le=921_600)]
    bits: Literal[7, 8] = 8
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1


class Line(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    baud: Annotated[int, Meta(ge=110, le=921_600)] = 9600
    bits: Literal[7, 8] = 8
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1
    hardware_handshake: bool = False
    dtr: bool | None = None  # level before the port is opened; none leaves it to the system
    rts: bool | None = None
    rs485: bool = False
    local_echo: bool = False  # the adapter hands our own request back first
    presets: Annotated[list[Preset], Few] = []


class Ask(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who speaks first."""

    mode: Literal["poll", "stream", "both"] = "poll"
    request: LineText = ""  # may hold {parameter}
    before: Annotated[
        list[LineText], Few
    ] = []  # sent once after opening: leave a menu, stop a stream
    interval_ms_min: Annotated[int, Meta(ge=0, le=60_000)] = 200
    answer_ms: Annotated[int, Meta(ge=10, le=60_000)] = 500
    silence_is_normal: bool = False  # nothing on the scale, nothing changed: it says nothing
    never_send: Annotated[list[LineText], Several] = []  # power off, factory reset, write to EEPROM


class Identity(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the device says who it is, so that a swapped cable does not go unnoticed.

    On a serial line: a question, and the frame that answers it (also when it comes unasked, because
    the device has just restarted). On Modbus: registers that hold a number of its own.
    """

    ask: LineText = ""
    pattern: Annotated[
        str, Meta(description="regular expression over the whole frame, with a group `serial`")
    ] = ""
    registers: tuple[Address, Annotated[int, Meta(ge=1, le=16)]] | None = None  # first, count


class Check(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    kind: Literal[
        "xor8",
        "sum8",
        "twos_complement8",
        "twos_complement7",
        "crc16_modbus",
        "crc16_mcrf4xx",
        "crc16_thingmagic",
    ]
    covers_from: Place = 0
    covers_to: Place = 0  # exclusive; 0 is the end, negative counts from it
    of: Literal["raw", "hex"] = "raw"  # hex: two characters are one byte of what is covered
    at: Place
    written: Literal["byte", "hex", "low_first", "high_first"] = "byte"
    when: Expression = "True"  # over parameters: some copies leave it out


class LengthAt(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    at: Length
    size: Literal[1, 2] = 1
    plus: Place = 0
    total_min: Annotated[int, Meta(ge=1, le=FRAME_BYTES_MAX)] = 1


class Frame(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How frames are told from each other."""

    start: Mark = ""
    ends: Annotated[list[Mark], Few] = []
    after_end: Length | Expression = 0  # bytes of the frame behind its end mark: a checksum
    length: Length | Expression = 0  # of the whole frame; an expression over parameters
    length_at: LengthAt | None = None
    checks: Annotated[list[Check], Meta(max_length=4)] = []
    bytes_max: Annotated[int, Meta(ge=1, le=FRAME_BYTES_MAX)] = 128
    mask_bit7: bool | Expression = False
    text: bool = True
    start_inside: bool = False
    ends_when_idle: bool = False
    whole: bool = False  # places count from the start mark, which stays on the frame


class Column(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A field at a fixed place of the frame."""

    at: Place
    size: Annotated[int, Meta(ge=1, le=FRAME_BYTES_MAX)] = 1
    read: Literal["byte", "text", "bytes"] = field(default="text", name="as")


class Register(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A field in Modbus registers. Addresses are what goes on the wire: 40001 is 0."""

    at: Annotated[int, Meta(ge=-1, le=65_535)] | Expression  # -1: not there
    read: RegisterType = field(default="uint16", name="as")
    count: Annotated[int, Meta(ge=1, le=125)] = 1  # for `bytes`
    word_order: Literal["big", "little"] | Expression = "big"


class Each(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Several alike in one frame: each takes `size` bytes from the `rest` and is called `item`."""

    within: Expression
    size: Expression


class Outcome(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The first that fits a frame says what it means."""

    outcome: Literal[
        "measurement",
        "condition",
        "device_error",
        "ack",
        "status",
        "notice",
        "discard",
        "none",
        "tags",
        "no_tag",
        "barcode",
        "epc",
        "counter",
        "config_suspect",
    ] = field(name="is")
    pattern: Annotated[
        str, Meta(description="regular expression over the whole frame; {name} stands for a part")
    ] = ""
    when: Expression = "True"
    each: Each | None = None
    say: Annotated[dict[str, Expression], Few] = {}


class Modbus(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    transports: tuple[Literal["rtu", "tcp", "rtu_over_tcp"], ...] = ("rtu",)
    unit: Annotated[int, Meta(ge=0, le=255)] = 1
    table: Literal["holding", "input"] = "holding"
    registers_max: Annotated[int, Meta(ge=1, le=125)] = 125  # in one request
    gap_ms: Annotated[int, Meta(ge=0, le=5_000)] = 5  # silence between two requests
    blocks: Annotated[
        list[tuple[Address, Annotated[int, Meta(ge=1, le=125)]]], Meta(max_length=100)
    ] = []  # first, count: read whole or not at all


class Command(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A change of the device. Off until a person allows it, and only when `only_if` holds."""

    send: LineText = ""
    write: Annotated[dict[str, Annotated[list[int], Several]], Few] = {}  # first register -> values
    only_if: str = ""
    why: str = ""


class Limits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Beyond these a number is a sign of wrong settings, not of a load."""

    weight_max: Expression = ""
    weight_min: Expression = ""


class Evidence(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How we know."""

    level: Literal["derived", "published", "capture", "bench"]
    source: str


class ProfileFile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    title: str
    kind: Literal["scale", "load_cell", "counter", "rfid", "barcode", "code"]
    covers: list[str] = []
    notes: str = ""
    like: str = ""  # another profile whose settings hold here unless said otherwise
    parameters: Annotated[dict[str, Parameter], Few] = {}
    line: Line = Line()
    ask: Ask = Ask()
    identity: Identity | None = None
    frame: Frame | None = None
    modbus: Modbus | None = None
    channels: Annotated[int, Meta(ge=0, le=1_000)] | Expression = 0
    columns: Annotated[dict[str, Column], Several] = {}
    registers: Annotated[dict[str, Register], Several] = {}
    tables: Annotated[dict[str, Annotated[dict[str, Scalar], Meta(max_length=1_000)]], Few] = {}
    # pieces of patterns: a variant replaces the piece that differs
    parts: Annotated[dict[str, Annotated[str, Meta(max_length=2_000)]], Few] = {}
    let: Annotated[dict[str, Expression], Several] = {}
    outcomes: Annotated[list[Outcome], Several] = []
    commands: Annotated[dict[str, Command], Few] = {}
    limits: Limits = Limits()
    evidence: list[Evidence] = []
