"""The cloud's twin: its own rules of what is taken in and acknowledged, over dictionaries.

What decides is the product's (`cloud.core.taking`); what stores, commits, crashes and is restored
from a backup is here.
"""

import bisect
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from cloud.core import taking
from cloud.core.ranges import Range
from cloud.core.readings import Batch, KeptSaid, Missing, StreamCommitted
from cloud.intake import translate
from edge_agent.wire import topics
from tests.simulation.ledger import Key, Ledger, Row, ViolationError

GATEWAY = "gw-1"


@dataclass
class Tables:
    """All that a transaction changes, and a backup holds."""

    numbers: dict[str, int] = field(default_factory=dict)  # of streams
    upto: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    # Of each stream in order; they never overlap.
    entries: dict[int, list[taking.Entry]] = field(default_factory=lambda: defaultdict(list))
    rows: dict[Key, Row] = field(default_factory=dict)
    steps: dict[Key, int] = field(default_factory=dict)
    gaps: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    newest_weight: int = 0

    def copy(self) -> "Tables":
        return Tables(
            numbers=dict(self.numbers),
            upto=defaultdict(int, self.upto),
            entries=defaultdict(list, {no: [*of] for no, of in self.entries.items()}),
            rows=dict(self.rows),
            steps=dict(self.steps),
            gaps=defaultdict(list, {stream: [*of] for stream, of in self.gaps.items()}),
            newest_weight=self.newest_weight,
        )


class Cloud:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.tables = Tables()

    def take_in(self, payloads: Sequence[bytes]) -> list[bytes]:
        """One transaction; the acknowledgements to be said after it."""
        tables = self.tables
        topic = topics.readings(GATEWAY)
        arrivals = translate.arrivals([translate.opened(topic, payload) for payload in payloads])
        claims, touched = [], {}
        for arrival in arrivals:
            stream = getattr(arrival.content, "stream", None)
            if stream is None:
                raise ViolationError(
                    f"the cloud cannot read what the gateway sent: {arrival.content}"
                )
            number = tables.numbers.setdefault(stream.hex, len(tables.numbers) + 1)
            touched.setdefault(number, (stream, []))
            if isinstance(arrival.content, KeptSaid):
                continue
            wants = taking.wants_of(arrival)
            assert wants is not None
            claims.append(taking.Claim(arrival, wants, number))
            touched[number][1].append(wants.range)
        there = {
            place: found
            for place, claim in enumerate(claims)
            if (found := self._overlapping(claim.stream_no, claim.wants.range))
        }
        self._store(taking.judge(claims, there), claims)
        return [self._answer(stream, number, here) for number, (stream, here) in touched.items()]

    def _overlapping(self, number: int, wanted: Range) -> list[taking.Entry]:
        entries = self.tables.entries[number]
        start = bisect.bisect_left(entries, wanted.first, key=lambda entry: entry.range.last)
        end = bisect.bisect_right(entries, wanted.last, key=lambda entry: entry.range.first)
        return entries[start:end]

    def _store(self, verdicts: taking.Verdicts, claims: Sequence[taking.Claim]) -> None:
        tables = self.tables
        names = {number: stream for stream, number in tables.numbers.items()}
        if verdicts.letters and not self._ledger.card_was_changed:
            raise ViolationError(f"refused: {verdicts.letters[0].because}")
        for entry in verdicts.entries:
            bisect.insort(tables.entries[entry.stream_no], entry, key=lambda entry: entry.range)
        for number, batch in verdicts.stored:
            self._store_rows(names[number], batch)
        for number, step in verdicts.steps:
            tables.steps[names[number], step.range.first] = step.step_ms
        for claim in claims:
            wants = claim.wants
            if isinstance(wants, Missing) or (isinstance(wants, Batch) and wants.given_up):
                tables.gaps[names[claim.stream_no]].append(wants.range)

    def _store_rows(self, stream: str, batch: Batch) -> None:
        for reading in batch.readings:
            key = (stream, reading.seq)
            assert reading.weight_mg is not None
            row = Row(reading.weight_mg, reading.at_ms, reading.clock_trusted, batch.life)
            if key in self.tables.rows:
                raise ViolationError(f"{key} is stored twice")
            self._ledger.check_row(key, row)
            self.tables.rows[key] = row
            self.tables.newest_weight = max(self.tables.newest_weight, row.weight)

    def _answer(self, stream: object, number: int, here: Sequence[Range]) -> bytes:
        entries, upto = self.tables.entries[number], self.tables.upto[number]
        start = bisect.bisect_left(entries, upto, key=lambda entry: entry.range.last)
        upto, beyond = taking.how_far(upto, [entry.range for entry in entries[start:]])
        self.tables.upto[number] = upto
        answer = taking.answer(upto, beyond, here, complete=True, holes_max=translate.HOLES_MAX)
        committed = StreamCommitted(
            gateway=GATEWAY,
            stream=stream,
            upto=answer.upto,
            holes=answer.holes,
            exact=answer.exact,
        )
        return translate.acknowledgement(committed)[1]
