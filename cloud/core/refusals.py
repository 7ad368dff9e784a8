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


class CountImpossible(Refusal):
    """So many pieces cannot be in this bin."""

    what_to_do = "Count once more, or check the capacity of the bin."


class CountTooOld(Refusal):
    """Something was taken or put in since it was counted."""

    what_to_do = "Count once more, and enter it before anything moves."


class SampleUseless(Refusal):
    """A unit weight cannot be learnt from that."""

    what_to_do = "Put some counted pieces into the bin, and let the scale come to rest."


class SampleTooSmall(Refusal):
    """Too few pieces were counted: a full bin would be off by more than one in a hundred."""

    what_to_do = "Count more pieces, and weigh them together."

    def __init__(self, pieces_needed: int = 0, bias_share: float = 0.0) -> None:
        super().__init__(pieces_needed, bias_share)
        self.pieces_needed = pieces_needed
        self.bias_share = bias_share

    @property
    def sentence(self) -> str:
        return (
            "Too few pieces were counted: a full bin would be off by"
            f" {100 * self.bias_share:.1f} %, and 1 % is the most."
            f" {self.pieces_needed:,} pieces are needed."
        )


class TareNotStill(Refusal):
    """The scale does not come to rest, so its tare cannot be taken."""

    what_to_do = "Take everything off that leans on it, and try again."

    def __init__(
        self, range_mg: int = 0, range_mg_max: int = 0, readings: int = 0, readings_needed: int = 1
    ) -> None:
        super().__init__(range_mg, range_mg_max, readings, readings_needed)
        self.range_mg = range_mg
        self.range_mg_max = range_mg_max
        self.readings = readings
        self.readings_needed = readings_needed

    @property
    def sentence(self) -> str:
        if self.readings < self.readings_needed:
            return (
                f"The tare needs {self.readings_needed} readings at rest, and there are"
                f" {self.readings} yet."
            )
        return (
            f"The weight wanders by {self.range_mg / 1000:,.1f} g, and"
            f" {self.range_mg_max / 1000:,.1f} g is the most: the tare cannot be taken."
        )


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
