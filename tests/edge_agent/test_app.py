"""The whole agent as a process: pty scales, a real broker, a cloud that acknowledges, and kills."""

import contextlib
import json
import re
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import pytest

from edge_agent.sqlite.rows import State, inflated
from edge_agent.wire import codec
from edge_agent.wire.messages import ReadingBatch
from tests.edge_agent.fakes import PASSWORD, Broker, FakeCloud, eventually, weights_in

AGENT = (sys.executable, "-m", "edge_agent.cli.main", "edge")
BASE_MG, STEP_MG = 1_000_000, 1_000


@dataclass
class Site:
    """Scales that count up with every answer, and the settings of the agent that reads them."""

    home: Path
    broker_port: int
    sensors: int = 1
    poll_s: float = 0.02
    commit_s: float = 0.1
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def spool(self) -> Path:
        return self.home / "spool.db"

    @property
    def settings(self) -> Path:
        return self.home / "gateway.toml"

    def prepare(self) -> None:
        self.home.mkdir(exist_ok=True)
        (self.home / "password").write_text(PASSWORD)
        names = [f"s{number:02}" for number in range(1, self.sensors + 1)]
        scales = [
            {"gateway": "gw-1", "sensor": name, "behaviour": "counting"}
            | {"base_mg": BASE_MG * place, "step_mg": STEP_MG}
            for place, name in enumerate(names, 1)
        ]
        (self.home / "plan.json").write_text(json.dumps({"seed": 1, "scales": scales}))
        ports = "".join(
            f"""
            [[ports]]
            address = "{self.home}/ports/gw-1-{name}"
            [[ports.devices]]
            profile = "{self.home}/fast.toml"
            poll_s = {self.poll_s}
            [[ports.devices.sensors]]
            name = "{name}"
            settle_samples = 1
            deadband_mg = 0
            """
            for name in names
        )
        # A real one wants a pause between questions; the pty is asked as often as the test likes.
        profile = (resources.files("firmware_configs") / "devices/mt_sics.toml").read_text("utf-8")
        often = re.sub("interval_ms_min = .*", "interval_ms_min = 0", profile)
        (self.home / "fast.toml").write_text(often)
        self.settings.write_text(
            f"""
            gateway = "gw-1"
            clock_check = false
            [broker]
            url = "mqtt://127.0.0.1:{self.broker_port}"
            user = "gw-1"
            password_file = "password"
            [spool]
            path = "spool.db"
            commit_s = {self.commit_s}
            commit_offline_s = {self.commit_s}
            {ports}
            """
        )

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        with (self.home / f"{argv[0]}.log").open("ab") as output:
            process = subprocess.Popen([*AGENT, *argv], stdout=output, stderr=output)
        self.processes.append(process)
        return process

    def start_scales(self) -> subprocess.Popen[bytes]:
        ports = self.home / "ports"
        scales = self.start(
            *("simulate", "--plan", str(self.home / "plan.json"), "--dir", str(ports)),
            *("--ledger", str(self.home / "ledger.jsonl")),
        )
        eventually(lambda: ports.exists() and len(list(ports.glob("gw-1-*"))) >= self.sensors)
        return scales

    def start_agent(self) -> subprocess.Popen[bytes]:
        return self.start("run", "--settings", str(self.settings))

    def shown(self) -> list[int]:
        """Every weight a scale has shown, in the scales' own words."""
        lines = (self.home / "ledger.jsonl").read_text().splitlines()
        return [json.loads(line)["weight_mg"] for line in lines]

    def log(self) -> str:
        return (self.home / "run.log").read_text()

    def in_spool(self) -> list[int]:
        """Weights in a copy of the spool: the live file has one owner.

        Certain when the agent is dead; while it lives, a copy may catch it between two files.
        """
        copy = self.home / "copy.db"
        for part in self.home.glob("spool.db*"):
            with contextlib.suppress(FileNotFoundError):  # SQLite has done with it since
                copy.with_name(part.name.replace("spool", "copy")).write_bytes(part.read_bytes())
        try:
            with contextlib.closing(sqlite3.connect(copy)) as conn:
                waiting = conn.execute(
                    "SELECT payload, size FROM frozen WHERE state < ?", (State.ACKNOWLEDGED,)
                ).fetchall()
            found = [codec.decode(inflated(*row) or b"") for row in waiting]
        except sqlite3.DatabaseError:
            found = []
        for part in self.home.glob("copy.db*"):
            part.unlink()
        batches = (message for message in found if isinstance(message, ReadingBatch))
        return [weight for batch in batches for weight in weights_in(batch)]


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    sites: list[Site] = []

    def make(broker_port: int, **how: float) -> Site:
        site = Site(home=tmp_path / "site", broker_port=broker_port, **how)  # type: ignore[arg-type] # numbers of either kind
        site.prepare()
        sites.append(site)
        return site

    yield make
    for process in (process for site in sites for process in site.processes):
        process.kill()
        process.wait()


