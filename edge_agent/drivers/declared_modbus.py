"""Any device with Modbus registers that a profile describes: which to read, and what they mean.

profile's fields ─▶ those an outcome may ask for ─▶ blocks ─▶ registers ─▶ answers
"""

from collections import Counter
from collections.abc import Mapping
from typing import Literal

from edge_agent.core.blocks import Block, planned
from edge_agent.drivers.answers import Answers, fault
from edge_agent.drivers.base import Answer
from edge_agent.drivers.declared import Declared


class DeclaredModbus:
    def __init__(self, declared: Declared, sensors: Mapping[int, str]) -> None:
        modbus = declared.profile.modbus
        assert modbus is not None, "a profile with registers has this table"
        self._declared = declared
        self._sensors = dict(sensors)
        self._answers = Answers(declared, sensors)
        self._modbus = modbus
        self._blocks = tuple(
            planned(
                (Block(*field) for field in declared.fields_wanted()),
                (Block(*whole) for whole in modbus.blocks),
                count_max=modbus.registers_max,
            )
        )

    @property
    def table(self) -> Literal["holding", "input"]:
        return self._modbus.table

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self._blocks

    @property
    def identity_block(self) -> Block | None:
        identity = self._declared.profile.identity
        if identity is None or identity.registers is None:
            return None
        return Block(*identity.registers)

    @property
    def counts(self) -> Counter[str]:
        return self._answers.counts

    def answers(self, registers: Mapping[int, int]) -> list[Answer]:
        found: list[Answer] = []
        for decoded in self._declared.decode_registers(registers):
            if decoded.outcome != "discard":
                found += self._answers.of(decoded)
                continue
            # On a line of bytes that is noise. Registers came whole, so it is the device's state,
            # or the profile does not fit it; either way its last weight must not stand.
            self.counts["discard"] += 1
            because = f"the registers are not understood: {decoded.values.get('reason')}"
            channel = decoded.values.get("channel")
            found += [
                fault(name, because)
                for at, name in self._sensors.items()
                if channel is None or at == channel or len(self._sensors) == 1
            ]
        return found
