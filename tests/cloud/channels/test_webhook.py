import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from standardwebhooks.webhooks import Webhook

from cloud.channels import webhook
from cloud.channels.base import ChannelSettings, Failed, MailServer, Sent
from cloud.channels.webhook import WebhookChannel, body_of
from cloud.core.notices import Notice, Told
from cloud.core.signatures import secret_of


def now() -> datetime:
    """The reference implementation of the receiver asks the clock, when it is asked."""
    return datetime.now(UTC)


def channel(*allowed_hosts: str) -> WebhookChannel:
    return WebhookChannel(
        ChannelSettings(
            mail_server=MailServer(host="127.0.0.1", port=1, tls=False),
            mail_from="alerts@binline.example",
            webhook_allowed_hosts=frozenset(allowed_hosts),
        )
    )


class Receiver:
    """A web server that notes what it gets and answers as it is told."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.status = 204
        self.headers: dict[str, str] = {}
        self.endless = False
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                named = {name.lower(): text for name, text in self.headers.items()}
                receiver.seen.append((self.path, named, body))
                self.send_response(receiver.status)
                for name, text in receiver.headers.items():
                    self.send_header(name, text)
                self.end_headers()
                try:
                    while receiver.endless:
                        self.wfile.write(b"x" * 65_536)
                except OSError:
                    receiver.endless = False

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/hook"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def test_a_webhook_arrives_signed_as_the_reference_implementation_wants_it(
    notice: Notice, receiver: Receiver
) -> None:
    answer = channel("127.0.0.1").send(replace(notice, address=receiver.url), now())
    assert answer == Sent(detail="HTTP 204")
    ((path, headers, body),) = receiver.seen
    assert path == "/hook"
    Webhook(notice.secret).verify(body.decode(), headers)
    assert headers["webhook-id"] == str(notice.notice_id)
    assert headers["content-type"] == "application/json"
    assert headers["host"] == f"127.0.0.1:{receiver.port}"


def test_the_body_says_what_is_wanted_and_why(notice: Notice) -> None:
    line = {
        "item": {"sku": "10487", "supplier_sku": "FE-88213", "name": notice.first.item},
        "bin": {"code": "HRT-R02-B4", "place": "R02-B4"},
        "level": {
            "pieces": 412,
            "minimum": 500,
            "capacity": 2_000,
            "measured_at": "2026-11-20T13:20:58Z",
        },
        "evidence": notice.first.evidence,
    }
    assert json.loads(body_of(notice)) == {
        "type": "order.placed",
        "timestamp": "2026-11-20T13:21:00Z",
        "data": {
            "order": {
                "id": str(notice.order_id),
                "number": "RO-1001",
                "quantity": 1_500,
                "packs": 3,
                "because": notice.because,
                "link": notice.link,
            },
            "site": "Hartmann Rail",
            **line,
            "lines": [{**line, "quantity": 1_500, "packs": 3, "promised_at": None}],
        },
    }


def test_what_became_of_an_order_has_a_type_of_its_own(notice: Notice) -> None:
    body = json.loads(body_of(replace(notice, told=Told.CHANGE_REJECTED, about="c1")))
    assert (body["type"], body["data"]["change"]) == ("order.change_rejected", "c1")
    assert body["data"]["order"]["number"] == "RO-1001"


def test_a_reminder_names_no_order(notice: Notice) -> None:
    body = json.loads(
        body_of(replace(notice, told=Told.BIN_LOW, order_id=None, order_number=None, link=""))
    )
    assert body["type"] == "bin.low"
    assert "order" not in body["data"]
    assert body["data"]["level"]["pieces"] == 412


def test_every_try_carries_the_same_id_and_body(notice: Notice, receiver: Receiver) -> None:
    for tries in (0, 1):
        again = replace(notice, address=receiver.url, tries=tries)
        channel("127.0.0.1").send(again, now())
    (first, again_seen) = receiver.seen
    assert first[1]["webhook-id"] == again_seen[1]["webhook-id"]
    assert first[2] == again_seen[2]


def test_while_a_secret_is_exchanged_both_signatures_go_out(
    notice: Notice, receiver: Receiver
) -> None:
    fresh = secret_of(bytes(range(9, 41)))
    both = replace(notice, address=receiver.url, secret=f"{notice.secret} {fresh}")
    channel("127.0.0.1").send(both, now())
    ((_, headers, body),) = receiver.seen
    for secret in (notice.secret, fresh):
        Webhook(secret).verify(body.decode(), headers)


@pytest.mark.parametrize("secret", ["", "geheim", "whsec_c2hvcnQ="])
def test_nothing_goes_out_unsigned(notice: Notice, receiver: Receiver, secret: str) -> None:
    answer = channel("127.0.0.1").send(replace(notice, address=receiver.url, secret=secret), now())
    assert answer == Failed(because="the signing secret of this channel is not usable", retry=False)
    assert receiver.seen == []


@pytest.mark.parametrize(
    ("status", "because", "retry"),
    [
        (400, "HTTP 400", True),
        (404, "HTTP 404", True),
        (410, "HTTP 410: the receiver wants no more of these", False),
        (429, "HTTP 429", True),
        (500, "HTTP 500", True),
        (503, "HTTP 503", True),
    ],
)
def test_only_a_2xx_is_a_yes(
    notice: Notice, receiver: Receiver, status: int, because: str, retry: object
) -> None:
    receiver.status = status
    answer = channel("127.0.0.1").send(replace(notice, address=receiver.url), now())
    assert answer == Failed(because=because, retry=bool(retry))


def test_a_redirect_is_not_followed(notice: Notice, receiver: Receiver) -> None:
    with Receiver() as elsewhere:
        receiver.status, receiver.headers = 302, {"location": elsewhere.url}
        answer = channel("127.0.0.1").send(replace(notice, address=receiver.url), now())
        assert answer == Failed(because="HTTP 302: redirects are not followed", retry=True)
        assert elsewhere.seen == []


@pytest.mark.parametrize(
    ("retry_after", "wait_s"),
    [("120", 120), ("999999", 86_400), ("soon", 0), ("-5", 0), ("9" * 400, 0)],
)
def test_a_receiver_may_ask_to_be_left_alone_within_reason(
    notice: Notice, receiver: Receiver, retry_after: str, wait_s: int
) -> None:
    receiver.status, receiver.headers = 503, {"retry-after": retry_after}
    answer = channel("127.0.0.1").send(replace(notice, address=receiver.url), now())
    assert answer == Failed(because="HTTP 503", retry=True, wait_s=wait_s)


def test_a_receiver_may_ask_with_a_date(notice: Notice, receiver: Receiver) -> None:
    receiver.status, receiver.headers = 503, {"retry-after": "Fri, 20 Nov 2026 14:00:00 GMT"}
    at = datetime(2026, 11, 20, 13, 50, tzinfo=UTC)
    answer = channel("127.0.0.1").send(replace(notice, address=receiver.url), at)
    assert answer == Failed(because="HTTP 503", retry=True, wait_s=600)


def test_an_endless_reply_is_not_read(notice: Notice, receiver: Receiver) -> None:
    receiver.status, receiver.endless = 200, True
    begun = time.monotonic()
    answer = channel("127.0.0.1").send(replace(notice, address=receiver.url), now())
    assert answer == Sent(detail="HTTP 200")
    assert time.monotonic() - begun < 5


@contextmanager
def dripping() -> Iterator[int]:
    """Sends the head of an answer byte by byte, and never all of it."""
    stop = threading.Event()

    def drip(conn: socket.socket) -> None:
        with conn:
            for byte in b"HTTP/1.1 200 OK\r\nx-long: " + b"y" * 10_000:
                if stop.wait(0.05):
                    return
                try:
                    conn.sendall(bytes([byte]))
                except OSError:
                    return

    def accept(server: socket.socket) -> None:
        while not stop.is_set():
            try:
                conn, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=(conn,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, args=(server,), daemon=True).start()
        yield server.getsockname()[1]
        stop.set()


def test_an_answer_that_drips_is_left_when_the_time_is_up(
    notice: Notice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TOTAL_S_MAX", 1.0)
    with dripping() as port:
        begun = time.monotonic()
        slow = replace(notice, address=f"http://127.0.0.1:{port}/")
        answer = channel("127.0.0.1").send(slow, now())
    assert answer == Failed(because="no answer within 1 s", retry=True)
    assert time.monotonic() - begun < 3


def test_one_that_drips_does_not_slow_the_others(
    notice: Notice, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TOTAL_S_MAX", 2.0)
    sender = channel("127.0.0.1")
    with ExitStack() as stack, ThreadPoolExecutor(21) as threads:
        ports = [stack.enter_context(dripping()) for _ in range(20)]
        slow = [
            threads.submit(sender.send, replace(notice, address=f"http://127.0.0.1:{port}/"), now())
            for port in ports
        ]
        begun = time.monotonic()
        answer = sender.send(replace(notice, address=receiver.url), now())
        assert isinstance(answer, Sent)
        assert time.monotonic() - begun < 1.5
        assert all(isinstance(each.result(), Failed) for each in slow)


def test_a_receiver_that_is_away_or_talks_nonsense_is_tried_again(notice: Notice) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        gone = replace(notice, address=f"http://127.0.0.1:{closed.getsockname()[1]}/")
        answer = channel("127.0.0.1").send(gone, now())
    assert answer == Failed(
        because="the connection is refused or the host is not reached", retry=True
    )

    def babble(server: socket.socket) -> None:
        conn, _ = server.accept()
        with conn:
            conn.recv(65_536)
            conn.sendall(b"220 mail.example ESMTP\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=babble, args=(server,), daemon=True).start()
        odd = replace(notice, address=f"http://127.0.0.1:{server.getsockname()[1]}/")
        answer = channel("127.0.0.1").send(odd, now())
    assert answer == Failed(because="the answer is not HTTP, or the connection was cut", retry=True)


def test_a_name_that_does_not_resolve_is_tried_again(notice: Notice) -> None:
    answer = channel().send(replace(notice, address="https://no-such-host.invalid/"), now())
    assert answer == Failed(because="the host name does not resolve", retry=True)


OUR_OWN_HOUSE = [
    "127.0.0.1", "127.1", "2130706433", "0x7f.1", "0x7f000001", "017700000001", "0.0.0.0", "0",
    "localhost", "localhost.", "LOCALHOST", "[::1]", "[::]", "[::127.0.0.1]", "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]", "[fec0::1]",
    "[fc00::1]", "[ff02::1]", "[2001:db8::1]", "10.0.0.1", "172.16.0.1", "192.168.0.1",
    "169.254.169.254", "100.100.100.200", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
]  # fmt: skip


@pytest.mark.parametrize("host", OUR_OWN_HOUSE)
def test_our_own_house_is_never_called(
    notice: Notice, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        port = listener.getsockname()[1]
        monkeypatch.setattr(webhook, "PORTS", (port,))
        answer = channel().send(replace(notice, address=f"https://{host}:{port}/"), now())
        assert isinstance(answer, Failed)
        assert answer.because in (
            "the host is not on the public internet",
            "the host name does not resolve",
        )
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize(
    ("address", "because"),
    [
        ("http://8.8.8.8/", "only https is called"),
        ("https://8.8.8.8:22/", "only the ports 443 and 8443 are called"),
        ("https://user:password@8.8.8.8/", "a name or password in the address is not sent"),
        ("ftp://8.8.8.8/", "not a web address"),
        ("file:///etc/passwd", "not a web address"),
        ("https:///x", "not a web address"),
        ("https://\0/", "not a web address"),
        ("orders@ferro.example", "not a web address"),
        ("", "not a web address"),
    ],
)
def test_an_address_that_may_not_be_called_is_given_up(
    notice: Notice, address: str, because: str
) -> None:
    answer = channel().send(replace(notice, address=address), now())
    assert answer == Failed(because=because, retry=False)


def _resolver(answers: dict[str, list[list[str]]]) -> Callable[..., list[Any]]:
    """Names with addresses as given, another list at each question; numbers are themselves."""
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *rest: Any, **named: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in answers:
            return real(host, port, *rest, **named)
        found = answers[name].pop(0) if len(answers[name]) > 1 else answers[name][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    return resolve


def test_one_inner_address_among_several_is_enough_to_refuse(
    notice: Notice, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"two-faced.example": [["8.8.8.8", "127.0.0.1"]]}
    monkeypatch.setattr(socket, "getaddrinfo", _resolver(answers))
    answer = channel().send(replace(notice, address="https://two-faced.example/"), now())
    assert answer == Failed(because="the host is not on the public internet", retry=False)


def test_a_name_that_changes_its_mind_gains_nothing(
    notice: Notice, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says 127.0.0.2 when checked and 127.0.0.1 afterwards: only the first is called."""
    answers = {"rebinding.example": [["127.0.0.2"], ["127.0.0.1"]]}
    monkeypatch.setattr(socket, "getaddrinfo", _resolver(answers))
    address = f"http://rebinding.example:{receiver.port}/"
    answer = channel("rebinding.example").send(replace(notice, address=address), now())
    assert isinstance(answer, Failed)
    assert receiver.seen == []


