"""A person changed what a bin is: another item, other sensors, another unit weight or tare.

item, sensors, measure   it is followed anew: what was read before is of something else
unit weight              its history is restated, from the weights that are booked
tare                     a correction: the empty bin became another one
"""

from dataclasses import replace
from datetime import datetime

import psycopg

from cloud.actions.remember import Underway
from cloud.core.followed import Followed, Rules, from_us
from cloud.core.following import pieces_at, restated
from cloud.core.levels import level_of
from cloud.postgres import counts, movements, tracks
from cloud.postgres.movements import New, Restated


def heed_change(conn: psycopg.Connection, bin_: Underway, now: datetime) -> None:
    """Nothing, where the bin is what it was when it was followed last."""
    was, become = bin_.track, bin_.now
    same_item = become.item_id == was.item_id
    if same_item and (become.rules is was.rules or become.rules == was.rules):
        return
    bin_.write_out()
    bin_.dirty = True
    if not same_item:
        _begin_anew(conn, bin_, become.from_at)
    elif _reads(become.rules) != _reads(was.rules):
        if bin_.state is not None:
            _begin_anew(conn, bin_, from_us(bin_.cursor_us))
    else:
        old, new = was.rules.calibration, become.rules.calibration
        if old.unit_weight_ug != new.unit_weight_ug:
            _restate(conn, bin_, now)
        if old.tare_mg != new.tare_mg:
            _tare(conn, bin_, now)
    bin_.track = bin_.track._replace(item_id=become.item_id, rules=become.rules)


def _reads(rules: Rules) -> object:
    """What makes a level of readings: with another one they tell of another bin."""
    return rules.sensors, rules.measure, rules.pieces_per_count


def _begin_anew(conn: psycopg.Connection, bin_: Underway, from_at: datetime) -> None:
    tracks.forget_checkpoints(conn, bin_.bin_id)
    bin_.track = bin_.track._replace(from_at=from_at)
    bin_.forget()


def _restate(conn: psycopg.Connection, bin_: Underway, now: datetime) -> None:
    """The movements stay what they were in grams; what they are in pieces is told anew."""
    was, become = bin_.track.rules.calibration, bin_.now.rules.calibration
    booked = movements.live_since(conn, bin_.bin_id, bin_.track.item_id, None)
    if not booked or bin_.state is None:
        return
    told = restated([one.movement for one in booked], become)
    movements.replace(conn, [one.movement_id for one in booked], now)
    new = [New(bin_.bin_id, bin_.track.item_id, moved, restated=True) for moved in told]
    movements.insert(conn, new, now)
    movements.note_restated(
        conn,
        Restated(
            bin_.bin_id,
            bin_.track.item_id,
            now,
            was.unit_weight_ug,
            become.unit_weight_ug,
            len(told),
            booked[-1].movement.after_pieces,
            told[-1].after_pieces,
        ),
    )
    for at, state in tracks.checkpoints_of(conn, bin_.bin_id):
        kept = replace(Followed.from_json(state), pieces=pieces_at(told, at)).to_json()
        tracks.keep_checkpoints(conn, [(bin_.bin_id, at, kept)])
    bin_.state = replace(bin_.state, pieces=told[-1].after_pieces)


def _tare(conn: psycopg.Connection, bin_: Underway, now: datetime) -> None:
    """The plateau weighs what it weighs; with another tare it is another number of pieces."""
    state = bin_.state
    if state is None or state.reference_mg is None or state.pieces is None:
        return
    calibration = bin_.now.rules.calibration
    counts.insert(
        conn,
        counts.NewCount(
            bin_id=bin_.bin_id,
            item_id=bin_.track.item_id,
            kind="tare",
            pieces=level_of(round(state.reference_mg), calibration).pieces,
            counted_at=now,
            by="binline",
            because=f"The empty bin now counts as {calibration.tare_mg / 1000:,.1f} g.",
            level_pieces=state.pieces,
        ),
        now,
    )
