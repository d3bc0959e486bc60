"""Which third parties each page load of a product contacted in a lab, and to which sites it redirected the browser.

A page load begins with a document of the top frame. How a recording shows that differs: browsers say it in a header
(Sec-Fetch-Dest) on safe connections, Playwright names the frame, DevTools and Firefox give each page load an id, and a
proxy shows only HTML. Where none of them tells a frame from a page, the requests count for nobody.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from collector.hosts import covers, normal_name, registrable_domain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rules.agreements.model import Agreement
    from rules.exchange.har import Recording, Request


@dataclass(slots=True, kw_only=True)
class Contacts:
    """What a third party was asked for, over all page loads of the product."""

    pages: int = 0
    """Page loads in which it was contacted."""
    first_after_ms: int | None = None
    """Milliseconds from the beginning of the page load to the first contact, the smallest of all."""
    hosts: set[str] = field(default_factory=set)
    """Its hosts."""
    kinds: Counter[str] = field(default_factory=Counter)
    """Requests by kind of resource."""


@dataclass(slots=True, kw_only=True)
class LabCounts:
    """What the recordings of one product add up to."""

    pages: int = 0
    """Page loads of the product: the document came from a host of its own."""
    other_pages: int = 0
    """Page loads of other sites, the product's shared hosts and marketing sites among them."""
    unclear: int = 0
    """Requests that belong to no page load that could be told."""
    skipped: int = 0
    """Requests that went to no named host."""
    recorded: date | None = None
    """Day of the last page load of the product, by the recording's own clock; None: there was none."""
    parties: dict[str, Contacts] = field(default_factory=dict)
    """Third parties by registrable domain."""
    referrals: Counter[str] = field(default_factory=Counter)
    """Sites to which the product redirected, by registrable domain."""


@dataclass(slots=True, kw_only=True)
class _Load:
    """One page load while its requests are read."""

    chain: list[Request]
    """The document and the redirects that led to it."""
    requests: list[Request] = field(default_factory=list)


class _Product:
    """Which hosts are the product's own."""

    def __init__(self, agreement: Agreement) -> None:
        self._matches = [domain.match for domain in agreement.domains]
        self._pages = [
            domain.match
            for domain in agreement.domains
            if not domain.shared and domain.role != "marketing_site"
        ]  # fmt: skip
        self._others = [
            domain.match for domain in agreement.domains if domain.shared or domain.role == "marketing_site"
        ]
        # The rest of a registered name has the same owner; that of a shared host (a CDN) has not.
        self._registered = {
            registrable_domain(normal_name(domain.match)) for domain in agreement.domains if not domain.shared
        }

    def opens(self, host: str) -> bool:
        """Tell whether a page of *host* is the product in use; the longest match decides."""
        return _longest(self._pages, host) > _longest(self._others, host)

    def owns(self, host: str) -> bool:
        """Tell whether *host* is the vendor's, so no third party."""
        return registrable_domain(host) in self._registered or any(covers(match, host) for match in self._matches)


def count(recordings: Iterable[Recording], *, agreement: Agreement) -> LabCounts:
    """Return what *recordings* of the product of *agreement* add up to."""
    product, found = _Product(agreement), LabCounts()
    for recording in recordings:
        found.skipped += recording.skipped
        tabs: defaultdict[str | None, list[Request]] = defaultdict(list)
        for request in recording.requests:
            tabs[request.tab].append(request)
        for requests in tabs.values():
            for load in _loads(requests, product=product, counts=found):
                _enter(load, product=product, counts=found)
    return found


def _loads(requests: list[Request], *, product: _Product, counts: LabCounts) -> Iterator[_Load]:
    """Split the requests of one tab, by time, into page loads."""
    top_frame = next((one.frame for one in requests if one.kind == "document" and _may_be_top(one)), None)
    load: _Load | None = None
    awaited: str | None = None
    loads = 0
    for request in requests:
        if load is not None and awaited == request.host and _may_follow(request, top_frame=top_frame):
            load.chain.append(request)
            awaited = request.redirects_to
            continue
        page = _page(request, top_frame=top_frame, loads=loads, own=product.opens(request.host))
        if page is None:
            # A frame or a page of another site, and nothing says which: what follows is nobody's.
            if load is not None:
                yield load
            load, awaited = None, None
            counts.unclear += 1
        elif page:
            if load is not None:
                yield load
            load, awaited = _Load(chain=[request]), request.redirects_to
            loads += 1
        elif load is None:
            counts.unclear += 1
        else:
            load.requests.append(request)
    if load is not None:
        yield load


def _may_be_top(request: Request) -> bool:
    return request.destination in {None, "document"}


def _may_follow(request: Request, *, top_frame: str | None) -> bool:
    """Tell whether *request* may be where a redirect of the page itself led: a document, and not that of a frame."""
    return request.kind == "document" and _may_be_top(request) and request.frame in {None, top_frame}


def _page(request: Request, *, top_frame: str | None, loads: int, own: bool) -> bool | None:
    """Tell whether *request* begins a page load; None: it may, and nothing in the recording says so."""
    if request.kind != "document":
        return False
    if request.destination is not None:
        return request.destination == "document"
    if request.frame is not None:
        return request.frame == top_frame
    if request.tab is not None:
        # DevTools and Firefox give every page load an id of its own: its first document is the page.
        return loads == 0
    return True if own else None


def _enter(load: _Load, *, product: _Product, counts: LabCounts) -> None:
    """Add one page load to the counts."""
    hosts = [request.host for request in load.chain]
    last = load.chain[-1]
    landed = last.redirects_to or last.host
    first_own = next((place for place, host in enumerate(hosts) if product.opens(host)), None)
    if not product.opens(landed):
        counts.other_pages += 1
        if first_own is not None and not product.owns(landed):
            counts.referrals[registrable_domain(landed)] += 1
        return
    if first_own is None:
        # Another site redirected to the product, and the recording ends there: no page of it was seen.
        counts.other_pages += 1
        return
    counts.pages += 1
    start = load.chain[first_own].at
    counts.recorded = max(filter(None, (counts.recorded, start.date())))
    # What lies before the product's first own document led to the product and was not caused by it.
    _contacts([*load.chain[first_own:], *load.requests], start=start, product=product, counts=counts)


def _contacts(requests: Iterable[Request], *, start: datetime, product: _Product, counts: LabCounts) -> None:
    firsts: dict[str, int] = {}
    for request in requests:
        if product.owns(request.host):
            continue
        party = registrable_domain(request.host)
        after = max((request.at - start) // timedelta(milliseconds=1), 0)
        firsts[party] = min(after, firsts.get(party, after))
        known = counts.parties.setdefault(party, Contacts())
        known.hosts.add(request.host)
        known.kinds[request.kind] += 1
    for party, after in firsts.items():
        known = counts.parties[party]
        known.pages += 1
        known.first_after_ms = after if known.first_after_ms is None else min(after, known.first_after_ms)


def _longest(matches: Iterable[str], host: str) -> int:
    return max((len(normal_name(match)) for match in matches if covers(match, host)), default=-1)
