"""The desk as one ASGI application: which address leads to which page, and what stands before all of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from rules.desk.guard import Guard
from rules.desk.limits import Limiter
from rules.desk.page import error_page, office_of, static_files
from rules.desk.pages import acts, case, cases, coverage, sign_in, system, vendors
from rules.errors import StoreError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from rules.desk.office import Office

REQUESTS_AT_ONCE = 120
REQUEST_EVERY_S = 0.05
"""One address may ask 120 times at once, then 20 times in a second: more than people click, less than hurts."""


def desk_app(office: Office, *, requests: Limiter | None = None) -> ASGIApp:
    """Return the desk.

    Args:
        office: what its pages work with.
        requests: how often one address may ask; None: as a person does.
    """
    pages = (*sign_in.ROUTES, *cases.ROUTES, *case.ROUTES, *acts.ROUTES, *vendors.ROUTES, *coverage.ROUTES)
    app = Starlette(
        routes=[
            *pages,
            *system.ROUTES,
            Route("/static/{name}", _static, methods=["GET"]),
            Route("/health", _health, methods=["GET"]),
            Route("/robots.txt", lambda _request: PlainTextResponse("User-agent: *\nDisallow: /\n"), methods=["GET"]),
        ],
        exception_handlers={HTTPException: _refused, StoreError: _no_store, 500: _fault},
    )
    app.state.office = office
    # Around everything, and not among Starlette's own layers: the page of a fault of ours is guarded too.
    return Guard(
        app,
        address=office.address,
        requests=requests or Limiter(burst=REQUESTS_AT_ONCE, interval_s=REQUEST_EVERY_S, clock=time.monotonic),
        refuse=error_page,
    )


def _static(request: Request) -> Response:
    found = static_files().get(request.path_params["name"])
    if found is None:
        raise HTTPException(404)
    octets, kind = found
    # The address names the content by its hash: another content has another address.
    return Response(octets, media_type=kind, headers={"cache-control": "public, max-age=31536000, immutable"})


def _health(request: Request) -> Response:
    """Say to a supervisor, and to whoever asks, that the desk and its store answer; nothing else."""
    office_of(request).store.state("report")
    return PlainTextResponse("ok\n")


def _refused(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    response = error_page(status)
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response


def _no_store(request: Request, error: Exception) -> Response:
    office_of(request).say(f"desk: {error}")
    return error_page(503)


def _fault(_request: Request, _error: Exception) -> Response:
    return error_page(500)
