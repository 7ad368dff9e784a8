"""States that a cut of power could leave, opened by the real spool, against what was promised."""

import hashlib
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.core.reading import Reading, Weight
from edge_agent.sqlite.rows import Kind, State, inflated
from edge_agent.sqlite.spool import Spool
from edge_agent.wire import codec
from edge_agent.wire.messages import Stability
from tests.power_cuts.disk import Cut, Disk, Files, Note, materialise
from tests.power_cuts.lives import Known, Name, said_in

BYTES_MAX = 1 << 26


@dataclass
class Found:
    """What a spool holds that was opened after a cut."""

    said: dict[Name, object] = field(default_factory=dict)
    told: set[Name] = field(default_factory=set)  # in a gap, or thinned away
    payloads: set[bytes] = field(default_factory=set)
    acknowledged: set[Name] = field(default_factory=set)
    twice: set[Name] = field(default_factory=set)
    counter: int | None = None
    life: int = 0
    next_name: Name = ("", 0)
    damage: str = ""


@dataclass
class Verdict:
    states: int = 0
    wrong: Counter[str] = field(default_factory=Counter)


def explore(
    disk: Disk,
    folder: Path,
    *,
    seed: int = 1,
    states_max: int | None = None,
    opens: Callable[..., Spool] = Spool.open,
) -> Verdict:
    """`states_max`: chosen at random among all; None: each."""
    rng = random.Random(seed)
    notes = [entry.said for entry in disk.log if isinstance(entry, Note)]
    verdict = Verdict()
    found: dict[bytes, Found] = {}
    for cut in _chosen(disk, rng, states_max):
        key = _key(cut.files)
        if key not in found:
            found[key] = look(cut.files, folder, opens)
            verdict.states += 1
        known = notes[cut.notes - 1] if cut.notes else Known()
        assert isinstance(known, Known)
        verdict.wrong.update(judge(known, found[key]))
    return verdict


def _chosen(disk: Disk, rng: random.Random, states_max: int | None) -> Iterator[Cut]:
    """Each state with each number of notes once."""
    seen: set[tuple[bytes, int]] = set()
    unlike: list[Cut] = []
    for cut in disk.cuts(rng):
        key = _key(cut.files), cut.notes
        if key not in seen:
            seen.add(key)
            unlike.append(cut)
    if states_max is not None and len(unlike) > states_max:
        unlike = rng.sample(unlike, states_max)
    yield from unlike


def _key(files: Files) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(files):
        digest.update(name.encode() + len(files[name]).to_bytes(8, "big") + files[name])
    return digest.digest()


def look(files: Files, folder: Path, opens: Callable[..., Spool]) -> Found:
    materialise(files, folder)
    found = Found()
    spool = opens(folder / "spool.db", BYTES_MAX)
    try:
        if aside := [path.name for path in folder.glob("*.corrupt-*")]:
            found.damage = f"set aside: {aside}"
        ok = spool._conn.execute("PRAGMA integrity_check").fetchone()[0]
        if ok != "ok":
            found.damage = str(ok)
        _read(spool, found)
        found.counter = next((one.value for one in spool.remembered.counters.values()), None)
        found.life = spool.life
        outcome = Weight(weight_mg=1, stability=Stability.STATED)
        reading = Reading(sensor="s", measured_ms=1, clock_trusted=False, outcome=outcome)
        (batch,) = spool.append([reading])
        found.next_name = batch.stream, batch.first_seq
    finally:
        spool.close()
    return found


def _read(spool: Spool, found: Found) -> None:
    accounted: set[Name] = set()
    for no, state, kind, size, stored in spool._conn.execute(
        "SELECT no, state, kind, size, payload FROM frozen"
    ):
        payload = inflated(stored, size)
        assert payload is not None
        message = codec.decode(payload)
        first = message.seq if kind == Kind.STEP else message.first_seq  # type: ignore[union-attr]
        last = message.seq if kind == Kind.STEP else message.last_seq  # type: ignore[union-attr]
        names = {(message.stream, seq) for seq in range(first, last + 1)}  # type: ignore[union-attr]
        found.twice |= accounted & names
        accounted |= names
        found.said |= said_in(payload)
        if kind in (Kind.GAP, Kind.THINNED):
            found.told |= names
        found.payloads.add(payload)
        if state == State.ACKNOWLEDGED:
            found.acknowledged |= names
        elif spool.load(no) != payload:
            found.damage = f"batch {no} cannot be read"


def judge(known: Known, found: Found) -> list[str]:
    begun = known.begun_names()
    owed = known.appended.keys() - known.acknowledged
    both = known.appended.keys() & found.said.keys()
    reached = known.counting is not None and bool(begun & (found.said.keys() | found.told))
    wrong = {
        "damaged": bool(found.damage),
        "what was appended is gone": bool(owed - found.said.keys() - found.told),
        "a reading says something else": any(
            found.said[name] != known.appended[name] for name in both
        ),
        "a reading that nobody appended": bool(found.said.keys() - known.appended.keys() - begun),
        "acknowledged by nobody": bool(found.acknowledged - known.acknowledged),
        "a number that is there twice": bool(found.twice),
        "what was sent is no longer what it was": any(
            names <= owed and payload not in found.payloads for names, payload in known.sent_names()
        ),
        "a number is used again": found.next_name in known.appended.keys() | begun,
        "a later life is not greater": found.life <= max(known.lives.values(), default=0),
        "the counter is not that of its readings": found.counter
        != (known.counting if reached else known.counted),
    }
    return [what for what, is_so in wrong.items() if is_so]


def states_max(usual: int) -> int | None:
    """BINLINE_POWER_CUTS: how many states of each life; 0: all of them."""
    asked = int(os.environ.get("BINLINE_POWER_CUTS", usual))
    return asked or None
