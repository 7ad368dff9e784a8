"""A year of one bin through the pure rules, and a checker that watches them.

The rules see what a scale would show, twice at times, or nothing. The checker sees the truth.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from functools import cache
from statistics import fmean, pstdev
from uuid import UUID

from cloud.core.breaches import Cover, Limits, Watch, closed, cover_of, next_watch
from cloud.core.calendars import Calendar, LeadKind, chance_at, covers_until
from cloud.core.case_list import cases
from cloud.core.cases import BinFacts, Kind, OrderFacts
from cloud.core.order_machine import (
    Acknowledge,
    Act,
    Approve,
    Confirm,
    Count,
    End,
    Line,
    Order,
    Promise,
    Receive,
    Send,
    Ship,
    apply,
    open_lines,
)
from cloud.core.order_states import ENDED, State, Verb
from cloud.core.policies.base import Place, Terms
from cloud.core.policies.min_max import MinMax
from cloud.core.refusals import Refusal
from cloud.core.stock import OpenLine, is_overdue, stock_of
from cloud.core.trust import Trust
from tests.year.world import LOOKS_PER_DAY, Answer, Truck, World, answer

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
GRACE = timedelta(days=2)
BREACH_DAYS_MAX = 90
WARM_UP_DAYS = 28  # until the first estimate; nothing before it is counted
BATCH_DAYS = 10
CALENDARS = (
    Calendar(zone="Europe/Berlin", cut_off=time(14), lead_days=2),
    Calendar(zone="Europe/Berlin", cut_off=time(12), order_days=(1, 4), lead_days=3,
             delivery_days=(1, 3)),
    Calendar(zone="America/New_York", cut_off=time(16), order_days=(4,), lead_days=4),
    Calendar(zone="Asia/Kolkata", lead_days=6, lead_kind=LeadKind.CALENDAR),
)  # fmt: skip


def moment(look: int) -> datetime:
    day, part = divmod(look, LOOKS_PER_DAY)
    return START + timedelta(days=day, hours=8 * part)


@cache
def when(calendar: int, look: int) -> tuple[datetime, datetime]:
    """When an order placed now arrives, and how long it has to last."""
    now = moment(look)
    chance = chance_at(CALENDARS[calendar], now)
    return chance.arrives_at, covers_until(CALENDARS[calendar], now)


@dataclass
class Result:
    demanded: int = 0
    served: int = 0
    stock: float = 0.0
    usage_value: float = 0.0
    stock_outs: int = 0
    orders: int = 0
    breaches: int = 0
    cases: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)  # what the checker found

    def add(self, other: Result) -> None:
        self.demanded += other.demanded
        self.served += other.served
        self.stock += other.stock
        self.usage_value += other.usage_value
        self.stock_outs += other.stock_outs
        self.orders += other.orders
        self.breaches += other.breaches
        self.cases += other.cases
        self.refused += other.refused
        self.wrong += other.wrong


class Play:
    """`learns`: minimum and maximum follow the use; else they are set once, by a rule of thumb."""

    def __init__(self, seed: int, days: int, *, learns: bool) -> None:
        self.world = World(seed=seed, days=days)
        self.seed, self.days, self.learns = seed, days, learns
        self.calendar = seed % len(CALENDARS)
        self.capacity = math.ceil(self.world.rate * 90)
        self.terms = Terms(pack=self.world.takes, capacity=self.capacity)
        self.policy = self._rule_of_thumb()
        self.watch = Watch()
        self.orders: dict[int, Order] = {}
        self.known: int | None = None  # pieces, as last confirmed
        self.known_day = 0
        self.used: dict[int, int] = {}  # by day, where the scale was heard all day
        self.heard_since_day = 0
        self.result = Result()
        self._keys: set[tuple[int, int]] = set()
        self._answers: dict[int, Answer] = {}
        self._messages: list[tuple[int, int, Act]] = []  # at which look, for which order

    def run(self) -> Result:
        for look in range(self.days * LOOKS_PER_DAY):
            day, part = divmod(look, LOOKS_PER_DAY)
            if part == 0 and self.learns and day and day % WARM_UP_DAYS == 0:
                self._estimate(look)
            if day == WARM_UP_DAYS and part == 0:
                self._forget_what_was_counted()
            came = self.world.step(look)
            for truck in came:
                if (
                    self.orders[truck.order].state in ENDED
                ):  # it was given up, and comes all the same
                    self.world.unasked += truck.pieces
            self._hear_supplier(look)
            seen = not self.world.is_dead(look)
            if seen:
                self._weigh(look, came)
            for _ in range(self.world.repeats()):
                self._decide(look, seen=seen)
            if part == 0:
                self._people_look(look, seen=seen)
            self._check(look)
        self._end()
        return self.result

    # -------------------------------------------------------------- the rules at work

    def _weigh(self, look: int, came: list[Truck]) -> None:
        now, arm = moment(look), self.world.arm_on_the_bin()
        limits = self._limits()
        for _ in range(self.world.repeats()):
            if arm:
                self.watch = next_watch(
                    self.watch, self.world.pieces + arm, now, limits, confirmed=False
                )
            self.watch = next_watch(self.watch, self.world.pieces, now, limits)
        day = look // LOOKS_PER_DAY
        before, self.known = self.known, self.world.pieces
        heard_lately = before is not None and self.known_day >= day - 1
        self.known_day = day
        if before is None:
            return
        rise = self.world.pieces - before
        if came and heard_lately:
            booked = sum(truck.pieces for truck in came if not truck.wrong_slot)
            self._count_use(day, booked - rise)
        elif rise <= 0 and heard_lately:
            self._count_use(day, -rise)
        if rise > 0:
            self._book(look, rise)

    def _count_use(self, day: int, pieces: int) -> None:
        if self.world.pieces > 0:  # who finds nothing wants something: no zero was used
            self.used[day] = self.used.get(day, 0) + max(0, pieces)

    def _book(self, look: int, rise: int) -> None:
        """A rise belongs to what was shipped, within a tolerance; else as it was weighed."""
        left = rise
        for number, order in sorted(self.orders.items()):
            line = order.lines[0]
            missing = line.quantity - line.received
            if order.state in ENDED or missing <= 0 or left <= 0 or order.sent_at is None:
                continue
            whole = left >= missing * 0.7
            pieces = missing if whole else left
            left -= pieces
            receipt = Receive(
                receipt_id=f"{number} at {look}", counts=(Count(line=1, pieces=pieces),)
            )
            for _ in range(self.world.repeats()):
                self._act(number, receipt, look)
            self.watch = closed(self.watch)
            if self.orders[number].state is State.RECEIVED:
                self._act(number, End(verb=Verb.CLOSE, by="scale"), look)

    def _decide(self, look: int, *, seen: bool) -> None:
        now = moment(look)
        arrives, until = when(self.calendar, look)
        stock = stock_of(
            now=now,
            arrives_at=arrives,
            covers_until=until,
            grace=GRACE,
            doubt="" if seen and self.known is not None else "The scale is silent.",
            on_hand=self.known or 0,
            lines=self._lines(),
            cycle=self.watch.cycle,
            orders_in_cycle=sum(
                order.lines[0].cycle == self.watch.cycle for order in self.orders.values()
            ),
        )
        decision = self.policy.decide(stock, self.terms, now)
        if isinstance(decision, Place):
            self._place(decision, look, arrives)

    def _place(self, place: Place, look: int, arrives: datetime) -> None:
        number = len(self._keys) + 1
        if (place.cycle, place.ordinal) in self._keys:
            self._found(look, f"the order {place.cycle}.{place.ordinal} is there already")
        self._keys.add((place.cycle, place.ordinal))
        if self.world.is_dead(look):
            self._found(look, "ordered on a scale that is dead")
        line = Line(
            number=1, bin_id=self.seed, item_id=1, cycle=place.cycle, ordinal=place.ordinal,
            quantity=place.quantity,
        )  # fmt: skip
        self.orders[number] = Order(
            order_id=UUID(int=number), number=number, supplier_id=1, site_id=1, lines=(line,),
            due_at=arrives, drafted_at=moment(look),
        )  # fmt: skip
        self._act(number, Approve(by="agreement"), look)
        self._act(number, Send(), look)
        self.result.orders += 1
        self._supply(number, look, arrives)

    def _supply(self, number: int, look: int, arrives: datetime) -> None:
        """What will happen to the order, some of it told twice."""
        will = answer(self.world.luck)
        order = self.orders[number]
        if will.refuses:
            self._owe(look + 1, number, End(verb=Verb.REFUSE, by="supplier", because="none left"))
            return
        if will.acknowledges:
            self._owe(look + 1, number, Acknowledge(by="supplier"))
            promise = Promise(line=1, at=arrives)
            self._owe(look + 2, number, Confirm(by="supplier", promises=(promise,)))
        if not will.ships:
            return
        days = (arrives - moment(look)) / timedelta(days=1) + will.late_days
        at = look + max(1, math.ceil(days * LOOKS_PER_DAY))
        quantity = order.lines[0].quantity
        parts = (
            [quantity] if will.parts == 1 or quantity < 2 else [quantity // 2, -(-quantity // 2)]
        )
        for part, pieces in enumerate(parts):
            shipment = f"{number}/{part}"
            count = Count(line=1, pieces=pieces)
            self._owe(max(look + 1, at - 2), number, Ship(shipment_id=shipment, counts=(count,)))
            truck = Truck(
                at_look=at + part * LOOKS_PER_DAY, pieces=pieces, order=number,
                shipment=shipment, wrong_slot=will.wrong_slot,
            )  # fmt: skip
            self.world.trucks.append(truck)
            if will.twice:
                self.world.trucks.append(replace(truck, at_look=truck.at_look + 1))
                self.world.unasked += pieces

    def _owe(self, look: int, number: int, act: Act) -> None:
        for repeat in range(self.world.repeats()):
            self._messages.append((look + repeat, number, act))

    def _hear_supplier(self, look: int) -> None:
        due = [message for message in self._messages if message[0] <= look]
        if due:
            self._messages = [message for message in self._messages if message[0] > look]
            for _, number, act in due:
                self._act(number, act, look)

    def _people_look(self, look: int, *, seen: bool) -> None:
        """They see the list once a day, and act on what aged out, sooner or later. And they err."""
        now = moment(look)
        live = {n: order for n, order in self.orders.items() if order.state not in ENDED}
        lines = self._lines()
        if self.watch.breach is None and not live and seen:
            return
        facts = BinFacts(
            bin_id=self.seed,
            name=f"bin {self.seed}",
            trust=Trust.FRESH if seen else Trust.STALE,
            untrusted_since=None if seen else now,
            pieces=self.known,
            breach_since=self.watch.breach.opened_at if self.watch.breach else None,
            breach=f"cycle {self.watch.cycle}",
            cover=cover_of(lines, now, GRACE, None).cover if lines else Cover.NOT_COVERED,
            orders=tuple(self._facts(order) for order in live.values()),
        )
        for case in cases([facts], now).open:
            self.result.cases[case.kind] += 1
            if case.kind is Kind.ORDER_AGED_OUT and self.world.people.random() < 0.4:
                self._give_up(int(case.evidence[0].removeprefix("RO-")), look)
        if live and self.world.people.random() < 0.001:  # the wrong order is cancelled
            number = self.world.people.choice(list(live))
            self._act(number, End(verb=Verb.CANCEL, by="somebody", because="a mistake"), look)

    def _give_up(self, number: int, look: int) -> None:
        arrived = self.orders[number].state in (State.SHIPPED, State.PART_DELIVERED)
        verb = Verb.CLOSE if arrived else Verb.CANCEL
        self._act(number, End(verb=verb, by="ada", because="it never came"), look)

    def _facts(self, order: Order) -> OrderFacts:
        (line,) = open_lines(order, self.seed)
        return OrderFacts(
            order_id=str(order.number),
            label=order.label,
            outstanding=line.outstanding,
            sent_at=order.sent_at,
            answered_at=order.answered_at,
            answer_due_at=order.drafted_at + timedelta(days=2),
            promised_at=order.lines[0].promised_at,
            delivery_closes_at=line.expected_at,
            shipped=bool(order.shipments),
            arrived=bool(order.receipts),
            overdue_at=line.expected_at + GRACE,
        )

    def _act(self, number: int, act: Act, look: int) -> None:
        try:
            self.orders[number] = apply(self.orders[number], act, moment(look))
        except Refusal as no:
            self.result.refused[type(no).__name__] += 1

    def _lines(self) -> list[OpenLine]:
        return [
            line
            for order in self.orders.values()
            if order.state not in ENDED
            for line in open_lines(order, self.seed)
        ]

    # -------------------------------------------------------------- minimum and maximum

    def _rule_of_thumb(self) -> MinMax:
        """1.75 times the use of the lead time and a week more; set once."""
        _, until = when(self.calendar, 0)
        days = max(1.0, (until - START) / timedelta(days=1))
        return self._min_max(1.75 * self.world.rate * days, self.world.rate)

    def _estimate(self, look: int) -> None:
        """From the use of the last quarter, silent days left out; at the worst look of a week."""
        today = look // LOOKS_PER_DAY
        days = [self.used[day] for day in range(max(1, today - 91), today) if day in self.used]
        if len(days) < 14:
            return
        cover = max(
            (when(self.calendar, ahead)[1] - moment(ahead)) / timedelta(days=1)
            for ahead in range(look, look + 7 * LOOKS_PER_DAY)
        )
        mean, spread = fmean(days), pstdev(days)
        self.policy = self._min_max(mean * cover + 2.33 * spread * math.sqrt(cover), mean)

    def _min_max(self, minimum: float, rate: float) -> MinMax:
        low = min(math.ceil(minimum), self.capacity - 2)
        top = min(low + max(1, math.ceil(rate * BATCH_DAYS)), self.capacity)
        return MinMax(reorder_point=low, order_up_to=top)

    def _limits(self) -> Limits:
        return Limits(minimum=self.policy.reorder_point, margin=0, capacity=self.capacity)

    # -------------------------------------------------------------- what must hold

    def _check(self, look: int) -> None:
        now = moment(look)
        believed = Counter(
            line.cycle
            for line in self._lines()
            if line.outstanding and not is_overdue(line, now, GRACE)
        )
        for cycle, count in believed.items():
            if count > 1:
                self._found(look, f"{count} orders of cycle {cycle} at once")
        if self.world.pieces > self.capacity + self.world.unasked:
            self._found(look, f"{self.world.pieces} in a bin for {self.capacity}")
        breach = self.watch.breach
        if breach and now - breach.opened_at > timedelta(days=BREACH_DAYS_MAX):
            self._found(look, f"low since {breach.opened_at}")

    def _found(self, look: int, what: str) -> None:
        self.result.wrong.append(f"bin {self.seed}, {moment(look):%j %H:%M}: {what}")

    def _forget_what_was_counted(self) -> None:
        world = self.world
        world.demanded = world.served = world.stock_looks = world.looks = world.stock_outs = 0

    def _end(self) -> None:
        world, result = self.world, self.result
        result.demanded, result.served = world.demanded, world.served
        result.stock = world.stock_looks / world.looks / world.rate  # days of its first use
        result.stock_outs = world.stock_outs
        result.breaches = self.watch.cycle - 1


def play(bins: range, days: int, *, learns: bool) -> Result:
    total = Result()
    for seed in bins:
        total.add(Play(seed, days, learns=learns).run())
    return total
