"""Agreements from and for other programs: what `schoolgate agreements import` and `export` do."""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Literal

from collector.problems import DocumentError, Problem, shown
from collector.segments import load_network
from rules.agreements.load import agreements_in, folder_texts, load_agreements, overlap, own_names
from rules.exchange import csv_table, new_york, pod_export, soppa, xml_tree
from rules.exchange.csv_table import csv_drafts
from rules.exchange.drafts import Ready, finish
from rules.exchange.pod_import import pod_drafts
from rules.exchange.pod_terms import not_expressed
from rules.exchange.statements import statements
from rules.whole_files import refuse_existing, write_files
from schoolgate.shell import say
from schoolgate.shell import today as local_today

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from rules.agreements.model import Agreement
    from rules.exchange.drafts import Draft

Format = Literal["pod", "csv"]
_LARGEST = max(xml_tree.MAX_OCTETS, csv_table.MAX_OCTETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What is to be imported."""

    files: Sequence[Path]
    """POD (.xml) or CSV files."""
    format: Format | None
    """None: by the ending of each file."""
    states: Sequence[str]
    """KEY=VALUE: what the district states where the sources are silent."""


def import_agreements(sources: Sources, *, to: Path, dry_run: bool, overwrite: bool) -> None:
    """Write one agreement file a vendor into *to*; with any problem in any source, none.

    Raises:
        DocumentError: with every problem of every source, and of what would contradict files that are there.
        OSError: the folder cannot be written.
    """
    problems: list[Problem] = []
    ready = list(_ready(sources, problems=problems))
    paths = {one.agreement.id: to / f"{one.agreement.id}.yaml" for one in ready}
    # What would be replaced contradicts nothing; where nothing may be, that alone is told.
    claims = _Claims(_there(to, replaced=set(paths.values())))
    for one in ready:
        problems += claims.take(one)
    if not overwrite:
        problems += _existing(paths.values())
    if problems:
        raise DocumentError(problems)
    if not dry_run:
        write_files({paths[one.agreement.id]: one.text for one in ready}, overwrite=overwrite)
    for one in ready:
        done = "would write" if dry_run else "written"
        sys.stdout.write(f"{done} {paths[one.agreement.id]} ({one.draft.path}:{one.draft.line})\n")


def _ready(sources: Sources, *, problems: list[Problem]) -> Iterator[Ready]:
    """Yield the agreements that the sources make, and gather what is wrong with the others."""
    stated = statements(sources.states)
    today = datetime.now(UTC).astimezone().date()
    for file in sources.files:
        try:
            drafts = _drafts(file, as_=sources.format)
        except DocumentError as error:
            problems.extend(error.problems)
            continue
        for draft in drafts:
            for note in draft.notes:
                say(f"note: {note}")
            try:
                yield finish(draft, statements=stated, today=today)
            except DocumentError as error:
                problems.extend(error.problems)


def print_template() -> None:
    """Print a CSV file with every column and an example."""
    sys.stdout.write(csv_table.template())


def export_agreements(
    agreements: Path, *, as_: Literal["soppa", "ny", "pod"], network: Path | None, out: Path | None, overwrite: bool
) -> None:
    """Write what an office or another program reads of the agreements in a folder.

    Raises:
        DocumentError: a file is wrong, or *out* is there already.
        OSError: it cannot be written.
    """
    found = load_agreements(agreements)
    where = load_network(network) if network is not None else None
    district = where.district if where is not None else None
    on = local_today(where) if where is not None else datetime.now(UTC).astimezone().date()
    if as_ == "pod":
        _pod(found, district=district, out=out, overwrite=overwrite)
        return
    if out is None:
        raise DocumentError([_problem("--out", f"{as_} writes files", "say where: --out FOLDER")])
    if as_ == "soppa":
        texts = _soppa(found, district=district, on=on, out=out)
    else:
        texts = {out / f"{each.id}.html": new_york.sheet(each, district=district, on=on) for each in found}
    write_files(texts, overwrite=overwrite)
    for path in texts:
        sys.stdout.write(f"written {path}\n")


def _pod(found: Sequence[Agreement], *, district: str | None, out: Path | None, overwrite: bool) -> None:
    text = pod_export.as_pod(found, district=district)
    if out is None:
        sys.stdout.write(text)
    else:
        write_files({out: text}, overwrite=overwrite)
        sys.stdout.write(f"written {out}\n")
    for agreement in found:
        say(f"{agreement.id}: cannot be expressed in POD: {', '.join(not_expressed(agreement)) or 'nothing'}")
        lacking = ", ".join(pod_export.missing(agreement, district=district))
        say(f"{agreement.id}: POD demands what is not stated, add it by hand: {lacking}")


def _soppa(found: Sequence[Agreement], *, district: str | None, on: date, out: Path) -> dict[Path, str]:
    listed, left_out = soppa.listed(found, on=on)
    for line in left_out:
        say(line)
    texts = {
        ".html": soppa.as_html(listed, district=district, on=on),
        ".csv": soppa.as_csv(listed),
    }
    if out.suffix in texts:
        return {out: texts[out.suffix]}
    return {out / f"operators{ending}": text for ending, text in texts.items()}


def _drafts(file: Path, *, as_: Format | None) -> list[Draft]:
    kind = as_ or {".xml": "pod", ".csv": "csv", ".tsv": "csv"}.get(file.suffix.lower())
    if kind is None:
        raise DocumentError([_problem(str(file), "its ending names no format", "say --format pod or --format csv")])
    octets = _octets(file)
    return pod_drafts(octets, path=str(file)) if kind == "pod" else csv_drafts(octets, path=str(file))


def _octets(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(_LARGEST + 1)
    except FileNotFoundError:
        raise DocumentError([_problem(str(file), "there is no such file", "check the name and the folder")]) from None
    except (OSError, ValueError) as error:
        what = f"the file cannot be read ({error})"
        raise DocumentError([_problem(str(file), what, "check the path and the disk")]) from None


def _there(to: Path, *, replaced: set[Path]) -> tuple[Agreement, ...]:
    """Return the agreements of the folder beside those that would be *replaced*."""
    if not to.is_dir() or not any(entry.suffix in {".yaml", ".yml"} for entry in to.iterdir()):
        return ()
    texts, problems = folder_texts(to)
    return agreements_in(
        {path: text for path, text in texts.items() if path not in map(str, replaced)}, problems=problems
    )


class _Claims:
    """Which ids and names are taken, and by which file."""

    def __init__(self, there: Iterable[Agreement]) -> None:
        self._ids: dict[str, str] = {}
        self._names: defaultdict[str, list[tuple[Agreement, str]]] = defaultdict(list)
        for agreement in there:
            self._enter(agreement, where=agreement.origin.path if agreement.origin else agreement.id)

    def take(self, one: Ready) -> Iterator[Problem]:
        """Yield what contradicts *one* so far, and enter it."""
        draft, agreement = one.draft, one.agreement
        where = self._ids.get(agreement.id)
        if where is not None:
            what = f"{draft.place} makes the id {shown(agreement.id)}, which is already that of {where}"
            remedy = "give each its own id (CSV: the column `id`), or say --overwrite for a file of that name"
            yield _problem(draft.path, what, remedy, line=draft.line)
        said = draft.says.get(("domains",))
        for _row, name in own_names(agreement):
            for other, holder in self._names[name]:
                if overlap(agreement, other) and other.id != agreement.id:
                    what = f"{shown(name)} is also claimed by {holder} for the same time"
                    remedy = "keep it in one of them, or let the periods not overlap"
                    yield _problem(draft.path, what, remedy, line=said.line if said else draft.line)
        self._enter(agreement, where=f"{draft.path}:{draft.line}")

    def _enter(self, agreement: Agreement, *, where: str) -> None:
        self._ids.setdefault(agreement.id, where)
        for _row, name in own_names(agreement):
            self._names[name].append((agreement, where))


def _existing(paths: Iterable[Path]) -> tuple[Problem, ...]:
    try:
        refuse_existing(paths)
    except DocumentError as error:
        return error.problems
    return ()


def _problem(path: str, what: str, remedy: str, *, line: int = 1) -> Problem:
    return Problem(path=path, line=line, what=what, remedy=remedy)
