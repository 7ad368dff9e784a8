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
    """The order is closed: what was to come has come."""

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

    def __init__(self, moved: Sequence[str] = ()) -> None:
        super().__init__(moved)
        self.moved = tuple(moved)  # what did, as far as it is known

    @property
    def sentence(self) -> str:
        if not self.moved:
            return super().sentence
        return f"Something was taken or put in since it was counted: {', '.join(self.moved)}."


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


class SampleNotStill(Refusal):
    """The scale does not come to rest, so the counted pieces cannot be weighed."""

    what_to_do = "Leave the bin alone for some readings, and try again."

    def __init__(self, readings: int = 0, readings_needed: int = 1) -> None:
        super().__init__(readings, readings_needed)
        self.readings = readings
        self.readings_needed = readings_needed

    @property
    def sentence(self) -> str:
        return (
            "The counted pieces cannot be weighed yet: that needs"
            f" {self.readings_needed} readings at rest, and there are {self.readings}."
        )


class NotWeighed(Refusal):
    """The bin is not weighed: there is nothing to learn of a weight."""

    what_to_do = "Look at how the bin is measured, on its settings."


class DeliveryUnknown(Refusal):
    """The bin has no such refill."""

    what_to_do = "Choose one of the bin's refills, as they are listed now."


class DeliveryFarOff(Refusal):
    """So many cannot have come at once."""

    what_to_do = "Check the number. What was poured in in two steps tells nothing of a piece."

    def __init__(self, pieces: int, weighed: int) -> None:
        super().__init__(pieces, weighed)
        self.pieces = pieces
        self.weighed = weighed

    @property
    def sentence(self) -> str:
        return (
            f"So many cannot have come at once: you say {self.pieces:,}, and the weight is that of"
            f" about {self.weighed:,}."
        )


class DeliveryUsed(Refusal):
    """The weight of a piece was learnt from this delivery already."""

    what_to_do = "Take another delivery, or weigh a counted sample."


class FindingUnknown(Refusal):
    """There is no such finding."""

    what_to_do = "Look at the bin: it lists what was learnt from its deliveries."


class FindingAnswered(Refusal):
    """It was answered already, or nobody was asked."""

    what_to_do = "Look at the bin: it says what became of it."


class FindingOvertaken(Refusal):
    """Another weight of the piece has come into use since."""

    what_to_do = "Say once more how many came; it is compared with what is in use now."


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


class CalendarNeverOpens(Refusal):
    """By its calendar the supplier takes no order, or delivers nothing, for two years."""

    what_to_do = "Look at its order days, delivery days and holidays."


class PolicyUnreadable(Refusal):
    """No policy can be made of what is stored for the bin."""

    what_to_do = "Open its ordering settings, and save them once more."

    def __init__(self, name: str = "", version: int = 0) -> None:
        super().__init__(name, version)
        self.name = name
        self.version = version

    @property
    def sentence(self) -> str:
        return (
            f"The policy {self.name}, version {self.version}, cannot be made of what is stored"
            " for the bin."
        )


class NothingSuggested(Refusal):
    """There is nothing to take over: history suggests what is set already, or nothing yet."""

    what_to_do = "Look at the suggestion once more: it is computed anew each night."


class OrderIsDraft(Refusal):
    """The order is a draft: nobody has approved it yet."""

    what_to_do = "Approve it first, or cancel it."


class OrderNotSent(Refusal):
    """The order is approved and has not been sent yet."""

    what_to_do = "Wait until it is sent, or cancel it."


class OrderAlreadySent(Refusal):
    """The order has been sent to the supplier."""

    what_to_do = "Cancel it if it is not wanted; the supplier is told."


class OrderAlreadyConfirmed(Refusal):
    """The supplier has confirmed the order."""

    what_to_do = "Agree on a change, or cancel it while nothing is on the way."


class OrderChangeIsWaiting(Refusal):
    """The supplier proposes a change, and nobody has answered it yet."""

    what_to_do = "Accept the change or reject it first."


