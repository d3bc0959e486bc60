"""What the privacy officer does about a case; each act is an entry of the case log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse
from starlette.routing import Route

from rules.desk.page import account_of, for_members, form_of, office_of
from rules.desk.pages.case import sheet, show
from rules.errors import StepRefusedError
from rules.life_cycle import CODES, OUTCOMES, REASONS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from rules.desk.pages.case import Sheet

LONGEST_TEXT: Final = 4000
CODE_FIELDS: Final = {"closed": "outcome", "disputed": "reason"}
"""Act that carries a reason code -> field of the form that has it."""


def act(request: Request) -> Response:
    """Write down what is done about a case."""
    office, sent, case_id = office_of(request), form_of(request), request.path_params["case_id"]
    found = sheet(request, case_id)
    if found is None:
        raise HTTPException(404)
    if sent.get("seen") != str(found.seen):
        problem = "The case changed while you had it open. Look at it again, then decide."
        return show(request, case_id, status=409, problems={"act": problem}, typed=sent)
    problems = _problems(sent, found=found)
    if problems:
        return show(request, case_id, status=422, problems=problems, typed=sent)
    wanted = next(each for each in found.acts if each == sent["act"])
    text = "\n".join(line.rstrip() for line in sent.get("text", "").strip().splitlines())
    reason = sent.get(CODE_FIELDS[wanted]) if wanted in CODES else None
    try:
        office.store.act(case_id, act=wanted, by=account_of(request).name, text=text, reason=reason)
    except StepRefusedError as error:
        # Somebody else acted between our look and our hand.
        return show(request, case_id, status=409, problems={"act": f"{error}."}, typed=sent)
    return RedirectResponse(f"/cases/{case_id}?done={wanted}", status_code=303)


def _problems(sent: dict[str, str], *, found: Sheet) -> dict[str, str]:
    """Return what is wrong with the form: field -> what to do."""
    wanted, text = sent.get("act", ""), sent.get("text", "").strip()
    if wanted not in found.acts:
        return {"act": "Choose what you do about the case."}
    problems = {}
    if wanted == "closed" and sent.get("outcome") not in OUTCOMES:
        problems["outcome"] = "Choose how it ended."
    if wanted == "disputed" and sent.get("reason") not in REASONS:
        problems["reason"] = "Choose why you think that this is wrong."
    if wanted == "breach" and not text:
        problems["text"] = "Write to whom it was handed over, or the number that it has there."
    if wanted == "noted" and not text:
        problems["text"] = "Write the note."
    if len(text) > LONGEST_TEXT:
        problems["text"] = f"Shorten the text to {LONGEST_TEXT:,} characters."
    return problems


ROUTES: Final = (Route("/cases/{case_id}/act", for_members("act")(act), methods=["POST"]),)
