"""Every reader of foreign bytes against bytes that were bent until they no longer fit.

What was ever found lies in `corpus/<target>/` and is tried first, always. Then come new ones,
seeded: a fixed number of them, so that a run says the same anywhere; or, with BINLINE_FUZZ_S, as
many as that time allows for each reader (`make fuzz`: a minute; the line profiles are one reader
and share it), from another beginning with BINLINE_FUZZ_SEED. A find is cut down, kept in the
corpus, and shown.

An input that keeps a reader busy is stopped, and a find. One that cannot be stopped (a loop in C, a
read that never returns, all memory gone) takes the process with it, and is in the corpus already:
each is written to `tried-by-<process>` before it is tried.
"""

import faulthandler
import hashlib
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from tests.fuzz.targets import TARGETS, Target

CORPUS = Path(__file__).parent / "corpus"
SECONDS = float(os.environ.get("BINLINE_FUZZ_S", "0"))
TRIES = 300
SEED = os.environ.get("BINLINE_FUZZ_SEED", "1")
INPUT_BYTES_MAX = 6_000
SLOW_S = 1.0  # of the processor's time: a reader that can be kept busy can be stopped
STUCK_S = 60  # of anybody's time: there is no stopping it but from outside
SHORTEN_S = 5.0
TRIED_BY = "tried-by-"


def was_kept(path: Path) -> bool:
    """Not what another process is trying just now."""
    pid = path.name.removeprefix(TRIED_BY)
    return path.is_file() and not (pid != path.name and Path("/proc", pid).exists())


KEPT = sorted(filter(was_kept, CORPUS.glob("*/*")))


class KeptBusy(BaseException):
    """Raised into a reader. No `Exception`: some readers call libraries that may raise any."""


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeptBusy(f"took more than {SLOW_S:g} s")


def fails(target: Target, stream: bytes) -> BaseException | None:
    before = signal.signal(signal.SIGPROF, _stop)
    start_s = time.process_time()
    try:
        signal.setitimer(signal.ITIMER_PROF, SLOW_S)
        try:
            target.run(stream)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except (Exception, KeptBusy) as error:  # noqa: BLE001 - whatever it is, it is a find
        return error
    finally:
        signal.signal(signal.SIGPROF, before)
    took_s = time.process_time() - start_s
    return KeptBusy(f"took {took_s:.1f} s") if took_s > SLOW_S else None


class Trace:
    """What is being tried, on the disk, and an alarm that ends a process that is stuck."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._armed_s = 0.0

    def tries(self, stream: bytes) -> None:
        if time.monotonic() - self._armed_s > 1:
            faulthandler.dump_traceback_later(STUCK_S, exit=True)
            self._armed_s = time.monotonic()
        os.pwrite(self._file.fileno(), stream, 0)
        self._file.truncate(len(stream))

    def close(self) -> None:
        faulthandler.cancel_dump_traceback_later()
        self._file.close()


@contextmanager
def traced(name: str) -> Iterator[Trace]:
    path = CORPUS / name / f"{TRIED_BY}{os.getpid()}"
    path.parent.mkdir(parents=True, exist_ok=True)
    trace = Trace(path)
    try:
        yield trace
    finally:
        trace.close()
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()


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
@pytest.mark.filterwarnings(
    "ignore::SyntaxWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)
def test_nothing_new_is_found(name: str, record_property) -> None:
    target = TARGETS[name]
    known = [*target.seeds, *(path.read_bytes() for path in KEPT if path.parent.name == name)]
    chance = random.Random(f"{SEED}/{name}")
    until_s = time.monotonic() + share_s(name)
    tried = 0
    with traced(name) as trace:
        for stream in known:
            trace.tries(stream)
            assert fails(target, stream) is None, stream
        while tried < TRIES or time.monotonic() < until_s:
            tried += 1
            stream = bent(chance, target, known)
            trace.tries(stream)
            error = fails(target, stream)
            if error is not None:
                stream = shortened(target, stream)
                kept = keep(name, stream)
                raise AssertionError(f"{name}: {stream!r}, kept as {kept}") from error
    record_property("tried", tried)


def test_what_keeps_a_reader_busy_is_stopped_and_a_find() -> None:
    def busy(_stream: bytes) -> None:
        while True:
            pass

    assert isinstance(fails(Target(run=busy, seeds=()), b""), KeptBusy)


def test_what_takes_the_process_with_it_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "CORPUS", tmp_path)
    child = os.fork()
    if child == 0:
        with traced("reader") as trace:
            trace.tries(b"the first, and longer")
            trace.tries(b"the last")
            os._exit(1)
    os.waitpid(child, 0)
    [path] = (tmp_path / "reader").iterdir()
    assert path.read_bytes() == b"the last"
    assert was_kept(path)
