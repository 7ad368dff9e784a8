"""A year of many bins through the real actions on a real database, in compressed time.

    shelves ──weights──▶ take_in ─▶ follow ─▶ assess ─▶ orders ─▶ the supplier's acts ─▶ shelves
                                                  └──▶ cases ─▶ what people do about them

Each look is two weights of every bin, before and after what comes onto the shelves then; where it
rose a third one follows, for what rises has to last for two minutes.
Two workers take turns, forget all that they remember, and are killed in the middle of a round;
messages come twice, long after, and after an outage all at once. What is to be judged, the truth
and the cases of every day, is written beside the product's tables, into the schema `lived`.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import psycopg

from cloud.actions.count_bin import Asked, count_bin
from cloud.actions.look_for_cases import look_for_cases
from cloud.actions.take_in import take_in
from cloud.core.cases import Kind
from cloud.core.refusals import Refusal
from cloud.intake import translate
from cloud.loops.follow import FollowLoop
from cloud.loops.work import AssessLoop
from cloud.postgres import asking, bins, follow_due, partitions, usage
from edge_agent.wire import codec, messages, topics
from tests.year.ordering import OPERATIONS, Ordering, Sent
from tests.year.shelves import (
    LOOK,
    LOOKS_PER_DAY,
    MINUTES,
    PIECE_MG,
    TARE_MG,
    UNIT_SURE_UG,
    Demand,
    Said,
    Shelf,
    calm_from,
    counted_today,
    moment,
    warm_up_days,
)
from tests.year.world import Answer, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cloud.core.cases import Case

BINS_PER_GATEWAY = 100
LEAD_DAYS = (2, 3, 4, 5)  # working days, of the suppliers
PERFECT = Answer(
    refuses=False, acknowledges=True, ships=True, late_days=0, parts=1, twice=False,
    wrong_slot=False,
)  # fmt: skip
SCHEMA = """
CREATE SCHEMA lived;
CREATE TABLE lived.truth (bin_id int PRIMARY KEY, pieces int, foreign_mg bigint, miscounted bool);
CREATE TABLE lived.troubles (bin_id int, what text, from_at timestamptz, until_at timestamptz);
CREATE TABLE lived.cases (at timestamptz, key text, kind text, bin_id int);
CREATE TABLE lived.clock (ended_at timestamptz, calm_from timestamptz);
"""


class _Defects(logging.Handler):
    """What a loop set aside because of a defect: it goes on, and here nobody may overlook it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(self.format(record))


@dataclass
class Truck:
    look: int
    bin_id: int
    pieces: int
    foreign: bool = False


@dataclass
class Gateway:
    name: str
    bins: Sequence[int]
    seq: int = 1
    away_until: int = -1
    kept: list[tuple[str, bytes]] = field(default_factory=list)  # while it is away


@dataclass
class Lived:
    """What it came to."""

    demanded: int = 0
    served: int = 0
    stock_days: float = 0.0
    stock_outs: int = 0
    orders: int = 0
    breaches: int = 0
    readings: int = 0
    cases: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    mishaps: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)


def lead_calendar_days(supplier: int) -> float:
    """How long goods take at most, with the week-end and the day it is ordered on."""
    return LEAD_DAYS[supplier] + 2 + 1


def _read(place: int, said: Said, after_ms: int) -> Iterator[messages.Reading]:
    match said:
        case None:
            pass
        case str():
            yield messages.Condition(
                sensor=place, after_ms=after_ms, condition=said, because="no answer"
            )
        case int():
            yield messages.Weighed(
                sensor=place,
                after_ms=after_ms,
                weight_mg=said,
                stability=messages.Stability.STATED,
                clock_trusted=True,
            )


