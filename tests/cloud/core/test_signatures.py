from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from cloud.core.signatures import (
    SecretUnusableError,
    is_signed,
    secret_of,
    signed_headers,
)

OLD, NEW = secret_of(bytes(range(32))), secret_of(bytes(range(1, 33)))


def now() -> datetime:
    """The reference implementation looks at the clock itself."""
    return datetime.now(UTC)


@given(
    body=st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    key=st.binary(min_size=24, max_size=64),
)
def test_the_reference_implementation_accepts_our_signature(body: str, key: bytes) -> None:
    secret = secret_of(key)
    body = (
        '{"text": "'
        + body.encode("unicode_escape").decode().replace("\\", "/").replace('"', "")
        + '"}'
    )
    headers = signed_headers("msg-1", now(), body.encode(), [secret])
    Webhook(secret).verify(body, headers)
    assert is_signed(headers, body.encode(), secret, now())


def test_while_a_secret_is_exchanged_the_receiver_takes_either() -> None:
    headers = signed_headers("msg-1", now(), b"{}", [OLD, NEW])
    Webhook(OLD).verify("{}", headers)
    Webhook(NEW).verify("{}", headers)


def test_an_altered_body_another_secret_and_a_replay_are_noticed() -> None:
    at = now()
    headers = signed_headers("msg-1", at, b"{}", [OLD])
    assert is_signed(headers, b"{}", OLD, at)
    assert not is_signed(headers, b"{ }", OLD, at)
    assert not is_signed(headers, b"{}", NEW, at)
    assert not is_signed({**headers, "webhook-id": "msg-2"}, b"{}", OLD, at)
    assert not is_signed(headers, b"{}", OLD, at + timedelta(minutes=5, seconds=1))
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify("{ }", headers)


@pytest.mark.parametrize(
    "headers", [{}, {"webhook-id": "m", "webhook-timestamp": "x", "webhook-signature": "v1,"}]
)
def test_headers_that_are_missing_or_odd_are_a_no(headers: dict[str, str]) -> None:
    assert not is_signed(headers, b"{}", OLD, now())


@pytest.mark.parametrize(
    "secret", ["", "geheim", "whsec_", "whsec_???", "whsec_c2hvcnQ=", OLD.removeprefix("whsec_")]
)
def test_a_poor_secret_is_never_signed_with(secret: str) -> None:
    with pytest.raises(SecretUnusableError):
        signed_headers("msg-1", now(), b"{}", [secret])


def test_nothing_goes_out_unsigned() -> None:
    with pytest.raises(SecretUnusableError):
        signed_headers("msg-1", now(), b"{}", [])
