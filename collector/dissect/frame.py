"""One frame under the knife: a cursor over its octets, and what its headers have said so far.

The layers of a frame are read by functions that take a Frame, move its cursor and return what comes next, named by its
EtherType (IEEE 802 numbers; a value up to 1,500 is a length, and IEEE 802.2 LLC follows). What has no EtherType of its
own is named 0x10000 + its LINKTYPE_ number. -1 means that the frame's `reason` says why nobody reads on.
"""

from __future__ import annotations


class Frame:
    """Cursor and findings of the frame being read; one object serves all frames.

    Positions count octets of the buffer. `end` is where the captured octets of the present layer end, `wire_end` where
    the layer ended on the wire: the two differ when the capture's snap length was shorter than the packet.
    """

    def __init__(self) -> None:
        self.octets = memoryview(b"")
        self.at = 0
        self.end = 0
        self.wire_end = 0
        self.reason = ""
        """Why the frame was refused."""
        self.layers = 0
        """Network layers and encapsulations entered so far: a bound against endless nesting."""
        self.vlan = -1
        """Innermost 802.1Q id; -1: none."""
        self.mac_at = -1
        """Where the source MAC address lies; -1: not Ethernet, or a tunnel."""
        self.tunnel_at = -1
        """Where the UDP header lies that was taken for a tunnel's; -1: none was."""
        self.plain_at = -1
        """The UDP header here is no tunnel's: trying showed it."""
        self.version = 0
        """4 or 6: the innermost IP header."""
        self.ip_at = 0
        self.ip_octets = 0
        """Octets of the innermost IP packet, from its length field."""
        self.source_high = 0
        self.source_low = 0
        self.target_high = 0
        self.target_low = 0
        self.protocol = 0
        self.source_port = 0
        self.target_port = 0
        self.flags = 0
        """TCP flags."""
        self.sequence = 0
        """TCP sequence number of the first payload octet, or of the SYN."""
        self.payload_at = 0
        self.payload_end = 0
        """Where the captured part of the TCP or UDP payload ends."""
        self.payload_octets = 0
        """Length of the TCP or UDP payload on the wire."""
        self.fragment_id = 0
        self.fragment_offset = 0
        self.fragment_more = False

    def load(self, octets: memoryview) -> None:
        """Take *octets* (contiguous, unsigned) as the buffer that positions speak of."""
        self.octets = octets

    def begin(self, at: int, end: int, wire: int) -> None:
        """Start on the frame in octets *at* to *end* that had *wire* octets on the wire."""
        self.at = at
        self.end = end
        self.wire_end = at + wire
        self.layers = 0
        self.vlan = -1
        self.mac_at = -1
        self.tunnel_at = -1

    def refuse(self, reason: str) -> int:
        """Note why the frame is not read on."""
        self.reason = reason
        return -1

    def has(self, octets: int) -> bool:
        """Return whether that many octets of this layer were captured."""
        return self.end - self.at >= octets

    def u8(self, ahead: int) -> int:
        """Return the octet that lies *ahead* of the cursor; the caller has asked `has`."""
        return self.octets[self.at + ahead]

    def be16(self, ahead: int) -> int:
        """Return the number in two octets, network order; the caller has asked `has`."""
        at = self.at + ahead
        return (self.octets[at] << 8) | self.octets[at + 1]

    def enter_tunnel(self) -> None:
        """Note that link addresses from here on are not the sender's own."""
        self.mac_at = -1
