import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as parsed_strictly
from html.parser import HTMLParser

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.channels.base import ChannelSettings, Failed, MailServer, Sent
from cloud.channels.email import EmailChannel, mail_of, subject_of
from cloud.core.notices import Notice, Told

NOW = datetime(2026, 11, 20, 13, 21, 5, tzinfo=UTC)
SENDER = "alerts@binline.example"


class Mailbox:
    """A mail server that keeps what it is given, and can be told to refuse."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.refuse_recipient = ""
        self.refuse_mail = ""

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuse_recipient:
            return self.refuse_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.refuse_mail:
            return self.refuse_mail
        assert isinstance(envelope.content, bytes)
        self.envelopes.append(envelope)
        mail = message_from_bytes(envelope.content, policy=parsed_strictly)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 kept"


@pytest.fixture
def serve() -> Iterator[Callable[..., Mailbox]]:
    started: list[Controller] = []

    def start(**options: object) -> tuple[Mailbox, int]:
        mailbox = Mailbox()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        controller = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
        controller.start()
        started.append(controller)
        return mailbox, port

    yield start
    for controller in started:
        controller.stop()


def channel_to(port: int, user: str = "", password: str = "") -> EmailChannel:
    server = MailServer(host="127.0.0.1", port=port, tls=False, user=user, password=password)
    return EmailChannel(ChannelSettings(mail_server=server, mail_from=SENDER))


def _line(notice: Notice, **changes: object) -> Notice:
    return replace(notice, lines=(replace(notice.first, **changes),))


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert isinstance(body, EmailMessage)
    text = body.get_content()
    assert isinstance(text, str)
    return text


def test_a_mail_arrives_with_a_subject_that_says_it_all(notice: Notice, serve: Callable) -> None:
    mailbox, port = serve()
    assert channel_to(port).send(notice, NOW) == Sent(detail="taken by the mail server")
    (mail,) = mailbox.mails
    assert mail["Subject"] == f"{notice.first.item} low at Hartmann Rail: 412 left"
    assert mail["To"] == "orders@ferro.example"
    assert mail["From"] == f"Binline <{SENDER}>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mailbox.envelopes[0].rcpt_tos == ["orders@ferro.example"]
    assert not mail.defects


def test_the_plain_text_is_complete(notice: Notice) -> None:
    text = part(mail_of(notice, SENDER, NOW), "plain")
    for fact in (
        "Hex bolt M8",
        "your number FE-88213, our SKU 10487",
        "Hartmann Rail, Hall C, R02-B4 (bin HRT-R02-B4)",
        "412 of 2,000 (minimum 500, weighed Fri 20 Nov 2026, 14:20 CET)",
        "1,500 pieces (3 packs of 500)",
        "RO-1001 (placed Fri 20 Nov 2026, 14:21 CET)",
        notice.link,
    ):
        assert fact in text


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_html_says_the_same_and_has_one_button_and_loads_nothing(notice: Notice) -> None:
    mail = mail_of(notice, SENDER, NOW)
    page = _Page()
    page.feed(part(mail, "html"))
    assert page.links == [notice.link]
    assert not {"img", "script", "link", "form"} & set(page.tags)
    for fact in ("Hex bolt M8", "FE-88213", "1,500 pieces", "412 of 2,000", "RO-1001"):
        assert fact in page.text


def test_the_same_notice_again_is_the_same_message(notice: Notice) -> None:
    first = mail_of(notice, SENDER, NOW)
    again = mail_of(replace(notice, tries=3), SENDER, NOW)
    assert first["Message-ID"] == again["Message-ID"] == f"<{notice.notice_id}@binline.example>"


def test_mails_about_one_bin_are_one_conversation(notice: Notice) -> None:
    mail = mail_of(notice, SENDER, NOW)
    assert mail["References"] == mail["In-Reply-To"] == "<bin-hrt-r02-b4@binline.example>"


def test_an_id_stays_whole_however_long_the_domain_is(notice: Notice) -> None:
    sender = f"alerts@{'very-long-name.' * 8}example"
    raw = mail_of(_line(notice, bin_code="X" * 32), sender, NOW).as_bytes()
    assert f"References: <bin-{'x' * 32}@{sender.split('@')[1]}>".encode() in raw


def test_an_empty_bin_is_called_empty(notice: Notice) -> None:
    assert subject_of(_line(notice, pieces=0)).endswith("low at Hartmann Rail: empty")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(max_size=40), tail=st.sampled_from(["\r\nBcc: all@example.com", "\n\nhello", "\0"])
)
def test_no_name_becomes_a_header_or_markup(notice: Notice, name: str, tail: str) -> None:
    evil = name + tail + "<script>alert(1)</script>"
    raw = mail_of(
        replace(_line(notice, item=evil, place=evil, sku=evil), site=evil, supplier=evil),
        SENDER,
        NOW,
    ).as_bytes()
    mail = message_from_bytes(raw, policy=parsed_strictly)
    assert isinstance(mail, EmailMessage)
    assert mail["Bcc"] is None
    assert mail["To"] == "orders@ferro.example"
    assert mail.is_multipart()
    page = _Page()
    page.feed(part(mail, "html"))
    assert "script" not in page.tags


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "a@b.example, c@d.example",
        "a@b.example\r\nBcc: c@d.example",
        "<a@b.example",
        "@",
    ],
)
def test_an_address_that_is_not_exactly_one_is_given_up(notice: Notice, address: str) -> None:
    answer = channel_to(1).send(replace(notice, address=address), NOW)
    assert answer == Failed(
        because="the address of this channel is not a mail address", retry=False
    )


def test_a_recipient_refused_for_ever_is_given_up_and_for_now_is_tried_again(
    notice: Notice, serve: Callable
) -> None:
    mailbox, port = serve()
    mailbox.refuse_recipient = "550 no such user"
    lasting = channel_to(port).send(notice, NOW)
    assert lasting == Failed(
        because="SMTP 550: the mail server does not take mail for this address", retry=False
    )
    mailbox.refuse_recipient = "451 try later"
    passing = channel_to(port).send(notice, NOW)
    assert isinstance(passing, Failed)
    assert passing.retry


def test_a_mail_refused_for_now_is_tried_again(notice: Notice, serve: Callable) -> None:
    mailbox, port = serve()
    mailbox.refuse_mail = "452 disk full"
    answer = channel_to(port).send(notice, NOW)
    assert isinstance(answer, Failed)
    assert (answer.retry, answer.because) == (
        True,
        "SMTP 452: the mail server does not take this mail",
    )


def test_a_mail_server_that_is_away_is_tried_again(notice: Notice) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        answer = channel_to(closed.getsockname()[1]).send(notice, NOW)
    assert answer == Failed(because="the mail server does not answer", retry=True)


def test_a_mail_server_that_says_nothing_is_left_after_a_while(
    notice: Notice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.channels.email.WAIT_S_MAX", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        answer = channel_to(mute.getsockname()[1]).send(notice, NOW)
    assert answer == Failed(because="the mail server does not answer", retry=True)


def test_nonsense_instead_of_mail_is_tried_again(notice: Notice) -> None:
    def babble(server: socket.socket) -> None:
        conn, _ = server.accept()
        with conn:
            conn.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=babble, args=(server,), daemon=True).start()
        answer = channel_to(server.getsockname()[1]).send(notice, NOW)
    assert isinstance(answer, Failed)
    assert answer.retry


def test_a_refused_log_in_is_our_fault_and_no_reason_to_give_up(
    notice: Notice, serve: Callable
) -> None:
    def check(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, sent: object
    ) -> AuthResult:
        right = isinstance(sent, LoginPassword) and sent.password == b"right"
        return AuthResult(success=right, handled=False)

    mailbox, port = serve(authenticator=check, auth_require_tls=False)
    wrong = channel_to(port, "binline", "wrong").send(notice, NOW)
    assert wrong == Failed(because="the mail server refuses our log-in", retry=True)
    assert isinstance(channel_to(port, "binline", "right").send(notice, NOW), Sent)
    assert len(mailbox.mails) == 1


def test_letters_beyond_ascii_in_an_address_need_a_server_that_takes_them(
    notice: Notice, serve: Callable
) -> None:
    _, port = serve(enable_SMTPUTF8=False)
    answer = channel_to(port).send(replace(notice, address="käufer@ferro.example"), NOW)
    assert isinstance(answer, Failed)
    assert not answer.retry


@pytest.mark.parametrize(
    ("told", "subject", "says"),
    [
        (Told.CHANGE_ACCEPTED, "Your change of RO-1001 is accepted", "stands as you proposed"),
        (Told.CHANGE_REJECTED, "Your change of RO-1001 is rejected", "as it was asked for"),
        (Told.ORDER_CANCELLED, "RO-1001 is cancelled", "Please do not deliver it."),
    ],
)
def test_what_became_of_an_order_is_told_in_its_subject_and_says_what_to_do(
    notice: Notice, told: Told, subject: str, says: str
) -> None:
    mail = mail_of(replace(notice, told=told, about="c1"), SENDER, NOW)
    assert str(mail["Subject"]).startswith(subject)
    for kind in ("plain", "html"):
        assert says in " ".join(part(mail, kind).split())
        assert notice.link in part(mail, kind)


def test_a_reminder_orders_nothing_and_links_nowhere(notice: Notice) -> None:
    reminder = replace(notice, told=Told.BIN_LOW, order_id=None, order_number=None, link="")
    mail = mail_of(reminder, SENDER, NOW)
    assert "low at Hartmann Rail: 412 left" in str(mail["Subject"])
    text = part(mail, "plain")
    assert "nothing is ordered here without the customer" in text
    assert "RO-" not in text
    assert "https://" not in text


def test_an_order_for_several_bins_names_them_all(notice: Notice) -> None:
    other = replace(notice.first, item="Washer A8", bin_code="HRT-R02-B5", quantity=40)
    mail = mail_of(replace(notice, lines=(notice.first, other)), SENDER, NOW)
    assert str(mail["Subject"]) == "2 parts wanted at Hartmann Rail: RO-1001"
    text = part(mail, "plain")
    assert "Washer A8" in text
    assert "40 pieces" in text
    assert text.count("RO-1001") == 1


def _asking(notice: Notice, told: Told) -> Notice:
    page = "/agreements/3" if told is Told.PROPOSAL_WAITS else "/orders/RO-1001"
    other = replace(notice.first, proposed=480, proposed_at=NOW) if notice.lines else None
    asked = replace(
        notice,
        told=told,
        about="3:1",
        link=f"https://binline.example{page}",
        because="there is no more on stock",
        lines=(other,) if told is Told.CHANGE_WAITS and other else notice.lines,
    )
    if told is not Told.PROPOSAL_WAITS:
        return asked
    return replace(asked, order_id=None, order_number=None, lines=(), agreement_id=3)


@pytest.mark.parametrize(
    ("told", "subject", "says"),
    [
        (
            Told.DRAFT_WAITS,
            "RO-1001 waits to be approved: {item} at Hartmann Rail",
            ["Nothing is ordered until somebody approves it", "412 of 2,000", "drafted"],
        ),
        (
            Told.CHANGE_WAITS,
            "Ferro AG would change RO-1001: {item}",
            ["480 pieces", "The order stands as it was asked for until somebody accepts"],
        ),
        (
            Told.PROPOSAL_WAITS,
            "Ferro AG proposes a change of the agreement for Hartmann Rail",
            ["What was agreed on holds until somebody accepts the proposal."],
        ),
    ],
)
def test_who_decides_is_told_what_waits_and_where_it_is_decided(
    notice: Notice, told: Told, subject: str, says: list[str]
) -> None:
    asked = _asking(notice, told)
    mail = mail_of(asked, SENDER, NOW)
    assert str(mail["Subject"]) == subject.format(item=notice.first.item)
    for kind in ("plain", "html"):
        text = " ".join(part(mail, kind).split())
        for word in [*says, "there is no more on stock", asked.link, "Open and decide", "once"]:
            assert word in text
        assert "without a log-in" not in text
    again = mail_of(asked, SENDER, NOW)
    assert again["Message-ID"] == mail["Message-ID"]


def test_several_parts_of_a_draft_are_counted_in_its_subject(notice: Notice) -> None:
    asked = _asking(replace(notice, lines=(notice.first, notice.first)), Told.DRAFT_WAITS)
    assert subject_of(asked) == "RO-1001 waits to be approved: 2 parts at Hartmann Rail"
