"""What a product did in a lab: which third parties its pages contacted, read from `evidence/*.yaml` beside agreements.

Labelled evidence: in the lab nothing else is open, so what a page contacts, the product caused. It says nothing about
pages that nobody opened there; that is why few page loads without a party say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field, StringConstraints

from collector.documents import Document, DocumentError, folder_files, parse_document, read
from collector.fields import Day, Host, Listed, Maybe, Record
from collector.hosts import normal_name, registrable_domain
from collector.problems import Fault, Problem, shown
from rules.agreements.model import AgreementId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date


EVIDENCE: Final = "evidence"
"""Name of the folder of lab evidence inside a folder of agreements."""
SCHEMA: Final = "schoolgate/evidence/1"

# A party that every tenth page load contacts is missed by 20 independent ones with a chance of 0.9^20 = 12 %; one that
# every fifth contacts, with 1 %. Fewer page loads would call a party absent that the product merely shows seldom.
REFUTING_PAGES: Final = 20

Says = Literal["confirms", "refutes", "silent"]


class EvidenceParty(Record):
    """A third party that pages of the product contacted."""

    domain: Host = Field(examples=["adco.example"])
    """Its registrable domain."""
    pages: int = Field(ge=1, examples=[7])
    """Page loads of the product in which it was contacted."""
    first_after_ms: Maybe[Annotated[int, Field(ge=0)]] = Field(default=None, examples=[420])
    """Milliseconds from the start of the page load to the first contact, the smallest of all page loads."""


class EvidenceReferral(Record):
    """Another site to which the product redirected the browser."""

    domain: Host = Field(examples=["video.example"])
    """Its registrable domain."""
    pages: int = Field(ge=1, examples=[2])
    """How often."""


class EvidenceFile(Record):
    """What one product did in a lab, version 1."""

    called = "evidence"

    schema_: Literal["schoolgate/evidence/1"] = Field(alias="schema", examples=[SCHEMA])
    """Kind and version of this file."""
    agreement: AgreementId = Field(examples=["mathtrek"])
    """The agreement whose product was opened."""
    recorded: Day = Field(examples=["2026-09-01"])
    """Day of the last page load."""
    har: Listed[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]] = Field(examples=[["0" * 64]])
    """SHA-256 of each recording, hexadecimal: what the counts can be checked against."""
    pages: int = Field(ge=0, examples=[24])
    """Page loads of the product in all recordings."""
    parties: Listed[EvidenceParty] = Field(examples=[[{"domain": "adco.example", "pages": 7}]])
    """Third parties that were contacted."""
    referrals: Listed[EvidenceReferral] = Field(examples=[[{"domain": "video.example", "pages": 2}]])
    """Sites to which the product redirected."""

    def faults(self) -> Iterator[Fault]:
        """No domain twice, and no party in more page loads than there were."""
        yield from _twice("parties", [row.domain for row in self.parties])
        yield from _twice("referrals", [row.domain for row in self.referrals])
        for place, row in enumerate(self.parties):
            if row.pages > self.pages:
                what = f"{shown(row.domain)} has {row.pages} page loads, and there were {self.pages} in all"
                yield Fault(at=("parties", place, "pages"), what=what, remedy="record again with `--write`")


def _twice(key: str, domains: list[str]) -> Iterator[Fault]:
    known: set[str] = set()
    for place, domain in enumerate(domains):
        if normal_name(domain) in known:
            what = f"the domain {shown(domain)} is listed twice in `{key}`"
            yield Fault(at=(key, place, "domain"), what=what, remedy="keep one of the two")
        known.add(normal_name(domain))


@dataclass(frozen=True, slots=True, kw_only=True)
class LabEvidence:
    """What is known about one product from a lab."""

    agreement: str
    """Id of the agreement whose product was opened."""
    recorded: date
    """Day of the last page load."""
    pages: int
    """Page loads of the product."""
    parties: Mapping[str, EvidenceParty]
    """Third parties that were contacted, by registrable domain."""
    referrals: Mapping[str, EvidenceReferral]
    """Sites to which the product redirected, by registrable domain."""
    path: str
    """The file that says so."""
    version: str
    """SHA-256 of that file's text, hexadecimal: what a verdict names as the evidence it used."""

    def says(self, domain: str) -> Says:
        """Return what the lab says about the product contacting *domain* (any name; its registrable domain counts).

        `confirms`: at least one page load of the product contacted it. `refutes`: at least REFUTING_PAGES page loads
        and none did. `silent`: too few page loads to tell, or the product redirected there, which the pages of the
        product do not show and `referrals` does.
        """
        name = registrable_domain(domain)
        if name in self.parties:
            return "confirms"
        return "refutes" if self.pages >= REFUTING_PAGES and name not in self.referrals else "silent"


