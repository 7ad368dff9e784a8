"""What could not be taken in, whole, with the reason. Ingest may add and may not read."""

import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

import psycopg

BECAUSE_CHARS_MAX = 1_000


class DeadLetter(NamedTuple):
    topic: str
    payload: bytes
    because: str

    @property
    def fingerprint(self) -> bytes:
        text = f"{self.topic}\0{self.because}\0".encode(errors="replace")
        return hashlib.sha256(text + self.payload).digest()


def insert(conn: psycopg.Connection, letters: Collection[DeadLetter], now: datetime) -> None:
    if letters:
        conn.cursor().executemany(
            "INSERT INTO dead_letters (received_at, topic, payload, because)"
            " VALUES (%s, %s, %s, %s)",
            [
                (now, letter.topic, letter.payload, letter.because[:BECAUSE_CHARS_MAX])
                for letter in letters
            ],
        )
