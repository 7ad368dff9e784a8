"""The table of channels. A name here is a `kind` in `supplier_channels`."""

from collections.abc import Callable, Mapping

from cloud.channels.base import Channel, ChannelSettings
from cloud.channels.email import EmailChannel
from cloud.channels.webhook import WebhookChannel

CHANNELS: Mapping[str, Callable[[ChannelSettings], Channel]] = {
    "email": EmailChannel,
    "webhook": WebhookChannel,
}


def make_channels(settings: ChannelSettings) -> dict[str, Channel]:
    return {name: make(settings) for name, make in CHANNELS.items()}
