"""What the agent's tests share: a real broker, and a small cloud behind it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.embedded import programs
from tests.edge_agent.fakes import Broker, FakeCloud


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    home = tmp_path / "broker"
    home.mkdir()
    broker = Broker(home=home, port=programs.free_port())
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def fake_cloud(broker: Broker) -> Iterator[FakeCloud]:
    cloud = FakeCloud(port=broker.port)
    yield cloud
    cloud.close()
