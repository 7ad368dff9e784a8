"""From the weights of one bin to its plateaus, and from those to movements.

A level is believed when a window of readings lies still; two levels are compared by their means.

    raw readings      m = 162 (sigma/u)^2 in the window, at least 4: the difference of two means has
                      an sd of u/9, and half a piece is 4.5 of those
    settled readings  m = 64 (sigma/u)^2, at least 1: a gateway has already waited for rest, and
                      says changes at once and the same only as a sign of life, so one reading is
                      enough from u = 8 sigma on (half a piece is then 3.6 sd of the difference, and
                      what is missed by that is seen with the next)

The window is believed when its range is below 6.5 sigma and its halves agree within half a piece.
Less than 0.6 piece from the reference is no movement: the reference follows, that is drift, creep
and temperature, and each bin says by itself how quickly (`wander.py`). Gains wait two minutes: an
object that leans on the bin goes away again, and both are forgotten. Losses are booked at once
where the device itself says that it is stable; where a gateway has only seen two seconds of rest
they wait for longer than it takes to say that nothing rests, since what begins to shake has lulls.
Nothing is ever booked by silence, a condition or
absence: only two plateaus make a movement.
"""

import math
from collections.abc import Iterable

from cloud.core import doubts
from cloud.core.followed import (
    Doubt,
    Doubting,
    Followed,
    Movement,
    MovementKind,
    Plateau,
    ReadingRange,
    ReadingRef,
    Rules,
    Seen,
    Spot,
    from_us,
    to_us,
)
from cloud.core.kinds import kind_of
from cloud.core.levels import is_absent, level_of, sd_of
from cloud.core.remainders import Remainder, is_tare, remainder_of, sentence
from cloud.core.unrest import Unrest
from cloud.core.wander import LOOKS_MIN, Wander
from cloud.core.window import Rest, begins, rest_of

WINDOW_MAX = 162  # where one piece is as light as the noise; what is lighter is not resolved
RAW_MIN = 4
RAW_FIRST = 8  # readings before the noise of an unknown scale can be told
RAW_FACTOR = 162
SETTLED_FACTOR = 64
RANGE_SIGMAS = 6.5
NO_MOVEMENT_PIECES = 0.6
FOLLOW_PIECES = 0.3
SURE_SIGMAS = 4.2
REVOCABLE_US = 120_000_000
FOREVER_US = 1 << 62
LULL_US = 40_000_000  # "unstable" is said after 30 s without rest
TOGETHER_US = 10_000_000  # several sensors of one bin tell of a change one after the other
GAP_INTERVALS = 6
SILENT_INTERVALS = 3  # as for trust: one report may be late, two may be unlucky
PENDING_MAX = 8
EXACT_SDS = 5
RESTLESS_MIN = 6
RESTLESS_US = 60_000_000
UNREST_US = 30_000_000  # as long as nothing came to rest before that was said
PATIENCE = 4  # so many times the window, where the remainder is doubtful


