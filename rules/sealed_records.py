"""What tells of cases on its way through topics: sealed with the key of the case, in an envelope that says which.

In the clear stands what is needed to work: the case, for its key; the day of a finding, for what is forgotten with a
day; version and state of a case. A finding is sealed once, and the same octets go to stage two and into both states.
"""

from __future__ import annotations

import json
from datetime import date  # noqa: TC003 -- whoever decodes resolves the annotations
from typing import TYPE_CHECKING, Final

import msgspec

from rules.case_keys import case_of
from rules.closed_findings import is_closed
from rules.edges import Edge
from rules.findings import Finding
from rules.versions import CaseVersion

if TYPE_CHECKING:
    from rules.key_ring import KeyRing

SEALED_VERSION: Final = 2


class SealedFinding(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One finding, sealed."""

    v: int
    """2."""
    case: str
    """Id of the case that it belongs to: with its key it is opened."""
    day: date
    """Local date of the finding."""
    sealed: bytes
    """The finding as JSON, sealed (AES-256-GCM): 1, number of the key (4 octets), nonce (12), text and tag."""
    closed: bool = False
    """It is what is left of a day that is over, and of no device; only in the state of stage two."""


class SealedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a case, sealed, as topic `schoolgate.cases` carries it."""

    v: int
    """2."""
    id: str
    """Id of the case: with its key it is opened."""
    version: int
    """1, 2, ...: grows with every change."""
    state: str
    """`open`, `withdrawn`, or `forgotten`: then nothing is sealed in it."""
    sealed: bytes
    """`body` and `evidence` (`CaseVersion`) as JSON, sealed as a finding is; empty: the case was forgotten."""


class SealedEdge(msgspec.Struct, frozen=True, kw_only=True):
    """One edge, sealed."""

    about: str
    """Product and party, hashed: several cases may rest on it, and its key goes with the last of them."""
    sealed: bytes
    """The edge as JSON, sealed as a finding is."""


_findings = msgspec.json.Decoder(Finding)
_edges = msgspec.json.Decoder(Edge)
_versions = msgspec.json.Decoder(CaseVersion)
_lists = msgspec.json.Decoder(list[msgspec.Raw])
_sealed_findings = msgspec.json.Decoder(SealedFinding)
_sealed_versions = msgspec.json.Decoder(SealedVersion)
_sealed_edges = msgspec.json.Decoder(SealedEdge)
_encoder = msgspec.json.Encoder()
# As `_encoder` writes a record; nobody else may write where these are read.
_HEAD: Final = b'{"v":%d,' % SEALED_VERSION
_ABOUT: Final = b'{"about":'


def is_sealed(octets: bytes) -> bool:
    """Return whether a record is sealed. Those of releases before are not, and are read all the same."""
    return octets.startswith(_HEAD)


def seal_finding(finding: Finding, *, case_id: str, keys: KeyRing) -> bytes:
    """Return the record of a finding."""
    sealed = keys.seal(case_id, _encoder.encode(finding), kind="finding")
    told = SealedFinding(v=SEALED_VERSION, case=case_id, day=finding.day, sealed=sealed, closed=is_closed(finding))
    return _encoder.encode(told)


def says_closed(octets: bytes) -> bool:
    """Return whether a sealed finding says of itself that its day is over; releases before never did."""
    return _sealed_findings.decode(octets).closed


def open_finding(octets: bytes, *, keys: KeyRing) -> tuple[str, Finding | None]:
    """Return the case and the finding in a record, None: its case was forgotten.

    Raises:
        msgspec.DecodeError: it is none.
    """
    if not is_sealed(octets):
        plain = _findings.decode(octets)
        return case_of(plain), plain
    told = _sealed_findings.decode(octets)
    opened = keys.open(told.case, told.sealed, kind="finding")
    return told.case, None if opened is None else _findings.decode(opened)


def seal_version(row: CaseVersion, *, keys: KeyRing) -> bytes:
    """Return the record of a version of a case."""
    sealed = b""
    if row.body:
        told = json.dumps({"body": row.body, "evidence": row.evidence}).encode()
        sealed = keys.seal(row.id, told, kind="version")
    return _encoder.encode(
        SealedVersion(v=SEALED_VERSION, id=row.id, version=row.version, state=row.state, sealed=sealed)
    )


def open_version(octets: bytes, *, keys: KeyRing) -> CaseVersion:
    """Return the version of a case in a record; `body` is empty where the case was forgotten.

    Raises:
        msgspec.DecodeError: it is none.
    """
    if not is_sealed(octets):
        return _versions.decode(octets)
    told = _sealed_versions.decode(octets)
    opened = keys.open(told.id, told.sealed, kind="version") if told.sealed else None
    kept = json.loads(opened) if opened is not None else {"body": "", "evidence": ""}
    return CaseVersion(id=told.id, version=told.version, state=told.state, **kept)


def seal_edge(octets: bytes, *, about: str, keys: KeyRing) -> bytes:
    """Return one edge of a record, sealed."""
    return _encoder.encode(SealedEdge(about=about, sealed=keys.seal(about, octets, kind="edge")))


def holds_plain(octets: bytes) -> bool:
    """Return whether a record of edges is not sealed."""
    return octets.startswith(b"[{") and not octets.startswith(b"[" + _ABOUT)


def open_edges(octets: bytes, *, keys: KeyRing) -> tuple[Edge, ...]:
    """Return the edges of a record that can be read.

    Raises:
        msgspec.DecodeError: it is none.
    """
    found: list[bytes | msgspec.Raw | None] = []
    for each in _lists.decode(octets):
        if bytes(each).startswith(_ABOUT):
            sealed = _sealed_edges.decode(each)
            found.append(keys.open(sealed.about, sealed.sealed, kind="edge"))
        else:
            found.append(each)
    return tuple(_edges.decode(edge) for edge in found if edge is not None)
