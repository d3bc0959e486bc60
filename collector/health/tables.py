"""Whether the collector that runs here had room for everything: its own metrics say how full tables and rings are."""

from __future__ import annotations

import re
import ssl
import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING, Final

from prometheus_client.parser import text_string_to_metric_families

from collector.outcomes import not_applicable, warning, well

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from collector.outcomes import Outcome

TIMEOUT_S: Final = 4.0
# A page of metrics has some ten thousand octets; what sends more is no collector.
LARGEST_PAGE: Final = 4 << 20
# A tenth is left: the next class that comes in may take it.
NEARLY_FULL: Final = 0.9
_CERTIFICATE: Final = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_TAKEN: Final = {
    "schoolgate_capture_flows_open_ratio": "open flows",
    "schoolgate_capture_answers_held_ratio": "DNS answers",
    "schoolgate_capture_openings_waiting_ratio": "waiting first octets",
}
_OVERFLOWS: Final = "schoolgate_capture_table_overflows_total"
_DROPPED: Final = "schoolgate_capture_dropped_packets_total"
_REMEDY: Final = "see docs/runbooks/SchoolgateTablesFull.md"


def tables(listen: str, *, certificate: Path | None) -> Iterator[Outcome]:
    """Yield whether tables or rings of the collector whose metrics are at HOST:PORT are, or were, full.

    That can be known of one that runs alone: the counts are since its start.

    Args:
        listen: HOST:PORT.
        certificate: which it shows there, and no other is believed; None: it speaks HTTP.
    """
    try:
        trust = None if certificate is None else _this_alone(certificate)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "strerror", None) or error
        yield not_applicable(f"{certificate}, which the collector shows where it tells of itself: {reason}")
        return
    try:
        where = f"{'http' if trust is None else 'https'}://{listen}/metrics"
        with urllib.request.urlopen(where, timeout=TIMEOUT_S, context=trust) as answer:  # noqa: S310 -- these two schemes
            text = answer.read(LARGEST_PAGE).decode(errors="replace")
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        yield not_applicable(f"no collector tells of itself at {listen} ({reason})")
        return
    taken = {_TAKEN[sample.name]: sample.value for sample in samples if sample.name in _TAKEN}
    if not taken:
        yield not_applicable(f"what answers at {listen} is no collector")
        return
    overflows = {s.labels.get("reason", ""): int(s.value) for s in samples if s.name == _OVERFLOWS and s.value}
    lost = sum(int(s.value) for s in samples if s.name == _DROPPED and s.labels.get("reason") == "kernel")
    yield from _full(taken, overflows=overflows, lost=lost)


def _this_alone(certificate: Path) -> ssl.SSLContext:
    """Return the trust in the very certificate that is our own, under whatever name or address it is shown."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.check_hostname = False
    trust.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # who vouches for it need not be in the file
    # The first one in the file is what is shown; those behind it vouch for others, too.
    first = _CERTIFICATE.search(certificate.read_text(encoding="ascii", errors="replace"))
    if first is None:
        raise ValueError("holds no certificate")
    trust.load_verify_locations(cadata=first[0])
    return trust


def _full(taken: Mapping[str, float], *, overflows: Mapping[str, int], lost: int) -> Iterator[Outcome]:
    for what, ratio in taken.items():
        if ratio >= NEARLY_FULL:
            yield warning(f"{ratio:.0%} of the room for {what} is taken", remedy=_REMEDY)
    if overflows:
        told = ", ".join(f"{table} {count:,}" for table, count in sorted(overflows.items()))
        yield warning(f"tables were full since the start and let go: {told}", remedy=_REMEDY)
    if lost:
        yield warning(
            f"the rings were full since the start, and {lost:,} packets lost",
            remedy="see docs/runbooks/SchoolgateCaptureLosses.md",
        )
    if max(taken.values()) < NEARLY_FULL and not overflows and not lost:
        told = ", ".join(f"{what} {ratio:.0%}" for what, ratio in taken.items())
        yield well(f"of the room in tables is taken: {told}; nothing was let go since the start")
