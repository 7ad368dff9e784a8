from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cloud.channels.base import ChannelSettings, Failed, MailServer
from cloud.channels.registry import CHANNELS, make_channels
from cloud.core.notices import Notice

SETTINGS = ChannelSettings(
    mail_server=MailServer(host="127.0.0.1", port=1, tls=False), mail_from="alerts@binline.example"
)


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_never_raises_for_an_odd_address_and_says_what_is_next(
    name: str, notice: Notice
) -> None:
    channel = make_channels(SETTINGS)[name]
    for address in ("", "\0", "@", "https://", "x" * 10_000, "https://[", "é" * 300):
        answer = channel.send(replace(notice, address=address), datetime.now(UTC))
        assert isinstance(answer, Failed)
        assert answer.because


def test_every_kind_the_database_knows_has_a_channel() -> None:
    assert set(CHANNELS) == {"email", "webhook"}
