"""Signing in and out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from rules.desk.access_log import UNKNOWN
from rules.desk.accounts import LOCAL_OFFICER
from rules.desk.csrf import token_fits
from rules.desk.page import cookie_of, for_members, form_of, office_of, origin_of, render, session_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from rules.desk.accounts import Account

HOME: Final = "/cases"
LONGEST_NAME: Final = 64


def form(request: Request) -> Response:
    """Show the sign-in page."""
    office, session = office_of(request), session_of(request)
    if office.account_of(session) is not None:
        return RedirectResponse(HOME, status_code=303)
    return _form(request, next_page=_safe_next(request.query_params.get("next", "")))


def sign_in(request: Request) -> Response:
    """Sign somebody in who gives the right name and password."""
    office, sent, session = office_of(request), form_of(request), session_of(request)
    next_page = _safe_next(sent.get("next", ""))
    if not token_fits(sent, session=session):
        problem = "This page was open for too long. Please sign in now."
        return _form(request, next_page=next_page, problem=problem, status=403)
    if office.accounts is None:
        raise HTTPException(403)
    name = sent.get("name", "").strip().lower()[:LONGEST_NAME]
    origin = origin_of(request)
    wait_s = max(office.by_origin.take(origin), office.by_account.take(name))
    if wait_s:
        minutes = math.ceil(wait_s / 60)
        problem = f"There were too many attempts. Try again in {minutes} minute{'s' if minutes > 1 else ''}."
        response = _form(request, next_page=next_page, name=name, problem=problem, status=429)
        response.headers["retry-after"] = str(math.ceil(wait_s))
        return response
    account = office.accounts.verify(name, password=sent.get("password", ""))
    if account is None:
        known = office.accounts.account(name) is not None
        office.access_log.note("sign_in_failed", who=name if known else UNKNOWN, origin=origin)
        return _form(request, next_page=next_page, name=name, problem="Name or password is wrong.", status=403)
    office.by_account.forgive(name)
    office.by_origin.give_back(origin)
    return _let_in(request, account, to=next_page)


def enter(request: Request) -> Response:
    """Sign in whoever has the one-time address."""
    office = office_of(request)
    if office.by_origin.take(origin_of(request)):
        raise HTTPException(429)
    if office.invitation is None or not office.invitation.take(request.path_params["word"]):
        problem = "This sign-in address was used before, or is not complete."
        return _form(request, next_page=HOME, problem=problem, status=403)
    return _let_in(request, LOCAL_OFFICER, to=HOME)


def sign_out(request: Request) -> Response:
    """End the session."""
    office = office_of(request)
    office.access_log.note("signed_out", who=request.state.account.name, origin=origin_of(request))
    office.sessions.end(cookie_of(request))
    response = RedirectResponse("/sign-in", status_code=303)
    _set_cookie(request, response, "", ends=True)
    return response


def _let_in(request: Request, account: Account, *, to: str) -> Response:
    office = office_of(request)
    office.access_log.note("signed_in", who=account.name, origin=origin_of(request))
    cookie, _ = office.sessions.sign_in(account.name, stamp=account.stamp, instead_of=cookie_of(request))
    response = RedirectResponse(to, status_code=303)
    _set_cookie(request, response, cookie, ends=False)
    return response


def _form(
    request: Request, *, next_page: str, name: str = "", problem: str | None = None, status: int = 200
) -> Response:
    office, session, cookie = office_of(request), session_of(request), None
    if session is None or session.name is not None:
        cookie, session = office.sessions.visit()
    request.state.session = session
    values = {"next_page": next_page, "name": name, "problem": problem, "by_invitation": office.accounts is None}
    response = render(request, "sign_in.html", status=status, **values)
    if cookie is not None:
        _set_cookie(request, response, cookie, ends=False)
    return response


def _set_cookie(request: Request, response: Response, value: str, *, ends: bool) -> None:
    address = office_of(request).address
    # Lax and not Strict: a link in a mail leads to the case, and not to the sign-in page.
    response.set_cookie(
        address.cookie, value, max_age=0 if ends else None, path="/", secure=address.secure, httponly=True,
        samesite="lax",
    )  # fmt: skip


def _safe_next(wanted: str) -> str:
    """Return where to go after signing in: a page of this desk, whatever was asked for."""
    # Browsers take a backslash for a slash and leave out characters that nobody sees.
    if not wanted.startswith("/") or wanted.startswith("//") or "\\" in wanted or not wanted.isprintable():
        return HOME
    return wanted


ROUTES: Final = (
    Route("/sign-in", form, methods=["GET"]),
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/enter/{word}", enter, methods=["GET"]),
    Route("/sign-out", for_members()(sign_out), methods=["POST"]),
)
