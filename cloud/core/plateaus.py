"""From the weights of one bin to its plateaus, and from those to movements.

A level is believed when a window of readings lies still; two levels are compared by their means.

    looks.py       which readings are looked at together, how many it takes, whether they rest
    reference.py   the weight that the level stands for, and how it follows what is no movement
    pending.py     what is seen and not confirmed yet
    booking.py     which movements lead from one plateau to the next
    meanwhile.py   what came between them: a silence, or the bin was off its scale
    scales.py      what several scales under one bin show together

Nothing is ever booked by silence, a condition or absence: only two plateaus make a movement.
"""

import math
from collections.abc import Iterable

from cloud.core import doubts
from cloud.core.booking import Booking, Passage
from cloud.core.followed import Doubt, Followed, Movement, Plateau, Rules, Seen, Spot, to_us
from cloud.core.levels import is_absent, pieces_of, sd_of
from cloud.core.looks import Looks
from cloud.core.meanwhile import Meanwhile
from cloud.core.pending import Pending
from cloud.core.reference import Reference
from cloud.core.scales import Scales
from cloud.core.unrest import Unrest
from cloud.core.window import Rest, begins

FOREVER_US = 1 << 62
GAP_INTERVALS = 6
EXACT_SDS = 5


class Weighing:
    """The mutable twin of `Followed`, for as long as a run of readings is looked at."""

    __slots__ = (
        "_before",
        "_calibration",
        "_condition",
        "_due_us",
        "_gap_us",
        "_number_us",
        "_scales",
        "_unit_mg",
        "booking",
        "last",
        "looks",
        "meanwhile",
        "pending",
        "reference",
        "unrest",
    )

    def __init__(self, state: Followed, rules: Rules) -> None:
        self._before = state
        self._calibration = rules.calibration
        self._unit_mg = unit_mg = rules.calibration.unit_mg
        self._due_us = rules.interval_s * 1_000_000
        self._gap_us = GAP_INTERVALS * self._due_us
        self.last = state.last
        self._number_us = state.number_us
        self._condition = state.condition
        self.unrest = Unrest(state, rules.calibration)
        self.looks = Looks(state, rules, self.unrest)
        self.reference = Reference(state, unit_mg, self.unrest)
        self.pending = Pending(state, unit_mg)
        self.booking = Booking(state, rules)
        self.meanwhile = Meanwhile(state)
        self._scales = Scales(state, rules) if len(rules.sensors) > 1 else None

    def done(self) -> Followed:
        """What is not named here is of bins that are not weighed, and stays as it was."""
        doubted = tuple(self.doubts())
        sd, sure = self.sure()
        before = self._before
        scales = {"weights": before.weights} if self._scales is None else self._scales.remembered()
        return Followed(
            sd_pieces=sd,
            exact=sure and not doubted and not self.pending.plateaus,
            doubts=doubted,
            last=self.last,
            number_us=self._number_us,
            condition=self._condition,
            total=before.total,
            codes=before.codes,
            **self.unrest.remembered(),
            **self.looks.remembered(),
            **self.reference.remembered(),
            **self.pending.remembered(),
            **self.booking.remembered(),
            **self.meanwhile.remembered(),
            **scales,
        )

    @property
    def movements(self) -> list[Movement]:
        return self.booking.movements

    # ---------------------------------------------------------------- what is seen

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
        if self.pending.plateaus:
            self.wait(at_us)  # whoever asked the clock meanwhile has found the same
        self.last = key
        if self._scales is not None:
            if self._scales.hear(seen.sensor_id, weight_mg, at_us):
                self.looks.clear()
                self.pending.expect_nothing()
            weight_mg = self._scales.together_mg
            if weight_mg is None:
                return
        if self._number_us is not None and at_us - self._number_us > self._gap_us:
            self._interrupt()
        self._number_us = at_us
        self._condition = None
        spot = Spot(at_us, seen.stream_no, seen.seq, weight_mg, seen.stability <= 1)
        self.unrest.learn(spot)
        if is_absent(weight_mg, self._calibration):
            self.meanwhile.leave(spot, is_known=self.reference.mg is not None)
            self.looks.clear()
            self.pending.forget()
            return
        if self.meanwhile.is_absent:
            self.meanwhile.come_back(self.unrest.sigma_mg)
        self._look(spot, waits=seen.stability == 1)

    def _no_number(self, seen: Seen) -> None:
        """It breaks the window and touches nothing else: the last plateau stands as it is."""
        if seen.weight_mg is None and seen.condition in (None, "back", "restarted"):
            return
        self._condition = seen.condition or "doubtful"
        self.looks.clear()
        self.unrest.interrupt(seen.condition)
        self.pending.expect_nothing()
        if seen.condition == "unstable":
            # What seemed to have come or gone was a lull, or is not all of it yet.
            self.looks.note_unrest()
            self.pending.clear()
        if self._scales is not None:
            self._scales.forget(seen.sensor_id)
        if seen.condition == "underload":
            self.meanwhile.be_lifted()

    def _interrupt(self) -> None:
        """Nothing was heard for too long for the weights of either side to be neighbours."""
        self.meanwhile.fall_silent()
        self.reference.interrupt()
        self.looks.clear()
        self.unrest.interrupt(None)

    def count_beside(self, beside_mg: float) -> None:
        """What was counted weighs this: what comes is compared with it, and with what was shown."""
        self.reference.part_from(beside_mg)
        self.looks.clear()
        self.pending.clear()

    # ---------------------------------------------------------------- what it is

    def _look(self, newest: Spot, *, waits: bool) -> None:
        """`waits`: a gateway has only seen two seconds of rest."""
        looks, reference = self.looks, self.reference
        if reference.seen_mg is not None and self.unrest.is_stuck(self._number_us):
            looks.clear()  # it was counted beside it, and is still not to be believed
            return
        enough = looks.take(newest)
        if reference.mg is not None:
            self.pending.expect(newest.weight_mg - reference.mg, self.unrest.sigma_mg)
        if not enough or self.unrest.is_shaken:
            return
        rest = looks.rest()
        if rest is None:
            return
        if not newest.settled and self.unrest.is_improbably_same:
            # A scale at the end of its range, or a dead one: no plateau rests on it.
            self.pending.doubt(newest.weight_mg)
        elif reference.mg is None:
            first = self._plateau(rest.mean_mg)
            self.booking.open(first, newest.at_us)
            self._stand_on(first)
        else:
            self._level(rest, reference.mg, newest, waits=waits)

    def _level(self, rest: Rest, reference_mg: float, newest: Spot, *, waits: bool) -> None:
        mean_mg, older_mg, newer_mg = rest
        looks, reference = self.looks, self.reference
        least_mg = looks.least_mg()
        apart_mg = mean_mg - reference_mg
        seen_mg = reference.seen_mg
        if seen_mg is not None and abs(mean_mg - seen_mg) < least_mg <= abs(apart_mg):
            reference.go_back()
            reference_mg = seen_mg
            apart_mg = mean_mg - reference_mg
        if looks.is_long:
            if looks.is_slow(apart_mg, newer_mg - older_mg):
                reference.drift_to(newer_mg)
                apart_mg = 0.0
            newer_mg = mean_mg  # the window began anew with the plateau: all of it is of that
        if abs(apart_mg) < least_mg:
            reference.bear_out(apart_mg, older_mg, newest, len(looks.window))
            looks.believe()
            self.pending.forget()
            self.meanwhile.end()
        elif apart_mg > 0:
            shown = self._plateau(newer_mg)
            self.pending.gain(shown, reference_mg, least_mg=least_mg, anew=looks.is_long)
            self._confirm(newest.at_us)
        elif self._waits_for_more(newer_mg):
            self.pending.clear()
        elif waits:
            self.pending.lose(self._plateau(newer_mg), least_mg=least_mg)
            self._confirm(newest.at_us)
        else:
            self.pending.clear()
            self._move(self._plateau(newer_mg))

    def _plateau(self, mean_mg: float) -> Plateau:
        """The plateau that the window shows."""
        window, before_mg, came = self.looks.window, self.reference.mg, self.meanwhile
        first = window[0] if before_mg is None else begins(window, mean_mg, before_mg)
        return Plateau(
            first.at_us, first.ref, window[-1].ref, mean_mg, came.after_absence, came.after_gap
        )

    # ---------------------------------------------------------------- what is confirmed

    def wait(self, now_us: int) -> None:
        """The time that a change has to last may be over before the next reading comes.

        A gateway says a change at once, so as long as its next sign of life is not due, no news is
        that nothing was taken back. After that it proves nothing.
        """
        window = self.looks.window
        if not self.pending.plateaus or not window or self.last is None:
            return
        if self.looks.is_long or not window[-1].settled:
            return  # only more readings tell
        stands = self.pending.stands(window[-1].weight_mg)
        if stands and 0 <= now_us - self.last[0] <= self._due_us:
            self._confirm(now_us)

    def confirm_all(self) -> None:
        """Somebody has seen it."""
        self._confirm(FOREVER_US)

    def _confirm(self, at_us: int) -> None:
        pending, reference = self.pending, self.reference
        assert reference.mg is not None
        while pending.is_due(at_us, reference.mg):
            if len(pending.plateaus) == 1 and self._waits_for_more(pending.plateaus[0].mean_mg):
                return
            self._move(pending.pop())
        pending.expect_last(reference.mg)

    def _waits_for_more(self, mean_mg: float) -> bool:
        """Whether only a longer look can tell noise from another part."""
        assert self.reference.mg is not None
        looks = self.looks
        if not self.booking.is_doubtful(mean_mg - self.reference.mg, self._noise_mg()):
            return False
        if looks.is_long:
            return not looks.is_over
        looks.lengthen(self._plateau(mean_mg).since_us)
        return True

    def _move(self, plateau: Plateau) -> None:
        reference, newest = self.reference, self.looks.window[-1]
        assert reference.mg is not None
        assert reference.rests_on is not None
        passage = Passage(
            before=reference.rests_on,
            before_mg=reference.mg,
            after=plateau,
            known_us=newest.at_us,
            noise_mg=self._noise_mg(),
            after_noise_mg=self.looks.noise_mg(),
            rezeroed=self.meanwhile.rezeroed,
            beside_count=reference.seen_mg is not None,
        )
        self.booking.move(passage)
        self._stand_on(plateau)

    def _stand_on(self, plateau: Plateau) -> None:
        window = self.looks.window
        self.reference.stand_on(plateau, window[-1].at_us, len(window))
        self.looks.begin(plateau.since_us)
        self.pending.expect_nothing()
        self.meanwhile.end()

    def _noise_mg(self) -> float:
        return self.reference.noise_mg(self.looks.window, self.looks.usual)

    # ---------------------------------------------------------------- how sure

    def doubts(self) -> Iterable[Doubt]:
        pieces, scales = self.booking.pieces, self._scales
        yield from doubts.of_place(
            rezeroed=self.meanwhile.rezeroed,
            absent=self.meanwhile.is_absent,
            sensors=1 if scales is None else scales.count,
            unread=0 if scales is None or pieces is None else scales.unread,
        )
        elsewhere = self.reference.is_elsewhere(self.unrest.newest_mg)
        yield from doubts.of_scale(self.unrest, self._number_us, is_elsewhere=elsewhere)
        if (unexplained := self.booking.doubt) is not None:
            yield unexplained
        if pieces is None:
            yield self.looks.doubt()

    def sure(self) -> tuple[float, bool]:
        """The sd of the level in pieces, and whether it is exact as far as weights can tell."""
        reference, calibration = self.reference, self._calibration
        if reference.mg is None or self.booking.pieces is None:
            return 0.0, False
        averaged = reference.averaged(self.looks.usual)
        noise_mg = max(calibration.scale_sd_mg, self.unrest.sigma_mg) / math.sqrt(averaged)
        pieces = pieces_of(round(reference.mg), calibration)
        sd = sd_of(pieces, calibration, noise_mg)
        if reference.seen_mg is not None or not self.unrest.is_known:
            return sd, False
        if abs(self.meanwhile.zero_error_mg or 0) > self._unit_mg / 2:
            return sd, False  # the bin was off, and the scale did not show nothing
        return sd, EXACT_SDS * sd <= 1 / 2 and pieces == self.booking.pieces
