"""What `schoolgate cases forget` does: destroys the keys of cases, tries to read them, and writes a certificate.

The certificate is begun before anything is destroyed. Of cases that are forgotten already it is written again.
"""

from __future__ import annotations

import getpass
import json
import sys
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from collector.problems import DocumentError, Problem
from collector.segments import load_network
from rules.export.evidence_pack import Origin
from rules.export.purge import CERTIFICATE
from rules.store.elsewhere import Attempt, Elsewhere
from rules.store.forgetting import destroyed_before, forget, try_to_read
from schoolgate.cases import opened
from schoolgate.configuration import configuration_at
from schoolgate.exports import signing_key
from schoolgate.forgotten_in_topics import tried_in_topics
from schoolgate.purge_file import PurgeFile
from schoolgate.release import VERSION
from schoolgate.shell import EnvironmentFailedError, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from rules.store import Store
    from rules.store.forgetting import Gone, Purge
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
    """Forget cases, or say what would be forgotten; of such as are forgotten already, write the certificate again.

    Args:
        config: the configuration file.
        wish: what is asked for.
        dry_run: nothing is done.
        agreed: asks whoever is there; False: nothing is done.

    Raises:
        DocumentError: what is asked for is wrong.
        StoreError: the store cannot be used.
        EnvironmentFailedError: no certificate can be written, or something of it can still be read.
    """
    if not wish.reason.strip():
        raise _wrong("the reason is empty", "say why, in words that may stay: they are not forgotten")
    settings = configuration_at(config)
    district = load_network(config.parent / settings.network).district
    with opened(config) as store:
        ids = _chosen(store, wish.cases)
        gone = _gone(store, ids)
        for case_id in ids:
            sys.stdout.write(f"{case_id}\n")
        if dry_run:
            what = "are forgotten already; their certificate would be written again" if gone else "would be forgotten"
            say(f"{len(ids)} cases {what}; nothing was done")
            return
        if gone is None and not agreed(f"Forget {len(ids)} cases for good? Nobody can read them again"):
            say("nothing was done")
            return
        file = _file(wish, config=config, district=district)
        by = wish.by or getpass.getuser()
        with _refused(file):
            if gone is None:
                gone = file.destroy(store, ids, by=by, reason=wish.reason.strip())
            else:
                say(f"{len(ids)} cases are forgotten since {gone.purge.at} already; the certificate is written again")
                file.begin(gone.purge)
        try:
            purge = try_to_read(store, gone)
            elsewhere = _tried_elsewhere(purge, settings=settings, config=config, store=store, wish=wish)
            file.complete(purge, elsewhere=elsewhere)
        except BaseException:
            say(
                f"{len(ids)} cases are forgotten; the certificate in {file.out} names them and their keys, and is not "
                "complete: the same again, with another --certificate, writes a whole one"
            )
            raise
    say(f"{len(ids)} cases are forgotten; the certificate is in {file.out}")
    _tell(purge, elsewhere=elsewhere)


def _tell(purge: Purge, *, elsewhere: Sequence[Elsewhere]) -> None:
    """Say what it came to, and what is to be done now."""
    for place in elsewhere:
        say(f"{place.place}: {_outcome(place)}")
    if any(not fingerprint for case in purge.cases for _owner, _number, fingerprint in case.keys):
        say("an earlier release forgot them and kept no hash of their keys: `store restore --purged` cannot use it")
    say("replace the file of keys now: `schoolgate store backup OUT --keys KEYS`; an older one opens older backups")
    if not purge.is_complete:
        raise EnvironmentFailedError(NOT_SCRUBBED)
    if any(place.opened for place in elsewhere):
        raise EnvironmentFailedError("the cases can still be read in a place that was tried; see above what to replace")


def _gone(store: Store, ids: Sequence[str]) -> Gone | None:
    """Return what is known of cases that are forgotten already, None: none of them is."""
    acts = destroyed_before(store, ids)
    if not acts:
        return None
    if len(acts) == 1 and len(acts[0].purge.cases) == len(ids):
        return acts[0]
    at = "; ".join(f"{act.purge.at}: {', '.join(case.case_id for case in act.purge.cases)}" for act in acts)
    raise _wrong(
        f"some were forgotten already ({at})",
        "leave them out, or name those of one moment alone: their certificate is written again",
    )


def _file(wish: Wish, *, config: Path, district: str) -> PurgeFile:
    now = datetime.now(UTC)
    out = wish.certificate
    if out is None:
        out = config.parent / f"purge-{now:%Y%m%dT%H%M%S%f}Z.zip"
    if out.exists():
        raise _wrong(f"{out} is there already", "name a file that does not exist yet")
    origin = Origin(district=district, made_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"), software=VERSION)
    return PurgeFile(out, origin=origin, key=None if wish.key is None else signing_key(wish.key))


@contextmanager
def _refused(file: PurgeFile) -> Iterator[None]:
    """Say what to do where no certificate can be begun."""
    try:
        yield
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise EnvironmentFailedError(
            f"{file.out} takes no certificate ({why}), and without one nothing is forgotten; name a file in another "
            "place with --certificate"
        ) from error


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
        keys = frozenset(str(key["sha256"]) for case in told["cases"] for key in case["keys"] if key["sha256"])
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
