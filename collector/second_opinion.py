"""What two readers say of one flow, side by side: the facts, where they differ, and why that may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from collector.events import FlowEvent

Value = str | int | bool | tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one reader says of a flow. Names are untrusted: escape them before showing."""

    server_name: str | None
    """Name of the server; None: unknown."""
    name_source: str
    """`tls_sni`, `quic_sni`, `http_host`, `dns` or `none`, as in a flow event."""
    cnames: tuple[str, ...]
    """CNAME chain that the device was given for the name."""
    app: str
    """Application protocol, as in a flow event."""
    tls_version: str | None
    """`1.0` to `1.3`; None: no hello was read."""
    tls_version_offered: bool
    """True: the version is only what the client offered."""
    alpn: str | None
    """First application protocol agreed or offered."""
    ech: bool
    """The ClientHello carries Encrypted Client Hello."""
    flows: int
    """Flows with these two ends, one after the other."""
    packets_up: int
    """Packets from the client."""
    packets_down: int
    """Packets from the server."""
    bytes_up: int
    """Octets from the client, by the length fields of IP."""
    bytes_down: int
    """Octets from the server, by the length fields of IP."""
    started_at: str | None
    """First packet, ISO 8601 UTC with microseconds; None: no packet."""
    ended_at: str | None
    """Last packet, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known of the packets that the second reader was given."""

    given: int
    """Packets of the flow that it was given."""
    left_out: int
    """Packets of the flow that it was not given, for there were too many."""
    fragments: int
    """IP fragments among those given."""
    cut_short: int
    """Packets of which the capture holds only the first octets."""
    answers: int
    """DNS answers about the server's address that it was given."""
    placed: int
    """Packets given that the second reader says belong to this flow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fact, as both tell it."""

    fact: str
    """Name of the field of `Opinion`."""
    schoolgate: Value
    """What Schoolgate says."""
    tshark: Value
    """What tshark says."""
    differs: bool | None
    """Whether they differ; None: not compared, and `why` says why not."""
    why: str = ""
    """One sentence: why they may differ; empty where they agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """All that a reason may rest on."""

    own: Opinion
    other: Opinion
    at: Circumstances


def own_opinion(events: Sequence[FlowEvent]) -> Opinion:
    """Return what Schoolgate's *events* of one pair of ends and one protocol say together; there is at least one."""
    parts = sorted(events, key=lambda event: (event.started_at, event.part))
    named = next((event for event in parts if event.server_name), parts[0])
    hello = next((event for event in parts if event.tls_version and not event.tls_version_offered), None)
    hello = hello or next((event for event in parts if event.tls_version), parts[0])
    return Opinion(
        server_name=named.server_name,
        name_source=named.name_source,
        cnames=named.cnames,
        app=next((event.app for event in parts if event.app != "other"), "other"),
        tls_version=hello.tls_version,
        tls_version_offered=hello.tls_version_offered,
        alpn=next((event.alpn for event in parts if event.alpn), None),
        ech=any(event.ech for event in parts),
        # A long flow reports several times; its first part tells that it is one.
        flows=max(1, sum(event.part == 0 for event in parts)),
        packets_up=sum(event.packets_up for event in parts),
        packets_down=sum(event.packets_down for event in parts),
        bytes_up=sum(event.bytes_up for event in parts),
        bytes_down=sum(event.bytes_down for event in parts),
        started_at=min(event.started_at for event in parts),
        ended_at=max(event.ended_at for event in parts),
    )


def side_by_side(own: Opinion, *, other: Opinion, at: Circumstances) -> list[Row]:
    """Return fact by fact what both say.

    Args:
        own: Schoolgate's opinion.
        other: tshark's.
        at: what tshark was given.
    """
    case = _Case(own=own, other=other, at=at)
    rows = []
    for fact, why in _FACTS.items():
        mine, theirs = getattr(own, fact), getattr(other, fact)
        if fact in _COUNTED and at.left_out:
            reason = f"not compared: tshark was given the first {at.given:,} of {at.given + at.left_out:,} packets"
            rows.append(Row(fact=fact, schoolgate=mine, tshark=theirs, differs=None, why=reason))
        elif mine == theirs:
            rows.append(Row(fact=fact, schoolgate=mine, tshark=theirs, differs=False))
        else:
            rows.append(Row(fact=fact, schoolgate=mine, tshark=theirs, differs=True, why=why(case)))
    return rows


_LOOK = "neither cut packets nor fragments explain it: look at the packets, and report it if Schoolgate is wrong"


