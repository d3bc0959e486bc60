"""What stands where in the record of a flow: words of 64 bits, and the bits of the word of state.

Not compiled: in compiled code the constants of flow_words.pxd stand in for these, so that importers of this module take
them only where they run uncompiled.
"""

from __future__ import annotations

# Words that come in pairs are one direction each: up, then down.
WORDS = 32  # those up to 15 are touched by every packet: two lines of a cache of 64 octets, if records begin with one
# 0 to 3: the address that sorts first, high and low half, then the other; 4: their ports, protocol, and IS_V6
PORTS = 4
LAST = 5  # table time of the last packet, by which a flow is found quiet
TAG = 6  # hash of the key
STATE = 7
OCTETS = 8
PACKETS = 10
PAYLOAD = 12
STARTED = 14
ENDED = 15
BASE = 16  # sequence number of the first payload octet
HIGH = 18  # highest offset of payload shown to the opening
SIDE = 20  # VLAN id + 1 above 48 bits of MAC address; 0: neither
SHOWN = 22  # octets (TCP) or datagrams (UDP, both directions in the first word) shown to the opening
ORDINAL = 24
PART = 25

# Bits of the state; pairs again up, then (twice the bit) down.
CLIENT_IS_LAST = 1  # the client is the end that sorts last
CERTAIN = 2  # a SYN told who the client is
FIN = 4
BASED = 16  # the base is known
FROM_SYN = 64  # ... from a SYN
WANTED = 256  # the opening wants more
SIDED = 1024  # a frame of that direction was seen
UPS = FIN | BASED | FROM_SYN | WANTED | SIDED
PAIRS = UPS * 3
RESET = 4096
CLOSED = 8192
TCP = 16384
OPENED = 32768  # the opening was asked for
UNBOUNDED = 65536  # the opening reads clear text, for as long as the flow lasts

IS_V6 = 1 << 48  # beside the ports: an IPv4 address is not the IPv6 address of the same number
LOW = 0xFFFFFFFF
MAC = 0xFFFFFFFFFFFF
