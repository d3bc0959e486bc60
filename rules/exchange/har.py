"""Reads HAR 1.2, what a browser in a lab writes down of its requests, down to hosts, kinds and times.

Bodies, cookies, query strings, posted data and headers are skipped where they stand and never become values here; the
one header that is looked at is `Sec-Fetch-Dest`, with which a browser says what it will do with the answer.

Source: HAR 1.2, http://www.softwareishard.com/blog/har-12-spec/; https://www.w3.org/TR/fetch-metadata/.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urljoin, urlsplit

import msgspec

from collector.fields import is_host
from collector.hosts import a_labels
from collector.problems import DocumentError, Problem

# Recordings with bodies have some 100 MB an hour; without them, 5.
MAX_OCTETS: Final = 256 << 20
MAX_REQUESTS: Final = 200_000
# Twenty lines tell what is wrong with a tool; a thousand equal ones hide it.
_MOST_PROBLEMS: Final = 20
_NET: Final = frozenset({"http", "https", "ws", "wss"})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_KINDS: Final = (
    ("text/html", "document"),
    ("application/xhtml", "document"),
    ("text/css", "style"),
    ("javascript", "script"),
    ("ecmascript", "script"),
    ("image/", "image"),
    ("font", "font"),
    ("video/", "media"),
    ("audio/", "media"),
    ("json", "data"),
    ("xml", "data"),
)
# What browsers call the same thing: DevTools and Playwright write `_resourceType`, Fetch writes a destination.
_WORDS: Final = {
    "document": "document",
    "stylesheet": "style",
    "style": "style",
    "script": "script",
    "image": "image",
    "font": "font",
    "media": "media",
    "video": "media",
    "audio": "media",
    "xhr": "data",
    "fetch": "data",
    "ping": "data",
    "beacon": "data",
    "websocket": "data",
    "eventsource": "data",
}


class _Header(msgspec.Struct):
    name: str = ""
    value: msgspec.Raw = msgspec.Raw()


class _Content(msgspec.Struct):
    mimeType: str | None = None  # noqa: N815 -- the name in the file


class _Request(msgspec.Struct):
    url: str
    headers: list[_Header] = []


class _Response(msgspec.Struct):
    status: int | None = None
    redirectURL: str | None = None  # noqa: N815 -- the name in the file
    content: _Content | None = None


class _Entry(msgspec.Struct):
    startedDateTime: str  # noqa: N815 -- the name in the file
    request: _Request
    response: _Response | None = None
    pageref: str | None = None
    frame: str | None = msgspec.field(default=None, name="_frameref")
    kind: str | None = msgspec.field(default=None, name="_resourceType")


class _Log(msgspec.Struct):
    entries: list[msgspec.Raw]
    version: str | None = None


class _Har(msgspec.Struct):
    log: _Log


_HAR: Final = msgspec.json.Decoder(_Har)
_ENTRY: Final = msgspec.json.Decoder(_Entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of the browser, and nothing of what it carried."""

    host: str
    """Name of the server, lower case, no final dot. Untrusted: it comes from a file."""
    at: datetime
    """When the browser began, with its offset from UTC."""
    tab: str | None
    """The page of the recording that it belongs to (in Playwright's: the tab); None: the recording does not say."""
    frame: str | None
    """The frame that asked; None: the recording does not say."""
    destination: str | None
    """`Sec-Fetch-Dest`; None: the browser did not send it."""
    kind: str
    """Kind of resource: `document`, `script`, `image`, ... or `other`."""
    redirects_to: str | None
    """Host to which the answer sent the browser; None: it was no redirect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The requests of one HAR file."""

    requests: tuple[Request, ...]
    """By time."""
    skipped: int
    """Requests that went to no named host: addresses, `data:`, extensions, files."""


def requests_in(octets: bytes, *, path: str) -> Recording:
    """Return the requests that a HAR file lists; *path* names it in messages.

    Raises:
        DocumentError: it is no HAR, is cut off, or is too large; with every problem up to a number.
    """
    if len(octets) > MAX_OCTETS:
        what = f"the recording is larger than {MAX_OCTETS >> 20} MiB"
        raise DocumentError([_problem(path, what, "record without content, or in parts")])
    # The specification allows the mark; JSON does not.
    body = octets.removeprefix(b"\xef\xbb\xbf")
    entries = _entries(body, path=path)
    requests: list[Request] = []
    problems: list[Problem] = []
    wrong = skipped = 0
    for place, raw in enumerate(entries):
        try:
            request = _request(_ENTRY.decode(raw))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError) as error:
            wrong += 1
            if wrong <= _MOST_PROBLEMS:
                what = f"entry {place + 1} of the recording cannot be read ({_reason(error)})"
                line = _line_of(body, entries=entries, place=place)
                problems.append(_problem(path, what, "record again, or take the entry out", line=line))
            continue
        if request is None:
            skipped += 1
        else:
            requests.append(request)
    if wrong > _MOST_PROBLEMS:
        what = f"{wrong - _MOST_PROBLEMS} more entries cannot be read"
        problems.append(_problem(path, what, "record again with another tool", line=problems[-1].line))
    if problems:
        raise DocumentError(problems)
    return Recording(requests=tuple(sorted(requests, key=lambda one: one.at)), skipped=skipped)


