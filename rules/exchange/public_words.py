"""What public lists say of an agreement, in plain words. What it does not state reads so, and is never filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rules.agreements.plain import CATEGORIES, KINDS, country, written_day

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rules.agreements.model import Agreement, ThirdParty

NOT_STATED: Final = "not stated in the agreement"


def products(agreement: Agreement) -> str:
    """Return the names of the products."""
    return "; ".join(product.name for product in agreement.products)


def contract(agreement: Agreement) -> str:
    """Return which kind of contract it is."""
    said = KINDS[agreement.agreement.kind]
    return f"{said[:1].upper()}{said[1:]}."


def duration(agreement: Agreement) -> str:
    """Return from when until when it holds."""
    terms = agreement.agreement
    first = f"from {written_day(terms.effective)}" if terms.effective else f"beginning: {NOT_STATED}"
    last = f"until {written_day(terms.expires)}" if terms.expires else f"expiration: {NOT_STATED}"
    ended = f"; ended early on {written_day(terms.terminated_on)}" if terms.terminated_on else ""
    return f"{first}, {last}{ended}"


def data_elements(agreement: Agreement) -> str:
    """Return what is collected, in words for people who know no data schedules."""
    rows = [row for row in agreement.data.categories if row.cat != "none"]
    if not rows:
        return "none, says the agreement"
    said = (f"{CATEGORIES[row.cat]}{f' ({row.detail})' if row.detail else ''}" for row in rows)
    return "; ".join(dict.fromkeys(said))


def purposes(agreement: Agreement) -> str:
    """Return what data may be used for."""
    return " ".join(row.plain if row.plain.endswith(".") else f"{row.plain}." for row in agreement.purposes)


def subcontractors(agreement: Agreement) -> str:
    """Return who else gets data on the vendor's behalf, and how complete that list is."""
    parties = agreement.third_parties
    if parties.list is None:
        return NOT_STATED
    rows = subprocessors(agreement)
    said = "; ".join(f"{row.name}{f' ({row.purpose})' if row.purpose else ''}" for row in rows) or "none listed"
    complete = {
        "complete": "",
        "partial": "; the list is not complete, says the agreement",
        "not_provided": "; the vendor has not provided a list",
    }
    return f"{said}{complete[parties.list_is]}"


def subprocessors(agreement: Agreement) -> tuple[ThirdParty, ...]:
    """Return the third parties that get data: those that work for the vendor, and its affiliates."""
    return tuple(row for row in agreement.third_parties.list or () if row.relation in {"subprocessor", "affiliate"})


def countries(codes: Iterable[str] | None) -> str:
    """Return the names of countries."""
    return NOT_STATED if codes is None else "; ".join(country(code) for code in codes) or "nowhere, says the agreement"


def answer(*, value: bool | None, yes: str, no: str) -> str:
    """Return the words for a yes, a no, and for what is not stated."""
    if value is None:
        return NOT_STATED
    return yes if value else no


def stated(value: str | None) -> str:
    """Return *value*, or that it is not stated."""
    return value or NOT_STATED
