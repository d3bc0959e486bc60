"""The life of a case: which step is allowed from where, what ends it, and what alone opens it again. Pure.

One table for the desk and for every other way in. What people decide is kept apart from what the evidence says: a case
that the evidence no longer supports is withdrawn, whatever its status, and no step is left but a note.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from rules.small_numbers import OFFICER_K

if TYPE_CHECKING:
    from collections.abc import Mapping

Status = Literal["new", "acknowledged", "asked", "declared", "fixed", "disputed", "breach", "closed"]
"""What people made of a case."""
Act = Literal[
    "acknowledged", "asked", "declared", "fixed", "disputed", "breach", "closed", "reopened", "noted"
]  # fmt: skip
"""What a person does about a case; `noted` leaves its status as it is, `reopened` makes it new."""
Return = Literal["new_group", "twice_exposure", "seen_again", "supported_again"]
"""Why a case came back by itself."""

STATUS_AFTER: Final[dict[str, Status]] = {
    "acknowledged": "acknowledged",
    "asked": "asked",
    "declared": "declared",
    "fixed": "fixed",
    "disputed": "disputed",
    "breach": "breach",
    "closed": "closed",
    "reopened": "new",
}
NEW: Final = "new"
"""Status of a case that nobody has taken up."""
ENDED: Final = frozenset({"declared", "fixed", "disputed", "closed"})
"""Statuses in which a case is over for the district; only what `returns` names opens it again."""
TAKEN_UP: Final = frozenset({"acknowledged", "asked", "breach"})
"""Statuses in which a case is open and somebody works on it."""
WITHDRAWN: Final = "withdrawn"
VERIFIED: Final = "verified"
"""What a case that is `fixed` is shown as, once it has stayed silent long enough."""
VERIFY_DAYS: Final = 14
"""Days without a new sighting after which a fix is shown as verified."""
FEWEST_AGAIN: Final = 2 * OFFICER_K
"""Device-days below which exposure opens no case again: a case that was ended below k returns at this many, whatever it
had then. Were it k, that it returns, or does not, would tell in which half below k that was."""
_ENDINGS: Final[tuple[Act, ...]] = ("declared", "fixed", "disputed", "breach", "closed")
STEPS: Final[dict[str, tuple[Act, ...]]] = {
    # A district may know at once what became of it: steps can be left out. Back leads one way alone, to the beginning.
    "new": ("acknowledged", "asked", *_ENDINGS, "noted"),
    "acknowledged": ("asked", *_ENDINGS, "reopened", "noted"),
    "asked": (*_ENDINGS, "reopened", "noted"),
    "declared": ("closed", "reopened", "noted"),
    # Closed, it would stay silent when it is seen again: so it is closed only after it was verified.
    "fixed": ("reopened", "noted"),
    VERIFIED: ("closed", "reopened", "noted"),
    "disputed": ("closed", "reopened", "noted"),
    "breach": ("closed", "reopened", "noted"),
    "closed": ("reopened", "noted"),
    WITHDRAWN: ("noted",),
}
"""How a case stands (`standing`) -> what can be done about it."""
REASONS: Final[dict[str, str]] = {
    "wrong_owner": "The list names the wrong owner of this domain",
    "other_cause": "Another product or site caused it",
    "device_software": "A filter, a security agent or other software of the device caused it",
    "test_traffic": "It came from a test or from devices that are not used for lessons",
    "wrong_file": "Our agreement or network file does not say what is true",
    "paper_allows": "The signed agreement allows it, in words that the file does not have",
}
"""Why a case is disputed: reason code -> words. A closed list, so that they can be counted."""
OUTCOMES: Final[dict[str, str]] = {
    "stopped": "The district stopped using the product",
    "explained": "The vendor explained it, and the district accepts the explanation",
    "settled": "What was decided before is done",
}
"""Why a case is closed: reason code -> words."""
CODES: Final[dict[str, Mapping[str, str]]] = {"disputed": REASONS, "closed": OUTCOMES}
"""Acts that carry a reason code, with the codes that there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What was known of a case when a person ended it, exactly: what comes later is measured by it."""

    at: str
    """When, ISO 8601 UTC."""
    devices: int
    """Device-days that were known."""
    groups: tuple[str, ...]
    """Groups that were known, sorted."""
    seen: str
    """Last sighting that was known, ISO 8601 UTC; empty: not known."""


def ending(case: Mapping[str, Any], *, at: str) -> Ending:
    """Return what is known of *case* (contract, section 5) now that it ends *at* (ISO 8601 UTC)."""
    return Ending(
        at=at,
        devices=int(case.get("devices", 0)),
        groups=tuple(sorted(map(str, case.get("groups", ())))),
        seen=str(case.get("last_seen") or ""),
    )


def returns(known: Ending, case: Mapping[str, Any], *, status: str) -> tuple[Return, ...]:
    """Return why *case* (contract, section 5) opens again, none: it stays ended, whatever else changed.

    A new party needs no word here: another subject is another case.

    Args:
        known: what was known when it was ended.
        case: what is known now.
        status: how it was ended.
    """
    found: list[Return] = []
    if set(map(str, case.get("groups", ()))) - set(known.groups):
        found.append("new_group")
    if int(case.get("devices", 0)) >= max(FEWEST_AGAIN, 2 * known.devices):
        found.append("twice_exposure")
    # What was on its way when somebody said that it is fixed is no news; what happens after it is.
    if status == "fixed" and _after(str(case.get("last_seen") or ""), known.seen, known.at):
        found.append("seen_again")
    return tuple(found)


def verified(known: Ending | None, *, last_seen: str, until: date | None) -> bool:
    """Return whether a fix has stayed without a new sighting for `VERIFY_DAYS`.

    Args:
        known: what was known when it was called fixed; None: not known.
        last_seen: the last sighting, ISO 8601 UTC; empty: none.
        until: last day on which the network was judged: silence of a monitor that sees nothing verifies nothing.
            None: nothing was ever judged.
    """
    quiet_since = verifiable_on(known, last_seen=last_seen)
    return quiet_since is not None and until is not None and until >= quiet_since


def verifiable_on(known: Ending | None, *, last_seen: str) -> date | None:
    """Return the first day on which a fix can be verified if nothing is seen till then, None: not known."""
    if known is None:
        return None
    moments = [datetime.fromisoformat(stamp).date() for stamp in (known.at, last_seen) if stamp]
    return max(moments) + timedelta(days=VERIFY_DAYS)


def standing(status: str, *, supported: bool, is_verified: bool) -> str:
    """Return how a case stands: `withdrawn`, `verified`, or its status."""
    if not supported:
        return WITHDRAWN
    return VERIFIED if status == "fixed" and is_verified else status


def refusal(act: str, *, at: str, text: str = "", reason: str | None = None) -> str | None:
    """Return why a step is refused, in words that go on after the name of the case; None: it is allowed.

    Args:
        act: the step.
        at: how the case stands (`standing`).
        text: the reason in a person's own words.
        reason: its code, for acts that have codes (`CODES`).
    """
    allowed = STEPS.get(at, ())
    if act not in allowed:
        return _not_allowed(act, at=at, allowed=allowed)
    codes = CODES.get(act)
    if reason is not None and (codes is None or reason not in codes):
        known = f"one of {', '.join(codes)}" if codes else "no reason code with it"
        return f"`{reason}` is no reason for `{act}`; write {known}"
    if act == "disputed" and reason is None:
        return f"a case is disputed with a reason code; say which: {', '.join(REASONS)}"
    if act in {"closed", "breach"} and reason is None and not text.strip():
        return f"{'a case is closed' if act == 'closed' else 'a breach is handed over'} with a reason; say which"
    return None


def _not_allowed(act: str, *, at: str, allowed: tuple[Act, ...]) -> str:
    steps = ", ".join(allowed)
    if at == "fixed" and act == "closed":
        return (
            f"it is closed once it was not seen for {VERIFY_DAYS} days; until then it stays `fixed`, and returns by "
            f"itself if it is seen again; possible now: {steps}"
        )
    return f"it is `{at}`, and `{act}` is no step from there; possible: {steps}"


def _after(stamp: str, *others: str) -> bool:
    if not stamp:
        return False
    moment = datetime.fromisoformat(stamp)
    return all(moment > datetime.fromisoformat(other) for other in others if other)
