"""Notices as mail.

Whoever gets it should know what to do from the subject alone, with images off, and answer in two
clicks. The plain text is complete; the HTML says the same as a table with one button. The button
only opens a page: scanners follow links, so nothing may happen by opening one.

Names come from people, so nothing of them may become a header line (T16): `EmailMessage` refuses
line breaks, and before that they are made into spaces, because a notice should rather go out.
"""

import re
import smtplib
import ssl
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from zoneinfo import ZoneInfo

import jinja2

from cloud.channels.base import ChannelSettings, Failed, MailServer, Sent
from cloud.core.links import LINK_VALID
from cloud.core.notices import ASKS, Notice, NoticeLine, Told
from cloud.core.orders import order_label

WAIT_S_MAX = 10.0  # for each answer of the mail server
SUBJECT_CHARS_MAX = 150
ONE_ADDRESS = re.compile(r"[^@\s<>()\[\]\\,;:\"]+@[^@\s<>()\[\]\\,;:\"]+")

_FIRST_LASTING = 500  # replies from here on say "never", below "not now" (RFC 5321, 4.2.1)

# Folded only at the limit of the protocol: a message id cut in two is none (bpo-35805).
_POLICY = SMTP.clone(max_line_length=998)
# Every server takes quoted-printable; "8bit" only those that say so.
_ENCODING = "quoted-printable"

_PAGES = jinja2.Environment(
    loader=jinja2.PackageLoader("cloud.channels"),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, kw_only=True)
class Row:
    name: str
    text: str
    more: str = ""


class EmailChannel:
    def __init__(self, settings: ChannelSettings) -> None:
        self._server = settings.mail_server
        self._sender = settings.mail_from

    def send(self, notice: Notice, now: datetime) -> Sent | Failed:
        try:
            mail = mail_of(notice, self._sender, now)
        except (MessageError, ValueError):
            return Failed(because="the address of this channel is not a mail address", retry=False)
        try:
            with _session(self._server) as session:
                session.send_message(mail)
        except smtplib.SMTPException as error:
            return _failed(error)
        except OSError:
            return Failed(because="the mail server does not answer", retry=True)
        return Sent(detail="taken by the mail server")


def mail_of(notice: Notice, sender: str, now: datetime) -> EmailMessage:
    """Raises ValueError or MessageError when the address is none, or more than one."""
    addressee = _addressee(notice.address)
    domain = Address(addr_spec=sender).domain
    mail = EmailMessage(policy=_POLICY)
    mail["Subject"] = subject_of(notice)
    mail["From"] = Address("Binline", addr_spec=sender)
    mail["To"] = addressee
    mail["Date"] = now
    mail["Message-ID"] = f"<{notice.notice_id}@{domain}>"  # the same at every try
    # All mails about one bin are one conversation; it hangs on a message that nobody ever sent.
    about = f"agreement-{notice.agreement_id}"
    if notice.lines:
        about = f"bin-{notice.first.bin_code.lower()}"
    thread = f"<{about}@{domain}>"
    mail["In-Reply-To"] = thread
    mail["References"] = thread
    mail["Auto-Submitted"] = "auto-generated"  # an absence is not reported back (RFC 3834)
    words = _words(notice)
    page = "order_placed" if notice.told is Told.ORDER_PLACED else "order_news"
    if notice.told in ASKS:
        page = "decision"
    plain = _PAGES.get_template(f"{page}.txt").render(words)
    html = _PAGES.get_template(f"{page}.html").render(words)
    mail.set_content(plain, cte=_ENCODING)
    mail.add_alternative(html.lstrip(), subtype="html", cte=_ENCODING)
    return mail


def _addressee(address: str) -> Address:
    # Asked first, because the library's own parser stumbles over what is far from an address.
    if ONE_ADDRESS.fullmatch(address) is None:
        raise ValueError(address)
    return Address(addr_spec=address)


def subject_of(notice: Notice) -> str:
    if notice.told in ASKS:
        return _one_line(_asks(notice))[:SUBJECT_CHARS_MAX]
    first, label = notice.first, _label(notice)
    left = "empty" if first.pieces == 0 else f"{first.pieces:,} left"
    match notice.told:
        case Told.ORDER_PLACED if len(notice.lines) > 1:
            subject = f"{len(notice.lines)} parts wanted at {notice.site}: {label}"
        case Told.ORDER_PLACED if first.measured_at is None:
            subject = f"{first.item} wanted at {notice.site}: {first.quantity:,} pieces"
        case Told.ORDER_PLACED | Told.BIN_LOW:
            subject = f"{first.item} low at {notice.site}: {left}"
        case Told.CHANGE_ACCEPTED:
            subject = f"Your change of {label} is accepted: {first.item}"
        case Told.CHANGE_REJECTED:
            subject = f"Your change of {label} is rejected: {first.item}"
        case Told.ORDER_CANCELLED:
            subject = f"{label} is cancelled: {first.item}"
        case _:
            raise AssertionError(notice.told)
    return _one_line(subject)[:SUBJECT_CHARS_MAX]


def _asks(notice: Notice) -> str:
    """Who is asked for what."""
    label = _label(notice)
    if notice.told is Told.PROPOSAL_WAITS:
        return f"{notice.supplier} proposes a change of the agreement for {notice.site}"
    what = f"{len(notice.lines)} parts" if len(notice.lines) > 1 else notice.first.item
    if notice.told is Told.CHANGE_WAITS:
        return f"{notice.supplier} would change {label}: {what}"
    return f"{label} waits to be approved: {what} at {notice.site}"


