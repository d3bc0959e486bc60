"""What a SIF Privacy Obligations Document (POD) can say of an agreement, and in which words it is said.

POD says names, hosts, dates, purposes and fields. It has no place for the domains of sub-processors, for referrals,
for money, for reviews or for the district's own decision; those are listed as not expressed.

Source: SIF Infrastructure 3.3 (Access 4 Learning, May 2019), object `pod`; 3.4 to 3.6 wrap contacts in a list.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, get_args

from collector.hosts import normal_name
from rules.agreements.vocabulary import Activity, Category, PurposeCode, TermsStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rules.agreements.model import Agreement

NAMESPACE: Final = "http://www.sifassociation.org/infrastructure/3.3"
STATUSES: Final[dict[TermsStatus, str]] = {"active": "Live", "draft": "Draft", "terminated": "Expired"}
FROM_STATUS: Final[dict[str, TermsStatus]] = {
    "Live": "active", "Draft": "draft", "Pending": "draft", "Expired": "terminated",
}  # fmt: skip
IN_TRANSIT: Final = "encryption in transit"
AT_REST: Final = "encryption at rest"
STORAGE: Final = "storage"
STATE_TERMS: Final = "State terms "
PURPOSES: Final[tuple[str, ...]] = get_args(PurposeCode)
CATEGORIES: Final[tuple[str, ...]] = get_args(Category)
ACTIVITIES: Final[tuple[str, ...]] = get_args(Activity)
_SHORTEST_PLAIN: Final = 10
_MOST_DAYS: Final = 1_000_000_000
# `Char` of XML 1.0, section 2.2: what else a text holds is written as U+FFFD.
_NO_CHAR: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def pod_text(text: str) -> str:
    """Return *text* as POD holds it (`xs:normalizedString`, white space collapsed); empty: nothing is left."""
    return " ".join(_NO_CHAR.sub("\ufffd", text).split())


def plain_words(text: str) -> str:
    """Return a purpose in the form of an agreement file, which asks for ten characters or more."""
    return text if len(text) >= _SHORTEST_PLAIN else pod_text(f"Stated as: {text}")


def expressed(agreement: Agreement) -> dict[str, Any]:
    """Return what POD can say of *agreement*, with the keys and in the form of an agreement file."""
    rows = [row for row in agreement.third_parties.list or () if row.relation == "subprocessor" and pod_text(row.name)]
    subprocessors = [
        {"name": pod_text(row.name), "relation": "subprocessor", **_given(purpose=pod_text(row.purpose or ""))}
        for row in rows
    ]
    improvement = [
        {"activity": row.activity, "plain": plain_words(pod_text(row.plain)), "deidentified": True}
        for row in agreement.improvement or ()
        if row.deidentified
    ]
    return {
        "id": agreement.id,
        "vendor": {"legal_name": pod_text(agreement.vendor.legal_name), **_contacts(agreement)},
        "products": [{"name": name} for name in map(pod_text, (each.name for each in agreement.products)) if name],
        "agreement": _terms(agreement),
        "domains": [{"match": normal_name(domain.match)} for domain in agreement.domains],
        "third_parties": _given(list=subprocessors),
        "purposes": [{"code": row.code, "plain": plain_words(pod_text(row.plain))} for row in agreement.purposes],
        "data": _data(agreement),
        **_given(improvement=improvement),
    }


def _contacts(agreement: Agreement) -> dict[str, str]:
    """Return the contacts that are mail addresses: for others POD has only the parts of a person's name."""
    found = {key: pod_text(getattr(agreement.vendor, key) or "") for key in ("privacy_contact", "security_contact")}
    return {key: contact for key, contact in found.items() if "@" in contact}


def _terms(agreement: Agreement) -> dict[str, Any]:
    terms = agreement.agreement
    return {
        "status": terms.status,
        **_given(
            effective=terms.effective.isoformat() if terms.effective else None,
            expires=terms.expires.isoformat() if terms.expires else None,
            document=pod_text(terms.document or ""),
            state_terms=list(terms.state_terms or ()),
        ),
    }


def _data(agreement: Agreement) -> dict[str, Any]:
    data, days = agreement.data, agreement.data.retention_days_after_request
    return _given(
        categories=[{"cat": row.cat, **_given(detail=pod_text(row.detail or ""))} for row in data.categories],
        owner=data.owner,
        stored_in=list(dict.fromkeys(data.stored_in or ())),
        # POD can say that something is used, not that it is not.
        encrypted_in_transit=data.encrypted_in_transit or None,
        encrypted_at_rest=data.encrypted_at_rest or None,
        # Days below zero are a slip, which POD would carry on as a promise.
        retention_days_after_request=days if days is not None and 0 <= days < _MOST_DAYS else None,
    )


def not_expressed(agreement: Agreement) -> tuple[str, ...]:
    """Return the keys that *agreement* states and POD cannot say, sorted; of a list, the keys of its entries."""
    plain = agreement.model_dump(mode="json", by_alias=True, exclude_unset=True)
    said = set(_leaves(expressed(agreement)))
    # The kind and version of our own file are no promise.
    return tuple(sorted({key for key, value in _leaves(plain) if (key, value) not in said and key != "schema"}))


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _leaves(member, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        if not value:
            yield key, "[]"
        for member in value:
            yield from _leaves(member, key)
    elif isinstance(value, str):
        # `*.x` means the same as x.
        yield key, pod_text(normal_name(value) if key == "domains.match" else value)
    elif value is not None:
        yield key, repr(value)


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None and value not in ("", [])}
