"""One agreement on one page, in words that a parent can read. It repeats what the file says and judges nothing."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Final

from collector.problems import on_one_line
from rules.agreements.model import listed_third_parties, waivers
from rules.agreements.plain import (
    ACTIVITIES,
    CATEGORIES,
    KINDS,
    PROHIBITIONS,
    RELATIONS,
    RELATIONSHIPS,
    RESPONSIBLE,
    REVENUES,
    REVIEWS,
    STATUSES,
    country,
    written_day,
)
from rules.agreements.vocabulary import CLAUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rules.agreements.model import Agreement, Product, Review, ThirdParty

# One printed page. A long list is cut and says so; the file itself holds the rest.
MAX_LINES = 70
MAX_WIDTH = 100
_LONGEST_LIST = 6


def explain(agreement: Agreement) -> str:
    """Return one page of plain text about *agreement*: headings, short sentences, lines of at most `MAX_WIDTH`.

    Names and sentences that the file quotes are untrusted: escape them before showing them in a web page.
    """
    lines = [f"# {_several([product.name for product in agreement.products])}"]
    for title, part in _PARTS:
        said = [line for sentence in part(agreement) for line in _wrapped(sentence)]
        if said:
            lines += ["", f"## {title}", *said]
    if len(lines) > MAX_LINES:
        lines = [line for line in lines if line]
    if len(lines) > MAX_LINES:
        lines[MAX_LINES - 1 :] = ["(The page is full. The agreement file says more.)"]
    return "\n".join(lines) + "\n"


def _wrapped(sentence: str) -> list[str]:
    return wrap(on_one_line(sentence), MAX_WIDTH, subsequent_indent="  " if sentence.startswith("- ") else "")


def _several(words: Iterable[str]) -> str:
    """Join words the way a sentence does; a long list is cut and says how many are left out."""
    found = list(words)
    if len(found) > _LONGEST_LIST:
        found = [*found[:_LONGEST_LIST], f"{len(found) - _LONGEST_LIST} more"]
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"


def _rows(rows: Iterable[str]) -> Iterator[str]:
    found = list(rows)
    yield from (f"- {row}" for row in found[:_LONGEST_LIST])
    if len(found) > _LONGEST_LIST:
        yield f"- and {len(found) - _LONGEST_LIST} more, which the agreement file names"


def _sentence(text: str) -> str:
    """Return a text of the file as a sentence: with a full stop at its end."""
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _what(agreement: Agreement) -> Iterator[str]:
    for product in agreement.products:
        yield f"{product.name} is {_for_whom(product)}."
        if product.personalized:
            yield f"{product.name} picks what each pupil gets to see."
        if product.uses_algorithms:
            yield f"In {product.name} a computer rates pupils or decides about them (algorithms)."
    yield f"Made by: {agreement.vendor.legal_name}."
    if agreement.vendor.parent_company:
        yield f"The maker belongs to {agreement.vendor.parent_company}."
    if agreement.vendor.privacy_contact:
        yield f"Ask about privacy: {agreement.vendor.privacy_contact}"


def _for_whom(product: Product) -> str:
    who = "a school product"
    if product.grades is not None:
        names = {-1: "preschool", 0: "kindergarten"}
        low, high = (names.get(grade, f"grade {grade}") for grade in product.grades)
        who += f" for {low}" if low == high else f" for {low} to {high}"
    if product.under_13 is not None:
        who += ", and may be used by children under 13" if product.under_13 else ", and is not for children under 13"
    return who


def _why(agreement: Agreement) -> Iterator[str]:
    yield from _rows(_sentence(purpose.plain) for purpose in agreement.purposes)


def _collected(agreement: Agreement) -> Iterator[str]:
    rows = [row for row in agreement.data.categories if row.cat != "none"]
    if not rows:
        yield "The agreement says that no data are collected."
        return
    for need, words in (("required", "Needed"), ("optional", "May be left out"), (None, "Collected")):
        found = [f"{CATEGORIES[row.cat]}{f' ({row.detail})' if row.detail else ''}" for row in rows if row.need == need]
        if found:
            yield f"{words}: {_several(found)}."


def _shared(agreement: Agreement) -> Iterator[str]:
    parties = agreement.third_parties
    rows = listed_third_parties(agreement)
    yield from _rows(_third_party(row) for row in rows)
    complete = {
        "complete": "The agreement says that this list is complete."
        if rows
        else "Nobody else gets data: the agreement says that its list is complete, and it is empty.",
        "partial": "The list is not complete: there are others that it does not name.",
        "not_provided": "The vendor gave no list of others who get data.",
    }
    others = {
        "forbidden": "Others may not get data.",
        "notify": "The vendor must tell the district before others get data.",
        "allowed": "Others may get data too.",
    }
    yield f"{complete[parties.list_is]} {others[parties.unlisted]}"


def _third_party(row: ThirdParty) -> str:
    parts = [f"{row.name}: {RELATIONS[row.relation]}"]
    if row.purpose:
        parts.append(f"for {row.purpose}")
    if row.data:
        parts.append(f"gets {_several(CATEGORIES[category] for category in row.data)}")
    if row.responsible is not None:
        parts.append(RESPONSIBLE[row.responsible])
    if row.countries:
        parts.append(f"in {_several(country(code) for code in row.countries)}")
    return _sentence("; ".join(parts))


def _forbidden(agreement: Agreement) -> Iterator[str]:
    answers = {} if agreement.prohibited is None else agreement.prohibited.model_dump()
    for answer, words in ((True, "Forbidden"), (False, "Allowed")):
        found = [text for field, text in PROHIBITIONS.items() if answers.get(field) is answer]
        if found:
            yield f"{words}: {_several(found)}."


def _kept(agreement: Agreement) -> Iterator[str]:
    data = agreement.data
    if data.storage_plain:
        yield _sentence(data.storage_plain)
    if data.stored_in:
        yield f"Data are kept in {_several(country(code) for code in data.stored_in)}."
    if data.retention_days_after_end is not None:
        yield f"When the agreement ends, data are deleted within {data.retention_days_after_end} days."
    if data.retention_days_after_request is not None:
        yield f"When asked to, the vendor deletes data within {data.retention_days_after_request} days."
    for answer, where in ((data.encrypted_in_transit, "on the way"), (data.encrypted_at_rest, "where they are kept")):
        if answer is not None:
            yield f"Data are {'' if answer else 'not '}locked (encrypted) {where}."
    if data.access is not None:
        yield f"Who may see them: {_several(data.access)}." if data.access else "Nobody may see them."
    owners = {
        "student_or_guardian": "The data belong to the pupil or the parents.",
        "district": "The data belong to the school district, not to the pupil or the parents.",
        "vendor": "The data belong to the vendor, not to the pupil or the parents.",
    }
    if data.owner in owners:
        yield owners[data.owner]


def _improved(agreement: Agreement) -> Iterator[str]:
    yield from _rows(f"{ACTIVITIES[row.activity]}: {_sentence(row.plain)}" for row in agreement.improvement or ())


def _money(agreement: Agreement) -> Iterator[str]:
    interests = agreement.interests
    if interests is None:
        return
    if interests.disclosed is False:
        yield "The vendor did not tell how it earns money with this product, or who has a stake in it."
    if interests.revenue:
        yield f"The vendor earns money by {_several(REVENUES[source] for source in interests.revenue)}."
    if interests.commercial_implications:
        yield _sentence(interests.commercial_implications)
    yield from _rows(
        f"{row.name}: {RELATIONSHIPS[row.kind]}." if row.kind else _sentence(row.name)
        for row in interests.relationships or ()
    )


def _checked(agreement: Agreement) -> Iterator[str]:
    for field, what in REVIEWS.items():
        review: Review | None = None if agreement.reviews is None else getattr(agreement.reviews, field)
        if review is not None and review.status != "not_applicable":
            yield f"- The {what}: {_verdict(review)}."
    oversight = agreement.oversight
    if oversight is not None and oversight.entity:
        word = {True: ", which is independent", False: ", which is not independent", None: ""}[oversight.independent]
        yield f"The vendor is watched over by {oversight.entity}{word}."


def _verdict(review: Review) -> str:
    words = {"approved": "approved", "pending": "not checked yet", "rejected": "not approved", "none": "not checked"}
    said = words[review.status]
    if review.reviewer:
        said += f" by {review.reviewer}"
    if review.date:
        said += f" on {written_day(review.date)}"
    if review.expires:
        said += f", which counts until {written_day(review.expires)}"
    if review.independent is not None:
        said += ", by people independent of the vendor" if review.independent else ", by people tied to the vendor"
    return said


def _holds(agreement: Agreement) -> Iterator[str]:
    terms = agreement.agreement
    yield f"This is {KINDS[terms.kind]}." if terms.kind != "none" else "There is no contract at all."
    if terms.kind != "none":
        yield STATUSES[terms.status]
    bounds = (("from", terms.effective), ("until", terms.expires))
    dates = " ".join(f"{word} {written_day(day)}" for word, day in bounds if day)
    if dates and terms.kind != "none":
        yield f"It was made to hold {dates}."
    if terms.terminated_on:
        yield f"It ended early; its last day is {written_day(terms.terminated_on)}."
    if terms.breach_notice_hours is not None:
        yield f"If data leak, the vendor must tell within {terms.breach_notice_hours} hours."
    for waiver in waivers(agreement):
        about = f" for {waiver.domain}" if waiver.domain else ""
        promise = CLAUSES.get(waiver.clause, waiver.clause)  # type: ignore[call-overload] # a clause, as load has checked
        yield (
            f"The district lets one promise rest until {written_day(waiver.until)}{about} ({promise}). "
            f"Reason: {_sentence(waiver.reason)}"
        )


def _used(agreement: Agreement) -> Iterator[str]:
    gate = agreement.use_gate
    decisions = {
        "approved": "The district approved this product",
        "pilot": "The district is trying this product out with some groups only",
        "paused": "The district has paused this product: it must not be used",
        "prohibited": "The district has forbidden this product",
    }
    bounds = " ".join(
        f"{word} {written_day(day)}" for word, day in (("from", gate.from_), ("until", gate.until)) if day
    )
    yield f"{decisions[gate.status]}{f', {bounds}' if bounds else ''}."
    if gate.allowed_groups:
        yield f"Groups that may use it: {_several(gate.allowed_groups)}."
    if gate.reason:
        yield f"Reason: {_sentence(gate.reason)}"
    if gate.decided_by:
        yield f"Decided by: {gate.decided_by}."


def _silent(agreement: Agreement) -> Iterator[str]:
    """Name what the file does not say; silence is no promise and no breach."""
    data, reviews, prohibited = agreement.data, agreement.reviews, agreement.prohibited
    silent = {
        "whether children under 13 may use it": any(product.under_13 is None for product in agreement.products),
        "to whom the data belong": data.owner in {None, "not_stated"},
        "where data are kept": data.stored_in is None and not data.storage_plain,
        "how long data are kept": data.retention_days_after_end is None and data.retention_days_after_request is None,
        "who may see the data": data.access is None,
        "whether data are encrypted (locked) on the way": data.encrypted_in_transit is None,
        "who else gets data": agreement.third_parties.list is None,
        "who answers for each of the others": any(
            row.responsible in {None, "unknown"} for row in listed_third_parties(agreement)
        ),
        "how data are used to improve the product": not agreement.improvement,
        "how the vendor earns money, and with whom it works": agreement.interests is None,
        "who watches over the vendor": agreement.oversight is None or not agreement.oversight.entity,
        "until when it holds": agreement.agreement.expires is None and agreement.agreement.terminated_on is None,
    }
    for field, what in REVIEWS.items():
        silent[f"who checked the {what}"] = reviews is None or getattr(reviews, field) is None
    for field, what in PROHIBITIONS.items():
        silent[f"anything about {what}"] = prohibited is None or getattr(prohibited, field) is None
    found = [words for words, missing in silent.items() if missing]
    if found:
        yield f"{'; '.join(found)}."
        yield "What an agreement does not say is an open question. It is not a broken promise."


_PARTS: Final[tuple[tuple[str, Callable[[Agreement], Iterator[str]]], ...]] = (
    ("What it is", _what),
    ("What data may be used for", _why),
    ("What data are collected", _collected),
    ("Who else gets data", _shared),
    ("What is forbidden", _forbidden),
    ("How long, where and how data are kept", _kept),
    ("How data are used to improve it", _improved),
    ("Money", _money),
    ("Who checked it", _checked),
    ("Until when it holds", _holds),
    ("May it be used?", _used),
    ("What the agreement does not say", _silent),
)
