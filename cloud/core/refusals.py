"""The rules' "no": each class is one reason, its docstring is the sentence shown.

A refusal is neither a defect nor an outage: the asker can understand it and do something else.
"""

from typing import ClassVar
from uuid import UUID


class Refusal(Exception):  # noqa: N818 - a refusal is not an error, and is not called one
    """It cannot be done."""

    what_to_do: ClassVar[str] = ""

    def __str__(self) -> str:
        return self.sentence

    @property
    def sentence(self) -> str:
        return (type(self).__doc__ or "").strip()


class OrderUnknown(Refusal):
    """There is no such order."""

    what_to_do = "Check the address, or open your list of orders."


class OrderAlreadyClosed(Refusal):
    """The order is closed: the scale has seen the refill."""

    what_to_do = "Nothing is left to do for it."


class LinkInvalid(Refusal):
    """The link is not one of ours, or a part of it is missing."""

    what_to_do = "Open it from the mail once more, or copy all of it."


class LinkExpired(Refusal):
    """The link has expired: it works for 14 days."""

    what_to_do = "Log in to see the order, or ask for a new link."

    def __init__(self, order_id: UUID) -> None:
        super().__init__(order_id)
        self.order_id = order_id  # the signature held: whoever has it was sent it


class GatewayUnknown(Refusal):
    """There is no gateway of this name."""

    what_to_do = "List the gateways, and copy the name."


class StreamNotHeard(Refusal):
    """No machine under this name was heard with that stream lately."""

    what_to_do = "List the gateways: the streams of two machines are named there."


class CalendarNeverOpens(Refusal):
    """By its calendar the supplier takes no order, or delivers nothing, for two years."""

    what_to_do = "Look at its order days, delivery days and holidays."