_NEWS = {
    Told.CHANGE_ACCEPTED: "The order stands as you proposed. Nothing is left to do but to deliver.",
    Told.CHANGE_REJECTED: "The order stands as it was asked for. Confirm it, propose something"
    " else, or refuse it.",
    Told.ORDER_CANCELLED: "Please do not deliver it. What is on its way already is taken in as it"
    " comes.",
    Told.DRAFT_WAITS: "Nothing is ordered until somebody approves it. Who cancels it says that"
    " nothing is needed.",
    Told.CHANGE_WAITS: "The order stands as it was asked for until somebody accepts the change or"
    " rejects it.",
    Told.PROPOSAL_WAITS: "What was agreed on holds until somebody accepts the proposal.",
    Told.BIN_LOW: "This is a reminder: nothing is ordered here without the customer.",
}


def _label(notice: Notice) -> str:
    return "" if notice.order_number is None else order_label(notice.order_number)


def _words(notice: Notice) -> dict[str, object]:
    several = len(notice.lines) > 1
    return {
        "subject": subject_of(notice),
        "item": f"{len(notice.lines)} parts" if several else _item(notice),
        "rows": _rows(notice),
        "news": _NEWS.get(notice.told, ""),
        "link": notice.link,
        "valid_days": LINK_VALID.days,
        "supplier": _one_line(notice.supplier),
        "site": _one_line(notice.site),
        "bin_code": notice.first.bin_code if notice.lines else "",
    }


def _item(notice: Notice) -> str:
    return _one_line(notice.first.item) if notice.lines else ""


def _rows(notice: Notice) -> list[Row]:
    rows = [row for line in notice.lines for row in _line_rows(notice, line)]
    placed = _local(notice.placed_at, notice.time_zone)
    if notice.told in ASKS:
        rows.append(_row("Supplier", notice.supplier, ""))
        if notice.because:
            rows.append(_row("Because", notice.because, ""))
    if notice.order_number is not None:
        came = "drafted" if notice.told is Told.DRAFT_WAITS else "placed"
        rows.append(_row("Order", _label(notice), f"{came} {placed}"))
    return rows


def _line_rows(notice: Notice, line: NoticeLine) -> list[Row]:
    """The supplier's own number first: it is what he looks for."""
    numbers = f"our SKU {line.sku}"
    if line.supplier_sku:
        numbers = f"your number {line.supplier_sku}, {numbers}"
    packs = "pack" if line.packs == 1 else "packs"
    in_packs = f"{line.packs:,} {packs} of {line.pack:,}" if line.pack > 1 else ""
    where = ", ".join(part for part in (notice.site, notice.site_place, line.place) if part)
    rows = [_row("Part", line.item, numbers), _row("Where", where, f"bin {line.bin_code}")]
    if line.measured_at is not None:
        weighed = _local(line.measured_at, notice.time_zone)
        more = f"minimum {line.minimum:,}, weighed {weighed}"
        rows.append(_row("Left", f"{line.pieces:,} of {line.capacity:,}", more))
    rows.append(_row(_asked_for(notice), f"{line.quantity:,} pieces", in_packs))
    if line.proposed is not None and line.proposed_at is not None:
        at = _local(line.proposed_at, notice.time_zone)
        rows.append(_row("Proposed", f"{line.proposed:,} pieces", f"for {at}"))
    return rows


def _asked_for(notice: Notice) -> str:
    match notice.told:
        case Told.CHANGE_WAITS:
            return "Ordered"
        case Told.DRAFT_WAITS:
            return "Suggested"
        case _:
            return "Suggested" if notice.order_number is None else "Wanted"


def _row(name: str, text: str, more: str) -> Row:
    return Row(name=name, text=_one_line(text), more=_one_line(more))


def _one_line(text: str) -> str:
    """Without line breaks, and without marks that turn or hide what follows."""
    hidden = ("Cc", "Cf", "Cs", "Zl", "Zp")
    shown = (" " if unicodedata.category(char) in hidden else char for char in text)
    return " ".join("".join(shown).split())


def _local(at: datetime, time_zone: str) -> str:
    try:
        there = at.astimezone(ZoneInfo(time_zone))
    except (OSError, ValueError):  # no such zone, or a machine without the files of the zones
        return f"{at:%a %d %b %Y, %H:%M} UTC"
    return f"{there:%a %d %b %Y, %H:%M} {there.tzname()}"


def _session(server: MailServer) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if server.tls:
        session: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, timeout=WAIT_S_MAX, context=context
        )
    else:
        session = smtplib.SMTP(server.host, server.port, timeout=WAIT_S_MAX)
    try:
        _prepare(session, server, context)
    except BaseException:
        session.close()
        raise
    return session


def _prepare(session: smtplib.SMTP, server: MailServer, context: ssl.SSLContext) -> None:
    session.ehlo_or_helo_if_needed()
    if not server.tls and session.has_extn("starttls"):
        session.starttls(context=context)
        session.ehlo()
    if server.user:
        session.login(server.user, server.password)


def _failed(error: smtplib.SMTPException) -> Failed:
    """What it is about decides: only the addressee or the mail itself can be wrong for ever."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            ((code, _),) = error.recipients.values()
            because = f"SMTP {code}: the mail server does not take mail for this address"
            return Failed(because=because, retry=code < _FIRST_LASTING)
        case smtplib.SMTPDataError():
            because = f"SMTP {error.smtp_code}: the mail server does not take this mail"
            return Failed(because=because, retry=error.smtp_code < _FIRST_LASTING)
        case smtplib.SMTPNotSupportedError():
            because = "the mail server cannot take mail for an address with such letters"
            return Failed(because=because, retry=False)
        case smtplib.SMTPAuthenticationError():
            return Failed(because="the mail server refuses our log-in", retry=True)
        case smtplib.SMTPResponseException():
            return Failed(because=f"SMTP {error.smtp_code}: the mail server refuses", retry=True)
        case _:
            return Failed(because="the mail server does not answer", retry=True)
