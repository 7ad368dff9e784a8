"""What the demo would send out of the house is caught, kept and shown."""

import base64
import smtplib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from cloud.embedded import catcher
from cloud.embedded.programs import free_port

SECRET = "whsec_" + base64.b64encode(b"for the tests, 24 bytes.").decode()
BODY = '{"type": "order.placed", "data": {"quantity": 2000}}'


@dataclass(frozen=True)
class Running:
    home: Path
    smtp_port: int
    http_port: int

    def send(self, message: EmailMessage) -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp_port) as smtp:
            smtp.send_message(message)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.http_port}{path}")

    def post(self, body: str, headers: dict[str, str]) -> httpx.Response:
        url = f"http://127.0.0.1:{self.http_port}/webhook"
        return httpx.post(url, content=body, headers=headers)

    def newest(self) -> str:
        return max(path.stem for path in (self.home / "mails").glob("*.eml"))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    catching = Running(tmp_path, free_port(), free_port())
    child = subprocess.Popen(
        [
            *(sys.executable, "-m", "cloud.embedded.catcher", "--home", str(tmp_path)),
            *("--smtp-port", str(catching.smtp_port), "--http-port", str(catching.http_port)),
        ],
        env={"BINLINE_CATCHER_SECRET": SECRET},
    )
    transport = httpx.HTTPTransport(retries=20)
    with httpx.Client(transport=transport) as client:
        client.get(f"http://127.0.0.1:{catching.http_port}/", timeout=20)
    yield catching
    child.terminate()
    assert child.wait(10) == 0


def mail(subject: str = "Order 1001", html: str | None = None) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "orders@demo.binline"
    message["To"] = "orders@ferro.example"
    message["Subject"] = subject
    message.set_content("Please send 2,000 pieces: http://127.0.0.1:8420/a/token")
    if html is not None:
        message.add_alternative(html, subtype="html")
    return message


def signed(body: str, secret: str = SECRET) -> dict[str, str]:
    """As the library of the standard signs."""
    now = datetime.now(UTC)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", now, body),
    }


OF_ANOTHER = "whsec_" + base64.b64encode(b"x" * 24).decode()


def test_a_mail_is_listed_and_shown_with_its_link(running: Running) -> None:
    running.send(mail("Mutter für M8 is low", "<p>2,000 <a href='http://x/'>Open</a></p>"))
    assert "Mutter für M8 is low" in running.get("/").text
    page = running.get(f"/mails/{running.newest()}")
    assert 'href="http://127.0.0.1:8420/a/token"' in page.text
    assert "allow-popups" in page.text
    assert "allow-scripts" not in page.text
    html = running.get(f"/mails/{running.newest()}/html")
    assert '<base target="_blank">' in html.text
    assert "2,000" in html.text
    assert "sandbox" in html.headers["content-security-policy"]


def test_a_mail_cannot_write_into_the_catchers_own_pages(running: Running) -> None:
    running.send(mail("<script>alert(1)</script>"))
    for path in ("/", f"/mails/{running.newest()}"):
        assert "<script>" not in running.get(path).text


def test_a_webhook_is_shown_with_its_signature_checked(running: Running) -> None:
    assert running.post(BODY, signed(BODY)).status_code == 204
    page = running.get("/webhooks").text
    assert "Signature verified" in page
    assert "order.placed" in page
    assert "webhook-id: msg_1" in page


@pytest.mark.parametrize(
    ("headers", "verdict"),
    [
        (dict, "Not signed"),
        (lambda: signed("another body"), "Signature is wrong"),
        (lambda: signed(BODY, OF_ANOTHER), "Signature is wrong"),
        (lambda: {**signed(BODY), "webhook-timestamp": "1000000000"}, "away"),
    ],
)
def test_a_webhook_that_is_not_ours_is_called_so(
    running: Running, headers: Callable[[], dict[str, str]], verdict: str
) -> None:
    running.post(BODY, headers())
    page = running.get("/webhooks").text
    assert verdict in page
    assert "Signature verified" not in page


def test_a_body_without_end_is_refused(running: Running) -> None:
    assert running.post("x" * (catcher.WEBHOOK_BYTES_MAX + 1), {}).status_code == 413


@pytest.mark.parametrize("name", ["nothing", "..%2F..%2Fetc%2Fpasswd", "0000000000000-00000000"])
def test_what_was_not_caught_is_not_found(running: Running, name: str) -> None:
    assert running.get(f"/mails/{name}").status_code == 404


def test_the_oldest_go_when_there_are_too_many(tmp_path: Path) -> None:
    shelf = catcher.Shelf(tmp_path, ".eml")
    for n in range(catcher.KEPT_MAX):
        (tmp_path / f"{n:013d}-00000000.eml").write_bytes(b"old")
    shelf.put(b"new")
    names = shelf.names()
    assert len(names) == catcher.KEPT_MAX
    assert shelf.get(names[0]) == b"new"
    assert names[-1] == f"{1:013d}-00000000"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"Subject: =?x?q?\xff?=\n\n\xff"])
def test_no_mail_is_too_odd_to_be_read(content: bytes) -> None:
    assert catcher.read_mail("0000000000001-00000000", content).subject is not None
