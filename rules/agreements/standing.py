"""What an agreement's dates mean on a given local date: in force or not, and what the district's gate says.

The first and the last day both count, everywhere (contract, agreement file). Dates come in as arguments.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rules.agreements.model import Agreement
    from rules.agreements.vocabulary import GateStatus

Standing = Literal["in_force", "draft", "not_yet", "expired", "terminated"]


def status_on(agreement: Agreement, on: date) -> Standing:
    """Return how the agreement stands on the local date *on*."""
    terms = agreement.agreement
    if terms.status == "draft":
        return "draft"
    if terms.status == "terminated" and terms.terminated_on is None:
        return "terminated"
    first, last = period(agreement)
    if on > last:
        # Where both days are given, the one that comes first is the reason.
        return "expired" if last == terms.expires else "terminated"
    return "not_yet" if on < first else "in_force"


def in_force(agreement: Agreement, on: date) -> bool:
    """Tell whether the agreement holds on the local date *on*."""
    return status_on(agreement, on) == "in_force"


def period(agreement: Agreement) -> tuple[date, date]:
    """Return the first and the last day that the agreement speaks for; an absent end lies at the end of the calendar.

    A draft has the period it would have; a terminated agreement without a date ends with its own expiry.
    """
    terms = agreement.agreement
    ends = [day for day in (terms.expires, terms.terminated_on) if day is not None]
    return terms.effective or date.min, min(ends, default=date.max)


def gate_on(agreement: Agreement, on: date) -> GateStatus | None:
    """Return what the district's decision is on the local date *on*; None: it does not hold yet.

    After `until` an approval or a pilot counts as paused, a pause or a prohibition as approved (contract, section 3).
    """
    gate = agreement.use_gate
    if gate.from_ is not None and on < gate.from_:
        return None
    if gate.until is not None and on > gate.until:
        return "paused" if gate.status in {"approved", "pilot"} else "approved"
    return gate.status
