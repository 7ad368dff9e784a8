"""The whole agent against 32 Modbus TCP units of ten registers: its cost, and what faults do.

    .venv/bin/python -m tests.benchmarks.modbus_gateway [--seconds 15] [--away 20] [--only costs]

`binline edge run` with settings made for it, a broker of its own, units and a cloud in processes of
their own. Every register counts how often its unit was read, so what is lost, and what is repeated,
is known to the reading. Beside it, in the same run, the straw man: a pymodbus loop that publishes
each answer with paho, keeps nothing and knows of no acknowledgement.

    CPU      of the agent's process (/proc), by the readings that the units showed meanwhile
    B each   bytes that the agent wrote, in whole pages of 4 kB (/proc), by the same readings
    lost     taken and never committed by the cloud. The agent asks again only when it has taken
             what came, so an answer counts as taken when the next question was heard
    on wire  of the answer before a kill to which no question followed, and not committed: on its
             way, or not looked at; at most one for each kill and line
    back     from the broker's return until the cloud has committed more; the cloud here calls once
             a second, too
    repeated committed under two names; what is sent twice under one name is told from it
"""

import argparse
import multiprocessing
import multiprocessing.connection
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from pymodbus.client import ModbusTcpClient

from cloud.embedded import programs
from edge_agent.core.ranges import between, joined
from edge_agent.wire import codec, topics
from edge_agent.wire.messages import Ack, Gap, ReadingBatch
from tests.edge_agent.fakes import PASSWORD, Broker

UNITS, REGISTERS = 32, 10
READINGS_A_ROUND = UNITS * REGISTERS
# Readings a second, and how often each unit is asked for them.
RATES = {320: 1.0, 3_200: 0.1}
WARM_S = 4.0
COME_S_MAX = 120.0
STILL_S = 20.0
KILL_AFTER_S = 10.0
KILLS = 20
GATEWAY = "gw-1"
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")

PROFILE = f"""
title = "ten counting registers, for a benchmark"
kind = "load_cell"
channels = "{REGISTERS}"

[ask]
interval_ms_min = 0

[modbus]
transports = ["tcp"]
gap_ms = 0

[registers]
count = {{ at = "channel - 1", as = "uint16" }}

[[outcomes]]
is = "measurement"
say = {{ weight = "count", unit = "'g'", stable = "True", overload = "False" }}

[[evidence]]
level = "derived"
source = "made up"
"""


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - its whole purpose


# ---------------------------------------------------------------- processes of their own


@dataclass(kw_only=True, slots=True)
class Shown:
    """One answer: what all registers of a unit said."""

    unit: int
    count: int
    is_taken: bool = False


