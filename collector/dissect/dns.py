"""Reads DNS messages: the question, and those answers that tell which name an address belongs to.

Compiled; the C types stand in dns.pxd. A message has several facts, and calling
a constructor costs more than all fields of one: the functions here do without.
"""

from __future__ import annotations

from collector.dissect.errors import DissectError

MAX_RECORDS = 256
"""Answers read of one message; more come only with zone transfers."""
MAX_HINTS = 32
"""Address hints read of one HTTPS or SVCB record."""
MAX_NAME_OCTETS = 255
"""Longest name on the wire (RFC 1035 section 2.3.4)."""
MAX_POINTERS = 32
"""Compression pointers followed in one name; servers write one, seldom a few, and each costs the reader time."""
MAX_CHAIN = 16
"""Longest CNAME chain that is followed; resolvers give up at about as many."""
MAX_TEXTS = 4_096
"""Names whose text is remembered: a question, its answer and the next device's question spell the same name."""

A = 1
CNAME = 5
AAAA = 28
SVCB = 64
HTTPS = 65

# The same for compiled code, where these are C variables.
_A = A
_CNAME = CNAME
_AAAA = AAAA
_SVCB = SVCB
_HTTPS = HTTPS
_MOST_RECORDS = MAX_RECORDS
_MOST_HINTS = MAX_HINTS
_MOST_CHAIN = MAX_CHAIN
_MOST_POINTERS = MAX_POINTERS
_LONGEST = MAX_NAME_OCTETS - 1  # without the root's octet
_LONGEST_LABEL = 63
_POINTER = 0xC0
_HEADER_OCTETS = 12

_MOST_TEXTS = MAX_TEXTS
_TEXTS: dict[bytes, str] = {}
_NAME_OCTETS = b"abcdefghijklmnopqrstuvwxyz0123456789-._"


class Record:
    """One answer that says where a name leads. Read only."""

    name: str
    """Owner of the record, lower case. Untrusted: escape it."""
    type: int
    """A, CNAME, AAAA, SVCB or HTTPS; others are not kept."""
    ttl_s: int
    """Seconds for which it may be kept."""
    addresses: tuple[bytes, ...]
    """Address of A and AAAA, hints of SVCB and HTTPS; 4 or 16 octets each."""
    target: str | None
    """Where a CNAME leads; None for all others. Untrusted: escape it."""

    def __init__(self, name: str, type: int, ttl_s: int, addresses: tuple[bytes, ...], target: str | None) -> None:  # noqa: A002 -- the protocol's word
        self.name = name
        self.type = type
        self.ttl_s = ttl_s
        self.addresses = addresses
        self.target = target


class Message:
    """One DNS message (RFC 1035 section 4). Read only."""

    id: int
    response: bool
    """True: an answer; False: a question."""
    rcode: int
    """0: no error; 3: no such name."""
    name: str | None
    """Name asked for, lower case, no trailing dot, odd octets as \\ddd. None: no question. Untrusted: escape it."""
    type: int
    """Type asked for; 0 without a question."""
    records: tuple[Record, ...]
    """Answers that say where a name leads, in order."""

    def __init__(self, id: int, flags: int, name: str | None, type: int, records: tuple[Record, ...]) -> None:  # noqa: A002 -- the protocol's words
        self.id = id
        self.response = flags >= 0x8000
        self.rcode = flags & 15
        self.name = name
        self.type = type
        self.records = records


class Resolution:
    """What an answer says about the name that was asked for. Read only; filled in by `resolution`."""

    name: str
    chain: tuple[str, ...]
    """CNAME targets from `name` on, in order."""
    addresses: tuple[bytes, ...]
    ttl_s: int
    """Smallest of the records used, seconds."""