def _entries(body: bytes, *, path: str) -> list[msgspec.Raw]:
    remedy = 'export the recording again as HAR 1.2 (a JSON file that begins with {"log": ...)'
    if not body.strip():
        raise DocumentError([_problem(path, "the file is empty", remedy)])
    if body[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" in body[:64]:
        raise DocumentError([_problem(path, "the file is not UTF-8 text", "save it as UTF-8")])
    try:
        log = _HAR.decode(body).log
    except msgspec.ValidationError as error:
        raise DocumentError([_problem(path, f"this is no HAR recording ({_reason(error)})", remedy)]) from None
    except msgspec.DecodeError as error:
        found = re.search(r"byte ([0-9]+)", str(error))
        line = body.count(b"\n", 0, int(found[1])) + 1 if found else body.count(b"\n") + 1
        what = f"this is no JSON, or it is cut off ({_reason(error)})"
        raise DocumentError([_problem(path, what, remedy, line=line)]) from None
    except UnicodeDecodeError as error:
        # The octets of one text, not of the file: where it lies is looked for.
        line = body.count(b"\n", 0, max(body.find(error.object), 0)) + 1
        raise DocumentError([_problem(path, "the file is not UTF-8 text", "save it as UTF-8", line=line)]) from None
    except RecursionError:
        raise DocumentError([_problem(path, "the file nests deeper than any recording does", remedy)]) from None
    if len(log.entries) > MAX_REQUESTS:
        what = f"the recording has {len(log.entries)} requests, and at most {MAX_REQUESTS} are read"
        raise DocumentError([_problem(path, what, "record in parts")])
    return log.entries


def _request(entry: _Entry) -> Request | None:
    host = _host(entry.request.url)
    if host is None:
        return None
    answer = entry.response or _Response()
    away = None
    if answer.status in _REDIRECTS and answer.redirectURL:
        away = _host(urljoin(entry.request.url, answer.redirectURL))
    at = datetime.fromisoformat(entry.startedDateTime)
    destination = _destination(entry.request.headers)
    return Request(
        host=host,
        at=at if at.tzinfo else at.replace(tzinfo=UTC),
        tab=entry.pageref,
        frame=entry.frame,
        destination=destination,
        kind=_kind(entry, destination=destination),
        redirects_to=away,
    )


def _host(url: str) -> str | None:
    """Return the name of the host in *url*; None: the address names none (an IP address, `data:`, an extension)."""
    parts = urlsplit(url)
    name = (a_labels((parts.hostname or "").rstrip(".")) or "") if parts.scheme.lower() in _NET else ""
    # A last label of digits is an address; the pattern of names would let 192.0.2.1 through.
    if not is_host(name) or name.rsplit(".", 1)[-1].isdigit():
        return None
    return None if name.startswith("*.") else name


def _destination(headers: list[_Header]) -> str | None:
    for header in headers:
        if header.name.lower() == "sec-fetch-dest":
            value = msgspec.json.decode(header.value)
            return value.lower() if isinstance(value, str) else None
    return None


def _kind(entry: _Entry, *, destination: str | None) -> str:
    for word in (destination, (entry.kind or "").lower()):
        if word in {"iframe", "frame"}:
            return "document"
        if word in _WORDS:
            return _WORDS[word]
    content = entry.response.content if entry.response is not None else None
    mime = ((content.mimeType if content is not None else None) or "").lower()
    return next((kind for part, kind in _KINDS if part in mime), "other")


def _reason(error: BaseException) -> str:
    """Return what is wrong without any word of the file: addresses in it may name pupils."""
    if isinstance(error, msgspec.ValidationError | msgspec.DecodeError):
        return str(error)
    return "it nests too deep" if isinstance(error, RecursionError) else "a time or an address is malformed"


def _line_of(body: bytes, *, entries: list[msgspec.Raw], place: int) -> int:
    """Return the line on which entry *place* begins; looked for only where something is wrong."""
    at = 0
    for raw in entries[: place + 1]:
        piece = bytes(raw)
        at = body.find(piece, at)
        end = at + len(piece)
        if raw is not entries[place]:
            at = end
    return body.count(b"\n", 0, at) + 1


def _problem(path: str, what: str, remedy: str, *, line: int = 1) -> Problem:
    return Problem(path=path, line=line, what=what, remedy=remedy)
