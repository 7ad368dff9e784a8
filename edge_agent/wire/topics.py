"""Every MQTT topic, built and parsed here.

    binline/v1/<gateway>/up/readings      gateway -> cloud   readings and what belongs to them
    binline/v1/<gateway>/up/presence      gateway -> cloud   Presence, retained, also the last will
    binline/v1/<gateway>/down/ack         cloud -> gateway   Ack

The gateway's name is a topic level because a broker can hold a log-in to a topic and to nothing
inside a payload. Names keep to what every broker takes: NATS refuses `.`, blank, `*`, `>`, `#`.
"""

import re
from typing import Literal, NamedTuple

ROOT = "binline/v1"
GATEWAY_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,31}")

UP_READINGS_ALL = f"{ROOT}/+/up/readings"
UP_PRESENCE_ALL = f"{ROOT}/+/up/presence"

_UP = re.compile(rf"{ROOT}/(?P<gateway>{GATEWAY_NAME.pattern})/up/(?P<kind>readings|presence)")


class UpTopic(NamedTuple):
    gateway: str
    kind: Literal["readings", "presence"]


def readings(gateway: str) -> str:
    return f"{ROOT}/{gateway}/up/readings"


def presence(gateway: str) -> str:
    return f"{ROOT}/{gateway}/up/presence"


def ack(gateway: str) -> str:
    return f"{ROOT}/{gateway}/down/ack"


def parse_up(topic: str) -> UpTopic | None:
    """Who says what; None when the topic is not one of ours."""
    match = _UP.fullmatch(topic)
    if match is None:
        return None
    return UpTopic(match["gateway"], "readings" if match["kind"] == "readings" else "presence")