class OrderAlreadyShipped(Refusal):
    """The order is on its way."""

    what_to_do = "Take it in when it comes, or close the order if it never does."


class OrderAlreadyReceived(Refusal):
    """The order has arrived, all of it or a part."""

    what_to_do = "Close it if nothing more is to come."


class OrderWasRefused(Refusal):
    """The supplier has refused the order."""

    what_to_do = "Place another one; this one has ended."


class OrderWasCancelled(Refusal):
    """The order was cancelled."""

    what_to_do = "Place another one; this one has ended."


class OrderHasExpired(Refusal):
    """The draft has expired: nobody approved it in time."""

    what_to_do = "If the bin is still low there is a new draft; approve that one."


class DraftStillValid(Refusal):
    """The draft has not expired yet."""

    what_to_do = "Approve it, or cancel it if it is not wanted."


class NoChangeProposed(Refusal):
    """No change of this order is waiting for an answer."""

    what_to_do = "Look at the order: it may have been answered already."


class ChangeWasReplaced(Refusal):
    """The supplier has replaced this change by another one."""

    what_to_do = "Look at the newest proposal, and answer that one."


class NumberUsedTwice(Refusal):
    """The number was used before, for something else."""

    what_to_do = "Send what is meant under a number of its own."


class LineUnknown(Refusal):
    """The order has no such line, or a line is named twice."""

    what_to_do = "Compare the line numbers with those of the order."


class QuantityImpossible(Refusal):
    """A quantity is a whole number of pieces above zero, below a thousand million."""

    what_to_do = "Leave out what does not come, or refuse the order."


class ReasonMissing(Refusal):
    """Whoever refuses or cancels an order says why."""

    what_to_do = "Write one sentence for the other side."


class DayUnreadable(Refusal):
    """The day cannot be read: it is written as 2026-03-31."""

    what_to_do = "Choose the day once more."


class BinUnknown(Refusal):
    """There is no such bin: it does not exist, or it is not yours to see."""

    what_to_do = "Check its code, or look for it in the list."


class LevelNotKnown(Refusal):
    """How much lies in the bin is not known, or is not shared with you."""

    what_to_do = "Ask the customer to order, or to share the levels."


class OrderPastCapacity(Refusal):
    """So much does not fit into the bin, with what is on its way."""

    what_to_do = "Ask for less, or wait until some of it is used."


class ProposalUnknown(Refusal):
    """The agreement has no such proposal."""

    what_to_do = "Open the agreement, and look at what is proposed there."


class ProposalWithoutReason(Refusal):
    """A proposal says why."""

    what_to_do = "Write one sentence for the other side."


class ProposalChangesNothing(Refusal):
    """What is proposed is agreed on already."""

    what_to_do = "Change a clause or a limit, and propose that."


class ProposalOutdated(Refusal):
    """The agreement was changed since this was proposed."""

    what_to_do = "Propose it again, on what holds now."


class ProposalAnswered(Refusal):
    """The proposal has been answered already."""

    what_to_do = "Propose a change if the answer should be another one."


class OwnProposal(Refusal):
    """It takes the other side to answer a proposal."""

    what_to_do = "Wait for their answer, or ask them."


class LimitsDoNotFit(Refusal):
    """A limit does not fit its bin any more: the bin was changed since it was proposed."""

    what_to_do = "Look at the bin, and propose limits that fit it."


class AgreementThereAlready(Refusal):
    """The site and the supplier have an agreement already."""

    what_to_do = "Open it, and propose a change."


class SnoozeWithoutReason(Refusal):
    """Putting something off takes a reason, and a time at which it comes back."""

    what_to_do = "Say why in a few words, and until when."


class CaseUnknown(Refusal):
    """Nobody is needed for that any more, or ever was."""

    what_to_do = "Look at the list: what has lost its cause is gone by itself."


class SpanImpossible(Refusal):
    """A time begins before it ends, and is 400 days long at most."""

    what_to_do = "Choose two other days."
