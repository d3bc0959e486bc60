"""One case: the promise, what was seen, how sure, what cannot be seen, what became of it; and the letter about it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from rules.agreements.plain import KINDS
from rules.agreements.standing import status_on
from rules.agreements.vocabulary import CLAUSES
from rules.desk.chart import chart_of
from rules.desk.letter import letter_about
from rules.desk.notices import notices
from rules.desk.page import account_of, for_members, office_of, origin_of, render
from rules.desk.story import story_of
from rules.desk.words import ACTS
from rules.evidence import shown
from rules.export.evidence_pack import Origin, evidence_pack
from rules.export.words import LIMITS
from rules.life_cycle import STEPS, standing, verified
from rules.next_steps import next_step
from rules.small_numbers import OFFICER_K
from rules.store.chain import Head
from rules.told import told
from rules.versions import OPEN, UNREADABLE

if TYPE_CHECKING:
    from starlette.requests import Request

    from rules.agreements.model import Agreement
    from rules.desk.chart import Chart
    from rules.desk.letter import Letter
    from rules.desk.story import Event
    from rules.life_cycle import Act

LONGEST_ID: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Everything that is shown of one case. Names in it are untrusted; counts are bands."""

    id: str
    standing: str
    """How it stands (`rules.life_cycle.standing`)."""
    notices: list[str]
    """What should not be missed about a case that was ended, or came back."""
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
    proof: dict[str, Any]
    """What it rests on (`rules.evidence.shown`); empty: nothing was kept."""
    differs: list[str]
    """What is another now than when the case was last judged."""
    story: list[Event]
    next_step: str
    seen: int
    """Number of the last entry of the log that this shows."""

    @property
    def acts(self) -> tuple[Act, ...]:
        """What can be done about it."""
        return STEPS[self.standing]


def sheet(request: Request, case_id: str, *, for_vendor: bool = False) -> Sheet | None:
    """Return what is shown of one case, None: there is no such case.

    Args:
        request: whose it is: the counts are for their role.
        case_id: the case.
        for_vendor: it goes into a letter that leaves the district, whoever asks for it.
    """
    office = office_of(request)
    row = office.store.case(case_id) if len(case_id) <= LONGEST_ID else None
    if row is None:
        return None
    k = OFFICER_K if for_vendor else account_of(request).k
    view = told(json.loads(row.body), k=k)
    agreement = office.papers.agreements.get(view["agreement"] or "")
    entries = [entry for entry in office.store.log(case_id) if entry.entry != UNREADABLE]
    body, until = json.loads(row.body), office.store.judged_until()
    devices, evidence = int(body.get("devices", 0)), json.loads(row.evidence) if row.evidence else None
    last_seen = str(body.get("last_seen") or "")
    is_verified = row.status == "fixed" and verified(row.ending, last_seen=last_seen, until=until)
    stands = standing(row.status, supported=row.state == OPEN, is_verified=is_verified)
    proof = shown(evidence, devices=devices, k=k) if evidence else {}
    return Sheet(
        id=row.id,
        standing=stands,
        notices=notices(row, entries=entries, stands=stands, last_seen=last_seen, until=until),
        view=view,
        agreement=agreement,
        about=office.papers.vendors.get(view["agreement"] or "", str(view["agreement"] or view["subject"])),
        kind=KINDS[agreement.agreement.kind] if agreement else "",
        in_force=status_on(agreement, office.papers.today(office.clock())) if agreement else "",
        clause=CLAUSES.get(view["clause"], ""),
        limits=(str(view["cannot_see"]), *LIMITS),
        chart=chart_of(evidence, devices=devices, k=k),
        proof=proof,
        differs=office.papers.other_than(proof["basis"]) if proof.get("basis") else [],
        story=story_of(entries, with_notes=account_of(request).may("notes")),
        next_step=next_step(view["rule"], stands=stands),
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
        return _unreadable(request, case_id)
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


def _unreadable(request: Request, case_id: str) -> Response:
    """Say of a case that was forgotten when, by whom and why, and nothing else.

    Raises:
        HTTPException: 404: there is no such case.
    """
    gone = office_of(request).store.unreadable([case_id]) if len(case_id) <= LONGEST_ID else []
    if not gone:
        raise HTTPException(404)
    return render(request, "forgotten.html", status=410, gone=gone[0])


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


def pack(request: Request) -> Response:
    """Give the evidence pack of a case: page, data, and the proof of the log. Who took it is written down.

    A link elsewhere cannot fetch it: nothing is sent but to a page of this desk, or to an address that was typed.
    """
    office, case_id = office_of(request), request.path_params["case_id"]
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise HTTPException(403)
    row = office.store.case(case_id) if len(case_id) <= LONGEST_ID else None
    if row is None:
        raise HTTPException(404)
    found = office.store.verify()
    if not isinstance(found, Head):
        # Nothing leaves a store whose log was changed.
        raise HTTPException(409)
    # Others go on writing: what was added since the check is left to the next pack.
    log = [entry for entry in office.store.log() if entry.seq <= found.entries]
    made_at = office.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    octets = evidence_pack(
        [row],
        log=log,
        head=found,
        agreements=office.papers.agreements,
        origin=Origin(district=office.papers.district, made_at=made_at, software=office.version),
        until=office.store.judged_until(),
    )
    office.access_log.note("pack_taken", who=account_of(request).name, origin=origin_of(request))
    name = f"evidence-{case_id[:8]}.zip" if case_id.isalnum() and case_id.isascii() else "evidence.zip"
    disposition = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(octets, media_type="application/zip", headers=disposition)


def _letter(request: Request) -> tuple[Sheet, Letter]:
    found = sheet(request, request.path_params["case_id"], for_vendor=True)
    if found is None:
        raise HTTPException(404)
    papers = office_of(request).papers
    on = papers.today(office_of(request).clock())
    written = letter_about(
        found.id, found.view, agreement=found.agreement, district=papers.district, on=on, proof=found.proof
    )
    return found, written


ROUTES: Final = (
    Route("/cases/{case_id}", for_members()(one), methods=["GET"]),
    Route("/cases/{case_id}/letter", for_members()(letter), methods=["GET"]),
    Route("/cases/{case_id}/letter.txt", for_members()(letter_text), methods=["GET"]),
    # What people wrote stands in it: for those who may read that.
    Route("/cases/{case_id}/evidence.zip", for_members("notes")(pack), methods=["GET"]),
)
