"""The list of cases: chosen, searched, sorted, one page after the other; and several of them for the printer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, get_args
from urllib.parse import urlencode

from starlette.responses import RedirectResponse
from starlette.routing import Route

from rules.desk.listing import Choice, Order, SortKey, StateFilter, choose, open_by_severity
from rules.desk.page import for_members, office_of, render
from rules.desk.pages.case import sheet
from rules.desk.words import SEVERITIES
from rules.findings import DISTRICT_PREFIX, RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from rules.desk.listing import Line

LONGEST_SEARCH: Final = 200
LAST_PAGE: Final = 1_000_000
COLUMNS: Final[tuple[tuple[SortKey, str], ...]] = (
    ("severity", "Severity"),
    ("rule", "Case"),
    ("vendor", "Vendor"),
    ("status", "Status"),
    ("seen", "Last seen"),
)
# What a reader wants first: the worst, the newest, the rest by the alphabet.
FIRST_ORDER: Final[dict[SortKey, Order]] = {
    "severity": "asc", "seen": "desc", "vendor": "asc", "rule": "asc", "status": "asc",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One head of the table."""

    words: str
    link: str
    """Sorts by this column; the other way round where it does already."""
    sorted: str
    """`ascending`, `descending` or empty, as `aria-sort` says it."""


def chosen(query: Mapping[str, str]) -> Choice:
    """Return what a query asks for; what it cannot mean is left out."""
    state, severity, rule = query.get("state", ""), query.get("severity", ""), query.get("rule", "")[:LONGEST_SEARCH]
    sort, order, page = query.get("sort", ""), query.get("order", ""), query.get("page", "")
    return Choice(
        state=next((each for each in get_args(StateFilter) if each == state), "open"),
        severity=severity if severity in SEVERITIES else "",
        vendor=query.get("vendor", "")[:LONGEST_SEARCH],
        rule=rule if rule in RULES or rule.startswith(DISTRICT_PREFIX) else "",
        search=query.get("q", "")[:LONGEST_SEARCH],
        sort=next((each for each in get_args(SortKey) if each == sort), "severity"),
        order=next((each for each in get_args(Order) if each == order), FIRST_ORDER.get(sort, "asc")),  # type: ignore[call-overload] # an unknown key is no key
        page=min(int(page), LAST_PAGE) if page.isascii() and page.isdigit() and len(page) < 9 else 1,
    )


def link_to(choice: Choice, *, path: str = "/cases", **changes: Any) -> str:
    """Return the address of *choice* with *changes*; what is as usual is left out of it."""
    wanted = replace(choice, **changes)
    usual = Choice()
    values = {
        "state": wanted.state, "severity": wanted.severity, "vendor": wanted.vendor, "rule": wanted.rule,
        "q": wanted.search, "sort": wanted.sort, "order": wanted.order, "page": str(wanted.page),
    }  # fmt: skip
    plain = {**values, "state": usual.state, "severity": "", "vendor": "", "rule": "", "q": "", "page": "1"}
    plain |= {"sort": usual.sort, "order": FIRST_ORDER[wanted.sort]}
    told = {name: value for name, value in values.items() if value != plain[name]}
    return f"{path}?{urlencode(told)}" if told else path


def home(_request: Request) -> Response:
    """Lead to the list."""
    return RedirectResponse("/cases", status_code=303)


def listed(request: Request) -> Response:
    """Show the list."""
    office, choice = office_of(request), chosen(request.query_params)
    lines, vendors = office.listing.lines(), office.papers.vendors
    found = choose(lines, choice, vendors=vendors)
    choice = replace(choice, page=found.page)
    columns = [
        Column(
            words=name,
            link=link_to(choice, sort=key, order=_next_order(choice, key), page=1),
            sorted={"asc": "ascending", "desc": "descending"}[choice.order] if key == choice.sort else "",
        )
        for key, name in COLUMNS
    ]
    return render(
        request,
        "cases.html",
        choice=choice,
        found=found,
        columns=columns,
        vendors=sorted(vendors.items(), key=lambda item: item[1].lower()),
        names=vendors,
        rules=(*RULES, *_district_rules(lines, chosen_one=choice.rule)),
        counts=open_by_severity(lines),
        total=len(lines),
        before=link_to(choice, page=found.page - 1) if found.page > 1 else None,
        after=link_to(choice, page=found.page + 1) if found.page < found.pages else None,
        to_print=link_to(choice, path="/cases/print"),
        severity_links={severity: link_to(Choice(), severity=severity) for severity in SEVERITIES},
    )


def printed(request: Request) -> Response:
    """Show the cases of one page of the list for the printer, each on a sheet of its own."""
    office, choice = office_of(request), chosen(request.query_params)
    found = choose(office.listing.lines(), choice, vendors=office.papers.vendors)
    sheets = [one for line in found.lines if (one := sheet(request, line.id)) is not None]
    return render(request, "cases_print.html", sheets=sheets, found=found, back=link_to(choice))


def _district_rules(lines: Iterable[Line], *, chosen_one: str) -> list[str]:
    """Return the district's own rules that have cases, and the one that somebody asks for all the same."""
    return sorted({rule for rule in (chosen_one, *(line.rule for line in lines)) if rule.startswith(DISTRICT_PREFIX)})


def _next_order(choice: Choice, key: SortKey) -> Order:
    if key != choice.sort:
        return FIRST_ORDER[key]
    return "desc" if choice.order == "asc" else "asc"


ROUTES: Final = (
    Route("/", for_members()(home), methods=["GET"]),
    Route("/cases", for_members()(listed), methods=["GET"]),
    Route("/cases/print", for_members()(printed), methods=["GET"]),
)
