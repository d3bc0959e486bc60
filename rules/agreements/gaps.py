"""What an agreement lacks, clause by clause, as its file states it (contract, section 6, last paragraph).

`met`, `not_met` (the file states the contrary), `not_stated` (a field is missing), `not_applicable`. Each state comes
with one plain sentence that names the field. No traffic is looked at here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from rules.agreements.model import listed_third_parties
from rules.agreements.standing import gate_on, period, status_on
from rules.agreements.vocabulary import CLAUSES, Clause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from rules.agreements.model import Agreement, Review

State = Literal["met", "not_met", "not_stated", "not_applicable"]

# What no tap can show, whatever the agreement says; the other clauses have rules of their own.
NOT_SEEN_ON_A_NETWORK: Final[dict[Clause, str]] = {
    "R1": "Who oversees a vendor cannot be seen on a network; this comes from the agreement alone.",
    "R2": "Whether materials were reviewed cannot be seen on a network; only that the product is in use.",
    "R3": "Whether the teaching was reviewed cannot be seen on a network; only that the product is in use.",
    "R4": "Whether tests are valid cannot be seen on a network; only that the product is in use.",
    "6a": "Money and contracts cannot be seen on a network; only that a company with a stake is contacted.",
    "6b": "To whom data belong cannot be seen on a network; this comes from the agreement alone.",
}


FIELDS: Final[dict[Clause, tuple[str, ...]]] = {
    "R0": ("use_gate",),
    "R1": ("oversight.entity", "oversight.independent"),
    "R2": ("reviews.curriculum", "purposes"),
    "R3": ("reviews.pedagogy", "purposes"),
    "R4": ("reviews.assessment", "purposes"),
    "R5": ("reviews.algorithms", "products.personalized", "products.uses_algorithms"),
    "R6": ("agreement.kind", "agreement.status", "agreement.effective", "agreement.expires", "agreement.terminated_on"),
    "6a": ("interests.revenue", "interests.relationships", "interests.commercial_implications"),
    "6b": ("data.owner",),
    "6c": (
        "prohibited.targeted_ads",
        "prohibited.sale",
        "prohibited.non_educational_profiles",
        "prohibited.third_party_tracking",
    ),
    "6d": ("third_parties.list_is", "third_parties.list"),
    "6e": ("third_parties.list",),
    "6f": (
        "data.categories",
        "data.storage_plain",
        "data.stored_in",
        "data.retention_days_after_request",
        "data.retention_days_after_end",
        "data.access",
        "purposes",
        "data.encrypted_in_transit",
    ),
    "6g": ("improvement",),
}
"""Clause -> the fields of the agreement file on which its state rests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseState:
    """How an agreement stands to one clause."""

    state: State
    """The state."""
    why: str
    """One plain sentence that names the field it rests on. Quotes the file: untrusted, escape before showing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRow:
    """One line of the gap report."""

    clause: Clause
    """Clause id."""
    asks: str
    """What the clause asks for, in plain words."""
    state: State
    """How the agreement stands to it."""
    why: str
    """One plain sentence that names the field. Untrusted: escape before showing."""
    not_seen: str | None
    """What a network cannot show about it; None: there is a rule that looks."""


def clause_states(agreement: Agreement, *, on: date) -> dict[Clause, ClauseState]:
    """Return the state of every clause on the local date *on*, in the order of the research brief."""
    return {clause: _STATES[clause](agreement, on) for clause in CLAUSES}


def gap_rows(agreement: Agreement, *, on: date) -> list[GapRow]:
    """Return the gap report of one agreement on the local date *on*, a row for every clause."""
    return [
        GapRow(
            clause=clause,
            asks=CLAUSES[clause],
            state=found.state,
            why=found.why,
            not_seen=NOT_SEEN_ON_A_NETWORK.get(clause),
        )
        for clause, found in clause_states(agreement, on=on).items()
    ]


def missing_under_13_answers(agreement: Agreement) -> tuple[str, ...]:
    """Return which of the five under-13 answers (clause 6f) the file does not give, by field.

    Absent or null is missing; an empty list is an answer (contract, section 6).
    """
    data = agreement.data
    answers = {
        "data.categories": True,
        "data.storage_plain or data.stored_in": data.storage_plain is not None or data.stored_in is not None,
        "data.retention_days_after_request or data.retention_days_after_end": (
            data.retention_days_after_request is not None or data.retention_days_after_end is not None
        ),
        "data.access": data.access is not None,
        "purposes": True,
    }
    return tuple(field for field, given in answers.items() if not given)


def needs_review(agreement: Agreement, clause: Clause) -> bool | None:
    """Tell whether the product needs the review that *clause* (R2 to R5) asks for; None: the file does not say.

    Purpose `instruction` needs R2 and R3, `assessment` R4; `personalized` or `uses_algorithms` R5.
    """
    if clause == "R5":
        says = [answer for product in agreement.products for answer in (product.personalized, product.uses_algorithms)]
        return True if True in says else None if None in says else False
    wanted = "assessment" if clause == "R4" else "instruction"
    return any(purpose.code == wanted for purpose in agreement.purposes)


def review_for(agreement: Agreement, clause: Clause) -> Review | None:
    """Return the review that answers *clause* (R2 to R5); None: the file has none."""
    return None if agreement.reviews is None else getattr(agreement.reviews, _REVIEW_FIELDS[clause])


_REVIEW_FIELDS: Final[dict[Clause, str]] = {
    "R2": "curriculum",
    "R3": "pedagogy",
    "R4": "assessment",
    "R5": "algorithms",
}


def _given(text: str | None) -> bool:
    return text is not None and bool(text.strip())


def _judge(contrary: Iterable[str], missing: Iterable[str], met: str) -> ClauseState:
    """One contrary statement decides; then one missing field; then the clause is met."""
    for why in contrary:
        return ClauseState(state="not_met", why=why)
    absent = list(missing)
    if absent:
        return ClauseState(state="not_stated", why=f"The file does not say {_and(absent)}.")
    return ClauseState(state="met", why=met)


def _and(fields: list[str]) -> str:
    quoted = [f"`{field}`" for field in fields]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _r0(agreement: Agreement, on: date) -> ClauseState:
    gate = agreement.use_gate
    decision = gate_on(agreement, on)
    if decision is None:
        why = f"`use_gate` holds only from {gate.from_}; nothing is decided for {on}."
        return ClauseState(state="not_stated", why=why)
    ended = f"`use_gate` says {gate.status} until {gate.until}, so it now counts as {decision}."
    why = f"`use_gate` says {decision}." if decision == gate.status else ended
    return ClauseState(state="met" if decision in {"approved", "pilot"} else "not_met", why=why)


def _r1(agreement: Agreement, _on: date) -> ClauseState:
    oversight = agreement.oversight
    entity = None if oversight is None else oversight.entity
    independent = None if oversight is None else oversight.independent
    return _judge(
        ["`oversight.independent` says false."] if independent is False else [],
        [
            field
            for field, given in (
                ("oversight.entity", _given(entity)),
                ("oversight.independent", independent is not None),
            )
            if not given
        ],
        f"`oversight` names {entity}, which is independent.",
    )


def _reviewed(clause: Clause) -> Callable[[Agreement, date], ClauseState]:
    """Return the judge of one of the four review clauses."""
    field = f"reviews.{_REVIEW_FIELDS[clause]}"

    def state(agreement: Agreement, on: date) -> ClauseState:
        needed, review = needs_review(agreement, clause), review_for(agreement, clause)
        if needed is False:
            return ClauseState(state="not_applicable", why=_NOT_NEEDED[clause])
        if review is None:
            missing = [field] if needed else ["products.personalized", "products.uses_algorithms"]
            return _judge([], missing, "")
        if review.status == "not_applicable":
            return ClauseState(state="not_applicable", why=f"`{field}.status` says not_applicable.")
        return _judge(_against(review, field, on, clause), _unsaid(review, field, clause), f"`{field}` says approved.")

    return state


_NOT_NEEDED: Final[dict[Clause, str]] = {
    "R2": "No row of `purposes` is instruction, so no review of materials is needed.",
    "R3": "No row of `purposes` is instruction, so no review of the teaching is needed.",
    "R4": "No row of `purposes` is assessment, so no review of tests is needed.",
    "R5": "`products` says neither personalized nor uses_algorithms, so no review of algorithms is needed.",
}


def _against(review: Review, field: str, on: date, clause: Clause) -> list[str]:
    found = []
    if review.status != "approved":
        found.append(f"`{field}.status` says {review.status}.")
    if review.expires is not None and on > review.expires:
        found.append(f"`{field}` expired on {review.expires}.")
    if review.independent is False:
        found.append(f"`{field}.independent` says false.")
    if clause == "R4" and review.covers is not None and not {"validity", "usefulness"} <= set(review.covers):
        certified = " and ".join(review.covers) or "nothing"
        found.append(f"`{field}.covers` says {certified}; the clause asks for validity and usefulness.")
    return found


def _unsaid(review: Review, field: str, clause: Clause) -> list[str]:
    found = []
    if review.independent is None:
        found.append(f"{field}.independent")
    if clause == "R3" and not _given(review.population):
        found.append(f"{field}.population")
    if clause == "R4" and review.covers is None:
        found.append(f"{field}.covers")
    return found


def _r6(agreement: Agreement, on: date) -> ClauseState:
    kind, standing = agreement.agreement.kind, status_on(agreement, on)
    first, last = period(agreement)
    why = {
        "draft": "`agreement.status` says draft.",
        "terminated": "`agreement.status` says terminated.",
        "not_yet": f"`agreement.effective` is {first}, after {on}.",
        "expired": f"`agreement.expires` is {last}, before {on}.",
    }
    contrary = [f"`agreement.kind` says {kind}."] if kind in {"none", "clickwrap"} else []
    if standing != "in_force":
        contrary.append(why[standing])
    return _judge(contrary, [], f"`agreement.kind` says {kind}, and it is in force on {on}.")


def _6a(agreement: Agreement, _on: date) -> ClauseState:
    interests = agreement.interests
    if interests is None:
        return _judge([], ["interests"], "")
    # `disclosed: false` is not the contrary of a disclosure, it is none: the fields below are what is missing.
    missing = [
        field
        for field, given in (
            ("interests.revenue", interests.revenue is not None),
            ("interests.relationships", interests.relationships is not None),
            ("interests.commercial_implications", _given(interests.commercial_implications)),
        )
        if not given
    ]
    return _judge([], missing, "`interests` tells revenue, relationships and commercial implications.")


def _6b(agreement: Agreement, _on: date) -> ClauseState:
    owner = agreement.data.owner
    if owner is None or owner == "not_stated":
        return _judge([], ["data.owner"], "")
    contrary = f"`data.owner` says {owner}; the clause asks for student_or_guardian."
    return _judge([] if owner == "student_or_guardian" else [contrary], [], "`data.owner` says student_or_guardian.")


def _6c(agreement: Agreement, _on: date) -> ClauseState:
    prohibited = agreement.prohibited
    if prohibited is None:
        return _judge([], ["prohibited"], "")
    answers = {
        "targeted_ads": prohibited.targeted_ads,
        "sale": prohibited.sale,
        "non_educational_profiles": prohibited.non_educational_profiles,
        "third_party_tracking": prohibited.third_party_tracking,
    }
    return _judge(
        [f"`prohibited.{field}` says false." for field, answer in answers.items() if answer is False],
        [f"prohibited.{field}" for field, answer in answers.items() if answer is None],
        "`prohibited` forbids targeted advertising, sale, profiles and tracking.",
    )


def _6d(agreement: Agreement, _on: date) -> ClauseState:
    parties = agreement.third_parties
    contrary, missing = [], []
    if parties.list_is != "complete":
        contrary.append(f"`third_parties.list_is` says {parties.list_is}.")
    if parties.list is None:
        missing.append("third_parties.list")
    for row in listed_third_parties(agreement):
        if row.relation not in {"subprocessor", "embedded"}:
            continue
        if row.written_terms is False:
            contrary.append(f"`written_terms` of {row.name} says false.")
        if row.written_terms is None:
            missing.append(f"written_terms of {row.name}")
        _answers_for(row.name, row.responsible, contrary, missing)
    return _judge(contrary, missing, "`third_parties.list` is complete, and the vendor answers for each row.")


def _6e(agreement: Agreement, _on: date) -> ClauseState:
    if agreement.third_parties.list is None:
        return _judge([], ["third_parties.list"], "")
    contrary: list[str] = []
    missing: list[str] = []
    referrals = [row for row in agreement.third_parties.list if row.relation == "referral"]
    for row in referrals:
        _answers_for(row.name, row.responsible, contrary, missing)
    met = "`third_parties.list` names no site that pupils are sent to."
    return _judge(contrary, missing, "The vendor is `responsible` for each referral row." if referrals else met)


def _answers_for(name: str, responsible: str | None, contrary: list[str], missing: list[str]) -> None:
    if responsible is None or responsible == "unknown":
        missing.append(f"responsible of {name}")
    elif responsible != "vendor":
        contrary.append(f"`responsible` of {name} says {responsible}; the clause asks for vendor.")


def _6f(agreement: Agreement, _on: date) -> ClauseState:
    encrypted = agreement.data.encrypted_in_transit
    missing = list(missing_under_13_answers(agreement))
    if encrypted is None:
        missing.append("data.encrypted_in_transit")
    contrary = ["`data.encrypted_in_transit` says false."] if encrypted is False else []
    return _judge(contrary, missing, "`data` and `purposes` give all five answers, and data are encrypted on the way.")


def _6g(agreement: Agreement, _on: date) -> ClauseState:
    return _judge([], [] if agreement.improvement else ["improvement"], "`improvement` explains how data are used.")


_STATES: Final[dict[Clause, Callable[[Agreement, date], ClauseState]]] = {
    "R0": _r0,
    "R1": _r1,
    "R2": _reviewed("R2"),
    "R3": _reviewed("R3"),
    "R4": _reviewed("R4"),
    "R5": _reviewed("R5"),
    "R6": _r6,
    "6a": _6a,
    "6b": _6b,
    "6c": _6c,
    "6d": _6d,
    "6e": _6e,
    "6f": _6f,
    "6g": _6g,
}
