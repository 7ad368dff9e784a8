"""Fault points: places inside the product where a process is made to die, or a call to fail.

They are put in from outside, when a process is started through `tests.faults.launched`: each
names a function of the product and is wrapped around it. Nothing of this is shipped, and a name
that no longer exists fails loudly (a test resolves every one). A point fires when the file
`<control>/<name>` is there: it holds what to do ("kill", "raise", "hang") and how often.
"""

import importlib
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

HANG_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Point:
    name: str  # <who>.<where>
    module: str
    attribute: str  # a function, or Class.method
    when: Literal["before", "after"]


POINTS = (
    Point(
        name="agent.before_spool_commit",
        module="edge_agent.sqlite.spool",
        attribute="Spool.append",
        when="before",
    ),
    Point(
        name="agent.after_spool_commit",
        module="edge_agent.sqlite.spool",
        attribute="Spool.append",
        when="after",
    ),
    Point(
        name="agent.after_publish_before_forget",
        module="edge_agent.sqlite.spool",
        attribute="Spool.forget",
        when="before",
    ),
    Point(
        name="agent.in_mqtt_thread",
        module="edge_agent.mqtt.uplink",
        attribute="_Call._on_message",
        when="before",
    ),
    Point(
        name="ingest.mid_copy",
        module="cloud.postgres.readings",
        attribute="copy_in",
        when="after",
    ),
    Point(
        name="ingest.before_commit",
        module="cloud.postgres.streams",
        attribute="advance",
        when="after",
    ),
    Point(
        name="ingest.after_commit_before_ack",
        module="cloud.loops.ingest",
        attribute="take_in",
        when="after",
    ),
    Point(
        name="ingest.after_puback_before_ack",
        module="cloud.intake.mqtt",
        attribute="Consumer.publish",
        when="before",
    ),
    Point(
        name="work.after_send_before_record",
        module="cloud.loops.work",
        attribute="_write",
        when="before",
    ),
)


def resolve(point: Point) -> tuple[Any, str]:
    """What holds the function, and its name there. AttributeError: the product has no such."""
    holder: Any = importlib.import_module(point.module)
    *steps, name = point.attribute.split(".")
    for step in steps:
        holder = getattr(holder, step)
    getattr(holder, name)
    return holder, name


def install(who: str, control: Path) -> None:
    for point in POINTS:
        if point.name.startswith(f"{who}."):
            holder, name = resolve(point)
            setattr(holder, name, _wrapped(getattr(holder, name), point, control))


def _wrapped(work: Callable[..., Any], point: Point, control: Path) -> Callable[..., Any]:
    order = control / point.name

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if point.when == "before":
            fire(order)
            return work(*args, **kwargs)
        result = work(*args, **kwargs)
        fire(order)
        return result

    return wrapped


def fire(order: Path) -> None:
    """Once per count in the file; the file goes when the count is spent."""
    try:
        what, times = order.read_text().split()
    except (FileNotFoundError, ValueError):
        return
    if int(times) > 1:
        order.write_text(f"{what} {int(times) - 1}")
    else:
        order.unlink(missing_ok=True)
    with order.with_name(f"{order.name}.fired").open("a") as fired:
        fired.write(f"{time.time_ns() // 1_000_000}\n")
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "hang":
        time.sleep(HANG_S)
        return
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    raise error


def arm(control: Path, name: str, what: str = "kill", times: int = 1) -> None:
    assert name in {point.name for point in POINTS}, name
    fresh = control / f"{name}.new"
    fresh.write_text(f"{what} {times}")
    fresh.rename(control / name)


def fired(control: Path, name: str) -> int:
    path = control / f"{name}.fired"
    return len(path.read_text().split()) if path.exists() else 0
