"""Stands before every page: who may be asked, how often, how much is read, and what a browser must not do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders

from rules.desk.csrf import from_this_site

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from rules.desk.address import Address
    from rules.desk.limits import Limiter

LONGEST_BODY: Final = 64 * 1024
"""Octets of a form: the longest note, escaped, with room."""
MOST_FIELDS: Final = 20
LONGEST_ADDRESS: Final = 4096
"""Octets of a path with its query."""
FORM: Final = "schoolgate.form"
"""Where the fields of a form lie in the scope."""
FORM_TYPE: Final = "application/x-www-form-urlencoded"
# `connect-src` lets HTMX ask this very site; the rest allows what a page of ours is made of and nothing else.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not `no-referrer`: it would make browsers hide the origin of our own forms (Fetch standard, section 3.1).
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
YEAR_S: Final = 365 * 24 * 3600


class Guard:
    """Lets requests through to *app* that a browser on a page of this desk may send.

    Args:
        app: the pages.
        address: where the desk is.
        requests: how often one address may ask.
        refuse: status -> the page that says so.
    """

    def __init__(self, app: ASGIApp, *, address: Address, requests: Limiter, refuse: Callable[[int], Response]) -> None:
        self._app = app
        self._hosts = address.hosts
        self._origins = address.origins
        self._requests = requests
        self._refuse = refuse
        self._headers = dict(HEADERS)
        if address.secure:
            self._headers["strict-transport-security"] = f"max-age={YEAR_S}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        status = self._fault(scope)
        if status is None and scope["method"] == "POST":
            status = await _read_form(scope, receive)
        if status is None:
            await self._app(scope, receive, send_guarded)
        else:
            response = self._refuse(status)
            if status == 429:
                response.headers["retry-after"] = "5"
            # What was not read of the request must not be taken for the next one.
            response.headers["connection"] = "close"
            await response(scope, receive, send_guarded)

    def _fault(self, scope: Scope) -> int | None:
        headers = Headers(scope=scope)
        if headers.get("host", "").lower() not in self._hosts or len(headers.getlist("host")) != 1:
            return 421
        client = scope.get("client")
        if self._requests.take(client[0] if client else ""):
            return 429
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LONGEST_ADDRESS:
            return 414
        return self._fault_of_form(headers) if scope["method"] == "POST" else None

    def _fault_of_form(self, headers: Headers) -> int | None:
        if not from_this_site(headers, origins=self._origins):
            return 403
        if headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
            return 415
        told = headers.get("content-length", "0")
        return 413 if not told.isdigit() or int(told) > LONGEST_BODY else None


async def _read_form(scope: Scope, receive: Receive) -> int | None:
    """Read the form of a POST into the scope; return the status that refuses it, None: it is there."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return 400
        body += message.get("body", b"")
        if len(body) > LONGEST_BODY:
            return 413
        if not message.get("more_body", False):
            break
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        return 400
    scope[FORM] = dict(fields)
    return None
