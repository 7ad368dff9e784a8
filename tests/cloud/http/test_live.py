"""The live stream: whole first, then what changed; honest about age and outages."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest

from cloud.http import live
from cloud.http.cases import NOTHING, Needs
from cloud.http.live import Asked, Hub, Viewer
from cloud.postgres import pools
from tests.cloud.http.world import OPERATIONS, World

WAIT_S_MAX = 10
Event = tuple[str, dict[str, Any]]


@pytest.fixture
def hub(world: World):
    world.a_morning()
    with pools.make_pool(world.database.dsn("binline_portal"), name="live", size_max=2) as pool:
        yield Hub(partial(live.look, pool), partial(live.look_for_needs, pool), world.clock)


def nothing_needed(_now: datetime) -> Needs:
    return NOTHING


@asynccontextmanager
async def running(hub: Hub) -> AsyncIterator[Callable[..., Awaitable[Event]]]:
    """The hub at work, and one viewer's next event of a kind."""
    task = asyncio.create_task(hub.run())
    viewer = hub.join()

    async def next_of(*kinds: str, to: Viewer = viewer) -> Event:
        async with asyncio.timeout(WAIT_S_MAX):
            while True:
                event = parsed(await hub.next_event(to))
                if event[0] in kinds:
                    return event

    try:
        yield next_of
    finally:
        hub.leave(viewer)
        task.cancel()


def parsed(event: bytes | None) -> Event:
    assert event is not None
    kind, content = event.decode().strip().split("\n")
    return kind.removeprefix("event: "), json.loads(content.removeprefix("data: "))


def tile_of(event: Event, code: str) -> dict[str, Any] | None:
    return next((tile for tile in event[1]["tiles"] if tile["code"] == code), None)


def test_the_first_event_is_everything(hub: Hub) -> None:
    async def watch() -> None:
        async with running(hub) as next_of:
            kind, whole = parsed(await hub.next_event(hub.join()))
            assert kind == "wall"
            assert len(whole["tiles"]) == 8
            assert {"groups", "figures", "counts", "needs", "at"} <= whole.keys()
            assert (await next_of("wall"))[0] == "wall"

    asyncio.run(watch())


def test_a_weight_that_changed_comes_alone_and_soon(hub: Hub, world: World) -> None:
    async def watch() -> None:
        async with running(hub) as next_of:
            await next_of("wall")
            started = asyncio.get_running_loop().time()
            await asyncio.to_thread(partial(world.weigh, "LND-R02-C7", 777, ago_s=1))
            while True:
                event = await next_of("change")
                tile = tile_of(event, "LND-R02-C7")
                if tile is not None:
                    break
            assert tile["pieces"] == 777
            assert [each["code"] for each in event[1]["tiles"]] == ["LND-R02-C7"]
            assert event[1]["behind_ms"] == 400  # received 0.6 s after it was weighed, 1 s ago
            assert asyncio.get_running_loop().time() - started < 1.5

    asyncio.run(watch())


def test_trust_fades_by_time_alone(hub: Hub, world: World) -> None:
    async def watch() -> None:
        async with running(hub) as next_of:
            whole = await next_of("wall")
            tile = tile_of(whole, "LND-R02-C7")
            assert tile is not None
            assert tile["status"] == "ok"
            world.now += timedelta(minutes=5)
            event = await next_of("change")
            tile = tile_of(event, "LND-R02-C7")
            assert tile is not None
            assert (tile["status"], tile["word"]) == ("stale", "Stale")

    asyncio.run(watch())


def test_a_transaction_that_commits_late_is_not_missed(hub: Hub, world: World) -> None:
    async def watch() -> None:
        async with running(hub) as next_of:
            await next_of("wall")
            slow = world.database.admin()
            slow.autocommit = False
            slow.execute(
                "UPDATE bin_levels SET pieces = 0, changed_xid = pg_current_xact_id()"
                " WHERE bin_id = (SELECT bin_id FROM bins WHERE code = 'LND-R02-C7')"
            )
            for pieces in (500, 499, 498):  # later transactions, seen and done with
                await asyncio.to_thread(partial(world.weigh, "HRT-R06-D3", pieces, ago_s=1))
                while tile_of(await next_of("change"), "HRT-R06-D3") is None:
                    pass
            slow.commit()
            slow.close()
            while (tile := tile_of(await next_of("change"), "LND-R02-C7")) is None:
                pass
            assert tile["status"] == "empty"

    asyncio.run(watch())


