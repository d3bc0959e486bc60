"""Puts the fragments of IP packets together, within bounds. Time comes in as an argument.

Fragments are rare, so this is ordinary Python. No octet is lost here: a packet that stays incomplete comes out
after a while with what there is, so that it can be counted if its first fragment told whose it was.
"""

from __future__ import annotations

MAX_PACKETS = 1_024
"""Packets held incomplete at one time; the oldest goes when another comes."""
MAX_PIECES = 4_096
"""Fragments of one packet: 65,535 octets in pieces of sixteen."""
MAX_OCTETS = 8_388_608
"""Octets held at one time, over all packets: payload, and what its pieces take beside it."""
MAX_PACKET_OCTETS = 65_535
PIECE_OCTETS = 256
"""What keeping a fragment takes beside its payload: fragments may be empty, and are bounded all the same."""
TIMEOUT_NS = 30_000_000_000
"""How long a packet may stay incomplete (Linux ipfrag_time)."""


class Packet:
    """An IP packet that came in fragments.

    Args:
        link: what stands before the IP header when the packet is read again: an Ethernet header, or nothing.
        version: 4 or 6.
        addresses: source and target address.
        protocol: protocol of the payload, as the fragments say.
        vlan: innermost 802.1Q id; -1: none.
        at_ns: time of the first fragment that came.
        ip_octets: octets of all fragments, their IP headers included.
    """

    __slots__ = (
        "addresses",
        "covered",
        "first_ns",
        "fragments",
        "ip_octets",
        "last_ns",
        "link",
        "overlapping",
        "pieces",
        "protocol",
        "size",
        "version",
        "vlan",
    )

    def __init__(
        self, *, link: bytes, version: int, addresses: bytes, protocol: int, vlan: int, at_ns: int, ip_octets: int
    ) -> None:
        self.link = link
        self.version = version
        self.addresses = addresses
        self.protocol = protocol
        self.vlan = vlan
        self.first_ns = at_ns
        self.last_ns = at_ns
        """Time of the last one."""
        self.ip_octets = ip_octets
        self.fragments = 1
        """How many came."""
        self.size = -1
        """Payload octets of the whole packet; -1: the last fragment has not come."""
        self.pieces: dict[int, tuple[int, bytes]] = {}
        """By offset: length on the wire, captured octets."""
        self.covered = 0
        """Sum of the lengths of all pieces."""
        self.overlapping = False
        """Pieces overlap: the packet waits for its time-out, whatever else comes (compare RFC 5722)."""

    def complete(self) -> bool:
        """Return whether no octet is missing (on the wire; fewer may have been captured)."""
        if self.size < 0 or self.overlapping or self.covered < self.size:
            return False
        # Enough octets came; unless some came twice, that is all. Looked into once a packet, so that a flood is cheap.
        self.overlapping = self._reach() < self.size
        return not self.overlapping

    def _reach(self) -> int:
        reach = 0
        for offset in sorted(self.pieces):
            if offset > reach:
                break
            reach = max(reach, offset + self.pieces[offset][0])
        return reach

    def whole(self) -> tuple[bytes, int]:
        """Return one frame that holds the packet as far as it came without a gap, and its length on the wire.

        The length field of its IP header is 0, which readers take as: what the frame carries. So a payload may be
        as long as fragments can make it.
        """
        payload = bytearray()
        for offset in sorted(self.pieces):
            if offset > len(payload):
                break
            payload += self.pieces[offset][1][len(payload) - offset :]
        if self.version == 4:
            head = b"\x45\0\0\0\0\0\0\0\x40" + bytes((self.protocol,)) + b"\0\0" + self.addresses
        else:
            head = b"\x60\0\0\0\0\0" + bytes((self.protocol, 64)) + self.addresses
        wire = len(self.link) + len(head) + max(self._reach(), len(payload))
        return self.link + head + bytes(payload), wire


class Fragments:
    """Packets of which fragments came and others have not yet."""

    def __init__(self) -> None:
        self.dropped = 0
        """Fragments whose payload was not kept because a bound was reached; their octets count all the same."""
        self.given_up = 0
        """Packets that went incomplete: too old, or too many."""
        self._packets: dict[bytes, Packet] = {}  # in the order in which their first fragments came
        self._held = 0

    def add(self, key: bytes, fragment: Packet, *, offset: int, length: int, more: bool, data: bytes) -> list[Packet]:
        """Take one fragment; return the packets that are done with it: whole, or pushed out to make room.

        Args:
            key: what the fragments of one packet have in common.
            fragment: what this one says of the packet, itself counted.
            offset: of its payload in the packet's.
            length: of its payload on the wire.
            more: it is not the last one.
            data: its payload as captured.
        """
        done = []
        packet = self._packets.get(key)
        if packet is None:
            packet = self._packets[key] = fragment
            if len(self._packets) > MAX_PACKETS:
                done.append(self._give_up(next(iter(self._packets))))
        else:
            packet.ip_octets += fragment.ip_octets
            packet.fragments += fragment.fragments
            packet.last_ns = max(packet.last_ns, fragment.last_ns)
            if offset == 0:
                packet.protocol = fragment.protocol  # RFC 8200: only the first fragment's counts
        if len(packet.pieces) >= MAX_PIECES or offset + length > MAX_PACKET_OCTETS:
            self.dropped += 1
        elif offset not in packet.pieces:
            packet.pieces[offset] = (length, data)
            packet.covered += length
            self._held += len(data) + PIECE_OCTETS
        if not more:
            packet.size = offset + length
        if packet.complete():
            done.append(self._take(key))
        while self._held > MAX_OCTETS:
            done.append(self._give_up(next(iter(self._packets))))
        return done

    def expire(self, now_ns: int) -> list[Packet]:
        """Return the packets that have waited too long."""
        done = []
        while self._packets:
            key = next(iter(self._packets))
            if now_ns - self._packets[key].first_ns < TIMEOUT_NS:
                break
            done.append(self._give_up(key))
        return done

    def flush(self) -> list[Packet]:
        """Return all packets that are still incomplete."""
        return [self._give_up(key) for key in list(self._packets)]

    def _give_up(self, key: bytes) -> Packet:
        self.given_up += 1
        return self._take(key)

    def _take(self, key: bytes) -> Packet:
        packet = self._packets.pop(key)
        self._held -= sum(len(data) + PIECE_OCTETS for _, data in packet.pieces.values())
        return packet