def message(octets: bytes) -> Message:
    """Return what the DNS message in *octets* says; authority and additional sections are not read.

    Raises:
        DissectError: this is no DNS message, or it is cut short.

    Source: RFC 1035 section 4; RFC 3596 (AAAA); RFC 9460 (SVCB, HTTPS).
    """
    cursor = _Cursor(octets)
    try:
        number = cursor.short()
        flags = cursor.short()
        questions = cursor.short()
        answers = cursor.short()
        if flags & 0x7840 or questions > 1:
            # Another opcode, the reserved bit, several questions: legal once, sent by nobody, typical of noise.
            raise DissectError("no ordinary DNS message")
        cursor.at = _HEADER_OCTETS
        name = None
        kind = 0
        if questions:
            name = cursor.name()
            kind = cursor.short()
            cursor.at += 2
        records: tuple[Record, ...] = ()
        if answers and flags >= 0x8000:
            records = _records(cursor, min(answers, _MOST_RECORDS))
        if cursor.at > len(octets):
            raise DissectError("DNS message ends too early")
    except IndexError as cut:
        raise DissectError("DNS message ends too early") from cut
    said: Message = Message.__new__(Message)
    said.id = number
    said.response = flags >= 0x8000
    said.rcode = flags & 15
    said.name = name
    said.type = kind
    said.records = records
    return said


def resolution(answer: Message) -> Resolution | None:
    """Return where the name asked for leads, by the records of *answer*; None: it does not say."""
    name = answer.name
    if name is None or not answer.records:
        return None
    aliases: dict[str, Record] | None = None
    for record in answer.records:
        if record.target is not None:
            if aliases is None:
                aliases = {}
            aliases[record.name] = record
    if aliases is None:
        return _straight(answer, name)
    ttl_s = -1
    owners = [name]
    while aliases and len(owners) <= _MOST_CHAIN:
        alias = aliases.pop(name, None)
        if alias is None:
            break
        name = alias.target or ""
        owners.append(name)
        ttl_s = alias.ttl_s if ttl_s < 0 else min(ttl_s, alias.ttl_s)
    addresses: list[bytes] = []
    for record in answer.records:
        if record.addresses and record.name in owners:
            addresses += record.addresses
            ttl_s = record.ttl_s if ttl_s < 0 else min(ttl_s, record.ttl_s)
    found: Resolution = Resolution.__new__(Resolution)
    found.name = owners[0]
    found.chain = tuple(owners[1:])
    found.addresses = tuple(addresses)
    found.ttl_s = max(ttl_s, 0)
    return found


def _straight(answer: Message, name: str) -> Resolution:
    """Return what an answer without aliases says, as nearly all are."""
    ttl_s = -1
    addresses: tuple[bytes, ...] = ()
    for record in answer.records:
        if record.addresses and (record.name is name or record.name == name):
            addresses = addresses + record.addresses if addresses else record.addresses
            if ttl_s < 0 or record.ttl_s < ttl_s:
                ttl_s = record.ttl_s
    found: Resolution = Resolution.__new__(Resolution)
    found.name = name
    found.chain = ()
    found.addresses = addresses
    found.ttl_s = max(ttl_s, 0)
    return found


class _Cursor:
    """A place in a message. What is read moves it on; reading past the end raises IndexError."""

    __slots__ = ("at", "first", "first_at", "octets")

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0
        # Where the first name starts, and its text: nearly all others in a message point at it.
        self.first_at = -1
        self.first = ""

    def short(self) -> int:
        """Return an unsigned number of two octets."""
        at = self.at
        self.at = at + 2
        return (self.octets[at] << 8) | self.octets[at + 1]

    def seconds(self) -> int:
        """Return an unsigned number of four octets."""
        high = self.short()
        return (high << 16) | self.short()

    def name(self) -> str:
        """Return a name (RFC 1035 section 4.1.4) as text."""
        octets = self.octets
        start = self.at
        at = start
        floor = start
        begin = start
        behind = -1
        total = 0
        pointers = 0
        wire = b""
        while True:
            size = octets[at]
            if size == 0:
                break
            if size >= _POINTER:
                target = ((size & 0x3F) << 8) | octets[at + 1]
                if behind < 0:
                    behind = at + 2
                    if at == start and target == self.first_at:
                        self.at = behind
                        return self.first
                # A pointer leads to an earlier place. Held to that, no chain of them can loop.
                pointers += 1
                if target >= floor or pointers > _MOST_POINTERS:
                    raise DissectError("compression pointer leads forward, or to too many others")
                wire += octets[begin:at]
                at = begin = floor = target
                continue
            total += size + 1
            if size > _LONGEST_LABEL or total > _LONGEST:
                raise DissectError("name too long")
            at += size + 1
        name = _text(wire + octets[begin:at] if wire else octets[begin:at])
        if self.first_at < 0:
            self.first_at = start
            self.first = name
        self.at = at + 1 if behind < 0 else behind
        return name


