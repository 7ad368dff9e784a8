"""Catches the mails and webhooks of a demo, so that they can be read instead of leaving the house.

    python -m cloud.embedded.catcher --home HOME --smtp-port PORT --http-port PORT

Speaks SMTP on one port, and HTTP on another: `/` shows the mails, `/webhooks` what was posted to
`/webhook`, each with its signature checked against BINLINE_CATCHER_SECRET. The check is written
here once more, from the Standard Webhooks text, so that it can disagree with the sender.

    home/mails/<when>-<random>.eml        one file each, the oldest go when there are too many
    home/webhooks/<when>-<random>.json
"""

import argparse
import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import signal
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse

KEPT_MAX = 500
MAIL_BYTES_MAX = 2 * 1024 * 1024
WEBHOOK_BYTES_MAX = 1024 * 1024
SIGNATURE_AGE_S_MAX = 300
STYLE = Path(__file__).parent / "catcher_pages" / "catcher.css"
NAME = re.compile(r"\d{13}-[0-9a-f]{8}")
# A mail is a stranger's page: no script, nothing loaded, and a click opens a page of its own.
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
)
PAGE_POLICY = "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'"


class Shelf:
    """Files in a folder, newest first, never more than `KEPT_MAX`."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self._folder = folder
        self._suffix = suffix
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, content: bytes) -> None:
        name = f"{int(time.time() * 1000):013d}-{secrets.token_hex(4)}"
        fresh = self._folder / f"{name}.new"
        fresh.write_bytes(content)
        fresh.rename(self._path(name))
        for old in self.names()[KEPT_MAX:]:
            self._path(old).unlink(missing_ok=True)

    def names(self) -> list[str]:
        return sorted((path.stem for path in self._folder.glob(f"*{self._suffix}")), reverse=True)

    def get(self, name: str) -> bytes:
        if NAME.fullmatch(name) is None or not self._path(name).exists():
            raise HTTPException(404, "Nothing of this name was caught.")
        return self._path(name).read_bytes()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{self._suffix}"


class Inbox:
    """What aiosmtpd calls a handler: it is given each mail."""

    def __init__(self, mails: Shelf) -> None:
        self._mails = mails

    async def handle_DATA(  # noqa: N802 - the name is the library's
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        content = envelope.original_content or b""
        # The envelope is what a bounce would go to; it is shown, so it is kept.
        to = ", ".join(envelope.rcpt_tos)
        self._mails.put(f"X-Caught-To: {to}\r\n".encode() + content)
        return "250 Caught"


@dataclass(frozen=True, kw_only=True)
class Mail:
    name: str
    at: datetime
    sender: str
    to: str
    subject: str
    text: str
    html: str | None
    headers: list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Webhook:
    name: str
    at: datetime
    headers: Mapping[str, str]
    body: str
    kind: str
    verdict: str
    verified: bool


def make_app(home: Path, secret: str) -> FastAPI:
    mails = Shelf(home / "mails", ".eml")
    webhooks = Shelf(home / "webhooks", ".json")
    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("cloud.embedded", "catcher_pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    app = FastAPI(title="Binline catcher", docs_url=None, redoc_url=None, openapi_url=None)

    def page(template: str, **values: Any) -> HTMLResponse:  # noqa: ANN401 - for the template
        counts = {"mails": len(mails.names()), "webhooks": len(webhooks.names())}
        html = pages.get_template(template).render(counts=counts, **values)
        return HTMLResponse(html, headers={"Content-Security-Policy": PAGE_POLICY})

    @app.get("/")
    def inbox() -> HTMLResponse:
        caught = [read_mail(name, mails.get(name)) for name in mails.names()]
        return page("mails.html", mails=caught)

    @app.get("/mails/{name}")
    def mail(name: str) -> HTMLResponse:
        return page("mail.html", mail=read_mail(name, mails.get(name)))

    @app.get("/mails/{name}/html")
    def mail_html(name: str) -> HTMLResponse:
        html = read_mail(name, mails.get(name)).html or ""
        # Links leave the frame they are shown in.
        return HTMLResponse(
            f'<base target="_blank">{html}', headers={"Content-Security-Policy": MAIL_POLICY}
        )

    @app.get("/webhooks")
    def posted() -> HTMLResponse:
        caught = [read_webhook(name, webhooks.get(name), secret) for name in webhooks.names()]
        return page("webhooks.html", webhooks=caught)

    @app.post("/webhook", status_code=204)
    async def catch(request: Request) -> Response:
        body = await _body(request)
        note = {"headers": dict(request.headers), "body": base64.b64encode(body).decode()}
        webhooks.put(json.dumps(note).encode())
        return Response(status_code=204)

    @app.get("/catcher.css")
    def style() -> Response:
        return Response(STYLE.read_text(), media_type="text/css")

    return app


def read_mail(name: str, content: bytes) -> Mail:
    message = BytesParser(_class=EmailMessage, policy=policy.default).parsebytes(content)
    return Mail(
        name=name,
        at=_caught_at(name),
        sender=str(message["From"] or ""),
        to=str(message["To"] or message["X-Caught-To"] or ""),
        subject=str(message["Subject"] or "(no subject)"),
        text=_part(message, "plain") or "",
        html=_part(message, "html"),
        headers=[(key, str(value)) for key, value in message.items()],
    )


def read_webhook(name: str, content: bytes, secret: str) -> Webhook:
    note = json.loads(content)
    body = base64.b64decode(note["body"])
    verdict = why_unverified(note["headers"], body, secret, _caught_at(name))
    return Webhook(
        name=name,
        at=_caught_at(name),
        headers=note["headers"],
        body=_pretty(body),
        kind=_kind(body),
        verdict=verdict or "Signature verified",
        verified=verdict is None,
    )


def why_unverified(
    headers: Mapping[str, str], body: bytes, secret: str, now: datetime
) -> str | None:
    """Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`. None when all is well."""
    try:
        message_id, stamp = headers["webhook-id"], headers["webhook-timestamp"]
        signatures = headers["webhook-signature"].split(" ")
    except KeyError as missing:
        return f"Not signed: no header {missing.args[0]}"
    if not stamp.isdecimal() or abs(int(stamp) - now.timestamp()) > SIGNATURE_AGE_S_MAX:
        return f"Timestamp {stamp} is more than {SIGNATURE_AGE_S_MAX} s away"
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return "The secret to check with is not base64"
    signed = b".".join((message_id.encode(), stamp.encode(), body))
    right = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    if any(hmac.compare_digest(right, given.encode()) for given in signatures):
        return None
    return "Signature is wrong"


def _caught_at(name: str) -> datetime:
    return datetime.fromtimestamp(int(name[:13]) / 1000, UTC)


def _part(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body(preferencelist=(kind,))
    if part is None:
        return None
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError):  # an encoding nobody knows
        return repr(part.get_payload(decode=True))


def _pretty(body: bytes) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body.decode(errors="replace")


def _kind(body: bytes) -> str:
    try:
        return str(json.loads(body)["type"])
    except (ValueError, KeyError, TypeError):
        return "webhook"


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > WEBHOOK_BYTES_MAX:
            raise HTTPException(413, f"At most {WEBHOOK_BYTES_MAX} bytes.")
    return body


@contextlib.asynccontextmanager
async def _smtp(home: Path, port: int) -> AsyncIterator[None]:
    inbox = Inbox(Shelf(home / "mails", ".eml"))
    protocol = partial(
        SMTP, inbox, data_size_limit=MAIL_BYTES_MAX, enable_SMTPUTF8=True, hostname="localhost"
    )
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()


async def serve(home: Path, *, smtp_port: int, http_port: int, secret: str) -> None:
    config = uvicorn.Config(
        make_app(home, secret),
        host="127.0.0.1",
        port=http_port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    async with _smtp(home, smtp_port):
        await uvicorn.Server(config).serve()


def main() -> None:
    parser = argparse.ArgumentParser(prog="catcher")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    asked = parser.parse_args()
    secret = os.environ.get("BINLINE_CATCHER_SECRET", "")
    # uvicorn raises the signal once more when it is done; a stop that was asked for is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    asyncio.run(
        serve(asked.home, smtp_port=asked.smtp_port, http_port=asked.http_port, secret=secret)
    )


if __name__ == "__main__":
    main()
