"""Where a list goes on: a time and a number, in a word that means nothing to whoever carries it."""

import base64
import binascii
from datetime import UTC, datetime

from cloud.http import problems


def cursor_of(at: datetime, number: int) -> str:
    text = f"{at.astimezone(UTC).isoformat()} {number}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def place_of(cursor: str) -> tuple[datetime, int] | None:
    """None: from the beginning."""
    if not cursor:
        return None
    try:
        at, _, number = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        place = datetime.fromisoformat(at), int(number)
    except (ValueError, binascii.Error):
        raise problems.Told(problems.CURSOR_UNKNOWN) from None
    if place[0].tzinfo is None or not 0 <= place[1] < 2**63:
        raise problems.Told(problems.CURSOR_UNKNOWN)
    return place
