"""How people call an order. Its life stands in `order_states` and `order_machine`."""


def order_label(number: int) -> str:
    """The same on every page and in every mail."""
    return f"RO-{number}"


def number_of(label: str) -> int:
    """RO-1004, ro-1004 or 1004: people write all three."""
    return int(label.upper().removeprefix("RO-"))
