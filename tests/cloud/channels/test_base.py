from dataclasses import FrozenInstanceError

import pytest

from cloud.channels.base import ChannelSettings, Failed, MailServer, Sent

SERVER = MailServer(host="mail.example", port=465, tls=True, user="binline", password="canary")


def test_settings_never_show_a_password() -> None:
    settings = ChannelSettings(mail_server=SERVER, mail_from="alerts@binline.example")
    assert "mail.example" in repr(settings)
    assert "canary" not in repr(settings)


def test_webhooks_go_to_the_internet_only_unless_told_otherwise() -> None:
    settings = ChannelSettings(mail_server=SERVER, mail_from="alerts@binline.example")
    assert settings.webhook_allowed_hosts == frozenset()


def test_an_answer_stands_as_it_was_given() -> None:
    assert Failed(because="HTTP 500", retry=True).wait_s == 0
    with pytest.raises(FrozenInstanceError):
        Sent(detail="HTTP 204").detail = "HTTP 500"  # type: ignore[misc] # that is the point
