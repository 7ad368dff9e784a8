"""A proxy that does not break what it should break would make every verdict green."""

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults import mqtt_frames as mqtt
from tests.faults.proxy import Link, Proxies, Shuffle

WAIT_S = 5.0


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while chunk := self.request.recv(65_536):
                self.request.sendall(chunk)
        except ConnectionError:
            pass


@pytest.fixture
def link() -> Iterator[Link]:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    proxies = Proxies()
    yield proxies.open("echo", server.server_address[1], mqtt=True)
    proxies.close()
    server.shutdown()
    server.server_close()


def call(link: Link) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout=WAIT_S)


def received(line: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        chunk = line.recv(65_536)
        if not chunk:
            break
        got += chunk
    return got


def is_over(line: socket.socket) -> bool:
    try:
        return line.recv(100) == b""
    except ConnectionError:
        return True


def test_a_wire_passes_bytes_as_they_are(link: Link) -> None:
    with call(link) as line:
        line.sendall(b"\x00anything at all" * 1_000)
        assert received(line, 16_000) == b"\x00anything at all" * 1_000


def test_a_refused_link_ends_what_stands_and_lets_nobody_in(link: Link) -> None:
    with call(link) as line:
        line.sendall(b"\x00a")
        received(line, 2)
        link.set(refuse=True)
        assert is_over(line)
        with pytest.raises(ConnectionError):
            call(link)
    link.heal()
    with call(link) as line:
        line.sendall(b"\x00b")
        assert received(line, 2) == b"\x00b"


def test_a_black_hole_says_nothing_and_ends_nothing(link: Link) -> None:
    with call(link) as line:
        line.sendall(b"\x00a")
        received(line, 2)
        link.set(blackhole=True)
        line.sendall(b"\x00more")
        line.settimeout(0.5)
        with pytest.raises(TimeoutError):
            line.recv(10)


@pytest.mark.parametrize("n", [1, 7, 200])
def test_a_reset_after_n_bytes_lets_n_bytes_through(link: Link, n: int) -> None:
    link.set(reset_after=n)
    with call(link) as line:
        line.sendall(bytes(400))
        with contextlib.suppress(ConnectionError):
            assert len(received(line, 400)) <= n
        assert link.passed.cuts == 1


def test_a_slow_link_takes_its_time(link: Link) -> None:
    link.set(rate=2_000, delay_s=0.3)
    with call(link) as line:
        began = time.monotonic()
        line.sendall(bytes(1_000))
        assert received(line, 1_000) == bytes(1_000)
        # Half a second each way for the bytes, and the delay twice.
        assert 1.2 < time.monotonic() - began < 4


@pytest.mark.parametrize("forwards", [True, False])
def test_a_cut_at_some_bytes_hides_the_answer_to_them(link: Link, *, forwards: bool) -> None:
    link.set(cut_at=b"COMMIT", cut_forwards=forwards, cut_times=1)
    with call(link) as line:
        line.sendall(b"\x00BEGIN")
        assert received(line, 6) == b"\x00BEGIN"
        line.sendall(b"COM")
        received(line, 3)
        line.sendall(b"MIT")
        assert is_over(line)
    with call(link) as line:
        line.sendall(b"\x00COMMIT")
        assert received(line, 7) == b"\x00COMMIT"


def test_a_portal_answers_with_a_page_and_keeps_what_it_heard(link: Link) -> None:
    link.set(portal=True)
    with call(link) as line:
        line.sendall(mqtt.connect("me", "me", "secret"))
        assert b"302 Found" in line.recv(1_000)
    assert b"secret" in link.passed.heard


def test_shuffled_frames_come_all_some_again_and_out_of_order(link: Link) -> None:
    link.set(shuffle=Shuffle(seed=3))
    sent = [mqtt.publish(n, "a/b", b"%d" % n) for n in range(1, 101)]
    with call(link) as line:
        line.sendall(b"".join(sent))
        line.settimeout(1.5)
        got = b""
        try:
            while chunk := line.recv(65_536):
                got += chunk
        except TimeoutError:
            pass
    frames = mqtt.Splitter().feed(got)
    assert set(frames) == set(sent)
    assert len(frames) > len(sent)
    first_seen = list(dict.fromkeys(frames))
    assert first_seen != sent


@pytest.mark.parametrize("size", [0, 1, 127, 128, 20_000, 300_000])
def test_frames_are_found_however_they_are_cut(size: int) -> None:
    frames = [mqtt.publish(7, "binline/v1/a/up/readings", bytes(size)), mqtt.puback(9)]
    whole = b"".join(frames)
    splitter = mqtt.Splitter()
    step = max(1, len(whole) // 50)
    found = [f for at in range(0, len(whole), step) for f in splitter.feed(whole[at : at + step])]
    assert found == frames
    assert mqtt.topic_of(found[0]) == "binline/v1/a/up/readings"
    assert mqtt.payload_of(found[0]) == (7, bytes(size))


def test_what_is_no_mqtt_is_told(link: Link) -> None:
    with pytest.raises(ValueError, match="no frame"):
        mqtt.Splitter().feed(b"\x00\x00\x00\x08")
