"""Messages a gateway or the cloud might say: made by hypothesis, and always valid."""

from hypothesis import strategies as st

from edge_agent.wire.messages import (
    ACK_HOLES_MAX,
    BATCH_SENSORS_MAX,
    EPOCH_MS_MAX,
    SEQ_MAX,
    Ack,
    ClockStep,
    Condition,
    Counted,
    Gap,
    Kept,
    Presence,
    Reading,
    ReadingBatch,
    Sighted,
    Thinned,
    Weighed,
)

seqs = st.integers(1, SEQ_MAX)
lives = st.integers(0, SEQ_MAX)
streams = st.binary(min_size=16, max_size=16).map(bytes.hex)
sensor_names = st.from_regex(r"[A-Za-z0-9_/-]{1,64}", fullmatch=True)
codes = st.integers(0, 255)
# What UTF-8 can carry, and PostgreSQL keep.
sentences = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)


@st.composite
def batches(draw: st.DrawFn) -> ReadingBatch:
    sensors = draw(st.lists(sensor_names, min_size=1, max_size=8, unique=True))
    base_ms = draw(st.integers(0, EPOCH_MS_MAX))
    readings = draw(st.lists(_readings(len(sensors), base_ms), min_size=1, max_size=30))
    return ReadingBatch(
        stream=draw(streams),
        first_seq=draw(st.integers(1, SEQ_MAX - len(readings) + 1)),
        base_ms=base_ms,
        sensors=sensors,
        readings=readings,
        life=draw(lives),
    )


@st.composite
def thinned(draw: st.DrawFn) -> Thinned:
    whole = draw(batches())
    places = draw(
        st.lists(
            st.integers(0, SEQ_MAX - whole.first_seq),
            min_size=len(whole.readings),
            max_size=len(whole.readings),
            unique=True,
        )
    )
    return Thinned(
        stream=whole.stream,
        first_seq=whole.first_seq,
        last_seq=draw(st.integers(whole.first_seq + max(places), SEQ_MAX)),
        base_ms=whole.base_ms,
        sensors=whole.sensors,
        readings=whole.readings,
        places=sorted(places),
        because=draw(sentences),
        life=draw(lives),
    )


def _readings(sensors: int, base_ms: int) -> st.SearchStrategy[Reading]:
    sensor = st.integers(0, min(sensors, BATCH_SENSORS_MAX) - 1)
    after_ms = st.integers(-base_ms, EPOCH_MS_MAX - base_ms)
    return st.one_of(
        st.builds(
            Weighed,
            sensor=sensor,
            after_ms=after_ms,
            weight_mg=st.integers(-(2**53), 2**53),
            stability=codes,
            quality=codes,
            clock_trusted=st.booleans(),
        ),
        st.builds(
            Counted,
            sensor=sensor,
            after_ms=after_ms,
            total=st.integers(0, 2**53),
            quality=codes,
            clock_trusted=st.booleans(),
        ),
        st.builds(
            Condition,
            sensor=sensor,
            after_ms=after_ms,
            condition=st.from_regex(r"[a-z][a-z_]{0,31}", fullmatch=True),
            because=sentences,
            clock_trusted=st.booleans(),
        ),
        st.builds(
            Sighted,
            sensor=sensor,
            after_ms=after_ms,
            code=sentences.filter(bool),
            change=st.sampled_from(["present", "absent", "scanned"]),
            clock_trusted=st.booleans(),
        ),
    )


@st.composite
def gaps(draw: st.DrawFn) -> Gap:
    first_seq, last_seq = sorted(draw(st.tuples(seqs, seqs)))
    return Gap(
        stream=draw(streams),
        first_seq=first_seq,
        last_seq=last_seq,
        because=draw(sentences),
        life=draw(lives),
    )


@st.composite
def ranges(draw: st.DrawFn, upto: int) -> list[tuple[int, int]]:
    if not upto:
        return []
    ends = sorted(draw(st.lists(st.integers(1, upto), unique=True, max_size=2 * ACK_HOLES_MAX)))
    ends = ends[: len(ends) // 2 * 2]
    return list(zip(ends[::2], ends[1::2], strict=True))


@st.composite
def acks(draw: st.DrawFn) -> Ack:
    upto = draw(st.integers(0, SEQ_MAX))
    return Ack(
        stream=draw(streams),
        committed_upto=upto,
        holes=draw(ranges(upto)),
        exact=draw(st.booleans()),
    )


steps = st.builds(
    ClockStep,
    stream=streams,
    seq=seqs,
    step_ms=st.integers(-EPOCH_MS_MAX, EPOCH_MS_MAX),
    because=sentences,
    life=lives,
)
kepts = st.builds(Kept, stream=streams, ranges=ranges(SEQ_MAX).filter(bool))


presences = st.builds(
    Presence,
    state=st.sampled_from(["online", "offline"]),
    stream=streams,
    at_ms=st.integers(0, EPOCH_MS_MAX),
    version=sentences.filter(lambda text: len(text) <= 64),
    backlog_batches=st.integers(0, 2**31 - 1),
)

messages = st.one_of(batches(), thinned(), gaps(), steps, kepts, presences, acks())
