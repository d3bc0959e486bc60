"""What `schoolgate cases export` does: reads the store once, and writes one file."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from collector.problems import DocumentError, Problem
from collector.segments import load_network
from rules.agreements.load import load_agreements
from rules.errors import StoreError
from rules.export.annual import annual_table
from rules.export.archive import archive
from rules.export.blocklist import as_hosts, as_rpz, blocked_names
from rules.export.evidence_pack import Origin, evidence_pack
from rules.export.oversight import fingerprint, oversight_statement
from rules.store.chain import Break, Head
from schoolgate.configuration import configuration_at
from schoolgate.existing_store import existing_store
from schoolgate.release import VERSION
from schoolgate.shell import say

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from rules.agreements.model import Agreement
    from rules.store import CaseRow, LogEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What an export is made of."""

    cases: dict[str, CaseRow]
    """All cases by id."""
    log: list[LogEntry]
    """The case log, checked."""
    head: Head
    """Where it ends."""
    agreements: dict[str, Agreement]
    """The agreements as they are now."""
    origin: Origin
    """Where it comes from, and when."""
    until: date | None
    """Last day on which the network was judged; None: nothing was."""


def held(config: Path) -> Held:
    """Return what the store of *config* holds.

    Raises:
        DocumentError: a file is wrong.
        StoreError: the store cannot be used, or its log was changed: nothing is exported from such a store.
    """
    settings = configuration_at(config)
    network = load_network(config.parent / settings.network)
    agreements = {agreement.id: agreement for agreement in load_agreements(config.parent / settings.agreements)}
    store = existing_store(settings, config=config)
    try:
        found = store.verify()
        if isinstance(found, Break):
            raise StoreError(f"row {found.seq} of the case log: {found.what}; see `schoolgate cases verify`")
        # Others go on writing: what was added since the check is left to the next export.
        log = [entry for entry in store.log() if entry.seq <= found.entries]
        cases, until = store.cases(), store.judged_until()
    finally:
        store.close()
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    origin = Origin(district=network.district, made_at=now, software=VERSION)
    return Held(cases=cases, log=log, head=found, agreements=agreements, origin=origin, until=until)


def evidence(config: Path, *, cases: list[str], out: Path) -> None:
    """Write an evidence pack of the cases whose ids begin as *cases* say; none: of all."""
    what = held(config)
    chosen = list(what.cases.values())
    if cases:
        chosen = [row for row in chosen if row.id.startswith(tuple(cases))]
        for start in cases:
            if not any(row.id.startswith(start) for row in chosen):
                raise _wrong(f"no case has an id that starts with {start}", "look at `schoolgate cases list`")
    pack = evidence_pack(
        chosen, log=what.log, head=what.head, agreements=what.agreements, origin=what.origin, until=what.until
    )
    write(out, pack)
    say(f"{len(chosen)} cases written to {out}; the case log is intact up to entry {what.head.entries}")


def annual(config: Path, *, year: int, out: Path) -> None:
    """Write the public table of *year*."""
    what = held(config)
    write(out, annual_table(what.cases.values(), year=year, agreements=what.agreements, origin=what.origin))
    say(f"the table of {year} is in {out}")


def hosts(config: Path, *, out: Path | None) -> None:
    """Write the host list: *out* ends in .zip: both forms; in .rpz: a zone; else, or None (print): a hosts file."""
    what = held(config)
    names = blocked_names(what.cases.values(), agreements=what.agreements.values())
    made_at = what.origin.made_at
    serial = int(datetime.fromisoformat(made_at).timestamp())
    zone = as_rpz(names, made_at=made_at, serial=serial)
    plain = as_hosts(names, made_at=made_at)
    if out is None:
        sys.stdout.write(plain)
    elif out.suffix == ".zip":
        files = {"schoolgate.hosts": plain.encode(), "schoolgate.rpz": zone.encode()}
        write(out, archive(files, about={"kind": "schoolgate-hosts", "made_at": made_at}))
    else:
        write(out, (zone if out.suffix in {".rpz", ".zone"} else plain).encode())
    say(f"{len(names)} names")


def oversight(config: Path, *, out: Path, key_file: Path) -> None:
    """Write the signed statement for an oversight body; the key is made when there is none."""
    what = held(config)
    key = signing_key(key_file)
    statement = oversight_statement(
        what.cases.values(), head=what.head, agreements=what.agreements, origin=what.origin, key=key
    )
    write(out, statement)
    say(f"signed; give the oversight body this fingerprint in another way: {fingerprint(key.public_key())}")


def signing_key(path: Path) -> Ed25519PrivateKey:
    """Return the Ed25519 key in *path* (PEM, PKCS #8); make it, readable by its owner alone, when there is none.

    Raises:
        DocumentError: the file holds no such key.
    """
    if not path.exists():
        fresh = Ed25519PrivateKey.generate()
        write(path, fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        say(f"a new signing key is in {path}; keep it, and keep it to yourself")
        return fresh
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise _wrong(f"{path} holds no Ed25519 key without a password", "name a file that does not exist yet")
    return key


def write(out: Path, octets: bytes) -> None:
    """Write a new file that its owner alone can read.

    Raises:
        OSError: it is there already, or cannot be written.
    """
    with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(octets)


def _wrong(what: str, remedy: str) -> DocumentError:
    return DocumentError([Problem(path="schoolgate cases export", line=1, what=what, remedy=remedy)])