class Weighing:
    """The mutable twin of `Followed`, for as long as a run of readings is looked at."""

    def __init__(self, state: Followed, rules: Rules) -> None:
        self._rules = rules
        self._unit_mg = rules.calibration.unit_mg
        self._floor_mg = rules.calibration.scale_sd_mg
        self._gap_us = GAP_INTERVALS * rules.interval_s * 1_000_000
        self._several = len(rules.sensors) > 1
        self.unrest = Unrest(state, rules.calibration)
        self.wander = Wander(state)
        self.movements: list[Movement] = []
        self._before = state
        self.pieces = state.pieces
        self.last = state.last
        self.level_us = state.level_us
        self.plateau_us = state.plateau_us
        self.plateau_first = state.plateau_first
        self.plateau_last = state.plateau_last
        self.reference_mg = state.reference_mg
        self.seen_mg = state.seen_mg
        self.number_us = state.number_us
        self.window = list(state.window)
        self.pending = list(state.pending)
        self.condition = state.condition
        self.after_gap = state.after_gap
        self.after_unrest = state.after_unrest
        self.absent_us = state.absent_us
        self.after_absence = state.after_absence
        self.rezeroed = state.rezeroed
        self.zero = state.zero
        self.zero_error_mg = state.zero_error_mg
        self.unexplained_mg = state.unexplained_mg
        self.unexplained_because = state.unexplained_because
        self.weights = {sensor: (weight, at) for sensor, weight, at in state.weights}
        self.unconfirmed = state.unconfirmed
        self.patience = state.patience
        self.between = state.between
        self.tared = state.tared
        self.borne_out = state.borne_out
        self._is_stated = False
        self._share_of: tuple[int, float, float] = (0, 0.0, 0.0)
        self._shared = 0.0

    def done(self) -> Followed:
        """What is not named here is of bins that are not weighed, and stays as it was."""
        doubted = tuple(self._doubts())
        sd, exact = self._sure()
        return Followed(
            pieces=self.pieces,
            sd_pieces=sd,
            exact=exact and not doubted and not self.pending and self.seen_mg is None,
            doubts=doubted,
            last=self.last,
            level_us=self.level_us,
            plateau_us=self.plateau_us,
            plateau_first=self.plateau_first,
            plateau_last=self.plateau_last,
            reference_mg=self.reference_mg,
            seen_mg=self.seen_mg,
            number_us=self.number_us,
            window=tuple(self.window),
            pending=tuple(self.pending),
            condition=self.condition,
            after_gap=self.after_gap,
            after_unrest=self.after_unrest,
            absent_us=self.absent_us,
            after_absence=self.after_absence,
            rezeroed=self.rezeroed,
            zero=self.zero,
            zero_error_mg=self.zero_error_mg,
            unexplained_mg=self.unexplained_mg,
            unexplained_because=self.unexplained_because,
            tared=self.tared,
            weights=tuple(sorted((sensor, *said) for sensor, said in self.weights.items())),
            total=self._before.total,
            codes=self._before.codes,
            patience=self.patience,
            between=self.between,
            borne_out=self.borne_out,
            unconfirmed=self.unconfirmed,
            **self.unrest.remembered(),
            **self.wander.remembered(),
        )

    def feed(self, seen: Seen) -> None:
        at_us = to_us(seen.at)
        key = (at_us, seen.stream_no, seen.seq)
        if self.last is not None and key <= self.last:
            return
        weight_mg = seen.weight_mg
        if weight_mg is None or seen.quality != 0:
            self.last = key
            self._no_number(seen)
            return
        if self.pending:
            self.wait(at_us)  # whoever asked the clock meanwhile has found the same
        self.last = key
        self._is_stated = seen.stability == 0
        if self._several:
            self.weights[seen.sensor_id] = (weight_mg, at_us)
            self._forget_silent(at_us)
            if self._misses_some:
                return
            weight_mg = sum(weight for weight, _ in self.weights.values())
        if self.number_us is not None and at_us - self.number_us > self._gap_us:
            self.after_gap = True
            self.wander.interrupt()
            self.window.clear()
            self.unrest.interrupt(None)
        self.number_us = at_us
        self.condition = None
        spot = Spot(at_us, seen.stream_no, seen.seq, weight_mg, seen.stability <= 1)
        self.unrest.learn(spot)
        if is_absent(weight_mg, self._rules.calibration):
            self._is_off(spot)
            return
        if self.absent_us is not None:
            self._is_on_again()
        self.window.append(spot)
        self._look()

    def wait(self, now_us: int) -> None:
        """The time that a change has to last may be over before the next reading comes.

        A gateway says a change at once, so as long as its next sign of life is not due, no news is
        that nothing was taken back. After that it proves nothing.
        """
        due_us = self._rules.interval_s * 1_000_000
        if not self.pending or not self.window or self.last is None:
            return
        if self.patience > 1 or not self.window[-1].settled:
            return  # only more readings tell
        stands = abs(self.window[-1].weight_mg - self.pending[-1].mean_mg) < self._unit_mg / 2
        if stands and 0 <= now_us - self.last[0] <= due_us:
            self._confirm(now_us)

    def confirm_all(self) -> None:
        """Somebody has seen it."""
        self._confirm(FOREVER_US)

    @property
    def _misses_some(self) -> bool:
        return self._several and len(self.weights) < len(self._rules.sensors)

    def _forget_silent(self, at_us: int) -> None:
        """Of several scales one that is silent has no weight: the sum would be of two times."""
        oldest_us = at_us - SILENT_INTERVALS * self._rules.interval_s * 1_000_000
        heard = {sensor: said for sensor, said in self.weights.items() if said[1] >= oldest_us}
        if len(heard) < len(self.weights):
            self.weights = heard
            self.window.clear()
            self.unconfirmed = 0

    def _no_number(self, seen: Seen) -> None:
        """It breaks the window and touches nothing else: the last plateau stands as it is."""
        if seen.weight_mg is None and seen.condition in (None, "back", "restarted"):
            return
        self.condition = seen.condition or "doubtful"
        self.window.clear()
        self.unrest.interrupt(seen.condition)
        if seen.condition == "unstable":
            # What seemed to have come or gone was a lull, or is not all of it yet.
            self.after_unrest = True
            self.pending.clear()
        self.unconfirmed = 0
        if self._several:
            self.weights.pop(seen.sensor_id, None)
        if seen.condition == "underload":
            self.after_absence = True

    # ---------------------------------------------------------------- off the scale, and back

    def _is_off(self, spot: Spot) -> None:
        if self.absent_us is None:
            self.absent_us = spot.at_us
            self.rezeroed = self.after_gap and self.reference_mg is not None
            self.zero = None
            self.pending.clear()
        self.window.clear()
        self.after_gap = False
        self.after_absence = True
        self.unconfirmed = 0
        weight_mg = spot.weight_mg
        if self.zero is None:
            self.zero = (1, weight_mg, weight_mg, weight_mg)
        else:
            n, total, low, high = self.zero
            self.zero = (n + 1, total + weight_mg, min(low, weight_mg), max(high, weight_mg))

    def _is_on_again(self) -> None:
        self.absent_us = None
        if self.zero is not None:
            n, total, low, high = self.zero
            if n > 1 and high - low <= RANGE_SIGMAS * self.unrest.sigma_mg:
                self.zero_error_mg = round(total / n)

    # ---------------------------------------------------------------- plateaus

    def _needed(self, *, settled: bool) -> int:
        ratio = self.unrest.sigma_mg / self._unit_mg
        if settled:
            alone = not (self._several or self.after_unrest)
            least = RESTLESS_MIN if self.unrest.is_restless else 1 if alone else 2
            factor = SETTLED_FACTOR
        else:
            # The first level may come sooner: it says that it is not exact, and moves nothing.
            known = self.unrest.is_learnt or self.reference_mg is None
            least = RAW_MIN if known and not self.unrest.is_restless else RAW_FIRST
            factor = RAW_FACTOR
        return min(WINDOW_MAX, max(least, math.ceil(factor * ratio * ratio)))

    @property
    def _knows_noise(self) -> bool:
        return self.unrest.settled or self.unrest.is_learnt

    def _hold_us(self, newest: Spot) -> int:
        """How long a plateau must have lasted, however many readings tell of it."""
        if self.unrest.is_restless:
            return RESTLESS_US
        if newest.settled and self.after_unrest:
            return UNREST_US
        return TOGETHER_US if self._several else 0

    def _look(self) -> None:
        window = self.window
        newest = window[-1]
        if self.seen_mg is not None and self.unrest.is_stuck(self.number_us):
            window.clear()  # it was counted beside it, and is still not to be believed
            return
        needed = self._needed(settled=newest.settled)
        kept = min(WINDOW_MAX, self.patience * needed)
        if newest.settled:
            needed = kept  # noise grows less with each reading; what shakes, only as a whole
        hold_us = self._hold_us(newest)
        if hold_us:
            while len(window) > kept and newest.at_us - window[1].at_us >= hold_us:
                del window[0]
            del window[:-WINDOW_MAX]
            still = newest.at_us - window[0].at_us >= hold_us
        else:
            # While the noise is unknown more may be needed in a moment.
            del window[: -(kept if self._knows_noise else max(kept, RAW_FIRST))]
            still = True
        self._expect(newest.weight_mg)
        if len(window) < needed or not still or self.unrest.is_shaken:
            return
        rest = rest_of(window, self._range_mg(newest), self._unit_mg / 2)
        if rest is None:
            self.patience = 1
            return
        if not newest.settled and self.unrest.is_improbably_same:
            # A scale at the end of its range, or a dead one: no plateau rests on it.
            self.pending = [
                plateau
                for plateau in self.pending
                if abs(plateau.mean_mg - newest.weight_mg) >= self._unit_mg / 2
            ]
            return
        self._level(rest)

    def _range_mg(self, newest: Spot) -> float:
        """What a window that lies still may reach over.

        What shakes is taken for noise in time; it then explains lulls that lie pieces apart.
        """
        range_mg = RANGE_SIGMAS * self.unrest.sigma_mg
        if newest.settled and self.unrest.is_restless:
            range_mg = min(range_mg, max(RANGE_SIGMAS * self.unrest.own_mg, self._unit_mg / 2))
        return range_mg

    def _expect(self, weight_mg: int) -> None:
        """What the newest weight would mean if it held."""
        if self.reference_mg is None:
            return
        apart = weight_mg - self.reference_mg
        if abs(apart) < max(NO_MOVEMENT_PIECES * self._unit_mg, SURE_SIGMAS * self.unrest.sigma_mg):
            self.unconfirmed = 0
        else:
            self.unconfirmed = round(apart / self._unit_mg)

    def _level(self, rest: Rest) -> None:
        mean_mg, older_mg, newer_mg = rest
        newest = self.window[-1]
        if self.reference_mg is None:
            self._open(mean_mg)
            return
        count = len(self.window)
        least = max(
            NO_MOVEMENT_PIECES * self._unit_mg,
            SURE_SIGMAS * self.unrest.sigma_mg * math.sqrt(1.25 / count),
        )
        apart = mean_mg - self.reference_mg
        if self.seen_mg is not None and abs(mean_mg - self.seen_mg) < least <= abs(apart):
            # Nothing went or came meanwhile: the count is one of what is weighed here.
            self.reference_mg = self.seen_mg
            self.wander.interrupt()
            apart = mean_mg - self.reference_mg
        if self.patience > 1:
            if self._is_slow(apart, newer_mg - older_mg):
                self.reference_mg = newer_mg
                apart = 0.0
            newer_mg = mean_mg  # the window began anew with the plateau: all of it is of that
        if abs(apart) < least:
            self._same_plateau(apart, older_mg, newest)
        elif apart > 0:
            self._drop_losses()
            self._gain(newer_mg, least)
            self._confirm(newest.at_us)
        elif self._waits_for_more(newer_mg):
            self.pending.clear()
        elif newest.settled and not self._is_stated:
            self._lose(newer_mg, least)
            self._confirm(newest.at_us)
        else:
            self.pending.clear()
            self._move(self._plateau(newer_mg))

    def _is_slow(self, apart: float, went: float) -> bool:
        """Whether it still goes where it went: then it came there slowly, and nobody moved it."""
        if len(self.window) < max(RAW_FIRST, 2 * self._needed(settled=self.unrest.settled)):
            return False
        sign = 1 if apart > 0 else -1
        return went * sign > 0 and (apart - went) * sign < self._unit_mg / 2

    def _same_plateau(self, apart: float, older_mg: float, newest: Spot) -> None:
        assert self.reference_mg is not None
        count = len(self.window)
        share = self._share(count)
        if abs(apart) < FOLLOW_PIECES * self._unit_mg:
            self.between = 0
            if abs(apart) > FOLLOW_PIECES / 2 * self._unit_mg:
                share = min(0.25, 2 / count)
        else:
            # A piece that noise makes look smaller shows itself within a window; drift stays here.
            self.between += 1
            stays = self.between > (count if newest.settled else count // 2)
            share = min(0.25, 2 / count) if stays else min(0.25, 2 / count) / 8
        self.borne_out += 1
        self.seen_mg = None
        self.reference_mg += share * (older_mg - self.reference_mg)
        if self.borne_out >= 1.5 * count:  # before, it is noise that it strays by
            self.wander.stay(newest.at_us, self.reference_mg, self._stretch(count))
        self.pending.clear()
        self.unconfirmed = 0
        self.patience = 1
        self.after_absence = self.after_gap = self.after_unrest = self.rezeroed = False
        self.level_us = newest.at_us
        self.plateau_last = newest.ref

    def _open(self, mean_mg: float) -> None:
        if self.pieces is not None:  # counted by hand before the first weight came
            self._stand_on(self._plateau(mean_mg), self.window[-1])
            return
        calibration = self._rules.calibration
        self.pieces = level_of(round(mean_mg), calibration).pieces
        self.movements.append(
            Movement(
                kind=MovementKind.OPENING,
                pieces=self.pieces,
                before_pieces=0,
                after_pieces=self.pieces,
                event_at=from_us(self.window[0].at_us),
                known_at_reading=from_us(self.window[-1].at_us),
                before=None,
                after=ReadingRange(self.window[0].ref, self.window[-1].ref),
                before_mg=None,
                after_mg=round(mean_mg),
                because="It is the first weight of this bin.",
            )
        )
        self._stand_on(self._plateau(mean_mg), self.window[-1])

    def _plateau(self, mean_mg: float) -> Plateau:
        """The plateau that the window shows."""
        first = self.window[0]
        if self.reference_mg is not None:
            first = begins(self.window, mean_mg, self.reference_mg)
        newest = self.window[-1]
        return Plateau(
            first.at_us, first.ref, newest.ref, mean_mg, self.after_absence, self.after_gap
        )

    def _stand_on(self, plateau: Plateau, newest: Spot) -> None:
        if self.reference_mg is not None:
            self.wander.move(plateau.mean_mg - self.reference_mg)
        self.reference_mg = plateau.mean_mg
        self.seen_mg = None
        self.between = 0
        self.borne_out = len(self.window)
        self.plateau_us = plateau.since_us
        self.plateau_first = plateau.first
        self.plateau_last = plateau.last
        self.level_us = newest.at_us
        self.unconfirmed = 0
        self.patience = 1
        self.after_absence = self.after_gap = self.after_unrest = self.rezeroed = False
        self.window = [spot for spot in self.window if spot.at_us >= plateau.since_us]

    def _gain(self, mean_mg: float, least: float) -> None:
        """More than before: remembered, and dropped again when the weight goes back."""
        newest = self.window[-1]
        for place, plateau in enumerate(self.pending):
            if abs(plateau.mean_mg - mean_mg) < least:
                del self.pending[place + 1 :]
                self.pending[place] = plateau._replace(
                    last=newest.ref,
                    mean_mg=plateau.mean_mg
                    + (mean_mg - plateau.mean_mg) * (1 if self.patience > 1 else 0.25),
                )
                return
        self.pending.append(self._plateau(mean_mg))
        del self.pending[:-PENDING_MAX]

    def _lose(self, mean_mg: float, least: float) -> None:
        """Less than before: of what follows within the time of a lull, the last is remembered."""
        for plateau in self.pending:
            if abs(plateau.mean_mg - mean_mg) < least:
                self.pending = [plateau._replace(last=self.window[-1].ref)]
                return
        self.pending = [self._plateau(mean_mg)]

    def _drop_losses(self) -> None:
        """What is not confirmed and was taken back, or was a lull."""
        if self.pending and self.reference_mg is not None:
            below = self.reference_mg
            self.pending = [plateau for plateau in self.pending if plateau.mean_mg > below]

    def _confirm(self, at_us: int) -> None:
        while self.pending:
            plateau = self.pending[0]
            assert self.reference_mg is not None
            gains = plateau.mean_mg > self.reference_mg
            if at_us - plateau.since_us < (REVOCABLE_US if gains else LULL_US):
                self.unconfirmed = round(
                    (self.pending[-1].mean_mg - self.reference_mg) / self._unit_mg
                )
                return
            if plateau is self.pending[-1] and self._waits_for_more(plateau.mean_mg):
                return
            del self.pending[0]
            self._move(plateau)

    # ---------------------------------------------------------------- movements

    def _waits_for_more(self, mean_mg: float) -> bool:
        """Whether only a longer look can tell noise from another part."""
        assert self.reference_mg is not None
        doubtful = self._remainder_of(mean_mg - self.reference_mg).doubtful
        if not doubtful and not self.unexplained_mg:
            return False
        if self.patience > 1:
            usual = self._needed(settled=self.unrest.settled)
            return len(self.window) < min(WINDOW_MAX, self.patience * usual)
        self.patience = PATIENCE
        since_us = self._plateau(mean_mg).since_us
        self.window = [spot for spot in self.window if spot.at_us >= since_us]
        return True

    def _move(self, plateau: Plateau) -> None:
        """From the reference to the plateau, if that is a whole number of pieces."""
        assert self.reference_mg is not None
        assert self.pieces is not None
        assert self.plateau_first is not None
        assert self.plateau_last is not None
        newest = self.window[-1]
        apart = plateau.mean_mg - self.reference_mg
        tared = is_tare(apart, self._rules.calibration, self._noise_mg())
        change = None if tared else self._pieces_of(apart)
        if change is None:
            self._leave_open(apart, tared=tared)
            self._stand_on(plateau, newest)
            return
        if change < -self.pieces and not self.rezeroed:
            because = "More was taken than was thought to be there."
            self._book(plateau, MovementKind.CORRECTION, -change - self.pieces, because)
        change = max(change, -self.pieces)
        if change:
            kind, because = kind_of(
                change,
                refill_pieces=self._rules.refill_pieces,
                after_absence=plateau.after_absence,
                after_gap=plateau.after_gap,
                rezeroed=self.rezeroed,
                beside_count=self.seen_mg is not None,
            )
            self._book(plateau, kind, change, because)
        if change < 0 < self.pieces and self._is_empty(plateau.mean_mg):
            because = "The scale shows the empty bin: there is less than the movements left."
            self._book(plateau, MovementKind.CORRECTION, -self.pieces, because)
        self._stand_on(plateau, newest)

    def _book(self, plateau: Plateau, kind: MovementKind, change: int, because: str) -> None:
        assert self.reference_mg is not None
        assert self.pieces is not None
        assert self.plateau_first is not None
        assert self.plateau_last is not None
        self.movements.append(
            Movement(
                kind=kind,
                pieces=change,
                before_pieces=self.pieces,
                after_pieces=self.pieces + change,
                event_at=from_us(plateau.since_us),
                known_at_reading=from_us(self.window[-1].at_us),
                before=_range(self.plateau_first, self.plateau_last),
                after=_range(plateau.first, plateau.last),
                before_mg=round(self.reference_mg),
                after_mg=round(plateau.mean_mg),
                because=because,
                sd_pieces=self._sd_of(change),
            )
        )
        self.pieces += change

    def _sd_of(self, change: int) -> float:
        return sd_of(abs(change), self._rules.calibration, self._noise_mg())

    def _is_empty(self, mean_mg: float) -> bool:
        """What a wrong unit weight adds up to over a bin's worth of takes, its bottom tells."""
        net_mg = mean_mg - self._rules.calibration.tare_mg
        noise_mg = self.unrest.sigma_mg / math.sqrt(max(1, len(self.window)))
        return abs(net_mg) + SURE_SIGMAS * noise_mg < self._unit_mg * NO_MOVEMENT_PIECES

    def _pieces_of(self, apart_mg: float) -> int | None:
        """How many pieces a difference is; None: it is no whole number of them.

        What is unexplained goes away as it came: of the two, what leaves less over is believed.
        """
        alone = self._remainder_of(apart_mg)
        if not self.unexplained_mg:
            return alone.pieces if alone.is_whole else None
        # Two differences were measured, one after the other.
        noise_mg = math.sqrt(2) * self._noise_mg()
        together = remainder_of(apart_mg + self.unexplained_mg, self._rules.calibration, noise_mg)
        if not together.is_whole or (alone.is_whole and alone.off <= together.off):
            return alone.pieces if alone.is_whole else None
        self.unexplained_mg = 0.0
        self.unexplained_because = ""
        return together.pieces

    def _remainder_of(self, apart_mg: float) -> Remainder:
        return remainder_of(apart_mg, self._rules.calibration, self._noise_mg())

    def _share(self, count: int) -> float:
        """Of a window in the reference, each time it is looked at: what wanders is followed.

        As quickly as a reading's straying is to its noise, which is how the best mean forgets.
        """
        if self.unrest.settled:
            return min(0.25, 2 / count)  # what is left of its noise is no chance that averages out
        of = count, self.unrest.sigma_mg, self.wander.spread_mg2
        if of != self._share_of:
            strays_mg = self.wander.per_look_mg(self._stretch(count), self._chance_mg2(count))
            self._share_of = of
            self._shared = min(0.25, 2 / count, max(0.5 / count, strays_mg / of[1]))
        return self._shared

    def _stretch(self, count: int) -> int:
        return max(LOOKS_MIN, PATIENCE * count)

    def _chance_mg2(self, count: int) -> float:
        """Of a stretch, by noise alone: a reference that follows quickly, at either end."""
        return 2 * self.unrest.sigma_mg**2 / (1.5 * count)

    def _noise_mg(self) -> float:
        """Of the difference of two means: of the window, and of what the reference rests on."""
        count = max(1, len(self.window))
        usual = self._needed(settled=self.unrest.settled)
        followed = 2 / self._share(usual) + usual / 2  # readings that the moving mean is worth
        rests_on = max(1, min(self.borne_out, followed))
        noise_mg = self.unrest.sigma_mg * math.sqrt(1 / count + 1 / rests_on)
        if not self.window or self.level_us is None:
            return noise_mg
        newest_us = self.window[-1].at_us
        apart_us = max(0.75 * (newest_us - self.window[0].at_us), newest_us - self.level_us)
        return math.hypot(noise_mg, self.wander.within_mg(apart_us, self._chance_mg2(usual)))

    def _leave_open(self, apart_mg: float, *, tared: bool) -> None:
        self.unexplained_mg += apart_mg
        self.tared = tared
        self.unexplained_because = sentence(apart_mg, self._rules.calibration, tared=tared)

    # ---------------------------------------------------------------- how sure

    def _doubts(self) -> Iterable[Doubt]:
        sensors = len(self._rules.sensors)
        unread = self._misses_some and self.pieces is not None
        yield from doubts.of_place(
            rezeroed=self.rezeroed,
            absent=self.absent_us is not None,
            sensors=sensors,
            unread=sensors - len(self.weights) if unread else 0,
        )
        yield from doubts.of_scale(self.unrest, self.number_us, is_elsewhere=self._is_elsewhere())
        if self.unexplained_mg:
            kind = Doubting.NOT_ZEROED if self.tared else Doubting.UNIT_CHANGED
            yield Doubt(kind, self.unexplained_because)
        if self.pieces is None:
            needed, there = self._needed(settled=self.unrest.settled), len(self.window)
            averaged = needed > RAW_FIRST and there >= RAW_MIN
            yield doubts.of_unknown(needed, there, is_averaged=averaged)

    def _is_elsewhere(self) -> bool:
        if self.unrest.newest_mg is None or self.reference_mg is None:
            return False
        return abs(self.unrest.newest_mg - self.reference_mg) >= NO_MOVEMENT_PIECES * self._unit_mg

    def _sure(self) -> tuple[float, bool]:
        if self.reference_mg is None or self.pieces is None:
            return 0.0, False
        # The reference is a moving mean of about so many readings, and of no more than there were.
        averaged = min(self.borne_out, max(6, self._needed(settled=self.unrest.settled)))
        noise_mg = max(self._floor_mg, self.unrest.sigma_mg) / math.sqrt(max(1, averaged))
        level = level_of(round(self.reference_mg), self._rules.calibration)
        level_sd = sd_of(level.pieces, self._rules.calibration, noise_mg)
        if abs(self.zero_error_mg or 0) > self._unit_mg / 2:
            return level_sd, False  # the bin was off, and the scale did not show nothing
        if not self._knows_noise:
            return level_sd, False
        is_sure = EXACT_SDS * level_sd <= 1 / 2
        return level_sd, is_sure and level.pieces == self.pieces


def settles_us(state: Followed) -> int | None:
    """When time alone decides what is not confirmed yet; None: nothing waits."""
    if not state.pending or state.reference_mg is None:
        return None
    first = state.pending[0]
    return first.since_us + (REVOCABLE_US if first.mean_mg > state.reference_mg else LULL_US)


def _range(first: tuple[int, int], last: tuple[int, int]) -> ReadingRange:
    return ReadingRange(ReadingRef(*first), ReadingRef(*last))
