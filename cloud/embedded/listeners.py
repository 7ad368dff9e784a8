"""Who listens on a port of this machine, so that "taken" can be said with a name."""

import socket
from pathlib import Path

_LISTEN = "0A"  # the state's number in /proc/net/tcp


def who_listens(port: int) -> str | None:
    """None when the port is free; otherwise who has it, as far as we may see."""
    with socket.socket() as probe:
        # As the server itself will do: an ended connection on the port is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return "the system, which keeps ports this low for itself"
        except OSError:
            return _name_of(port) or "another program"
    return None


def _name_of(port: int) -> str | None:
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for link in Path("/proc").glob("[0-9]*/fd/*") if sockets else ():
        try:
            if str(link.readlink()) in sockets:
                process = link.parent.parent
                return f"pid {process.name} ({(process / 'comm').read_text().strip()})"
        except OSError:  # it ended while we looked, or is not ours to look at
            continue
    return None


def _listening_inodes(port: int) -> list[str]:
    """Linux alone has these tables."""
    found = []
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        try:
            rows = [line.split() for line in table.read_text().splitlines()[1:]]
        except OSError:
            continue
        found += [row[9] for row in rows if row[3] == _LISTEN and row[1].endswith(f":{port:04X}")]
    return found
