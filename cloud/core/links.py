"""The link behind the button in a mail: opens one order, for 14 days, without a log-in.

    order id   16 bytes
    expires     4 bytes   seconds since 1970, UTC, big-endian
    mac        16 bytes   HMAC-SHA256 of the 20 bytes before, its first half

In base64url: 48 characters without padding. It holds nothing secret and is stored
nowhere. The expiry counts from when the order was placed, so the same order always has the same
link, whoever makes it.
"""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cloud.core.refusals import LinkExpired, LinkInvalid

LINK_VALID = timedelta(days=14)

_PURPOSE = (
    b"binline order link v1"  # a key of its own: a token made for another purpose fits nowhere
)
_ID_BYTES = 16
_EXPIRY_BYTES = 4
_MAC_BYTES = 16
_TOKEN_CHARS = 48


def sign_link(order_id: UUID, placed_at: datetime, secret: bytes) -> str:
    """The token for one order."""
    expires_s = int((placed_at + LINK_VALID).timestamp())
    claim = order_id.bytes + expires_s.to_bytes(_EXPIRY_BYTES, "big")
    return base64.urlsafe_b64encode(claim + _mac(claim, secret)).decode()


def read_link(token: str, secret: bytes, now: datetime) -> UUID:
    """The order a token opens. Raises LinkInvalid or LinkExpired."""
    raw = _decoded(token)
    claim, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(claim, secret)):
        raise LinkInvalid
    order_id = UUID(bytes=claim[:_ID_BYTES])
    if now >= datetime.fromtimestamp(int.from_bytes(claim[_ID_BYTES:], "big"), UTC):
        raise LinkExpired(order_id)
    return order_id


def _decoded(token: str) -> bytes:
    if len(token) != _TOKEN_CHARS:
        raise LinkInvalid
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True)
    except ValueError as error:  # a character that is none, or outside ASCII
        raise LinkInvalid from error


def _mac(claim: bytes, secret: bytes) -> bytes:
    key = hmac.digest(secret, _PURPOSE, hashlib.sha256)
    return hmac.digest(key, claim, hashlib.sha256)[:_MAC_BYTES]
