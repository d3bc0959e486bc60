"""Reads a folder of agreement files, and says everything that is wrong in all of them at once."""

from __future__ import annotations

from collections import defaultdict
from hashlib import sha256
from itertools import combinations
from typing import TYPE_CHECKING

from collector.documents import Document, DocumentError, Fault, folder_files, read, recall_document
from collector.hosts import normal_name
from collector.problems import shown
from rules.agreements.model import Agreement, Origin
from rules.agreements.standing import period

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from collector.problems import Problem


def load_agreements(folder: str | Path) -> tuple[Agreement, ...]:
    """Return the agreements of every `*.yaml` and `*.yml` file in *folder*, sorted by file name.

    Hidden files and folders inside are left alone.

    Raises:
        DocumentError: with every problem of every file, and of files that contradict each other.
    """
    texts, problems = folder_texts(folder)
    return agreements_in(texts, problems=problems)


def folder_texts(folder: str | Path) -> tuple[dict[str, str], list[Problem]]:
    """Return path -> text of every agreement file in *folder*, sorted by file name, and what cannot be read.

    Raises:
        DocumentError: the folder is absent, unreadable, or holds no such file.
    """
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for path in folder_files(folder, endings=(".yaml", ".yml"), what="agreement file"):
        try:
            texts[str(path)] = read(path)
        except DocumentError as error:
            problems.extend(error.problems)
    return texts, problems


def agreements_in(texts: Mapping[str, str], *, problems: Iterable[Problem] = ()) -> tuple[Agreement, ...]:
    """Return the agreements that *texts* (path -> text) describe, in their order.

    Args:
        texts: what the files say.
        problems: what is wrong already, to be told together with the rest.

    Raises:
        DocumentError: with every problem of every text, and of texts that contradict each other.
    """
    documents: list[Document[Agreement]] = []
    told = list(problems)
    for path, text in texts.items():
        try:
            documents.append(_document(text, path=path))
        except DocumentError as error:
            told.extend(error.problems)
    told.extend(_contradictions(documents))
    if told:
        raise DocumentError(told)
    return tuple(document.value for document in documents)


def load_agreement(path: str | Path) -> Agreement:
    """Return the agreement in one file.

    Raises:
        DocumentError: the file cannot be read or is wrong; with every problem.
    """
    return parse_agreement(read(path), path=str(path))


def parse_agreement(text: str, *, path: str) -> Agreement:
    """Return the agreement that *text* describes; *path* only names it in messages.

    Raises:
        DocumentError: with every problem of the file.
    """
    return _document(text, path=path).value


def _document(text: str, *, path: str) -> Document[Agreement]:
    document = recall_document(text, path=path, model=Agreement)
    lines = {
        domain.match: document.line_of("domains", place, "match") for place, domain in enumerate(document.value.domains)
    }
    origin = Origin(path=path, sha256=sha256(text.encode("utf-8", "surrogatepass")).hexdigest(), lines=lines)
    return Document(path=path, value=document.value.read_from(origin), top=document.top)


def _contradictions(documents: Iterable[Document[Agreement]]) -> Iterator[Problem]:
    """Yield what is wrong between files: an id used twice, a name claimed twice for one time."""
    by_id: dict[str, Document[Agreement]] = {}
    claims: defaultdict[str, list[tuple[Document[Agreement], int]]] = defaultdict(list)
    for document in documents:
        agreement = document.value
        first = by_id.setdefault(agreement.id, document)
        if first is not document:
            what = f"the id {shown(agreement.id)} is already used in {first.path}:{first.line_of('id')}"
            yield document.problem(Fault(at=("id",), what=what, remedy="give each agreement its own id"))
        for place, name in own_names(agreement):
            claims[name].append((document, place))
    for name, claimants in claims.items():
        for (one, there), (other, here) in combinations(claimants, 2):
            if one is not other and overlap(one.value, other.value):
                where = f"{one.path}:{one.line_of('domains', there, 'match')}"
                what = f"{shown(name)} is also claimed in {where} for the same time"
                yield other.problem(
                    Fault(
                        at=("domains", here, "match"),
                        what=what,
                        remedy="keep it in one file, or let the periods (`effective`, `expires`) not overlap",
                    )
                )


def own_names(agreement: Agreement) -> Iterator[tuple[int, str]]:
    """Yield the names that *agreement* claims for itself alone, each with the place of its row in `domains`.

    A draft is not in force and so takes no name from the agreement that it may replace one day. A shared host belongs
    to nobody alone.
    """
    if agreement.agreement.status != "draft":
        for place, domain in enumerate(agreement.domains):
            if not domain.shared:
                yield place, normal_name(domain.match)


def overlap(one: Agreement, other: Agreement) -> bool:
    """Return whether there is a day for which both agreements speak, so that they may not claim the same name."""
    if _never_held(one) or _never_held(other):
        return False
    (one_first, one_last), (other_first, other_last) = period(one), period(other)
    return one_first <= other_last and other_first <= one_last


def _never_held(agreement: Agreement) -> bool:
    """A terminated agreement without a date is in force on no day (contract, agreement file)."""
    return agreement.agreement.status == "terminated" and agreement.agreement.terminated_on is None
