"""Reads DNS messages: the question, and those answers that tell which name an address belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as StructError  # noqa: N812 -- struct calls its error `error`, which says nothing here

from collector.dissect.errors import DissectError

MAX_RECORDS = 256
"""Answers read of one message; more come only with zone transfers."""
MAX_HINTS = 32
"""Address hints read of one HTTPS or SVCB record."""
MAX_NAME_OCTETS = 255
"""Longest name on the wire (RFC 1035 section 2.3.4)."""
MAX_CHAIN = 16
"""Longest CNAME chain that is followed; resolvers give up at about as many."""

A = 1
CNAME = 5
AAAA = 28
SVCB = 64
HTTPS = 65

_HEADER_OCTETS = 12
_POINTER = 0xC0
_HINT_SIZES = {4: 4, 6: 16}
_HEADER = Struct(">HHHH")
_RECORD = Struct(">HHIH")
_TWO_SHORTS = Struct(">HH")
_NAME_OCTETS = b"abcdefghijklmnopqrstuvwxyz0123456789-._"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One answer that says where a name leads."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One DNS message (RFC 1035 section 4)."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What an answer says about the name that was asked for."""

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
    try:
        number, flags, questions, answers = _HEADER.unpack_from(octets)
        if flags & 0x7840 or questions > 1:
            # Another opcode, the reserved bit, several questions: legal once, sent by nobody, typical of noise.
            raise DissectError("no ordinary DNS message")
        known: dict[int, str] = {}
        at = _HEADER_OCTETS
        name: str | None = None
        kind = 0
        if questions:
            name, at = _name(octets, at, known)
            kind, _ = _TWO_SHORTS.unpack_from(octets, at)
            at += 4
        response = flags >= 0x8000
        return Message(
            id=number,
            response=response,
            rcode=flags & 15,
            name=name,
            type=kind,
            records=_records(octets, at, answers, known) if response and answers else (),
        )
    except (IndexError, StructError) as cut:
        raise DissectError("DNS message ends too early") from cut


def _records(octets: bytes, at: int, count: int, known: dict[int, str]) -> tuple[Record, ...]:
    records = []
    for _ in range(min(count, MAX_RECORDS)):
        owner, at = _name(octets, at, known)
        kind, _, ttl_s, size = _RECORD.unpack_from(octets, at)
        at += 10
        end = at + size
        if end > len(octets):
            raise DissectError("record runs past the message")
        if (kind == A and size == 4) or (kind == AAAA and size == 16):
            records.append(Record(name=owner, type=kind, ttl_s=ttl_s, addresses=(octets[at:end],), target=None))
        elif kind == CNAME:
            target, _ = _name(octets, at, known)
            records.append(Record(name=owner, type=kind, ttl_s=ttl_s, addresses=(), target=target))
        elif kind in {HTTPS, SVCB}:
            hints = _hints(octets, at, end, known)
            records.append(Record(name=owner, type=kind, ttl_s=ttl_s, addresses=hints, target=None))
        at = end
    return tuple(records)


def _hints(octets: bytes, at: int, end: int, known: dict[int, str]) -> tuple[bytes, ...]:
    """Return the address hints of a service record (RFC 9460 sections 2.2 and 7.3)."""
    _, at = _name(octets, at + 2, known)
    hints: list[bytes] = []
    while at + 4 <= end:
        key, size = _TWO_SHORTS.unpack_from(octets, at)
        at += 4
        step = _HINT_SIZES.get(key)
        if step is not None and at + size <= end:
            stop = at + min(size - size % step, step * MAX_HINTS)
            hints.extend(octets[start : start + step] for start in range(at, stop, step))
        at += size
    return tuple(hints)


def _name(octets: bytes, at: int, known: dict[int, str]) -> tuple[str, int]:
    """Return the name at *at* and the offset behind it.

    Args:
        octets: the whole message.
        at: where the name starts.
        known: names by the offset at which they start; names in one message mostly point at each other.
    """
    start = at
    labels: list[bytes] = []
    behind = -1
    total = 0
    floor = at
    while size := octets[at]:
        if size >= _POINTER:
            target = ((size & 0x3F) << 8) | octets[at + 1]
            if behind < 0:
                behind = at + 2
                if not labels and target in known:
                    return known[target], behind
            # A pointer leads to an earlier place (RFC 1035 section 4.1.4). Held to that, no chain of them can loop.
            if target >= floor:
                raise DissectError("compression pointer leads forward")
            at = floor = target
            continue
        total += size + 1
        if size > 63 or total > MAX_NAME_OCTETS - 1:
            raise DissectError("name too long")
        at += 1
        label = octets[at : at + size]
        if len(label) < size:
            raise DissectError("name cut short")
        labels.append(label)
        at += size
    name = _text(labels)
    known[start] = name
    return name, at + 1 if behind < 0 else behind


def _text(labels: list[bytes]) -> str:
    name = b".".join(labels).lower()
    if not name.translate(None, _NAME_OCTETS) and name.count(b".") == max(len(labels) - 1, 0):
        return name.decode("ascii")
    # Master file escapes (RFC 1035 section 5.1): a dot inside a label must not look like one between labels.
    return ".".join(
        "".join(chr(octet) if octet in _NAME_OCTETS and octet != 0x2E else f"\\{octet:03d}" for octet in label.lower())
        for label in labels
    )


def resolution(answer: Message) -> Resolution | None:
    """Return where the name asked for leads, by the records of *answer*; None: it does not say."""
    if answer.name is None or not answer.records:
        return None
    aliases = {record.name: record for record in answer.records if record.target is not None}
    chain: list[str] = []
    ttls: list[int] = []
    name = answer.name
    while (alias := aliases.pop(name, None)) is not None and len(chain) < MAX_CHAIN:
        name = alias.target or ""
        chain.append(name)
        ttls.append(alias.ttl_s)
    owners = {answer.name, *chain}
    addresses: list[bytes] = []
    for record in answer.records:
        if record.addresses and record.name in owners:
            addresses.extend(record.addresses)
            ttls.append(record.ttl_s)
    return Resolution(name=answer.name, chain=tuple(chain), addresses=tuple(addresses), ttl_s=min(ttls) if ttls else 0)
