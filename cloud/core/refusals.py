"""The rules' "no": each class is one reason, its docstring is the sentence shown.

A refusal is neither a defect nor an outage: the asker can understand it and do something else.
"""

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from cloud.core.nouns import Mistake


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


class ChangedMeanwhile(Refusal):
    """Somebody else has changed it meanwhile: nothing of yours was saved."""

    what_to_do = "Look at what is there now, and make your change once more."

    def __init__(self, version: int, fields: Sequence[str]) -> None:
        super().__init__(version, fields)
        self.version = version  # that is there now
        self.fields = tuple(fields)  # what changed since the version that was looked at


class NotAsAllowed(Refusal):
    """Some fields do not hold what is allowed: nothing was saved."""

    what_to_do = "Correct the fields that are named, and save once more."

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__(mistakes)
        self.mistakes = tuple(mistakes)


class NounUnknown(Refusal):
    """There is no such thing: it does not exist, or it is not yours to see."""

    what_to_do = "Check the address, or look for it in the list."


class SheetUnreadable(Refusal):
    """The file cannot be read."""

    what_to_do = "Save it once more as a CSV file or an Excel workbook (.xlsx), and send that."

    def __init__(self, because: str) -> None:
        super().__init__(because)
        self.because = because

    @property
    def sentence(self) -> str:
        return f"The file cannot be read: {self.because}."
