from edge_agent.core import reading
from edge_agent.drivers import base


def test_what_a_driver_answers_is_what_the_rules_settle() -> None:
    """Drivers import their nouns from here; there must be one of each."""
    for noun in ("Sample", "Fault", "CounterValue", "Sighting", "Identity", "Restarted", "Told"):
        assert getattr(base, noun) is getattr(reading, noun)