def load_lab_evidence(folder: str | Path) -> Mapping[str, LabEvidence]:
    """Return agreement id -> evidence of every `*.yaml` and `*.yml` file in *folder*; none where there is no folder.

    Raises:
        DocumentError: with every problem of every file.
    """
    try:
        paths = folder_files(folder, endings=(".yaml", ".yml"), what="evidence file")
    except DocumentError:
        # No evidence is the normal case; only a folder that is there and cannot be read is a fault.
        if not _holds_something(Path(folder)):
            return MappingProxyType({})
        raise
    found: dict[str, LabEvidence] = {}
    problems: list[Problem] = []
    for path in paths:
        try:
            document, evidence = _evidence(read(path), path=str(path))
        except DocumentError as error:
            problems.extend(error.problems)
            continue
        first = found.setdefault(evidence.agreement, evidence)
        if first is not evidence:
            what = f"the agreement {shown(evidence.agreement)} already has evidence in {first.path}"
            problems.append(document.problem(Fault(at=("agreement",), what=what, remedy="keep one of the two files")))
    if problems:
        raise DocumentError(problems)
    return MappingProxyType(found)


def evidence_in(text: str, *, path: str) -> LabEvidence:
    """Return what one evidence file says; *path* names it in messages.

    Raises:
        DocumentError: with every problem of the file.
    """
    return _evidence(text, path=path)[1]


def strays(lab: Mapping[str, LabEvidence], *, agreements: Iterable[str]) -> tuple[Problem, ...]:
    """Return a warning for each evidence file that speaks of none of *agreements* (their ids)."""
    known = set(agreements)
    return tuple(
        Problem(
            path=evidence.path,
            line=1,
            what=f"evidence about {shown(evidence.agreement)}, which no agreement file has as its id",
            remedy="correct `agreement`, or remove the file",
        )
        for name, evidence in sorted(lab.items())
        if name not in known
    )


def told_once(problems: Iterable[Problem], *, agreements: Path) -> list[Problem]:
    """Return *problems* without that of the folder of evidence where the folder *agreements* around it has one.

    A folder that cannot be entered is one fault, whatever was to be read in it.
    """
    problems = list(problems)
    if all(problem.path != str(agreements) for problem in problems):
        return problems
    return [problem for problem in problems if problem.path != str(agreements / EVIDENCE)]


def _evidence(text: str, *, path: str) -> tuple[Document[EvidenceFile], LabEvidence]:
    document = parse_document(text, path=path, model=EvidenceFile)
    said = document.value
    return document, LabEvidence(
        agreement=said.agreement,
        recorded=said.recorded,
        pages=said.pages,
        parties=MappingProxyType({normal_name(row.domain): row for row in said.parties}),
        referrals=MappingProxyType({normal_name(row.domain): row for row in said.referrals}),
        path=path,
        version=sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
    )


def _holds_something(folder: Path) -> bool:
    """Tell whether *folder* may hold evidence: it exists and is unreadable, no folder, or has such files."""
    try:
        return any(entry.suffix in {".yaml", ".yml"} and not entry.name.startswith(".") for entry in folder.iterdir())
    except FileNotFoundError:
        return False
    except OSError:
        return True