def units(port: int, pipe: multiprocessing.connection.Connection) -> None:
    """Units behind one address. Told to, they fall silent and say what was shown."""
    shown: list[Shown] = []
    silent = threading.Event()
    counts = [0] * (UNITS + 1)
    door = socket.create_server(("127.0.0.1", port))

    def serve(peer: socket.socket) -> None:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        held, before = b"", None
        with suppress(OSError):
            while received := peer.recv(4096):
                held += received
                while len(held) >= 12:
                    unit, _, first, count = struct.unpack(">BBHH", held[6:12])
                    if before is not None:
                        before.is_taken = True
                    if silent.is_set():
                        return
                    counts[unit] += 1
                    before = Shown(unit=unit, count=counts[unit])
                    shown.append(before)
                    assert first + count <= REGISTERS
                    body = struct.pack(f">BBB{count}H", unit, 3, 2 * count, *[counts[unit]] * count)
                    peer.sendall(held[:4] + len(body).to_bytes(2, "big") + body)
                    held = held[12:]

    def listen() -> None:
        while True:
            peer, _ = door.accept()
            threading.Thread(target=serve, args=(peer,), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    pipe.send("ready")
    while True:
        if pipe.recv() == "count":
            pipe.send(len(shown))
        else:
            silent.set()
            time.sleep(0.1)
            pipe.send(shown)


def cloud(port: int, pipe: multiprocessing.connection.Connection) -> None:
    """Commits what it has not, says how far it came, and knows each reading by its name."""
    ranges: dict[str, list[tuple[int, int]]] = {}
    seen: Counter[tuple[str, int]] = Counter()
    told = {"messages": 0, "again": 0, "gaps": 0}

    def hear(client: mqtt.Client, _userdata: object, said: mqtt.MQTTMessage) -> None:
        message = codec.decode(said.payload)
        if not isinstance(message, ReadingBatch | Gap):
            return
        told["messages"] += 1
        known = ranges.setdefault(message.stream, [])
        if any(first <= message.first_seq <= last for first, last in known):
            told["again"] += 1
        elif isinstance(message, Gap):
            told["gaps"] += message.last_seq - message.first_seq + 1
            known[:] = joined([*known, (message.first_seq, message.last_seq)])
        else:
            known[:] = joined([*known, (message.first_seq, message.last_seq)])
            for one in message.readings:
                if (weight_mg := getattr(one, "weight_mg", None)) is not None:
                    seen[message.sensors[one.sensor], weight_mg // 1000] += 1
        client.publish(topics.ack(GATEWAY), codec.encode(_ack(message.stream, known)), qos=1)

    client = _client("cloud")
    client.reconnect_delay_set(1, 1)
    client.on_message = hear
    client.on_connect = lambda client, *_: client.subscribe([(topics.UP_READINGS_ALL, 1)])
    client.connect_async("127.0.0.1", port)
    client.loop_start()
    while True:
        is_count = pipe.recv() == "count"
        pipe.send(len(seen) if is_count else (dict(told), dict(seen)))


def _ack(stream: str, ranges: list[tuple[int, int]]) -> Ack:
    holes = between([(0, 0), *ranges])
    return Ack(stream=stream, committed_upto=ranges[-1][1], holes=holes[:100], exact=True)


def _client(name: str) -> mqtt.Client:
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, name, clean_session=True, protocol=MQTTProtocolVersion.MQTTv311
    )
    client.username_pw_set("cloud", PASSWORD)
    return client


def plain(units_port: int, broker_port: int, every_s: float) -> None:
    """The straw man."""
    client = _client("plain")
    client.connect("127.0.0.1", broker_port)
    client.loop_start()
    with ModbusTcpClient("127.0.0.1", port=units_port) as line:
        due = time.monotonic()
        while True:
            for unit in range(1, UNITS + 1):
                answer = line.read_holding_registers(0, count=REGISTERS, device_id=unit)
                payload = struct.pack(f">{REGISTERS}H", *answer.registers)
                client.publish(f"bench/{unit}", payload, qos=1)
            due += every_s
            time.sleep(max(0.0, due - time.monotonic()))


# ---------------------------------------------------------------- a world


@dataclass(kw_only=True)
class World:
    home: Path
    broker: Broker
    units_port: int
    units: multiprocessing.connection.Connection
    cloud: multiprocessing.connection.Connection
    every_s: float
    agent: subprocess.Popen[bytes] | None = None

    def start_agent(self) -> None:
        words = ("edge", "run", "--settings", str(self.home / "gateway.toml"))
        with (self.home / "agent.log").open("ab") as output:
            self.agent = subprocess.Popen(
                (sys.executable, "-m", "edge_agent.cli.main", *words), stdout=output, stderr=output
            )

    @property
    def pid(self) -> int:
        assert self.agent is not None
        return self.agent.pid

    def kill_agent(self) -> None:
        assert self.agent is not None
        self.agent.kill()
        self.agent.wait()

    def shown(self) -> int:
        self.units.send("count")
        return int(self.units.recv()) * REGISTERS

    def committed(self) -> int:
        self.cloud.send("count")
        return int(self.cloud.recv())

    def heal(self) -> float:
        """The broker returns; so long until the cloud, which must come back too, has heard more."""
        before = self.committed()
        self.broker.start()
        began_s = time.monotonic()
        wait(lambda: self.committed() > before, COME_S_MAX, "it is back online")
        return time.monotonic() - began_s


@contextmanager
def world(home: Path, every_s: float) -> Iterator[World]:
    home.mkdir()
    broker = Broker(home=home, port=programs.free_port())
    broker.start()
    units_port = programs.free_port()
    near_units, far_units = multiprocessing.Pipe()
    near_cloud, far_cloud = multiprocessing.Pipe()
    others = [
        multiprocessing.Process(target=units, args=(units_port, far_units), daemon=True),
        multiprocessing.Process(target=cloud, args=(broker.port, far_cloud), daemon=True),
    ]
    for other in others:
        other.start()
    assert near_units.recv() == "ready"
    _write_settings(home, units_port, broker.port, every_s)
    made = World(
        home=home,
        broker=broker,
        units_port=units_port,
        units=near_units,
        cloud=near_cloud,
        every_s=every_s,
    )
    try:
        yield made
    finally:
        if made.agent is not None and made.agent.poll() is None:
            made.agent.terminate()
            made.agent.wait(15)
        if broker.process is not None:
            broker.process.send_signal(signal.SIGCONT)
        broker.kill()
        for other in others:
            other.kill()


def _write_settings(home: Path, units_port: int, broker_port: int, every_s: float) -> None:
    (home / "ten.toml").write_text(PROFILE)
    (home / "password").write_text(PASSWORD)
    lines = [
        f'gateway = "{GATEWAY}"',
        "clock_check = false",
        f'[broker]\nurl = "mqtt://127.0.0.1:{broker_port}"\nuser = "{GATEWAY}"',
        'password_file = "password"',
        '[spool]\npath = "spool.db"',
        f'[[ports]]\naddress = "tcp://127.0.0.1:{units_port}"\nmodbus = "tcp"',
    ]
    for unit in range(1, UNITS + 1):
        lines.append(f'[[ports.devices]]\nprofile = "ten.toml"\nunit = {unit}\npoll_s = {every_s}')
        lines += [
            f'[[ports.devices.sensors]]\nname = "{unit}/{at}"\nchannel = {at + 1}\n'
            "settle_samples = 1\ndeadband_mg = 0"
            for at in range(REGISTERS)
        ]
    (home / "gateway.toml").write_text("\n".join(lines))


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def written_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / 1e6


def wait(reached: Callable[[], bool], limit_s: float, what: str) -> None:
    until = time.monotonic() + limit_s
    while not reached():
        assert time.monotonic() < until, f"not within {limit_s:.0f} s: {what}"
        time.sleep(0.05)


# ---------------------------------------------------------------- what it costs


def costs(home: Path, seconds: float) -> None:
    heads = f"{'committed/s':>13}{'CPU us each':>13}{'B each':>9}{'resident MB':>13}"
    say(f"{'':30}{'shown/s':>9}{heads}")
    for rate, every_s in RATES.items():
        with world(home / f"cost-{rate}", every_s) as made:
            made.start_agent()
            wait(lambda: made.committed() > 2 * READINGS_A_ROUND, 60, "the first readings")
            found = {"binline": _cost(made, made.pid, seconds)}
            made.broker.kill()
            time.sleep(WARM_S)
            found["binline, offline"] = _cost(made, made.pid, seconds)
            made.broker.start()
            made.kill_agent()
            straw = multiprocessing.Process(
                target=plain, args=(made.units_port, made.broker.port, every_s), daemon=True
            )
            straw.start()
            assert straw.pid is not None
            time.sleep(WARM_S)
            found["bare loop"] = _cost(made, straw.pid, seconds)
            straw.kill()
        for who, cost in found.items():
            committed = f"{cost.committed_s:13.0f}" if who == "binline" else f"{'-':>13}"
            say(
                f"{rate:5} a second, {who:16}{cost.shown_s:8.0f}{committed}"
                f"{cost.each_us:13.1f}{cost.each_bytes:9.1f}{cost.resident_mb:13.1f}"
            )
        ratio = found["binline"].each_us / found["bare loop"].each_us
        say(f"      ratio to the bare loop {ratio:.2f}")


@dataclass(frozen=True, kw_only=True)
class Cost:
    shown_s: float
    committed_s: float
    each_us: float
    each_bytes: float
    resident_mb: float


def _cost(made: World, pid: int, seconds: float) -> Cost:
    began_s, busy_s, written = time.monotonic(), cpu_s(pid), written_bytes(pid)
    shown, committed = made.shown(), made.committed()
    time.sleep(seconds)
    took_s, busy_s = time.monotonic() - began_s, cpu_s(pid) - busy_s
    written = written_bytes(pid) - written
    shown, committed = made.shown() - shown, made.committed() - committed
    return Cost(
        shown_s=shown / took_s,
        committed_s=committed / took_s,
        each_us=busy_s / max(shown, 1) * 1e6,
        each_bytes=written / max(shown, 1),
        resident_mb=resident_mb(pid),
    )


# ---------------------------------------------------------------- what faults do


@dataclass(kw_only=True)
class Told:
    """What a fault has to say for the table."""

    back_s: float
    kills: int = 0
    resident_mb: list[float] = field(default_factory=list)


def outage(made: World, away_s: float) -> Told:
    _warm(made)
    resident = [resident_mb(made.pid)]
    made.broker.kill()
    time.sleep(away_s)
    resident.append(resident_mb(made.pid))
    return Told(back_s=made.heal(), resident_mb=resident)


def hang(made: World, away_s: float) -> Told:
    """It stands and says nothing, then dies with all that it had not read."""
    _warm(made)
    resident = [resident_mb(made.pid)]
    assert made.broker.process is not None
    made.broker.process.send_signal(signal.SIGSTOP)
    time.sleep(away_s)
    resident.append(resident_mb(made.pid))
    made.broker.kill()
    return Told(back_s=made.heal(), resident_mb=resident)


def killed_offline(made: World, away_s: float) -> Told:
    _warm(made)
    made.broker.kill()
    time.sleep(min(away_s, KILL_AFTER_S))
    return _killed(made, 1)


def killed_often(made: World, away_s: float) -> Told:
    """Each time in another moment of its rounds and commits."""
    _warm(made)
    made.broker.kill()
    return _killed(made, KILLS)


def booted_offline(made: World, away_s: float) -> Told:
    made.broker.kill()
    made.start_agent()
    wait(lambda: made.shown() > 0, 60, "the first questions")
    time.sleep(min(away_s, KILL_AFTER_S))
    return _killed(made, 1)


def _killed(made: World, kills: int) -> Told:
    rng = random.Random(kills)
    for kill in range(kills):
        if kill:
            before = made.shown()
            wait(lambda least=before: made.shown() > least + READINGS_A_ROUND, 60, "it reads")
            time.sleep(rng.random())
        made.kill_agent()
        made.start_agent()
    time.sleep(WARM_S)
    return Told(back_s=made.heal(), kills=kills)


def _warm(made: World) -> None:
    made.start_agent()
    wait(lambda: made.committed() > READINGS_A_ROUND, 60, "the first readings")
    time.sleep(WARM_S)


FAULTS: list[tuple[str, int, Callable[[World, float], Told]]] = [
    ("outage of the broker", 320, outage),
    ("outage of the broker", 3_200, outage),
    ("a link that hangs", 320, hang),
    ("kill -9 while offline", 320, killed_offline),
    ("kill -9 while offline", 3_200, killed_offline),
    (f"kill -9 while offline, {KILLS} times", 3_200, killed_often),
    ("booted offline, then kill -9", 320, booted_offline),
]


def faults(home: Path, away_s: float) -> bool:
    """Whether nothing was lost, and nothing repeated."""
    heads = f"{'lost':>7}{'on wire':>9}{'repeated':>9}{'sent again':>11}{'back':>7}{'drained':>9}"
    say(f"{'':44}{'shown':>9}{heads}")
    well = True
    for number, (name, rate, fault) in enumerate(FAULTS):
        with world(home / f"fault-{number}", RATES[rate]) as made:
            told = fault(made, away_s)
            healed_s = time.monotonic()
            time.sleep(WARM_S)
            made.units.send("silence")
            shown: list[Shown] = made.units.recv()
            drained_s = _wait_until_still(made, len(shown) * REGISTERS) - healed_s
            made.cloud.send("all")
            of_cloud, seen = made.cloud.recv()
        well &= _line(name, rate, told, shown, of_cloud, seen, drained_s)
    return well


def _wait_until_still(made: World, wanted: int) -> float:
    """When the last came."""
    until = time.monotonic() + COME_S_MAX
    before, since_s = -1, time.monotonic()
    while (there := made.committed()) < wanted and time.monotonic() < until:
        if there != before:
            before, since_s = there, time.monotonic()
        elif time.monotonic() - since_s > STILL_S:
            return since_s
        time.sleep(0.1)
    return time.monotonic()


def _line(  # noqa: PLR0917 - a row of a table
    name: str,
    rate: int,
    told: Told,
    shown: list[Shown],
    of_cloud: dict[str, int],
    seen: dict[tuple[str, int], int],
    drained_s: float,
) -> bool:
    missing = Counter(
        one.is_taken
        for one in shown
        for register in range(REGISTERS)
        if (f"{one.unit}/{register}", one.count) not in seen
    )
    repeated = sum(times - 1 for times in seen.values())
    what = ""
    if told.resident_mb:
        what += "; resident MB " + " -> ".join(f"{mb:.1f}" for mb in told.resident_mb)
    if of_cloud["gaps"]:
        what += f"; said to be lost: {of_cloud['gaps']}"
    say(
        f"{f'{name}, {rate} a second':44}{len(shown) * REGISTERS:9}{missing[True]:7}"
        f"{missing[False]:9}{repeated:9}{of_cloud['again']:11}{told.back_s:6.1f}s{drained_s:8.1f}s{what}"
    )
    return not repeated and not missing[True] and missing[False] <= told.kills * REGISTERS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=15.0, help="of measuring, for each cost")
    parser.add_argument("--away", type=float, default=20.0, help="seconds; 60 is the peers' work")
    parser.add_argument("--only", choices=("costs", "faults"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if asked.only in (None, "costs"):
            costs(Path(name), asked.seconds)
        if asked.only in (None, "faults") and not faults(Path(name), asked.away):
            sys.exit(1)


if __name__ == "__main__":
    main()
