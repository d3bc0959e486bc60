"""What `schoolgate cases forget` does: destroys the keys of cases, tries to read them, and writes a certificate."""

from __future__ import annotations

import getpass
import json
import sys
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from collector.problems import DocumentError, Problem
from collector.segments import load_network
from rules.export.evidence_pack import Origin
from rules.export.purge import CERTIFICATE, purge_certificate
from rules.store.forgetting import forget
from schoolgate.cases import opened
from schoolgate.configuration import configuration_at
from schoolgate.exports import signing_key, write
from schoolgate.release import VERSION
from schoolgate.shell import EnvironmentFailedError, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rules.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for."""

    cases: tuple[str, ...]
    """Ids, or their first characters."""
    reason: str
    """Why."""
    by: str | None
    """Who; None: who is signed in here."""
    certificate: Path | None
    """New file; None: one in the folder at hand, named by the time."""
    key: Path | None
    """Signing key; None: the certificate is not signed."""


def forget_cases(config: Path, wish: Wish, *, dry_run: bool, agreed: Callable[[str], bool]) -> None:
    """Forget cases, or say what would be forgotten.

    Args:
        config: the configuration file.
        wish: what is asked for.
        dry_run: nothing is done.
        agreed: asks whoever is there; False: nothing is done.

    Raises:
        DocumentError: what is asked for is wrong.
        StoreError: the store cannot be used.
        EnvironmentFailedError: something of it can still be read.
    """
    if not wish.reason.strip():
        raise _wrong("the reason is empty", "say why, in words that may stay: they are not forgotten")
    district = load_network(config.parent / configuration_at(config).network).district
    with opened(config) as store:
        ids = _chosen(store, wish.cases)
        for case_id in ids:
            sys.stdout.write(f"{case_id}\n")
        if dry_run:
            say(f"{len(ids)} cases would be forgotten; nothing was done")
            return
        if not agreed(f"Forget {len(ids)} cases for good? Nobody can read them again"):
            say("nothing was done")
            return
        now = datetime.now(UTC)
        key = None if wish.key is None else signing_key(wish.key)
        out = wish.certificate
        if out is None:
            out = config.parent / f"purge-{now:%Y%m%dT%H%M%S%f}Z.zip"
        if out.exists():
            raise _wrong(f"{out} is there already", "name a file that does not exist yet")
        purge = forget(store, ids, by=wish.by or getpass.getuser(), reason=wish.reason.strip())
    origin = Origin(district=district, made_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"), software=VERSION)
    write(out, purge_certificate(purge, origin=origin, key=key))
    say(f"{len(ids)} cases are forgotten; the certificate is in {out}")
    say("replace the file of keys now: `schoolgate store backup OUT --keys KEYS`; an older one opens older backups")
    if not purge.is_complete:
        raise EnvironmentFailedError(
            "the keys are destroyed, but old pages of the database may hold them still: somebody reads it without end; "
            "end other programs and run `schoolgate store scrub`"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroyed:
    """What a purge certificate says."""

    by: str
    reason: str
    keys: frozenset[str]
    """SHA-256 of the keys that were destroyed."""


def destroyed_keys(certificate: Path) -> Destroyed:
    """Return what a purge certificate says.

    Raises:
        DocumentError: the file is none.
    """
    try:
        with zipfile.ZipFile(certificate) as archive:
            told = json.loads(archive.read(CERTIFICATE))
        keys = frozenset(str(key["sha256"]) for case in told["cases"] for key in case["keys"])
        return Destroyed(by=str(told["by"]), reason=str(told["reason"]), keys=keys)
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
        raise DocumentError(
            [Problem(path=str(certificate), line=1, what="this is no purge certificate",
                     remedy="name a file that `schoolgate cases forget` wrote")]
        ) from error  # fmt: skip


def forget_again(store: Store, gone: Destroyed) -> tuple[str, ...]:
    """Forget the cases whose keys were destroyed before, where older files brought them back; return their ids."""
    back = {key.case_id for key in store.live_keys() if key.fingerprint in gone.keys}
    ids = tuple(sorted(back & store.cases().keys()))
    if ids:
        forget(store, ids, by=gone.by, reason=gone.reason)
    return ids


def _chosen(store: Store, starts: Sequence[str]) -> list[str]:
    known = sorted({*store.cases(), *(gone.id for gone in store.unreadable())})
    ids = []
    for start in starts:
        found = [case_id for case_id in known if case_id.startswith(start)]
        if len(found) != 1:
            what = "no case has" if not found else f"{len(found)} cases have"
            raise _wrong(f"{what} an id that starts with {start}", "look at `schoolgate cases list`")
        ids += found
    return list(dict.fromkeys(ids))


def _wrong(what: str, remedy: str) -> DocumentError:
    return DocumentError([Problem(path="schoolgate cases forget", line=1, what=what, remedy=remedy)])