class Year:
    def __init__(
        self,
        connect: Callable[[str], psycopg.Connection],
        admin: psycopg.Connection,
        bins_count: int,
        days: int,
        seed: int = 0,
        *,
        counted_every: int = 180,
    ) -> None:
        self.admin, self.days = admin, days
        self._counted_every = counted_every  # days, of each bin; half of it wrongly
        self.luck = Random(f"year {seed}")
        self.now = moment(0)
        self.ingest, self.portal = connect("binline_ingest"), connect("binline_portal")
        self.workers = [connect("binline_jobs") for _ in range(2)]
        self.ordering = Ordering(admin, self.portal, self.workers[0], Counter())
        self.result = Lived(refused=self.ordering.refused)
        self.shelves: dict[int, Shelf] = {}
        self.codes: dict[int, str] = {}
        self.suppliers: dict[int, int] = {}  # bin -> place in LEAD_DAYS
        self.gateways: list[Gateway] = []
        self.trucks: list[Truck] = []
        self.acts: list[tuple[int, Callable[[datetime], None]]] = []
        self.heard_upto = 0  # the newest order that a supplier saw
        self._spoken: list[tuple[str, bytes]] = []  # some of it comes again
        self._settle_in(bins_count, seed)
        self._loops = [self._forget(worker) for worker in self.workers]

    def run(self) -> Lived:
        defects = _Defects()
        logging.getLogger("cloud").addHandler(defects)
        try:
            self._run()
        finally:
            logging.getLogger("cloud").removeHandler(defects)
        self.result.defects = defects.told
        return self.result

    def _run(self) -> None:
        for look in range(self.days * LOOKS_PER_DAY):
            if look == warm_up_days(self.days) * LOOKS_PER_DAY:
                for shelf in self.shelves.values():
                    shelf.forget_what_was_counted()
            for shelf in self.shelves.values():
                shelf.use(look)
            said = {bin_id: [shelf.said(look)] for bin_id, shelf in self.shelves.items()}
            self._fill(look)
            for bin_id, shelf in self.shelves.items():
                shelf.mishap(look)
                said[bin_id] += [shelf.said(look, arm=False)] * 2
            self.now = moment(look) + timedelta(minutes=MINUTES[-1], seconds=20)
            self._speak(look, said)
            self._work()
            self._hear_suppliers(look)
            self._act(look)
            if look % LOOKS_PER_DAY == 0:
                self._each_day(look)
        self._end()

    # ---------------------------------------------------------------- the shelves

    def _settle_in(self, count: int, seed: int) -> None:
        self.admin.execute(SCHEMA)
        site = self._one("INSERT INTO sites (name) VALUES ('Year') RETURNING site_id")
        suppliers = []
        for place, lead in enumerate(LEAD_DAYS):
            supplier = self._one(
                "INSERT INTO suppliers (name) VALUES (%s) RETURNING supplier_id", f"S{place}"
            )
            self.admin.execute(
                "INSERT INTO supplier_channels (supplier_id, kind, address)"
                " VALUES (%s, 'email', 'orders@supplier.test')",
                (supplier,),
            )
            self.admin.execute(
                "INSERT INTO supplier_calendars (supplier_id, zone, lead_days, cut_off)"
                " VALUES (%s, 'Europe/Berlin', %s, '18:00')",
                (supplier, lead),
            )
            suppliers.append(supplier)
        for number in range(count):
            self._hang(number, Demand(seed + number, self.days), site, suppliers)
        for first in range(0, count, BINS_PER_GATEWAY):
            here = list(self.shelves)[first : first + BINS_PER_GATEWAY]
            name = f"year-{first // BINS_PER_GATEWAY}"
            gateway = self._one(
                "INSERT INTO gateways (name, site_id, presence) VALUES (%s, %s, 'online')"
                " RETURNING gateway_id",
                name,
                site,
            )
            for place, bin_id in enumerate(here):
                self.admin.execute(
                    "INSERT INTO sensors (gateway_id, name, bin_id) VALUES (%s, %s, %s)",
                    (gateway, f"s{place:03}", bin_id),
                )
            self.gateways.append(Gateway(name, here))

    def _hang(self, number: int, demand: Demand, site: int, suppliers: Sequence[int]) -> None:
        place = number % len(suppliers)
        minimum, up_to, capacity = demand.limits(lead_calendar_days(place))
        item = self._one(
            "INSERT INTO items (sku, name, unit_weight_ug, pack, unit_sd_ug, unit_error_ug)"
            " VALUES (%s, 'Part', %s, %s, %s, %s) RETURNING item_id",
            f"SKU-{number}",
            PIECE_MG * 1_000,
            demand.pack,
            *UNIT_SURE_UG,
        )
        code = f"YEAR-{number:05}"
        bin_id = self._one(
            "INSERT INTO bins (code, site_id, item_id, supplier_id, place, capacity, minimum,"
            " order_up_to, tare_mg, interval_s, refill_min_pieces)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 1) RETURNING bin_id",
            code, site, item, suppliers[place], f"P{number}", capacity, minimum, up_to, TARE_MG,
            int(LOOK.total_seconds()),
        )  # fmt: skip
        self.shelves[bin_id] = Shelf(demand, capacity, up_to)
        self.codes[bin_id], self.suppliers[bin_id] = code, place

    def _fill(self, look: int) -> None:
        here = [truck for truck in self.trucks if truck.look <= look]
        self.trucks = [truck for truck in self.trucks if truck.look > look]
        for truck in here:
            shelf = self.shelves[truck.bin_id]
            if truck.foreign:
                if not shelf.foreign_mg:
                    shelf.mix_up(look)
            else:
                shelf.pieces += truck.pieces

    # ---------------------------------------------------------------- from the scales

    def _speak(self, look: int, said_of: Mapping[int, Sequence[Said]]) -> None:
        for gateway in self.gateways:
            calm = look >= calm_from(self.days)
            if not calm and look > gateway.away_until and self.luck.random() < 0.006:
                gateway.away_until = look + self.luck.randint(0, 8)
                self.result.mishaps["gateway away"] += 1
            gateway.kept.append(self._batch(gateway, look, said_of))
            if look > gateway.away_until:
                said, gateway.kept = gateway.kept, []
                self._take(said)
                if self.luck.random() < 0.05:
                    self._take(said)
                self._spoken.append(said[-1])
        if self._spoken and self.luck.random() < 0.03:
            self._take([self.luck.choice(self._spoken)])
            del self._spoken[:-500]

    def _take(self, said: Sequence[tuple[str, bytes]]) -> None:
        arrivals = translate.arrivals([translate.opened(*one) for one in said])
        taken = take_in(self.ingest, arrivals, self.now)
        assert not taken.letters, taken.letters
        self.result.readings += taken.readings

    def _batch(
        self, gateway: Gateway, look: int, said_of: Mapping[int, Sequence[Said]]
    ) -> tuple[str, bytes]:
        readings: list[messages.Reading] = []
        for number, minute in enumerate(MINUTES):
            for place, bin_id in enumerate(gateway.bins):
                before, *_ = said = said_of[bin_id]
                if number < 2 or before != said[number]:
                    readings += _read(place, said[number], minute * 60_000)
        batch = messages.ReadingBatch(
            stream=f"{self.gateways.index(gateway) + 1:032x}",
            first_seq=gateway.seq,
            base_ms=int(moment(look).timestamp() * 1000),
            sensors=[f"s{place:03}" for place in range(len(gateway.bins))],
            readings=readings,
            life=1,
        )
        gateway.seq += len(readings)
        return topics.readings(gateway.name), codec.encode(batch)

    # ---------------------------------------------------------------- the workers

    def _forget(self, _worker: psycopg.Connection) -> tuple[FollowLoop, AssessLoop]:
        stop = threading.Event()
        follow = FollowLoop(stop, now=lambda: self.now)
        return follow, AssessLoop(stop, remembered=follow.remembered, now=lambda: self.now)

    def _work(self) -> None:
        """One of them, or both in turn; now and then one begins anew, or dies half way."""
        first = self.luck.randrange(2)
        for number in [first] if self.luck.random() < 0.7 else [first, 1 - first]:
            if self.luck.random() < 0.1:
                self._loops[number] = self._forget(self.workers[number])
                self.result.mishaps["restart"] += 1
            conn = self.workers[number]
            if self.luck.random() < 0.05:
                self.result.mishaps["killed"] += 1
                with conn.transaction():
                    self._round(number)
                    raise psycopg.Rollback  # before anything of it was committed
                self._loops[number] = self._forget(conn)
                continue
            self._round(number)
        if first and self.luck.random() < 0.5:
            return
        self._round(0)

    def _round(self, number: int) -> None:
        conn, (follow, assess) = self.workers[number], self._loops[number]
        follow_due.mark_settling(conn, self.now)
        follow.round(conn)
        assess.round(conn)

    # ---------------------------------------------------------------- suppliers

    def _hear_suppliers(self, look: int) -> None:
        for sent in self.ordering.sent_since(self.heard_upto):
            self.heard_upto = sent.number
            calm = look >= calm_from(self.days)
            self._answer(sent, PERFECT if calm else answer(self.luck), look)

    def _answer(self, sent: Sent, will: Answer, look: int) -> None:
        if will.refuses:
            self._owe(look + 1, lambda now: self.ordering.refuse(sent, now))
            return
        if will.acknowledges:
            self._owe(look + 1, lambda now: self.ordering.acknowledge(sent, now))
            promised = sent.due_at + timedelta(days=self.luck.choice((0, 0, 0, 1)))
            self._owe(look + 2, lambda now: self.ordering.confirm(sent, promised, now))
        if not will.ships:
            self.result.mishaps["never comes"] += 1
            return
        arrives = sent.due_at + timedelta(days=will.late_days)
        at = max(look + 1, math.ceil((arrives - moment(0)) / LOOK))
        parts = [sent.quantity]
        if will.parts > 1 and sent.quantity >= 2 * self.shelves[sent.bin_id].demand.pack:
            half = sent.quantity // 2
            parts = [half, sent.quantity - half]
        for part, pieces in enumerate(parts):
            shipment = f"{sent.number}/{part}"
            told = max(look + 2, at - 2)
            self._owe(told, lambda now, s=shipment, p=pieces: self.ordering.ship(sent, s, p, now))
            if will.wrong_slot:
                self.result.mishaps["wrong slot"] += 1
                continue
            foreign = self.luck.random() < 0.01 and will is not PERFECT
            truck = Truck(at + part * LOOKS_PER_DAY, sent.bin_id, pieces, foreign)
            self.trucks.append(truck)
            if will.twice:
                self.result.mishaps["came twice"] += 1
                self.trucks.append(Truck(truck.look + 1, sent.bin_id, pieces))
                self.shelves[sent.bin_id].unasked += pieces

    def _owe(self, look: int, act: Callable[[datetime], None]) -> None:
        repeats = 1 if self.luck.random() < 0.9 else 2
        self.acts += [(look + again, act) for again in range(repeats)]

    def _act(self, look: int) -> None:
        due = [act for at, act in self.acts if at <= look]
        self.acts = [(at, act) for at, act in self.acts if at > look]
        for act in due:
            act(self.now)

    # ---------------------------------------------------------------- people

    def _each_day(self, look: int) -> None:
        partitions_every = 7 * LOOKS_PER_DAY
        if look % partitions_every == 0:
            partitions.make_ahead(self.workers[0], self.now, self.now - timedelta(days=400))
        usage.compute(self.workers[0], self.now)
        bins.mark_low(self.workers[0])
        self.ordering.keep_time(self.now)
        with self.portal.transaction():
            asking.as_operations(self.portal, OPERATIONS)
            found = look_for_cases(self.portal, self.now).cases
        told = [*found.open, *found.snoozed]
        with self.admin.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO lived.cases VALUES (%s, %s, %s, %s)",
                [(self.now, one.key, str(one.kind), one.bin_id) for one in told],
            )
        calm = look >= calm_from(self.days)
        for case in found.open:
            self.result.cases[case.kind] += 1
            if self.luck.random() < (0.8 if calm else 0.4):
                self._see_to(case, look)
        for bin_id, shelf in self.shelves.items():
            pieces = counted_today(shelf, self.luck, look, self._counted_every)
            if pieces is not None:
                self._say_count(bin_id, pieces)

    def _see_to(self, case: Case, look: int) -> None:
        shelf = self.shelves[case.bin_id]
        match case.kind:
            case Kind.ORDER_AGED_OUT:
                labels = [one for one in case.evidence if one.startswith("RO-")]
                # Most goods that are late come all the same; some are given up, and come too.
                if labels and self.now - case.since > timedelta(days=self.luck.randint(2, 9)):
                    self.ordering.give_up(int(labels[0].removeprefix("RO-")), self.now)
            case Kind.LOW_NOT_COVERED | Kind.CANNOT_ORDER:
                _, up_to, _ = shelf.demand.limits(lead_calendar_days(self.suppliers[case.bin_id]))
                missing = max(1, up_to - shelf.pieces)
                packs = -(-missing // shelf.demand.pack)
                self.ordering.ask(self.codes[case.bin_id], packs * shelf.demand.pack, self.now)
            case Kind.COUNT_DIFFERS:
                self._say_count(case.bin_id, shelf.pieces)
            case Kind.SENSOR_DOWN | Kind.CHANGE_WAITS | Kind.SCALE_DIFFERS if not (
                shelf.is_blind(look) or shelf.foreign_mg
            ):
                self._say_count(case.bin_id, shelf.pieces)  # it is heard, and doubted
            case _:
                pass

    def _say_count(self, bin_id: int, pieces: int) -> None:
        """Right or not, and whether its scale tells anything at the time or not."""
        asked = Asked(kind="audit", pieces=pieces, counted_at=None, because="a round")
        try:
            with self.portal.transaction():
                asking.as_operations(self.portal, OPERATIONS)
                count_bin(self.portal, self.codes[bin_id], asked, OPERATIONS, self.now)
        except Refusal as no:
            self.result.refused[type(no).__name__] += 1
        else:
            shelf = self.shelves[bin_id]
            shelf.miscounted = pieces != shelf.pieces
            self.result.mishaps["miscounted"] += shelf.miscounted

    # ---------------------------------------------------------------- the end

    def _end(self) -> None:
        self._round(0)
        calm_at = moment(calm_from(self.days))
        self.admin.execute("INSERT INTO lived.clock VALUES (%s, %s)", (self.now, calm_at))
        for bin_id, shelf in self.shelves.items():
            self.admin.execute(
                "INSERT INTO lived.truth VALUES (%s, %s, %s, %s)",
                (bin_id, shelf.pieces, shelf.foreign_mg, shelf.miscounted),
            )
            for what, began, until in shelf.troubles:
                self.result.mishaps[what] += 1
                ended = min(until + 1, self.days * LOOKS_PER_DAY)
                self.admin.execute(
                    "INSERT INTO lived.troubles VALUES (%s, %s, %s, %s)",
                    (bin_id, what, moment(began), moment(ended)),
                )
            self.result.demanded += shelf.demanded
            self.result.served += shelf.served
            self.result.stock_outs += shelf.stock_outs
            self.result.stock_days += shelf.stock_looks / shelf.looks / shelf.demand.rate
        self.result.orders = self._one("SELECT count(*) FROM orders WHERE drafted_by = 'binline'")
        self.result.breaches = self._one("SELECT count(*) FROM breaches")

    def _one(self, query: str, *values: object) -> int:
        row = self.admin.execute(query, values).fetchone()
        assert row is not None
        return int(row[0])
