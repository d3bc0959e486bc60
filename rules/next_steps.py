"""What a privacy officer does next about a case, by its rule and its status: said alike in mail, desk and digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rules.life_cycle import FEWEST_AGAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rules.findings import RuleId
    from rules.life_cycle import Return

ASK: Final = "Ask the vendor which company this is, what it gets, for which purpose, and under which written terms."
COMPARE: Final = "Read on which words this rule of the district rests; then ask the vendor, or tell the schools."
NEXT_STEPS: Final[Mapping[RuleId, str]] = {
    "no-agreement": "Decide whether the product may be used: have an agreement signed, or stop the use.",
    "agreement-not-in-force": "Renew the agreement, or have the use of the product stopped.",
    "use-paused": "Tell the schools named here that the product is not to be used, or change the decision.",
    "pilot-outside-group": "Tell the schools named here who may use the pilot, or widen it.",
    "review-missing": "Have the missing review made, or pause the product until it is.",
    "under-13-not-covered": "Take children under 13 out of the product, or get the missing answers from the vendor.",
    "undeclared-third-party": ASK,
    "undeclared-referral": "Ask the vendor to declare the site that pupils are sent to, or to take the link out.",
    "prohibited-tracking": "Ask the vendor to stop it, and to say since when and for which pupils it took place.",
    "undisclosed-interest": "Ask the vendor to disclose the relationship and what follows from it for pupils.",
    "unexplained-telemetry": "Ask the vendor what is measured, what for, and to add it to the agreement.",
    "cname-cloaked-third-party": ASK,
    "plaintext-transport": "Ask the vendor to encrypt the connection; until then, weigh a pause.",
    "outside-hours": "Ask the vendor what its product does while no school is in session.",
    "upload-above-declared": "Ask the vendor what is sent, and why it is more than was declared.",
    "storage-country": "Ask the vendor where the data are kept.",
}
OURS: Final[frozenset[RuleId]] = frozenset(
    {
        "no-agreement",
        "agreement-not-in-force",
        "use-paused",
        "pilot-outside-group",
        "review-missing",
        "under-13-not-covered",
    }
)
"""Rules where the district itself can act; for the others it is the vendor's turn."""
BY_STANDING: Final[Mapping[str, str]] = {
    "new": "Read what was seen, then acknowledge the case, so that everybody knows it is in hand.",
    "acknowledged": "Ask the vendor. The letter is ready and holds nothing about pupils.",
    "asked": (
        "Wait for the vendor's answer. When it comes, say here what it was: declared, fixed, a false positive, or a "
        "breach."
    ),
    "declared": (
        "Have the agreement file amended. Once it says so and covers what was seen, the case is withdrawn by itself."
    ),
    "fixed": (
        "Wait. The fix is shown as verified once 14 days have passed without a new sighting; if it is seen again, the "
        "case returns by itself."
    ),
    "verified": "It was not seen for 14 days. Close the case.",
    "disputed": "Have IT put right what was wrong (list, agreement file, network file); then close the case.",
    "breach": (
        "Follow your incident process; deadlines are in the agreement and in state law. Close the case when it is over."
    ),
    "closed": (
        "Nothing. It opens again by itself only for a group of users that was not known, or for twice as many devices, "
        f"{FEWEST_AGAIN} at least."
    ),
    "withdrawn": "Nothing. Later evidence, or a changed agreement file, no longer supports the case.",
}
"""How a case stands (`rules.life_cycle.standing`) -> next step."""
RETURNS: Final[Mapping[Return, str]] = {
    "new_group": "it was seen in a group of users that was not known when it was ended",
    "twice_exposure": "it was seen on at least twice as many devices (counted per day) as when it was ended",
    "seen_again": "it was seen again after it had been called fixed",
    "supported_again": "the evidence supports it again",
}
"""Why a case came back by itself."""


def next_step(rule: str, *, stands: str) -> str:
    """Return what to do next: about a case of its rule while it is young and ours, else by how it stands."""
    young = stands in {"new", "acknowledged"}
    return NEXT_STEPS.get(rule, COMPARE) if young and rule in OURS else BY_STANDING.get(stands, BY_STANDING["new"])


def told_step(rule: str, *, stands: str) -> str:
    """Return the same for a message, whose reader has not the case before them: what its rule asks for comes first."""
    return NEXT_STEPS.get(rule, COMPARE) if stands in {"new", "acknowledged"} else next_step(rule, stands=stands)


def returned_because(because: Iterable[str]) -> str:
    """Return why a case came back, as a sentence; empty: nobody knows."""
    told = [RETURNS[name] for name in because if name in RETURNS]  # type: ignore[index] # one of them by now
    return f"It came back by itself: {'; '.join(told)}." if told else ""
