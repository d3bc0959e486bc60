"""Vendors: what each agreement meets and leaves out, in words that a parent can read, and the cases about it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.routing import Route

from rules.agreements.explain import explain
from rules.agreements.gaps import clause_states, gap_rows
from rules.agreements.standing import gate_on, status_on
from rules.desk.listing import PER_PAGE, Choice, choose, open_by_agreement
from rules.desk.page import for_members, office_of, render
from rules.desk.pages.cases import link_to

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from rules.agreements.model import Agreement

LONG_LIST: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One agreement in the list."""

    agreement: Agreement
    products: str
    standing: str
    gate: str
    open_cases: int
    states: Counter[str]
    """Clause state -> number of clauses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the plain-language agreement."""

    title: str
    sentences: str
    """Running text; may be empty."""
    points: tuple[str, ...]


def vendors(request: Request) -> Response:
    """Show all vendors."""
    office = office_of(request)
    on = office.papers.today(office.clock())
    cases = open_by_agreement(office.listing.lines())
    rows = [
        Row(
            agreement=agreement,
            products=", ".join(product.name for product in agreement.products),
            standing=status_on(agreement, on),
            gate=gate_on(agreement, on) or "",
            open_cases=cases[agreement.id],
            states=Counter(state.state for state in clause_states(agreement, on=on).values()),
        )
        for agreement in office.papers.agreements.values()
    ]
    rows.sort(key=lambda row: (-row.open_cases, row.products.lower()))
    return render(request, "vendors.html", rows=rows, without=cases[""], without_link=link_to(Choice(), vendor="-"))


def vendor(request: Request) -> Response:
    """Show one vendor."""
    office = office_of(request)
    agreement = office.papers.agreements.get(request.path_params["agreement"])
    if agreement is None:
        raise HTTPException(404)
    on = office.papers.today(office.clock())
    names = office.papers.vendors
    choice = Choice(vendor=agreement.id)
    return render(
        request,
        "vendor.html",
        agreement=agreement,
        products=", ".join(product.name for product in agreement.products),
        standing=status_on(agreement, on),
        gate=gate_on(agreement, on) or "",
        on=on,
        gaps=gap_rows(agreement, on=on),
        parts=plain_parts(explain(agreement)),
        found=choose(office.listing.lines(), choice, vendors=names),
        per_page=PER_PAGE,
        all_cases=link_to(choice, state="all"),
    )


def plain_parts(page: str) -> list[Part]:
    """Return the parts of an explained agreement (`rules.agreements.explain`), without its first line."""
    parts: list[tuple[str, list[str], list[str]]] = []
    for line in page.splitlines():
        if line.startswith("## "):
            parts.append((line.removeprefix("## "), [], []))
        elif not parts or not line.strip():
            continue
        elif line.startswith("- "):
            parts[-1][2].append(line.removeprefix("- "))
        elif line.startswith("  ") and parts[-1][2]:
            parts[-1][2][-1] += f" {line.strip()}"
        else:
            parts[-1][1].append(line)
    return [_part(title, " ".join(said), points) for title, said, points in parts]


def _part(title: str, sentences: str, points: list[str]) -> Part:
    listed, _, rest = sentences.partition(". ")
    if listed.count("; ") >= LONG_LIST:
        # What stands in one breath there, to fit on a page, reads better in lines here.
        return Part(title=title, sentences=rest, points=(*listed.split("; "), *points))
    return Part(title=title, sentences=sentences, points=tuple(points))


ROUTES: Final = (
    Route("/vendors", for_members()(vendors), methods=["GET"]),
    Route("/vendors/{agreement}", for_members()(vendor), methods=["GET"]),
)
