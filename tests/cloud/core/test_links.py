import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.links import LINK_VALID, read_link, sign_link
from cloud.core.refusals import LinkExpired, LinkInvalid

SECRET = bytes(range(32))
ORDER = UUID("7f0c6a52-3b0e-4a68-9d5e-2f2f0b1c9a11")
PLACED = datetime(2026, 11, 20, 14, 21, 5, tzinfo=UTC)
TOKEN = sign_link(ORDER, PLACED, SECRET)


@given(order_id=st.uuids(), placed_at=st.integers(1_600_000_000, 4_000_000_000))
def test_a_link_opens_its_order(order_id: UUID, placed_at: int) -> None:
    at = datetime.fromtimestamp(placed_at, UTC)
    assert read_link(sign_link(order_id, at, SECRET), SECRET, at) == order_id


def test_an_order_always_has_the_same_link() -> None:
    assert sign_link(ORDER, PLACED, SECRET) == TOKEN
    assert len(TOKEN) == 48
    assert set(TOKEN) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_a_link_works_for_fourteen_days() -> None:
    last = PLACED + LINK_VALID - timedelta(seconds=1)
    assert read_link(TOKEN, SECRET, last) == ORDER
    with pytest.raises(LinkExpired) as expired:
        read_link(TOKEN, SECRET, PLACED + LINK_VALID)
    assert expired.value.order_id == ORDER


@given(place=st.integers(0, 35), flip=st.integers(1, 255))
def test_a_link_with_any_bit_changed_opens_nothing(place: int, flip: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(TOKEN))
    raw[place] ^= flip
    with pytest.raises(LinkInvalid):
        read_link(base64.urlsafe_b64encode(raw).decode(), SECRET, PLACED)


@given(token=st.one_of(st.text(max_size=60), st.text(min_size=48, max_size=48)))
def test_anything_else_is_refused_and_never_an_accident(token: str) -> None:
    with pytest.raises(LinkInvalid):
        read_link(token, SECRET, PLACED)


@pytest.mark.parametrize(
    "token", ["", TOKEN[:-1], TOKEN + "=", TOKEN[:-1] + "\n", TOKEN[:-2] + "=="]
)
def test_a_link_cut_or_padded_by_a_mail_program_is_refused(token: str) -> None:
    with pytest.raises(LinkInvalid):
        read_link(token, SECRET, PLACED)


def test_another_installations_link_is_refused() -> None:
    with pytest.raises(LinkInvalid):
        read_link(TOKEN, bytes(32), PLACED)
