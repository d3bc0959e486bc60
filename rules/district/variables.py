"""What a district's rule may ask about a flow: a closed set of names, each with its type.

No device, no address, no port, and no time finer than the hour is among them: a rule watches vendors, not pupils.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

from collector.events import App, NameSource, TlsVersion
from collector.segments import WEEKDAYS
from rules.agreements.standing import Standing, gate_on, status_on
from rules.agreements.vocabulary import DomainRole, GateStatus, Kind, PurposeCode
from rules.parties import Kind as PartyKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.agreements.model import Agreement
    from rules.checks.base import Sighting

Value = str | int | bool | list[str]
ValueType = Literal["string", "int", "bool", "list(string)"]

# RFC 1035 section 2.3.4: a name has at most 253 characters. Whatever is longer came from no network.
LONGEST_TEXT: Final = 253
# A chain of sixteen aliases is longer than any resolver follows; agreements know fewer purposes.
LONGEST_LIST: Final = 16
# What CEL calls an int has 64 bits.
LARGEST_INT: Final = (1 << 63) - 1

UNKNOWN: Final = ""
"""Value of a text that is not known, or belongs to an agreement or party that there is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One thing that a rule may ask about a flow."""

    type: ValueType
    """Its CEL type."""
    about: str
    """What it is, for people."""
    of: Callable[[Sighting], Value]
    """Takes it out of a sighting."""
    usual: Value
    """Value in an example that does not name it."""
    words: tuple[str, ...] = ()
    """Every value that it may have, besides empty; none: any."""
    fields: tuple[str, ...] = ()
    """Fields of the agreement file, dotted, from which it is taken."""


def _text(
    about: str,
    of: Callable[[Sighting], str | None],
    usual: str,
    words: tuple[str, ...] = (),
    *,
    fields: tuple[str, ...] = (),
) -> Variable:
    return Variable(
        type="string",
        about=about,
        of=lambda seen: (of(seen) or UNKNOWN)[:LONGEST_TEXT],
        usual=usual,
        words=words,
        fields=fields,
    )


def _count(about: str, of: Callable[[Sighting], int], usual: int) -> Variable:
    return Variable(type="int", about=about, of=lambda seen: min(of(seen), LARGEST_INT), usual=usual)


def _yes(about: str, of: Callable[[Sighting], bool | None], *, usual: bool, fields: tuple[str, ...] = ()) -> Variable:
    return Variable(type="bool", about=about, of=lambda seen: bool(of(seen)), usual=usual, fields=fields)


def _texts(
    about: str,
    of: Callable[[Sighting], tuple[str, ...]],
    words: tuple[str, ...] = (),
    *,
    fields: tuple[str, ...] = (),
) -> Variable:
    def values(seen: Sighting) -> list[str]:
        return [text[:LONGEST_TEXT] for text in of(seen)[:LONGEST_LIST]]

    return Variable(type="list(string)", about=about, of=values, usual=[], words=words, fields=fields)


def covering(seen: Sighting) -> Agreement | None:
    """Return the agreement that speaks for the host alone; a host that many vendors share is nobody's."""
    return None if seen.claim is None or seen.claim.domain.shared else seen.claim.agreement


def _of_agreement(ask: Callable[[Agreement, Sighting], str | None]) -> Callable[[Sighting], str | None]:
    def of(seen: Sighting) -> str | None:
        agreement = covering(seen)
        return None if agreement is None else ask(agreement, seen)

    return of


def _purposes(seen: Sighting) -> tuple[str, ...]:
    agreement = covering(seen)
    return () if agreement is None else tuple(purpose.code for purpose in agreement.purposes)


def _for_under_13(seen: Sighting) -> bool:
    agreement = covering(seen)
    return agreement is not None and any(product.under_13 for product in agreement.products)


def _in_school_hours(seen: Sighting) -> bool:
    return seen.hours is not None and seen.hours[0] <= seen.started <= seen.hours[1]


