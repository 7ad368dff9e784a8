import pytest

from edge_agent import profiles
from edge_agent.core.blocks import Block
from edge_agent.core.reading import CounterValue, Fault, Sample
from edge_agent.drivers.declared_modbus import DeclaredModbus

ANY = {"address": "10", "unit": "kg"}


def driver(profile: str, **parameters: str) -> DeclaredModbus:
    declared = profiles.load(profile, parameters)
    return DeclaredModbus(declared, {label: f"s{label}" for label in declared.channel_labels()})


@pytest.mark.parametrize(
    ("parameters", "blocks"),
    [
        ({}, (Block(10, 2),)),
        ({"type": "int16"}, (Block(10, 1),)),
        ({"type": "int16", "channels": "3", "step": "1"}, (Block(10, 3),)),
        ({"status_address": "3", "stable_bit": "2"}, (Block(3, 1), Block(10, 2))),
        ({"status_address": "3"}, (Block(10, 2),)),  # no bit of it is looked at
    ],
)
def test_only_what_the_parameters_leave_open_is_asked_for(
    parameters: dict[str, str], blocks: tuple[Block, ...]
) -> None:
    assert driver("modbus_weight_generic", **ANY, **parameters).blocks == blocks


def test_a_narrow_counter_is_not_read_as_a_wide_one() -> None:
    counter = driver("di_counter", address="10", width="16", channels="4")
    assert counter.blocks == (Block(10, 4),)


def test_channels_that_count_themselves_from_zero_are_called_so() -> None:
    assert profiles.load("advantech_adam6050").channel_labels()[:3] == (0, 1, 2)
    counter = driver("advantech_adam6050")
    values = dict.fromkeys(range(24), 0) | {2: 7}
    assert CounterValue(sensor="s1", value=7, width=32) in counter.answers(values)


def test_registers_become_answers() -> None:
    scale = driver("modbus_weight_generic", **ANY, decimals="3")
    [answer] = scale.answers({10: 0, 11: 1_500})
    assert answer == Sample(sensor="s1", weight_mg=1_500_000, stable=None)


def test_registers_that_nothing_fits_are_a_fault() -> None:
    [answer] = driver("modbus_weight_generic", **ANY).answers({10: 0})
    assert isinstance(answer, Fault)


def test_a_profile_without_registers_of_its_own_number_has_no_identity() -> None:
    assert driver("modbus_weight_generic", **ANY).identity_block is None