def test_an_order_that_is_answered_changes_its_tile(hub: Hub, world: World, browser) -> None:
    async def watch() -> None:
        async with running(hub) as next_of:
            before = tile_of(await next_of("wall"), "LND-R04-B2")
            assert before is not None
            assert before["order"] == "sent"
            link = world.link("LND-R04-B2")
            await asyncio.to_thread(lambda: browser().post(link, headers={"origin": "null"}))
            while (tile := tile_of(await next_of("change"), "LND-R04-B2")) is None:
                pass
            assert tile["order"] == "acknowledged"

    asyncio.run(watch())


def test_what_touches_no_state_is_read_after_a_while(hub: Hub, world: World, monkeypatch) -> None:
    monkeypatch.setattr(live, "RELOAD_S", 0.2)

    async def watch() -> None:
        async with running(hub) as next_of:
            await next_of("wall")
            with world.database.admin() as conn:
                conn.execute("UPDATE bins SET minimum = 900 WHERE code = 'LND-R02-C7'")
            tile = tile_of(await next_of("change"), "LND-R02-C7")
            assert tile is not None
            assert tile["status"] == "low"

    asyncio.run(watch())


def test_a_bin_that_is_taken_away_is_told_by_a_whole_wall(
    hub: Hub, world: World, monkeypatch
) -> None:
    monkeypatch.setattr(live, "RELOAD_S", 0.2)

    async def watch() -> None:
        async with running(hub) as next_of:
            await next_of("wall")
            with world.database.admin() as conn:
                conn.execute("DELETE FROM bin_state WHERE bin_id = 1")
                conn.execute("UPDATE sensors SET bin_id = NULL WHERE bin_id = 1")
                conn.execute("DELETE FROM attempts")
                for table in ("notices", "order_events", "orders", "breaches", "bin_due"):
                    conn.execute(f"TRUNCATE {table} CASCADE")
                conn.execute("DELETE FROM bins WHERE bin_id = 1")
            whole = await next_of("wall")
            assert len(whole[1]["tiles"]) == 7

    asyncio.run(watch())


def test_a_database_that_is_away_is_said_and_then_everything_comes_anew(world: World) -> None:
    state = {"away": False}

    def ask(since: str | None) -> Asked:
        if state["away"]:
            raise psycopg.OperationalError("gone")
        return Asked(complete=since is None, rows=[], gateways=[], horizon="1")

    async def watch() -> None:
        hub = Hub(ask, nothing_needed, world.clock)
        async with running(hub) as next_of:
            await next_of("wall")
            state["away"] = True
            await next_of("away")
            await next_of("away")  # said again at every beat, so that a page knows we are there
            state["away"] = False
            assert (await next_of("wall", "change"))[0] == "wall"

    asyncio.run(watch())


def test_a_defect_does_not_let_the_wall_stand_still(world: World) -> None:
    answers: list[object] = [AssertionError("broken"), None, None]

    def ask(since: str | None) -> Asked:
        if answers and isinstance(answers.pop(0), AssertionError):
            raise AssertionError("broken")
        return Asked(complete=since is None, rows=[], gateways=[], horizon="1")

    async def watch() -> None:
        async with running(Hub(ask, nothing_needed, world.clock)) as next_of:
            await next_of("wall")

    asyncio.run(watch())


def test_a_viewer_that_falls_behind_starts_again_from_the_whole(hub: Hub) -> None:
    async def watch() -> None:
        async with running(hub) as next_of:
            await next_of("wall")
            slow = hub.join()
            await next_of("wall", to=slow)
            for n in range(live.WAITING_MAX + 1):
                slow.offer(live.encode("change", {"tiles": [], "n": n}))
            assert not slow.waiting
            assert (await next_of("wall", "change", to=slow))[0] == "wall"

    asyncio.run(watch())


def test_when_nothing_happens_the_page_still_hears_that_we_are_there(world, monkeypatch) -> None:
    monkeypatch.setattr(live, "BEAT_S", 0.1)

    def ask(since: str | None) -> Asked:
        return Asked(complete=since is None, rows=[], gateways=[], horizon="1")

    async def watch() -> None:
        async with running(Hub(ask, nothing_needed, world.clock)) as next_of:
            await next_of("wall")
            assert (await next_of("beat"))[1]["at"] == int(world.now.timestamp() * 1000)

    asyncio.run(watch())


def test_nobody_watching_means_nobody_asks(world: World) -> None:
    asked: list[str | None] = []

    def ask(since: str | None) -> Asked:
        asked.append(since)
        return Asked(complete=since is None, rows=[], gateways=[], horizon="1")

    async def watch() -> None:
        hub = Hub(ask, nothing_needed, world.clock)
        async with running(hub) as next_of:
            await next_of("wall")
        task = asyncio.create_task(hub.run())
        before = len(asked)
        await asyncio.sleep(0.6)
        assert len(asked) <= before + 1
        task.cancel()

    asyncio.run(watch())


