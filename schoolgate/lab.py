"""Recordings of a lab to evidence: what `schoolgate agreements evidence` does. One recording is in memory at a time."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from collector.problems import DocumentError, Problem, shown
from rules.agreements.load import load_agreements
from rules.exchange.har import MAX_OCTETS, requests_in
from rules.exchange.lab_report import as_data, as_evidence, as_text, party_rows
from rules.exchange.page_loads import count
from rules.lab_evidence import EVIDENCE, evidence_in
from rules.parties import load_parties
from rules.whole_files import write_files
from schoolgate.shell import say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rules.agreements.model import Agreement
    from rules.exchange.har import Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """What the user asked for."""

    recordings: Sequence[Path]
    """HAR files."""
    agreement: str
    """Id of the agreement whose product was opened."""
    agreements: Path
    """Folder of agreement files."""
    parties: Sequence[Path]
    """The district's own party files."""


def evidence(lab: Lab, *, write: bool, overwrite: bool, as_json: bool) -> None:
    """Do what `schoolgate agreements evidence` does.

    Raises:
        DocumentError: a file is wrong, the agreement is not there, or there is evidence already.
        OSError: the evidence cannot be written.
    """
    agreement = _agreement(lab)
    parties = load_parties(lab.parties)
    recordings: dict[str, Recording] = {}
    problems: list[Problem] = []
    for path in lab.recordings:
        try:
            octets = _octets(path)
            digest = sha256(octets).hexdigest()
            if digest in recordings:
                say(f"{path}: the same recording as one before; it counts once")
                continue
            recordings[digest] = requests_in(octets, path=str(path))
        except DocumentError as error:
            problems.extend(error.problems)
    if problems:
        raise DocumentError(problems)
    counts = count(recordings.values(), agreement=agreement)
    rows = party_rows(counts, agreement=agreement, parties=parties)
    if as_json:
        data = as_data(counts, rows, agreement=agreement, har=sorted(recordings))
        sys.stdout.write(json.dumps(data, indent=1) + "\n")
    else:
        sys.stdout.write(as_text(counts, rows, agreement=agreement) + "\n")
    if write:
        if counts.recorded is None:
            names = ", ".join(domain.match for domain in agreement.domains)
            what = f"no page of {shown(agreement.id)} was loaded, so there is no evidence"
            raise _wrong(lab.recordings[0], what, f"open a page of one of its own hosts: {names}")
        path = lab.agreements / EVIDENCE / f"{agreement.id}.yaml"
        text = as_evidence(counts, agreement=agreement, har=sorted(recordings))
        evidence_in(text, path=str(path))
        write_files({path: text}, overwrite=overwrite)
        say(f"{path} written")


def _agreement(lab: Lab) -> Agreement:
    found = load_agreements(lab.agreements)
    for agreement in found:
        if agreement.id == lab.agreement:
            return agreement
    known = ", ".join(agreement.id for agreement in found[:20])
    raise _wrong(lab.agreements, f"no agreement has the id {shown(lab.agreement)}", f"write one of {known}")


def _octets(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_OCTETS + 1)
    except FileNotFoundError:
        raise _wrong(path, "there is no such file", "check the name and the folder") from None
    except IsADirectoryError:
        raise _wrong(path, "this is a folder", "name the recordings in it") from None
    except (OSError, ValueError) as error:
        raise _wrong(path, f"the file cannot be read ({error})", "check the path and the disk") from None


def _wrong(path: Path, what: str, remedy: str) -> DocumentError:
    return DocumentError([Problem(path=str(path), line=1, what=what, remedy=remedy)])