def _records(cursor: _Cursor, count: int) -> tuple[Record, ...]:
    octets = cursor.octets
    records = []
    for _number in range(count):
        owner = cursor.name()
        kind = cursor.short()
        cursor.at += 2
        ttl_s = cursor.seconds()
        size = cursor.short()
        at = cursor.at
        end = at + size
        if end > len(octets):
            raise DissectError("record runs past the message")
        if (kind == _A and size == 4) or (kind == _AAAA and size == 16):
            records.append(_record(owner, kind, ttl_s, (octets[at:end],), None))
        elif kind == _CNAME:
            records.append(_record(owner, kind, ttl_s, (), cursor.name()))
        elif kind in (_HTTPS, _SVCB):
            records.append(_record(owner, kind, ttl_s, _hints(cursor, end), None))
        cursor.at = end
    return tuple(records)


def _record(name: str, kind: int, ttl_s: int, addresses: tuple[bytes, ...], target: str | None) -> Record:
    record: Record = Record.__new__(Record)
    record.name = name
    record.type = kind
    record.ttl_s = ttl_s
    record.addresses = addresses
    record.target = target
    return record


def _hints(cursor: _Cursor, end: int) -> tuple[bytes, ...]:
    """Return the address hints of a service record (RFC 9460 sections 2.2 and 7.3)."""
    octets = cursor.octets
    cursor.at += 2
    cursor.name()
    hints = []
    while cursor.at + 4 <= end:
        key = cursor.short()
        size = cursor.short()
        at = cursor.at
        step = 4 if key == 4 else 16 if key == 6 else 0
        if step and at + size <= end:
            for number in range(min(size // step, _MOST_HINTS)):
                hints.append(octets[at + number * step : at + number * step + step])  # noqa: PERF401 -- C numbers
        cursor.at = at + size
    return tuple(hints)


def _text(wire: bytes) -> str:
    """Return labels, each behind its length, as text."""
    text = _TEXTS.get(wire)
    if text is None:
        if len(_TEXTS) >= _MOST_TEXTS:
            _TEXTS.clear()
        text = _TEXTS[wire] = _spelled(wire)
    return text


def _spelled(wire: bytes) -> str:
    name = bytearray(wire)
    at = 0
    while at < len(name):
        behind = at + 1 + name[at]
        name[at] = 0x2E
        for place in range(at + 1, behind):
            octet = name[place]
            if 0x41 <= octet <= 0x5A:
                name[place] = octet | 0x20
            elif not 0x61 <= octet <= 0x7A and not 0x30 <= octet <= 0x39 and octet != 0x2D and octet != 0x5F:  # noqa: PLR1714 -- compiled to comparisons
                return _escaped(wire)
        at = behind
    return name[1:].decode("ascii")


def _escaped(wire: bytes) -> str:
    labels = []
    at = 0
    while at < len(wire):
        labels.append(wire[at + 1 : at + 1 + wire[at]])
        at += 1 + wire[at]
    # Master file escapes (RFC 1035 section 5.1): a dot inside a label must not look like one between labels.
    return ".".join(
        "".join(chr(octet) if octet in _NAME_OCTETS and octet != 0x2E else f"\\{octet:03d}" for octet in label.lower())
        for label in labels
    )
