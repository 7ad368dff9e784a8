"""The simulated device for a plan: the table of families. A new one is a class and a line here."""

from edge_agent.simulated.devices import SimulatedDevice
from edge_agent.simulated.indicators import SimulatedIndicator
from edge_agent.simulated.pulse_counter import SimulatedPulseCounter
from edge_agent.simulated.readers import SimulatedScanner, SimulatedTagReader
from edge_agent.simulated.sics_scale import SimulatedScale
from edge_agent.simulated.site import (
    BinScale,
    CountingScale,
    DevicePlan,
    PulseCounter,
    Scanner,
    TagReader,
)


def simulated(plan: DevicePlan, seed: int) -> SimulatedDevice:
    match plan:
        case TagReader():
            return SimulatedTagReader(plan, seed)
        case Scanner():
            return SimulatedScanner(plan, seed)
        case PulseCounter():
            return SimulatedPulseCounter(plan, seed)
        case BinScale() | CountingScale() if plan.device == "mt_sics":
            return SimulatedScale(plan, seed)
        case BinScale() | CountingScale():
            return SimulatedIndicator(plan, seed)
