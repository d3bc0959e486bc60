"""One connection to open, what two sides say on it, and hellos to say."""

from __future__ import annotations

from collector.opening import Openings
from collector.opening_facts import BOTH, DOWN, UP, Opening

NS = 1_000_000_000
NOON_NS = 1_790_000_000 * NS
CLIENT = bytes((10, 1, 0, 7))
SERVER = bytes((192, 0, 2, 1))
MAC = b"\x02\x00\x00\x00\x00\x07"
FROM_CLIENT = True
FROM_SERVER = False


def device_key(mac: bytes | None, address: bytes, at_ns: int) -> bytes:
    del at_ns
    return mac or address


def opened(openings: Openings, *, client_port: int = 50_000, server_port: int = 443) -> Opening:
    opening = openings.open(
        proto="tcp",
        client=CLIENT,
        server=SERVER,
        client_port=client_port,
        server_port=server_port,
        mac=MAC,
        server_mac=None,
        at_ns=NOON_NS,
    )
    assert opening is not None
    return opening


class Talk:
    """Says things on one flow, in order."""

    def __init__(self, opening: Opening) -> None:
        self.opening = opening
        self.want = BOTH
        self._offsets = {True: 0, False: 0}

    def up(self, octets: bytes, *, step: int = 65_536) -> int:
        return self._say(octets, up=True, step=step)

    def down(self, octets: bytes, *, step: int = 65_536) -> int:
        return self._say(octets, up=False, step=step)

    def lose(self, octets: int, *, up: bool) -> None:
        self._offsets[up] += octets

    def _say(self, octets: bytes, *, up: bool, step: int) -> int:
        for at in range(0, len(octets), step):
            part = octets[at : at + step]
            if self.want & (UP if up else DOWN):
                self.want = self.opening.octets(up, self._offsets[up], part, NOON_NS)
            self._offsets[up] += len(part)
        return self.want


def extension(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2) + len(body).to_bytes(2) + body


def hello(name: str | None = "school.example", *, more: bytes = b"", padding: int = 1_500) -> bytes:
    extensions = more + extension(43, b"\x04\x03\x04\x03\x03") + extension(16, b"\x00\x03\x02h2")
    extensions = extension(51, bytes(padding)) + extensions
    if name is not None:
        entry = b"\x00" + len(name).to_bytes(2) + name.encode()
        extensions += extension(0, len(entry).to_bytes(2) + entry)
    body = (
        b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00" + len(extensions).to_bytes(2) + extensions
    )
    return b"\x01" + len(body).to_bytes(3) + body


def answer(extensions: bytes = b"") -> bytes:
    body = b"\x03\x03" + bytes(32) + b"\x00\x13\x01\x00" + len(extensions).to_bytes(2) + extensions
    return b"\x02" + len(body).to_bytes(3) + body


def records(handshake: bytes, *, size: int = 16_384) -> bytes:
    parts = [handshake[at : at + size] for at in range(0, len(handshake), size)]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2) + part for part in parts)


AGREED_1_3 = records(answer(extension(43, b"\x03\x04")))
AGREED_1_2 = records(answer(extension(16, b"\x00\x09\x08http/1.1")))