def test_there_are_only_so_many_places(world: World, monkeypatch) -> None:
    monkeypatch.setattr(live, "VIEWERS_MAX", 2)
    empty = Asked(complete=True, rows=[], gateways=[], horizon="1")
    hub = Hub(lambda _: empty, nothing_needed, world.clock)
    first, _ = hub.join(), hub.join()
    with pytest.raises(live.TooManyViewers):
        hub.join()
    hub.leave(first)
    hub.join()


def test_closing_ends_every_stream_at_once(hub: Hub) -> None:
    async def watch() -> None:
        viewer = hub.join()
        waiting = asyncio.create_task(hub.next_event(viewer))
        await asyncio.sleep(0)
        hub.close()
        assert await asyncio.wait_for(waiting, 1) is None

    asyncio.run(watch())


class Asgi:
    """A browser at the other end: takes what is sent, and leaves or stops reading when told."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.left = asyncio.Event()
        self.got = asyncio.Event()
        self.reads = True

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if not self.reads:
            await asyncio.Event().wait()
        self.sent.append(message)
        self.got.set()

    async def has_got(self, part: bytes) -> None:
        async with asyncio.timeout(WAIT_S_MAX):
            while not any(part in message.get("body", b"") for message in self.sent):
                self.got.clear()
                await self.got.wait()


async def _yes() -> bool:
    return True


def test_a_viewer_that_leaves_gives_its_place_back(hub: Hub) -> None:
    async def watch() -> None:
        async with running(hub):
            page = Asgi()
            stream = live.EventStream(hub, hub.join(), _yes)
            serving = asyncio.create_task(stream({}, page.receive, page.send))
            await page.has_got(b"event: wall")
            assert hub.viewers == 2
            page.left.set()
            await asyncio.wait_for(serving, 2)
            assert hub.viewers == 1

    asyncio.run(watch())


def test_a_viewer_that_stops_reading_loses_its_place(hub: Hub, monkeypatch) -> None:
    monkeypatch.setattr(live, "SEND_S_MAX", 0.2)

    async def watch() -> None:
        async with running(hub):
            page = Asgi()
            stream = live.EventStream(hub, hub.join(), _yes)
            serving = asyncio.create_task(stream({}, page.receive, page.send))
            await page.has_got(b"retry")
            page.reads = False
            await asyncio.wait_for(serving, 5)
            assert hub.viewers == 1

    asyncio.run(watch())


def test_a_stream_ends_with_its_session(hub: Hub, monkeypatch) -> None:
    monkeypatch.setattr(live, "SESSION_CHECK_S", 0.0)

    async def no() -> bool:
        return False

    async def watch() -> None:
        async with running(hub):
            page = Asgi()
            await asyncio.wait_for(
                live.EventStream(hub, hub.join(), no)({}, page.receive, page.send), 5
            )
            assert b"event: end" in page.sent[-2]["body"]
            assert page.sent[-1]["more_body"] is False

    asyncio.run(watch())


def test_the_stream_tells_proxies_to_let_it_through(hub: Hub) -> None:
    async def watch() -> None:
        async with running(hub):
            page = Asgi()
            stream = live.EventStream(hub, hub.join(), _yes)
            serving = asyncio.create_task(stream({}, page.receive, page.send))
            await page.has_got(b"retry")
            headers = dict(page.sent[0]["headers"])
            assert headers[b"content-type"].startswith(b"text/event-stream")
            assert headers[b"x-accel-buffering"] == b"no"
            page.left.set()
            await serving

    asyncio.run(watch())


def test_all_places_taken_is_told_as_busy(site, browser, monkeypatch) -> None:
    monkeypatch.setattr(live, "VIEWERS_MAX", 0)
    answer = browser(OPERATIONS).get("/live")
    assert answer.status_code == 503
    assert "retry-after" in answer.headers


def test_a_tile_that_may_not_be_acted_on_comes_with_its_estimate(world: World, hub: Hub) -> None:
    async def scenario() -> None:
        async with running(hub) as next_of:
            whole = await next_of("wall")
        stale, fresh = (tile_of(whole, code) for code in ("LND-R01-A8", "LND-R02-C7"))
        assert stale is not None
        assert fresh is not None
        assert (stale["pieces"], stale["estimate"]) == (343, {"pieces": 343, "low": 0, "high": 343})
        assert (fresh["pieces"], fresh["estimate"], fresh["plus_minus"]) == (800, None, None)

    asyncio.run(scenario())
