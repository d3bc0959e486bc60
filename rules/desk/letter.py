"""The letter to a vendor: what was promised, what was seen, what we ask. Nothing about pupils, no accusation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rules.agreements.plain import written_day
from rules.agreements.vocabulary import CLAUSES
from rules.checks.wording import listed
from rules.console import rule_title
from rules.desk.words import ANY_QUESTIONS, QUESTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from rules.agreements.model import Agreement

WEEKS_TO_ANSWER: Final = 2
_KINDS: Final = {
    "ndpa_v1": "the National Data Privacy Agreement (version 1)",
    "ndpa_v2": "the National Data Privacy Agreement (version 2)",
    "state_dpa": "our state's data privacy agreement",
    "district_dpa": "our district's data privacy agreement",
    "vendor_dpa": "your data privacy agreement",
    "clickwrap": "your terms of service",
    "none": "the terms we know of",
}
_LIMIT: Final = (
    "We look at our own network only: who is contacted, when, and by which name. We do not see what is sent, and we "
    "do not record what single pupils do. So what we saw is a question to you, and no finding that anything is wrong."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter, by its parts. Everything in it may quote the agreement file or the network: untrusted, escape it."""

    to: tuple[str, ...]
    """Lines of the address."""
    date: str
    subject: str
    paragraphs: tuple[str, ...]
    questions: tuple[str, ...]
    end: tuple[str, ...]
    """Closing lines."""

    @property
    def text(self) -> str:
        """The whole letter as plain text."""
        questions = "\n".join(f"{number}. {text}" for number, text in enumerate(self.questions, start=1))
        parts = ["\n".join(self.to), self.date, f"Subject: {self.subject}", *self.paragraphs, questions]
        return "\n\n".join([*parts, "\n".join(self.end)]) + "\n"


def letter_about(
    case_id: str,
    view: Mapping[str, Any],
    *,
    agreement: Agreement | None,
    district: str,
    on: date,
    proof: Mapping[str, Any] | None = None,
) -> Letter:
    """Return the letter about one case.

    Args:
        case_id: its id, which the vendor is asked to quote.
        view: what a person is told of it (`rules.told`).
        agreement: the agreement as it is now; None: there is none.
        district: name of the district.
        on: date of the letter.
        proof: what it rests on (`rules.evidence.shown`); None: nothing was kept.
    """
    return Letter(
        to=_address(view, agreement=agreement),
        date=written_day(on),
        subject=f"{rule_title(view['rule'])} (our case {case_id[:8]})",
        paragraphs=(
            "To whom it may concern,",
            _occasion(agreement),
            _seen(view),
            _promise(view, proof=proof or {}),
            *_found(view, proof=proof or {}),
            _LIMIT,
            "We ask you:",
        ),
        questions=QUESTIONS.get(view["rule"], ANY_QUESTIONS),
        end=(
            f"Please answer within {WEEKS_TO_ANSWER} weeks and quote our case {case_id[:8]}.",
            "If anything here is wrong, tell us: we will correct it.",
            "",
            "Sincerely,",
            "Privacy officer",
            district,
        ),
    )


def _address(view: Mapping[str, Any], *, agreement: Agreement | None) -> tuple[str, ...]:
    if agreement is None:
        return (f"The provider of {view['subject']}",)
    contact = agreement.vendor.privacy_contact
    return (agreement.vendor.legal_name, *([contact] if contact else []))


def _occasion(agreement: Agreement | None) -> str:
    if agreement is None:
        return (
            "Schools of our district appear to use your product. We know of no data agreement with you that covers it."
        )
    names = listed(product.name for product in agreement.products)
    terms = agreement.agreement
    since = f", in effect from {written_day(terms.effective)}" if terms.effective else ""
    return f"Schools of our district use {names} under {_KINDS[terms.kind]}{since}."


def _seen(view: Mapping[str, Any]) -> str:
    return f"On our network we saw the following. {view['summary']}"


def _promise(view: Mapping[str, Any], *, proof: Mapping[str, Any]) -> str:
    asks = CLAUSES.get(view["clause"])
    said = f"{view['agreement_says']}" + (f" Our district expects of every product that {asks}." if asks else "")
    places = sorted({str(each["source"]) for each in proof.get("agreement_sections") or () if each["source"]})
    unsaid = [place for place in places if place not in said]
    return said + (f" In the agreement, see also: {'; '.join(unsaid)}." if unsaid else "")


def _found(view: Mapping[str, Any], *, proof: Mapping[str, Any]) -> tuple[str, ...]:
    """Say how the cause was found, and what speaks against it; of other vendors nothing is said."""
    attribution = proof.get("attribution") or {}
    told = []
    if "near_share" in attribution:
        told.append(
            f"Of all contacts with {view['subject']} that we counted, we put {attribution['near_share']} down to your "
            "product"
            + (
                f"; {attribution['elsewhere_share']} took place while it was not open."
                if "elsewhere_share" in attribution
                else "."
            )
        )
    if attribution.get("lab") == "confirms":
        told.append("With nothing else open, in a lab, your product contacted it as well.")
    party = proof.get("party")
    if party and party["owner"]:
        of = f" of {party['date']}" if party["date"] else ""
        told.append(f"By the list “{party['list']}”{of}, {view['subject']} belongs to {party['owner']}.")
    return (" ".join(told),) if told else ()
