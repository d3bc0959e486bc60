"""One case: the promise, what was seen, how sure, what cannot be seen, what became of it; and the letter about it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from rules.agreements.plain import KINDS
from rules.agreements.standing import status_on
from rules.agreements.vocabulary import CLAUSES
from rules.desk.chart import chart_of
from rules.desk.letter import letter_about
from rules.desk.page import account_of, for_members, office_of, render
from rules.desk.story import story_of
from rules.desk.words import ACTS, NEXT, OPEN_TO
from rules.export.words import LIMITS
from rules.next_steps import NEXT_STEPS, OURS
from rules.told import told
from rules.versions import OPEN

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from rules.agreements.model import Agreement
    from rules.desk.chart import Chart
    from rules.desk.letter import Letter
    from rules.desk.story import Event
    from rules.findings import RuleId
    from rules.store.rows import Act, CaseRow

LONGEST_ID: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Everything that is shown of one case. Names in it are untrusted; counts are bands."""

    id: str
    standing: str
    """`withdrawn`, or what people made of it."""
    view: dict[str, Any]
    """What a person is told (`rules.told`)."""
    agreement: Agreement | None
    about: str
    """Products and vendor, or the domain where there is no agreement."""
    kind: str
    """Kind of agreement in words; empty: there is none."""
    in_force: str
    """How the agreement stands today (`rules.desk.words.STANDINGS`); empty: there is none."""
    clause: str
    """What the clause asks for."""
    limits: tuple[str, ...]
    chart: Chart | None
    story: list[Event]
    next_step: str
    seen: int
    """Number of the last entry of the log that this shows."""

    @property
    def acts(self) -> tuple[Act, ...]:
        """What can be done about it."""
        return OPEN_TO[self.standing]


def sheet(request: Request, case_id: str) -> Sheet | None:
    """Return what is shown of one case, None: there is no such case."""
    office = office_of(request)
    row = office.store.case(case_id) if len(case_id) <= LONGEST_ID else None
    if row is None:
        return None
    view = told(json.loads(row.body))
    agreement = office.papers.agreements.get(view["agreement"] or "")
    entries = office.store.log(case_id)
    standing = row.status if row.state == OPEN else "withdrawn"
    return Sheet(
        id=row.id,
        standing=standing,
        view=view,
        agreement=agreement,
        about=office.papers.vendors.get(view["agreement"] or "", str(view["agreement"] or view["subject"])),
        kind=KINDS[agreement.agreement.kind] if agreement else "",
        in_force=status_on(agreement, office.papers.today(office.clock())) if agreement else "",
        clause=CLAUSES.get(view["clause"], ""),
        limits=(str(view["cannot_see"]), *LIMITS),
        chart=_chart(row),
        story=story_of(entries, with_notes=account_of(request).may("notes")),
        next_step=_next_step(view["rule"], standing=standing),
        seen=entries[-1].seq if entries else 0,
    )


def show(
    request: Request, case_id: str, *, status: int = 200, problems: dict[str, str] | None = None,
    typed: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    """Show one case, with what is wrong in a form that was sent, if anything is.

    Raises:
        HTTPException: 404: there is no such case.
    """
    found = sheet(request, case_id)
    if found is None:
        raise HTTPException(404)
    done = request.query_params.get("done", "")
    return render(
        request,
        "case.html",
        status=status,
        sheet=found,
        problems=problems or {},
        typed=typed or {},
        done=ACTS[done][0] if done in ACTS else None,
    )


def one(request: Request) -> Response:
    """Show one case."""
    return show(request, request.path_params["case_id"])


def letter(request: Request) -> Response:
    """Show the letter about a case."""
    found, written = _letter(request)
    return render(request, "letter.html", sheet=found, letter=written)


def letter_text(request: Request) -> Response:
    """Give the letter as a text file."""
    found, written = _letter(request)
    name = f"letter-{found.id[:8]}.txt" if found.id.isalnum() and found.id.isascii() else "letter.txt"
    return PlainTextResponse(written.text, headers={"content-disposition": f'attachment; filename="{name}"'})


def _letter(request: Request) -> tuple[Sheet, Letter]:
    found = sheet(request, request.path_params["case_id"])
    if found is None:
        raise HTTPException(404)
    papers = office_of(request).papers
    on = papers.today(office_of(request).clock())
    return found, letter_about(found.id, found.view, agreement=found.agreement, district=papers.district, on=on)


def _next_step(rule: RuleId, *, standing: str) -> str:
    """Return what to do next: about a case of its rule while it is young and ours, else of its status."""
    return NEXT_STEPS[rule] if rule in OURS and standing in {"new", "acknowledged"} else NEXT[standing]


def _chart(row: CaseRow) -> Chart | None:
    return chart_of(json.loads(row.evidence)) if row.evidence else None


ROUTES: Final = (
    Route("/cases/{case_id}", for_members()(one), methods=["GET"]),
    Route("/cases/{case_id}/letter", for_members()(letter), methods=["GET"]),
    Route("/cases/{case_id}/letter.txt", for_members()(letter_text), methods=["GET"]),
)
