"""Every reader of foreign bytes against bytes that were bent until they no longer fit.

What was ever found lies in `corpus/<target>/` and is tried first, always. Then come new ones,
seeded: a fixed number of them, so that a run says the same anywhere; or, with BINLINE_FUZZ_S, as
many as that time allows for each reader (`make fuzz`: a minute; the line profiles are one reader
and share it), from another beginning with BINLINE_FUZZ_SEED. A find is cut down, kept in the
corpus, and shown.
"""

import hashlib
import os
import random
import time
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, Target

CORPUS = Path(__file__).parent / "corpus"
SECONDS = float(os.environ.get("BINLINE_FUZZ_S", "0"))
TRIES = 300
SEED = os.environ.get("BINLINE_FUZZ_SEED", "1")
INPUT_BYTES_MAX = 6_000
SLOW_S = (
    1.0  # of the processor's time, for one input: a reader that can be kept busy can be stopped
)
SHORTEN_S = 2.0
KEPT = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


def fails(target: Target, stream: bytes) -> BaseException | None:
    start_s = time.process_time()
    try:
        target.run(stream)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a find
        return error
    took_s = time.process_time() - start_s
    return AssertionError(f"took {took_s:.1f} s") if took_s > SLOW_S else None


def bent(chance: random.Random, target: Target, known: list[bytes]) -> bytes:
    stream = bytearray(chance.choice(known))
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        at = chance.randint(0, len(stream))
        end = min(len(stream), at + chance.choice((1, 1, 2, 8, 40)))
        match chance.randrange(8):
            case 0 if at < len(stream):
                stream[at] ^= 1 << chance.randrange(8)
            case 1:
                del stream[at:end]
            case 2:
                stream[at:at] = stream[at:end] * chance.choice((1, 2, 30))
            case 3:
                stream[at:at] = chance.choice(target.words)
            case 4:
                stream[at:end] = chance.choice(target.words) * chance.choice((1, 1, 60))
            case 5:
                stream[at:at] = chance.randbytes(chance.randint(1, 8))
            case 6:
                other = chance.choice(known)
                stream[at:] = other[chance.randint(0, len(other)) :]
            case 7:
                stream += chance.choice(known)
    return bytes(stream[:INPUT_BYTES_MAX])


def shortened(target: Target, stream: bytes) -> bytes:
    """The same find with fewer bytes, as far as a little time allows."""
    kind, until_s, size = (
        type(fails(target, stream)),
        time.monotonic() + SHORTEN_S,
        len(stream) // 2,
    )
    while size and time.monotonic() < until_s:
        for at in range(0, len(stream), size):
            shorter = stream[:at] + stream[at + size :]
            if type(fails(target, shorter)) is kind:
                stream = shorter
                break
        else:
            size //= 2
    return stream


def share_s(name: str) -> float:
    """Line profiles run one engine; every other target is a reader of its own."""
    lines = [other for other in TARGETS if other.startswith("line-")]
    return SECONDS / len(lines) if name in lines else SECONDS


def keep(name: str, stream: bytes) -> Path:
    path = CORPUS / name / f"found-{hashlib.sha256(stream).hexdigest()[:12]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stream)
    return path


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_once_found_is_found_no_more(path: Path) -> None:
    error = fails(TARGETS[path.parent.name], path.read_bytes())
    if error is not None:
        raise error


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.timeout(120 + SECONDS)
@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
def test_nothing_new_is_found(name: str, record_property) -> None:
    target = TARGETS[name]
    known = [*target.seeds, *(path.read_bytes() for path in KEPT if path.parent.name == name)]
    chance = random.Random(f"{SEED}/{name}")
    until_s = time.monotonic() + share_s(name)
    tried = 0
    for stream in known:
        assert fails(target, stream) is None, stream
    while tried < TRIES or time.monotonic() < until_s:
        tried += 1
        stream = bent(chance, target, known)
        error = fails(target, stream)
        if error is not None:
            stream = shortened(target, stream)
            raise AssertionError(f"{name}: {stream!r}, kept as {keep(name, stream)}") from fails(
                target, stream
            )
    record_property("tried", tried)
