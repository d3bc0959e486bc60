"""How a page comes about: who asks, whether they may, and the template that shows it."""

from __future__ import annotations

from datetime import datetime
from functools import cache, wraps
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response

from collector.problems import on_one_line
from rules.agreements.plain import written_day
from rules.console import rule_title
from rules.desk import words
from rules.desk.accounts import ROLE_WORDS
from rules.desk.csrf import FIELD, token_fits
from rules.desk.guard import FORM
from rules.export.proof import attribution_rows, basis_rows, candidate_table
from rules.life_cycle import OUTCOMES, REASONS
from rules.small_numbers import quarter

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from starlette.requests import Request

    from rules.desk.accounts import Account, Right
    from rules.desk.office import Office
    from rules.desk.sessions import Session

    Endpoint = Callable[[Request], Response]

KINDS: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@cache
def static_files() -> dict[str, tuple[bytes, str]]:
    """Return the files that pages load, by name: octets and media type. Read once, so a name is never a path."""
    folder = files("rules.desk").joinpath("static")
    return {
        item.name: (item.read_bytes(), KINDS[suffix])
        for item in folder.iterdir()
        if (suffix := "." + item.name.rpartition(".")[2]) in KINDS
    }


@cache
def templates() -> Environment:
    """Return the templates, all of them read and compiled; every value that they show is escaped."""
    folder = files("rules.desk").joinpath("templates")
    sources = {item.name: item.read_text(encoding="utf-8") for item in folder.iterdir() if item.name.endswith(".html")}
    environment = Environment(
        loader=DictLoader(sources), autoescape=True, undefined=StrictUndefined, finalize=_shown, trim_blocks=True,
        lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    environment.globals.update(
        words=words, rule_title=rule_title, role_words=ROLE_WORDS, static=_static, newline=Markup("\n"),
        reasons=REASONS, outcomes=OUTCOMES, attribution_rows=attribution_rows, basis_rows=basis_rows,
        candidate_table=candidate_table,
    )  # fmt: skip
    environment.filters["day"] = _local_day
    environment.filters["moment"] = _local_moment
    environment.filters["exactly"] = _local_second
    environment.filters["code"] = _with_code
    environment.filters["written"] = written_day
    for name in sources:
        environment.get_template(name)
    return environment


def office_of(request: Request) -> Office:
    """Return what the pages work with."""
    office: Office = request.app.state.office
    return office


def form_of(request: Request) -> dict[str, str]:
    """Return the fields of the form that was sent."""
    form: dict[str, str] = request.scope[FORM]
    return form


def cookie_of(request: Request) -> str | None:
    """Return what the session cookie holds."""
    return request.cookies.get(office_of(request).address.cookie)


def session_of(request: Request) -> Session | None:
    """Return the session of the browser that asks."""
    return office_of(request).sessions.find(cookie_of(request))


def account_of(request: Request) -> Account:
    """Return who asks; only within a page for those who are signed in."""
    account: Account = request.state.account
    return account


def origin_of(request: Request) -> str:
    """Return the address of the browser."""
    return request.client.host if request.client else ""


def for_members(right: Right | None = None) -> Callable[[Endpoint], Endpoint]:
    """Make a page one for people who are signed in, and have *right* if one is named.

    A form must carry what the pages of their session carry.
    """

    def guarded(page: Endpoint) -> Endpoint:
        @wraps(page)
        def answer(request: Request) -> Response:
            session = session_of(request)
            account = office_of(request).account_of(session)
            if account is None:
                return to_sign_in(request)
            request.state.account, request.state.session = account, session
            if right is not None and not account.may(right):
                raise HTTPException(403)
            if request.method == "POST" and not token_fits(form_of(request), session=session):
                raise HTTPException(403)
            return page(request)

        return answer

    return guarded


def to_sign_in(request: Request) -> Response:
    """Send a browser to the sign-in page, and back here afterwards."""
    back = ""
    if request.method == "GET" and request.url.path != "/":
        query = f"?{request.url.query}" if request.url.query else ""
        back = f"?next={quote(request.url.path + query, safe='')}"
    if request.headers.get("hx-request") == "true":
        # A fragment must not become a sign-in page within a page.
        return Response(status_code=401, headers={"hx-redirect": "/sign-in"})
    return RedirectResponse(f"/sign-in{back}", status_code=303)


def render(request: Request, template: str, /, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page.

    Args:
        request: whom it answers.
        template: its name.
        status: HTTP status.
        values: what it shows.
    """
    office = office_of(request)
    account = getattr(request.state, "account", None)
    session = getattr(request.state, "session", None)
    around = {
        "account": account,
        "csrf_field": FIELD,
        "csrf": session.csrf if session else "",
        "district": office.papers.district,
        "zone": office.papers.zone,
        "version": office.version,
        "path": request.url.path,
    }
    return HTMLResponse(templates().get_template(template).render({**around, **values}), status_code=status)


def error_page(status: int) -> HTMLResponse:
    """Return the page that says what went wrong, without a word of how it is made."""
    title, remedy = words.REFUSALS.get(status, words.REFUSALS[400 if status < 500 else 500])
    page = templates().get_template("error.html").render(title=title, remedy=remedy, account=None, district="", path="")
    return HTMLResponse(page, status_code=status)


def _shown(value: Any) -> Any:
    # Characters that would turn or hide the rest of a line become visible; line ends stand in templates alone.
    if value is None:
        return ""
    return value if isinstance(value, Markup) else on_one_line(str(value))


@cache
def _static(name: str) -> str:
    octets, _ = static_files()[name]
    return f"/static/{name}?v={sha256(octets).hexdigest()[:12]}"


def _local_day(stamp: str, zone: ZoneInfo) -> str:
    """Return the day of a time for people, for example `Tue, Oct 6, 2026`."""
    at = datetime.fromisoformat(stamp).astimezone(zone)
    return f"{at:%a}, {at:%b} {at.day}, {at.year}"


def _local_moment(stamp: str, zone: ZoneInfo) -> Markup:
    """Return a time in steps of 15 minutes, for example `Tue, Oct 6, 2026, 9:45 AM`."""
    rounded = quarter(stamp)
    at = datetime.fromisoformat(rounded).astimezone(zone)
    clock = f"{at.hour % 12 or 12}:{at:%M} {at:%p}"
    return Markup('<time datetime="{}">{}, {}</time>').format(rounded, _local_day(rounded, zone), clock)


def _with_code(text: str) -> Markup:
    """Return a sentence with what stands in backticks marked as code."""
    parts = [_shown(part) for part in text.split("`")]
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))


def _local_second(stamp: str, zone: ZoneInfo) -> Markup:
    """Return the exact time of something that a person of the district did, never of what was seen."""
    at = datetime.fromisoformat(stamp).astimezone(zone)
    clock = f"{at.hour % 12 or 12}:{at:%M:%S} {at:%p}"
    return Markup('<time datetime="{}">{}, {}</time>').format(stamp, _local_day(stamp, zone), clock)
