"""The drivers there are. The types are the proof that each keeps its promise in `base.py`.

Both work from a profile, so a new model is a file and no code. A family that a profile cannot tell
(a conversation of several steps) gets a driver of its own, and a line here.
"""

from collections.abc import Callable, Mapping

from edge_agent.drivers.base import LineDriver, RegisterDriver
from edge_agent.drivers.declared import Declared
from edge_agent.drivers.declared_modbus import DeclaredModbus
from edge_agent.drivers.declared_serial import DeclaredSerial

LINE_DRIVERS: dict[str, Callable[[Declared, Mapping[int, str]], LineDriver]] = {
    "declared_serial": DeclaredSerial,
}
REGISTER_DRIVERS: dict[str, Callable[[Declared, Mapping[int, str]], RegisterDriver]] = {
    "declared_modbus": DeclaredModbus,
}


def line_driver(declared: Declared, sensors: Mapping[int, str]) -> LineDriver:
    return LINE_DRIVERS["declared_serial"](declared, sensors)


def register_driver(declared: Declared, sensors: Mapping[int, str]) -> RegisterDriver:
    return REGISTER_DRIVERS["declared_modbus"](declared, sensors)