def test_the_next_address_of_a_name_is_tried_while_nothing_was_sent(
    notice: Notice, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"two-homes.example": [["127.0.0.2", "127.0.0.1"]]}
    monkeypatch.setattr(socket, "getaddrinfo", _resolver(answers))
    address = f"http://two-homes.example:{receiver.port}/"
    answer = channel("two-homes.example").send(replace(notice, address=address), now())
    assert isinstance(answer, Sent)
    assert receiver.seen[0][1]["host"] == f"two-homes.example:{receiver.port}"


@pytest.mark.parametrize("exempt", ["127.0.0.1", "127.0.0.1:{port}"])
def test_an_allowed_host_may_be_given_with_its_port(
    notice: Notice, receiver: Receiver, exempt: str
) -> None:
    allowed = exempt.format(port=receiver.port)
    sent = channel(allowed).send(replace(notice, address=receiver.url), now())
    assert isinstance(sent, Sent)
    refused = channel("127.0.0.1:1").send(replace(notice, address=receiver.url), now())
    assert isinstance(refused, Failed)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For hook.example, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        " -subj /CN=hook.example -addext subjectAltName=DNS:hook.example"
        f" -keyout {folder}/key.pem -out {folder}/cert.pem"
    )
    try:
        subprocess.run(command.split(), check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("NO openssl HERE: that webhooks check certificates was NOT tested")
    return folder


@pytest.mark.parametrize("name", ["hook.example", "other.example"])
def test_the_certificate_is_checked_against_the_name_though_the_number_is_called(
    notice: Notice, certificate: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str | None] = []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    tls.sni_callback = lambda _socket, name, _context: names.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    monkeypatch.setattr(socket, "getaddrinfo", _resolver({name: [["127.0.0.1"]]}))
    with Receiver(tls) as receiver:
        address = f"https://{name}:{receiver.port}/hook"
        answer = channel(name).send(replace(notice, address=address), now())
    assert names == [name]
    if name == "hook.example":
        assert answer == Sent(detail="HTTP 204")
    else:
        assert answer == Failed(
            because="the certificate of the host is not valid for it", retry=True
        )
        assert receiver.seen == []


def test_a_certificate_nobody_vouches_for_is_refused(notice: Notice, certificate: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with Receiver(tls) as receiver:
        answer = channel("127.0.0.1").send(replace(notice, address=receiver.url), now())
    assert answer == Failed(because="the certificate of the host is not valid for it", retry=True)
