"""Just enough of MQTT to see where a frame ends, and what it is (MQTT 3.1.1, sections 2 and 3)."""

CONNECT, PUBLISH, PUBACK, SUBSCRIBE = 1, 3, 4, 8
LENGTH_BYTES_MAX = 4
FRAME_BYTES_MAX = 4 * 1024 * 1024
# What the first byte of a frame may be, in its lower half, by kind (table 2.2). PUBLISH: anything.
_FLAGS = {6: 2, 8: 2, 10: 2}


class Splitter:
    """Bytes in, whole frames out. ValueError: this is no MQTT."""

    def __init__(self) -> None:
        self._bytes = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        self._bytes += chunk
        frames = []
        while (size := size_of(self._bytes)) is not None and size <= len(self._bytes):
            frames.append(self._bytes[:size])
            self._bytes = self._bytes[size:]
        return frames

    def rest(self) -> bytes:
        rest, self._bytes = self._bytes, b""
        return rest


def size_of(data: bytes) -> int | None:
    """Of the frame that begins here; None while that is not yet known."""
    if not data:
        return None
    kind, flags = data[0] >> 4, data[0] & 0x0F
    if kind == 0 or (kind != PUBLISH and flags != _FLAGS.get(kind, 0)):
        raise ValueError(f"no frame begins with {data[0]:#x}")
    length = shift = 0
    for at in range(1, LENGTH_BYTES_MAX + 1):
        if at >= len(data):
            return None
        length |= (data[at] & 0x7F) << shift
        shift += 7
        if not data[at] & 0x80:
            if length > FRAME_BYTES_MAX:
                raise ValueError(f"a frame of {length} bytes")
            return 1 + at + length
    raise ValueError("a length of more than four bytes")


def kind_of(frame: bytes) -> int:
    return frame[0] >> 4 if frame else 0


def body_of(frame: bytes) -> bytes:
    at = 1
    while frame[at] & 0x80:
        at += 1
    return frame[at + 1 :]


def topic_of(publish: bytes) -> str:
    body = body_of(publish)
    length = int.from_bytes(body[:2], "big")
    return body[2 : 2 + length].decode(errors="replace")


def payload_of(publish: bytes) -> tuple[int, bytes]:
    """Packet id (0: none) and payload."""
    body = body_of(publish)
    at = 2 + int.from_bytes(body[:2], "big")
    if (publish[0] >> 1) & 3:
        return int.from_bytes(body[at : at + 2], "big"), body[at + 2 :]
    return 0, body[at:]


def frame(first: int, body: bytes) -> bytes:
    length, digits = len(body), b""
    while True:
        length, low = divmod(length, 128)
        digits += bytes([low | (0x80 if length else 0)])
        if not length:
            return bytes([first]) + digits + body


def text(value: str | bytes) -> bytes:
    encoded = value.encode() if isinstance(value, str) else value
    return len(encoded).to_bytes(2, "big") + encoded


def connect(client: str, user: str, password: str, keepalive_s: int = 30) -> bytes:
    body = text("MQTT") + bytes([4, 0b1100_0010]) + keepalive_s.to_bytes(2, "big")
    return frame(0x10, body + text(client) + text(user) + text(password))


def subscribe(packet: int, topic: str) -> bytes:
    return frame(0x82, packet.to_bytes(2, "big") + text(topic) + b"\x01")


def publish(packet: int, topic: str, payload: bytes) -> bytes:
    return frame(0x32, text(topic) + packet.to_bytes(2, "big") + payload)


def puback(packet: int) -> bytes:
    return frame(0x40, packet.to_bytes(2, "big"))
