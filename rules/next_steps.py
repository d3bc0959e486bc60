"""What a privacy officer does next about a case, rule by rule: said alike in mail, desk and digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.findings import RuleId

ASK: Final = "Ask the vendor which company this is, what it gets, for which purpose, and under which written terms."
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
