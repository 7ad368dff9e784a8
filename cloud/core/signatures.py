"""Standard Webhooks: how the receiver knows that a webhook is ours, whole, and new.

    webhook-id          the notice's id: the same over all tries, so it tells a repeat
    webhook-timestamp   seconds since 1970 of this try
    webhook-signature   v1,<base64 of HMAC-SHA256 over "id.timestamp.body">, one for each secret

While a secret is exchanged there are two, and the receiver takes either.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

SECRET_PREFIX = "whsec_"  # noqa: S105 - the mark of a secret, not one
TOLERANCE = timedelta(minutes=5)
_SECRET_BYTES_MIN = 24
_SECRET_BYTES_MAX = 64


class SecretUnusableError(ValueError):
    """A signing secret is `whsec_` and the base64 of 24 to 64 random bytes."""


def secret_of(random_bytes: bytes) -> str:
    assert _SECRET_BYTES_MIN <= len(random_bytes) <= _SECRET_BYTES_MAX
    return SECRET_PREFIX + base64.b64encode(random_bytes).decode()


def signed_headers(
    message_id: str, sent_at: datetime, body: bytes, secrets: Sequence[str]
) -> dict[str, str]:
    if not secrets:
        raise SecretUnusableError
    timestamp = str(int(sent_at.timestamp()))
    signatures = [_signature(message_id, timestamp, body, secret) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def is_signed(headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> bool:
    """Whether `body` came with a signature of `secret`, made within five minutes of `now`.

    `headers` has lower-case names.
    """
    try:
        message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
        age_s = abs(int(now.timestamp()) - int(timestamp))
        given = headers["webhook-signature"].encode().split()
    except (KeyError, ValueError):
        return False
    expected = _signature(message_id, timestamp, body, secret).encode()
    matches = [hmac.compare_digest(expected, signature) for signature in given]
    return any(matches) and age_s <= TOLERANCE.total_seconds()


def _signature(message_id: str, timestamp: str, body: bytes, secret: str) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.digest(_key(secret), signed, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def _key(secret: str) -> bytes:
    if not secret.startswith(SECRET_PREFIX):
        raise SecretUnusableError
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError as error:
        raise SecretUnusableError from error
    if not _SECRET_BYTES_MIN <= len(key) <= _SECRET_BYTES_MAX:
        raise SecretUnusableError
    return key