def stop(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> int:
    process.send_signal(number)
    return process.wait(10)


def test_what_the_scale_shows_arrives_once_and_in_order_and_then_the_spool_is_empty(
    broker: Broker, fake_cloud: FakeCloud, make_site: Callable[..., Site]
) -> None:
    site = make_site(broker.port, sensors=2)
    scales, agent = site.start_scales(), site.start_agent()
    eventually(lambda: len(fake_cloud.weights()) > 100)
    assert stop(agent) == 0
    assert stop(scales) == 0

    taken = fake_cloud.weights()
    assert sorted(taken) == sorted(set(taken))
    assert set(taken) <= set(site.shown())
    for sensor in (1, 2):
        own = [weight for weight in taken if weight // BASE_MG == sensor]
        assert own == sorted(own)
    assert site.in_spool() == []
    assert fake_cloud.changed == []
    eventually(lambda: [p.state for p in fake_cloud.presences][-1:] == ["offline"])
    assert fake_cloud.presences[0].state == "online"


def test_after_kill_9_what_was_committed_arrives_exactly_once(
    broker: Broker, fake_cloud: FakeCloud, make_site: Callable[..., Site]
) -> None:
    site = make_site(broker.port)
    fake_cloud.acking = False
    site.start_scales()
    committed: set[int] = set()
    for life in range(3):
        agent = site.start_agent()
        eventually(lambda: len(site.in_spool()) > 50 * (life + 1))  # noqa: B023 - asked at once
        agent.kill()
        agent.wait()
        assert committed <= set(site.in_spool()), "a life has lost what an earlier one had kept"
        committed |= set(site.in_spool())

    fake_cloud.acking = True
    agent = site.start_agent()
    eventually(lambda: committed <= set(fake_cloud.weights()) and len(fake_cloud.ranges) == 4)
    assert stop(agent) == 0

    taken = fake_cloud.weights()
    assert len(taken) == len(set(taken))
    assert set(taken) <= set(site.shown())
    assert fake_cloud.changed == []
    for ranges in fake_cloud.ranges.values():
        assert sorted(ranges) == [1, *(last + 1 for _, last in sorted(ranges.items()))][:-1]


def test_kill_9_takes_no_answer_that_the_agent_went_on_from(
    make_site: Callable[..., Site],
) -> None:
    """Asked for the next one, a scale knows that its answer was taken: that is in the system's
    hands, though its commit is a minute away. The last one of a life may have been on its way."""
    site = make_site(1, sensors=2, commit_s=60)
    site.start_scales()

    def shown(sensor: int) -> list[int]:
        return [weight for weight in site.shown() if weight // BASE_MG == sensor]

    kills: list[dict[int, int]] = []
    for life in range(8):
        before = len(site.shown())
        agent = site.start_agent()
        eventually(lambda: len(site.shown()) > before + 30 + 7 * life)  # noqa: B023 - asked at once
        agent.kill()
        agent.wait()
        kills.append({sensor: len(shown(sensor)) for sensor in (1, 2)})
    before = len(site.shown())
    agent = site.start_agent()
    eventually(lambda: len(site.shown()) > before + 30)
    assert stop(agent) == 0

    kept = site.in_spool()
    assert len(kept) == len(set(kept))
    for sensor in (1, 2):
        missing = [at for at, weight in enumerate(shown(sensor)) if weight not in kept]
        for kill in kills:
            # A question that the agent had sent may have been answered when it was dead.
            last = [at for at in missing if at in (kill[sensor] - 1, kill[sensor])]
            assert len(last) <= 1
            missing = [at for at in missing if at not in last]
        assert len(missing) <= 1, "the last of all: the agent was told to stop"


def test_nothing_is_lost_when_the_broker_is_killed_under_load(
    broker: Broker, fake_cloud: FakeCloud, make_site: Callable[..., Site]
) -> None:
    site = make_site(broker.port)
    scales, agent = site.start_scales(), site.start_agent()
    eventually(lambda: len(fake_cloud.weights()) > 30)
    broker.kill()
    before = len(site.shown())
    eventually(lambda: len(site.shown()) > before + 100)
    broker.start()
    assert stop(scales) == 0
    shown = set(site.shown())
    # The last answer may have been cut off by the end of the scales.
    eventually(lambda: shown - set(fake_cloud.weights()) <= {max(shown)}, 60)
    assert stop(agent) == 0
    assert fake_cloud.changed == []
    assert len(fake_cloud.weights()) == len(set(fake_cloud.weights()))


def test_booted_without_a_line_it_keeps_readings_and_sends_them_when_one_comes(
    broker: Broker, make_site: Callable[..., Site]
) -> None:
    broker.kill()
    site = make_site(broker.port)
    site.start_scales()
    agent = site.start_agent()
    eventually(lambda: len(site.in_spool()) > 50)
    agent.kill()
    agent.wait()
    kept = set(site.in_spool())
    broker.start()
    cloud = FakeCloud(port=broker.port)
    agent = site.start_agent()
    eventually(lambda: kept <= set(cloud.weights()))
    assert stop(agent, signal.SIGINT) == 0
    cloud.close()


def test_a_killed_agent_is_called_offline_by_the_broker(
    broker: Broker, fake_cloud: FakeCloud, make_site: Callable[..., Site]
) -> None:
    site = make_site(broker.port)
    agent = site.start_agent()
    eventually(lambda: fake_cloud.presences)
    agent.kill()
    eventually(lambda: [p.state for p in fake_cloud.presences] == ["online", "offline"])


def test_a_spool_in_use_is_refused_to_a_second_agent(
    broker: Broker, make_site: Callable[..., Site]
) -> None:
    site = make_site(broker.port)
    site.start_agent()
    eventually(lambda: "connected" in site.log())
    second = site.start_agent()
    assert second.wait(10) == 1
    assert "another agent is using this spool" in site.log()


def test_a_disk_that_takes_no_more_ends_the_agent_with_1_and_a_new_one_goes_on(
    broker: Broker, fake_cloud: FakeCloud, make_site: Callable[..., Site]
) -> None:
    site = make_site(broker.port)
    site.start_scales()
    agent = site.start_agent()
    eventually(lambda: len(fake_cloud.weights()) > 10)
    # From here on every write to a file fails, as it does on a full partition.
    resource.prlimit(agent.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    assert agent.wait(15) == 1
    site.start_agent()
    eventually(lambda: len(fake_cloud.ranges) == 2)
    assert len(fake_cloud.weights()) == len(set(fake_cloud.weights()))
    assert fake_cloud.changed == []


def test_a_damaged_spool_is_set_aside_and_the_agent_goes_on(
    broker: Broker, fake_cloud: FakeCloud, make_site: Callable[..., Site]
) -> None:
    site = make_site(broker.port)
    site.spool.write_bytes(b"no database" * 1_000)
    site.start_scales()
    agent = site.start_agent()
    eventually(lambda: len(fake_cloud.weights()) > 10)
    assert stop(agent) == 0
    assert (site.home / "spool.db.corrupt-1").read_bytes() == b"no database" * 1_000
    assert "is damaged" in site.log()


def test_settings_that_cannot_be_used_are_refused_with_a_sentence(
    broker: Broker, make_site: Callable[..., Site]
) -> None:
    site = make_site(broker.port)
    (site.home / "password").unlink()
    assert site.start_agent().wait(10) == 2
    assert "broker.password_file" in site.log()
    assert not site.spool.exists()


def test_an_agent_of_one_scale_is_small(
    broker: Broker, fake_cloud: FakeCloud, make_site: Callable[..., Site]
) -> None:
    site = make_site(broker.port)
    site.start_scales()
    agent = site.start_agent()
    eventually(lambda: len(fake_cloud.weights()) > 100)
    status = Path(f"/proc/{agent.pid}/status").read_text()
    resident_kib = int(re.search(r"VmRSS:\s+(\d+)", status)[1])  # type: ignore[index] # always there
    assert resident_kib < 45 * 1024
    assert stop(agent) == 0