def _why_name(case: _Case) -> str:
    theirs = case.other.server_name or ""
    if case.own.server_name is None and (theirs.startswith("[") or theirs.replace(".", "").isdecimal()):
        return "the request names the server by its address, and to Schoolgate an address is no name"
    if case.own.server_name is None:
        return (
            "Schoolgate reads hellos and requests at the start of a flow, and DNS answers that this device was given; "
            + _LOOK
        )
    if case.own.name_source == "dns":
        if case.at.answers:
            return (
                "the DNS answers that tshark was given do not say it; Schoolgate remembers the last answer of this "
                "device for the address as long as its time to live allows"
            )
        return (
            "it comes from a DNS answer of another flow, and none that holds the server's address as plain octets lies "
            "before this flow in the capture under the device's address; Schoolgate remembers more (answers over TCP)"
        )
    return _why_hello(case)


def _why_hello(case: _Case) -> str:
    """Say why a fact of a hello or request may be told by one and not by the other."""
    if case.own.flows > 1 or case.other.flows > 1:
        return "several flows have had these two ends; each reader tells what the first of them said that it could read"
    if case.at.cut_short:
        return (
            f"the capture holds only the first octets of {case.at.cut_short:,} packets; tshark says nothing of a hello "
            "that is cut short, Schoolgate what the rest of it says"
        )
    if case.at.fragments:
        return "the hello lies in IP fragments, and tshark reads none before the last of them has come"
    if "quic" in {case.own.app, case.other.app}:
        return (
            "QUIC hellos are encrypted with keys made of the first packet; versions, a Retry, changed connection ids "
            "and pieces out of order are not all known to every release of tshark"
        )
    if case.other.app not in {"tls", "quic", "http"}:
        return "tshark recognised no TLS, QUIC or HTTP here: it goes by port numbers where it cannot tell by content"
    return "segments that are lost, doubled or out of order keep tshark from putting the hello together"


def _why_source(case: _Case) -> str:
    if case.own.server_name == case.other.server_name:
        return "both know the name, each from another place: a hello comes before a DNS answer in Schoolgate's order"
    return _why_name(case)


def _why_cnames(case: _Case) -> str:
    if not case.at.answers:
        return (
            "Schoolgate heard the chain in an answer that does not lie before this flow in the capture with the "
            "server's address in it, so that tshark was not given it"
        )
    return (
        "the chain is that of the last answer for the name; Schoolgate also remembers chains of answers with other "
        "addresses, and forgets one when its time to live has passed"
    )


def _why_app(case: _Case) -> str:
    if case.own.app in {"doh", "dot"}:
        return "DNS over TLS or HTTPS: tshark shows the encryption, Schoolgate knows the resolver or the port as such"
    if case.own.app == "other":
        return "Schoolgate calls a flow by what its first octets show, tshark also by its port number"
    return _why_hello(case)


def _why_version(case: _Case) -> str:
    if (
        case.own.tls_version_offered != case.other.tls_version_offered
        and case.own.tls_version
        and case.other.tls_version
    ):
        reader = "tshark" if case.own.tls_version_offered else "Schoolgate"
        return f"only {reader} read the ServerHello; the other tells what the client offered"
    return _why_hello(case)


def _why_flows(case: _Case) -> str:
    if case.other.flows == 0:
        return "tshark placed no packet in this flow"
    return (
        "the same two ends were used again: Schoolgate ends a flow when it is closed or has been silent for minutes, "
        "tshark begins a TCP stream at a new SYN and never ends one of UDP"
    )


def _why_count(case: _Case) -> str:
    given = case.at.given
    if case.at.fragments:
        return (
            f"{case.at.fragments:,} of the packets are IP fragments: Schoolgate counts each with the flow, tshark can "
            "place them only once it has put the packet together from all of its fragments"
        )
    if case.at.placed < given:
        return (
            f"tshark placed {case.at.placed:,} of {given:,} packets in this flow; the others it reads as something "
            "else, such as the content of a tunnel"
        )
    if case.own.packets_up + case.own.packets_down != given:
        return "Schoolgate's flow table and its search for packets disagree about what belongs here; " + _LOOK
    if (case.own.packets_up, case.own.packets_down) == (case.other.packets_up, case.other.packets_down):
        return (
            "both count the length fields of IP; a length of 0 (left for the network card to fill in) means the "
            "octets of the frame to Schoolgate, and 0 to tshark"
        )
    return _LOOK


def _why_time(case: _Case) -> str:
    if (case.own.packets_up, case.own.packets_down) != (case.other.packets_up, case.other.packets_down):
        return "they count different packets, so that the first or the last is another one"
    return "the capture's packets are not in order of time"


_FACTS: dict[str, Callable[[_Case], str]] = {
    "server_name": _why_name,
    "name_source": _why_source,
    "cnames": _why_cnames,
    "app": _why_app,
    "tls_version": _why_version,
    "tls_version_offered": _why_version,
    "alpn": _why_hello,
    "ech": _why_hello,
    "flows": _why_flows,
    "packets_up": _why_count,
    "packets_down": _why_count,
    "bytes_up": _why_count,
    "bytes_down": _why_count,
    "started_at": _why_time,
    "ended_at": _why_time,
}
_COUNTED = {"flows", "packets_up", "packets_down", "bytes_up", "bytes_down", "ended_at"}
