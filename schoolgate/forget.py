"""What `schoolgate cases forget` does: destroys the keys of cases, tries to read them, and writes a certificate."""

from __future__ import annotations

import getpass
import json
import sys
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from collector.problems import DocumentError, Problem
from collector.segments import load_network
from rules.export.evidence_pack import Origin
from rules.export.purge import CERTIFICATE, purge_certificate
from rules.store.elsewhere import Attempt, Elsewhere
from rules.store.forgetting import forget
from schoolgate.cases import opened
from schoolgate.configuration import configuration_at
from schoolgate.exports import signing_key, write
from schoolgate.forgotten_in_topics import tried_in_topics
from schoolgate.release import VERSION
from schoolgate.shell import EnvironmentFailedError, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rules.store import Store
    from rules.store.forgetting import Purge
    from schoolgate.configuration import Configuration

NOT_SCRUBBED: Final = (
    "the keys are destroyed, but old pages of the database may hold them still: somebody reads it without end; end "
    "other programs and run `schoolgate store scrub`"
)


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
    backups: tuple[Path, ...] = ()
    """Files that `store backup` wrote, in which it is tried to read them."""
    keys: Path | None = None
    """File of keys that `store backup --keys` wrote; None: it is not looked at."""


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
    settings = configuration_at(config)
    district = load_network(config.parent / settings.network).district
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
        elsewhere = _tried_elsewhere(purge, settings=settings, config=config, store=store, wish=wish)
    origin = Origin(district=district, made_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"), software=VERSION)
    write(out, purge_certificate(purge, origin=origin, elsewhere=elsewhere, key=key))
    say(f"{len(ids)} cases are forgotten; the certificate is in {out}")
    for place in elsewhere:
        say(f"{place.place}: {_outcome(place)}")
    say("replace the file of keys now: `schoolgate store backup OUT --keys KEYS`; an older one opens older backups")
    if not purge.is_complete:
        raise EnvironmentFailedError(NOT_SCRUBBED)
    if any(place.opened for place in elsewhere):
        raise EnvironmentFailedError("the cases can still be read in a place that was tried; see above what to replace")


def _tried_elsewhere(
    purge: Purge, *, settings: Configuration, config: Path, store: Store, wish: Wish
) -> list[Elsewhere]:  # fmt: skip
    left = store.live_keys()
    found = [tried_in_topics(settings, config=config, attempt=Attempt(purge, keys=left))]
    found += [Attempt(purge, keys=left).backup(path) for path in wish.backups]
    if not wish.backups:
        found.append(Elsewhere.untried("Backups", why="none was named with --backup"))
    if wish.keys is None:
        found.append(Elsewhere.untried("File of keys", why="none was named with --keys"))
    else:
        found.append(Attempt(purge, keys=left).file_of_keys(wish.keys))
    return found


def _outcome(place: Elsewhere) -> str:
    return place.what if place.pieces is None else f"{place.opened:,} of {place.pieces:,} can be read; {place.what}"


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
