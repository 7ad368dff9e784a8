"""What is pruned by age, piece by piece, so that no statement takes long and no lock is held long.

The ledger may be pruned below `contiguous_upto` without forgetting "once": whatever begins there
is known to be committed, by that number alone. What goes with its rows is the checksum, which
tells a repeat from another content under the same number. Gaps are kept: they say what was lost.
"""

from datetime import datetime, timedelta

import psycopg

LEDGER_KEPT = timedelta(days=7)  # longer than a batch is under way, and to look into what is odd
LETTERS_KEPT = timedelta(days=90)  # that a person settled; the others are limited by number
ATTEMPTS_KEPT = timedelta(days=400)
PIECE = 5_000
STREAMS_AT_ONCE = 200

_LEDGER = """
DELETE FROM ledger WHERE ctid = ANY (ARRAY(
    SELECT l.ctid
      FROM streams s CROSS JOIN LATERAL (
           SELECT ctid, last_seq FROM ledger
            WHERE stream_no = s.stream_no AND first_seq <= s.contiguous_upto
              AND gap_because IS NULL AND committed_at < %(before)s
            ORDER BY first_seq LIMIT %(piece)s) l
     WHERE s.stream_no > %(after)s AND s.stream_no <= %(after)s + %(streams)s
       AND l.last_seq <= s.contiguous_upto
     LIMIT %(piece)s))
"""
_LETTERS = """
DELETE FROM dead_letters WHERE dead_letter_id = ANY (ARRAY(
    SELECT dead_letter_id FROM dead_letters
     WHERE settled IS NOT NULL AND settled_at < %(before)s ORDER BY dead_letter_id LIMIT %(piece)s))
"""
_ATTEMPTS = """
DELETE FROM attempts WHERE attempt_id = ANY (ARRAY(
    SELECT attempt_id FROM attempts WHERE at < %(before)s ORDER BY attempt_id LIMIT %(piece)s))
"""
_ASIDE = """
DELETE FROM readings_aside WHERE (stream_no, seq) IN (
    SELECT stream_no, seq FROM readings_aside WHERE received_at < %(before)s LIMIT %(piece)s)
"""
_ROLLUPS = """
DELETE FROM rollups WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM rollups WHERE hour < %(before)s LIMIT %(piece)s))
"""


def prune_ledger(conn: psycopg.Connection, now: datetime) -> int:
    """How many entries went."""
    last = conn.execute("SELECT coalesce(max(stream_no), 0) FROM streams").fetchone()
    assert last is not None
    return sum(
        _all_pieces(conn, _LEDGER, now - LEDGER_KEPT, after=after, streams=STREAMS_AT_ONCE)
        for after in range(0, last[0], STREAMS_AT_ONCE)
    )


def prune_letters(conn: psycopg.Connection, now: datetime) -> int:
    return _all_pieces(conn, _LETTERS, now - LETTERS_KEPT)


def prune_attempts(conn: psycopg.Connection, now: datetime) -> int:
    return _all_pieces(conn, _ATTEMPTS, now - ATTEMPTS_KEPT)


def prune_aside(conn: psycopg.Connection, before: datetime) -> int:
    return _all_pieces(conn, _ASIDE, before)


def prune_rollups(conn: psycopg.Connection, before: datetime) -> int:
    return _all_pieces(conn, _ROLLUPS, before)


def _all_pieces(conn: psycopg.Connection, query: str, before: datetime, **more: int) -> int:
    gone = 0
    while True:
        what = {"before": before, "piece": PIECE, **more}
        piece = conn.execute(query, what).rowcount
        gone += piece
        if piece < PIECE:
            return gone