VARIABLES: Final[dict[str, Variable]] = {
    "host": _text("name of the server; empty: unknown or held back", lambda s: s.host, "www.site.example"),
    "domain": _text("registrable domain of `host`", lambda s: s.domain, "site.example"),
    "cnames": _texts("names that `host` leads to by CNAME, in order", lambda s: s.event.cnames),
    "name_source": _text("how the name is known", lambda s: s.event.name_source, "tls_sni", get_args(NameSource)),
    "app": _text("application protocol", lambda s: s.event.app, "tls", tuple(w for w in get_args(App) if w != "dns")),
    "proto": _text("transport", lambda s: s.event.proto, "tcp", ("tcp", "udp")),
    "tls_version": _text("TLS version; empty: no TLS", lambda s: s.event.tls_version, "1.3", get_args(TlsVersion)),
    "tls_version_offered": _yes(
        "`tls_version` is only what the client offered", lambda s: s.event.tls_version_offered, usual=False
    ),
    "alpn": _text("first protocol agreed or offered, such as h2", lambda s: s.event.alpn, "h2"),
    "ech": _yes("the hello carries Encrypted Client Hello", lambda s: s.event.ech, usual=False),
    "bytes_up": _count("octets from the device, of this part of the flow", lambda s: s.event.bytes_up, 2_000),
    "bytes_down": _count("octets to the device, of this part of the flow", lambda s: s.event.bytes_down, 9_000),
    "plaintext_bytes_up": _count(
        "octets that the device sent in clear-text HTTP", lambda s: s.event.plaintext_bytes_up, 0
    ),
    "plaintext_data": _yes(
        "a clear-text request carried a body, a cookie or a query", lambda s: s.event.plaintext_data, usual=False
    ),
    "party.name": _text(
        "who the host belongs to, by the party lists", lambda s: s.party.name if s.party else None, UNKNOWN
    ),
    "party.owner": _text("company that owns it", lambda s: s.party.owner if s.party else None, UNKNOWN),
    "party.kind": _text(
        "its business; empty: in no list", lambda s: s.party.kind if s.party else None, UNKNOWN, get_args(PartyKind)
    ),
    "agreement.id": _text(
        "agreement that covers the host; empty: none",
        _of_agreement(lambda a, _: a.id),
        UNKNOWN,
        fields=("domains.match",),
    ),
    "agreement.vendor": _text(
        "legal name of its vendor",
        _of_agreement(lambda a, _: a.vendor.legal_name),
        UNKNOWN,
        fields=("vendor.legal_name",),
    ),
    "agreement.kind": _text(
        "kind of its terms",
        _of_agreement(lambda a, _: a.agreement.kind),
        UNKNOWN,
        get_args(Kind),
        fields=("agreement.kind",),
    ),
    "agreement.standing": _text(
        "whether it holds on that day",
        _of_agreement(lambda a, s: status_on(a, s.day)),
        UNKNOWN,
        get_args(Standing),
        fields=("agreement.status", "agreement.effective", "agreement.expires"),
    ),
    "agreement.gate": _text(
        "the district's decision on that day",
        _of_agreement(lambda a, s: gate_on(a, s.day)),
        UNKNOWN,
        get_args(GateStatus),
        fields=("use_gate.status",),
    ),
    "agreement.under_13": _yes(
        "it declares a product for children under 13", _for_under_13, usual=False, fields=("products.under_13",)
    ),
    "agreement.purposes": _texts("codes of its purposes", _purposes, get_args(PurposeCode), fields=("purposes",)),
    "role": _text(
        "what the agreement says the host is for",
        _of_agreement(lambda _, s: s.claim.domain.role if s.claim else None),
        UNKNOWN,
        get_args(DomainRole),
        fields=("domains.role",),
    ),
    "shared": _yes(
        "an agreement lists the host as one that many vendors use; `agreement.*` is empty then",
        lambda s: s.claim is not None and s.claim.domain.shared,
        usual=False,
    ),
    "school": _text("id of the school", lambda s: s.event.school, "lincoln-es"),
    "group": _text("group of the segment", lambda s: s.event.group, "k-5"),
    "under_13": _yes("the group is marked under 13 and is not staff", lambda s: s.under_13, usual=False),
    "hour": _count("local hour in which the flow began, 0 to 23", lambda s: s.started.hour, 10),
    "weekday": _text("local day of the week", lambda s: WEEKDAYS[s.day.weekday()], "wed", WEEKDAYS),
    "school_day": _yes("there is school on that day", lambda s: s.hours is not None, usual=True),
    "in_school_hours": _yes("the flow began in the hours of a school day", _in_school_hours, usual=True),
}
"""Every name that a rule may use, in the order of the documentation."""

KEPT_BACK: Final = frozenset(
    {"device", "src_ip", "src_port", "dst_ip", "dst_port", "started_at", "ended_at", "id", "sensor", "day", "minute"}
)
"""Names of an event that no rule may ask for, though somebody may try."""
