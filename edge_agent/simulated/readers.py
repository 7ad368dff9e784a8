"""Tag readers and scanners that do not exist, as makers' pages and open drivers describe them.

rdm6300       STX ten hex digits, two of check ETX      unasked, while a tag is there
uhfreader18   04 00 01 DB 4B                            asked: all tags in one frame, or FB for none
r200          BB 00 22 00 00 22 7E                      asked: a frame a tag, or error 15 for none
barcode       the code CR LF                            unasked, once a scan
"""

import binascii
import random
from functools import reduce
from operator import xor

from edge_agent.framing.checks import crc16_mcrf4xx, sum8
from edge_agent.simulated.devices import NEVER_S, Answered, Moods, next_beat_s
from edge_agent.simulated.site import Command, Scanner, TagReader

HEARD_BYTES_MAX = 64
UHF18_INVENTORY = bytes.fromhex("04 00 01 DB 4B")
UHF18_NONE = 0xFB
R200_INVENTORY = bytes.fromhex("BB 00 22 00 00 22 7E")
R200_NONE = bytes.fromhex("BB 01 FF 00 01 15 16 7E")
QUESTIONS = {"uhfreader18": UHF18_INVENTORY, "r200": R200_INVENTORY}
GHOST_BYTES = {"rdm6300": 5, "uhfreader18": 12, "r200": 12}


def rdm6300(tag: str) -> bytes:
    check = reduce(xor, bytes.fromhex(tag), 0)
    return b"\x02%s%02X\x03" % (tag.encode(), check)


def uhfreader18(tags: list[str]) -> bytes:
    memories = [bytes.fromhex(tag) for tag in tags]
    listed = b"".join(bytes((len(memory),)) + memory for memory in memories)
    body = bytes((0x01, len(memories))) + listed if memories else bytes((UHF18_NONE,))
    frame = bytes((len(body) + 4, 0x00, 0x01)) + body
    return frame + crc16_mcrf4xx(frame).to_bytes(2, "little")


def r200(tag: str, rssi_dbm: int) -> bytes:
    memory = bytes.fromhex(tag)
    control = (len(memory) // 2 << 11).to_bytes(2, "big")  # how many words of EPC follow
    crc = binascii.crc_hqx(control + memory, 0xFFFF) ^ 0xFFFF
    body = bytes((rssi_dbm & 0xFF,)) + control + memory + crc.to_bytes(2, "big")
    covered = b"\x02\x22" + len(body).to_bytes(2, "big") + body
    return b"\xbb" + covered + bytes((sum8(covered),)) + b"\x7e"


class SimulatedTagReader:
    def __init__(self, plan: TagReader, seed: int) -> None:
        self.plan = plan
        self._moods = Moods(plan)
        self._chance = random.Random(f"{seed}/{plan.gateway}/{plan.sensor}")  # noqa: S311 - a replay, not a secret
        self._tags = list(plan.tags)
        self._question = QUESTIONS.get(plan.device, b"")
        self._heard = b""
        self._answers = 0
        self._read_s = 0.0
        self.speaks_at_s = NEVER_S if self._question else 0.0

    def command(self, command: Command, now_s: float) -> None:
        if command.do == "come" and command.code not in self._tags:
            self._tags.append(command.code)
        elif command.do == "go" and command.code in self._tags:
            self._tags.remove(command.code)
        else:
            self._moods.command(command, now_s)

    def hear(self, sent: bytes, now_s: float) -> list[Answered]:
        if not self._question:
            return []
        *asked, rest = (self._heard + sent).split(self._question)
        self._heard = rest[-HEARD_BYTES_MAX:]
        if self._moods.is_silent(now_s):
            return []
        return [answer for _ in asked for answer in self._inventory(now_s)]

    def speak(self, now_s: float) -> list[Answered]:
        self.speaks_at_s = next_beat_s(self.speaks_at_s, self.plan.every_ms / 1000, now_s)
        if self._moods.is_silent(now_s):
            return []
        return [self._told(rdm6300(tag), tag, now_s) for tag in self._read_tags(now_s)[:1]]

    def _inventory(self, now_s: float) -> list[Answered]:
        tags = self._read_tags(now_s)
        if self.plan.device == "uhfreader18":
            return [self._told(uhfreader18(tags), " ".join(tags) or None, now_s)]
        if not tags:
            return [self._told(R200_NONE, None, now_s)]
        signal_dbm = self._chance.randint(-70, -40)
        return [self._told(r200(tag, signal_dbm), tag, now_s) for tag in tags]

    def _read_tags(self, now_s: float) -> list[str]:
        """Those in the field but for the missed, and perhaps a ghost: a valid frame of no tag."""
        since_s, self._read_s = now_s - self._read_s, now_s
        read = [tag for tag in self._tags if self._chance.random() >= self.plan.missed_share]
        if self._chance.random() < self.plan.ghosts_per_minute * since_s / 60:
            read.insert(0, self._chance.randbytes(GHOST_BYTES[self.plan.device]).hex().upper())
        return read

    def _told(self, line: bytes, code: str | None, now_s: float) -> Answered:
        self._answers += 1
        return Answered(line=line, code=code, n=self._answers, after_s=self._moods.late_s(now_s))


class SimulatedScanner:
    def __init__(self, plan: Scanner, seed: int) -> None:
        self.plan = plan
        self._moods = Moods(plan)
        self._chance = random.Random(f"{seed}/{plan.gateway}/{plan.sensor}")  # noqa: S311 - a replay, not a secret
        self._asked_for: list[str] = []
        self._scans = 0
        self._next_s = self._after(0.0)

    @property
    def speaks_at_s(self) -> float:
        return 0.0 if self._asked_for else self._next_s

    def command(self, command: Command, now_s: float) -> None:
        if command.do == "scan":
            self._asked_for.append(command.code or self._chance.choice(self.plan.codes))
        else:
            self._moods.command(command, now_s)

    def hear(self, sent: bytes, now_s: float) -> list[Answered]:  # noqa: ARG002 - it listens to nobody
        return []

    def speak(self, now_s: float) -> list[Answered]:
        codes, self._asked_for = self._asked_for, []
        while self._next_s <= now_s:
            codes.append(self._chance.choice(self.plan.codes))
            self._next_s = self._after(self._next_s)
        if self._moods.is_silent(now_s):
            return []
        return [self._scanned(code, now_s) for code in codes]

    def _scanned(self, code: str, now_s: float) -> Answered:
        self._scans += 1
        line = code.encode("latin-1", "replace") + b"\r\n"
        return Answered(line=line, code=code, n=self._scans, after_s=self._moods.late_s(now_s))

    def _after(self, at_s: float) -> float:
        per_s = self.plan.scans_per_minute / 60
        return at_s + self._chance.expovariate(per_s) if per_s else NEVER_S
