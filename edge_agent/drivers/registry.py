"""The table of drivers. Its type is the proof that each keeps the promise in `base.py`."""

from edge_agent.drivers.base import Driver
from edge_agent.drivers.sics_scale import SicsScale

DRIVERS: dict[str, type[Driver]] = {
    "sics_scale": SicsScale,
}
