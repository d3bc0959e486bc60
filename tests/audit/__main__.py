"""Audits the dependencies: `make audit`, and part of `make check`. Quick, and without any network by itself.

    python -m tests.audit [--advisories FOLDER|ask]

Checked each time: every line of every lock is a version with hashes, what is installed is what is locked, nothing that
our own dated list refuses, licences. Advisories are asked where a folder of OSV records is named (ADVISORIES), or with
the word `ask`, which lets pip-audit ask; otherwise it is said that nobody was asked.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from tests.audit.advisories import ASK, AdvisoryError, from_pip_audit, from_records
from tests.audit.installed import SHIPPED_LICENCES, TEST_LICENCES, differences, installed, licence, may_be_used
from tests.audit.locks import Locked, read_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parents[2]
LOCKS: Final = ROOT / "requirements"
LIST: Final = LOCKS / "withdrawn.yaml"
# Nobody has looked for half a year: the list says less than it seems to.
STALE_DAYS: Final = 183


def audited(folder: Path, *, today: date) -> tuple[list[str], list[str], dict[str, Locked]]:
    """Return what is wrong, what is only to be known, and everything that is locked in *folder*."""
    locks = {path.stem: read_lock(path) for path in sorted(folder.glob("*.txt"))}
    faults = [fault for _, told in locks.values() for fault in told]
    everything = {name: each for found, _ in locks.values() for name, each in found.items()}
    words: dict[str, Any] = YAML(typ="safe").load((folder / LIST.name).read_text(encoding="utf-8"))
    notes = []
    if (age := (today - words["looked_over"]).days) > STALE_DAYS:
        notes.append(f"{LIST.name} was last looked over {age} days ago; look it over, and set `looked_over`")
    faults += refused(words, locks={name: found for name, (found, _) in locks.items()})
    here = installed()
    faults += differences(locks["dev"][0], here)
    for name in sorted(set(locks["dev"][0]) & set(here)):
        shipped = name in locks["runtime"][0]
        told = licence(here[name])
        if told is None or not may_be_used(told, allowed=SHIPPED_LICENCES if shipped else TEST_LICENCES):
            where = "shipped" if shipped else "used for tests"
            faults.append(f"{name} is {told or 'of no licence that it names'}, which may not be {where}")
    return faults, notes, everything


def refused(words: Mapping[str, Any], *, locks: Mapping[str, Mapping[str, Locked]]) -> Iterator[str]:
    """Yield what is locked and should not be, by our own list."""
    for lock, found in locks.items():
        for row in words["refused"]:
            each = found.get(canonicalize_name(row["name"]))
            if each is not None and SpecifierSet(row["versions"]).contains(each.version, prereleases=True):
                yield f"{lock}.txt: {each.name} {each.version} is refused since {row['since']}: {row['why']}"
        for row in words["abandoned"]:
            if row["name"] in found and row["taken"] is None:
                yield f"{lock}.txt: nobody looks after {row['name']} since {row['since']}; do without it"


def main(arguments: Sequence[str]) -> int:
    """Print what is wrong, and return 1 where something is."""
    parser = argparse.ArgumentParser(prog="tests.audit", description=__doc__)
    parser.add_argument("--advisories", default=os.environ.get("ADVISORIES", ""), help="folder of OSV records, or: ask")
    asked = parser.parse_args(arguments).advisories
    faults, notes, everything = audited(LOCKS, today=datetime.now(UTC).date())
    try:
        if asked == ASK:
            from_pip_audit(LOCKS / "runtime.txt")
        elif asked:
            faults += from_records(Path(asked), locked=everything)
    except AdvisoryError as error:
        faults.append(str(error))
    for line in faults:
        sys.stdout.write(f"audit: {line}\n")
    for line in notes:
        sys.stdout.write(f"audit, to be known: {line}\n")
    sys.stdout.write(
        f"audit: {len(everything)} packages locked by hash, {len(faults)} faults; advisories "
        + (f"asked: {asked}\n" if asked else "were NOT asked (make audit ADVISORIES=ask, or a folder of OSV records)\n")
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
