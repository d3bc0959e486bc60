"""The checks that exist, in the order of the contract. A new rule is one more file and one more line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.checks.binding import NoAgreement, NotInForce
from rules.checks.children import Under13NotCovered
from rules.checks.circle import Circles
from rules.checks.cloak import CnameCloakedThirdParty
from rules.checks.gate import PilotOutsideGroup, UsePaused
from rules.checks.hours import OutsideHours
from rules.checks.interests import UndisclosedInterest
from rules.checks.referral import UndeclaredReferral
from rules.checks.reviews import ReviewMissing
from rules.checks.storage import StorageCountry
from rules.checks.telemetry import UnexplainedTelemetry
from rules.checks.third_parties import UndeclaredThirdParty
from rules.checks.tracking import ProhibitedTracking
from rules.checks.transport import PlaintextTransport
from rules.checks.upload import UploadAboveDeclared
from rules.district.check import district_checks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rules.agreements.model import Agreement
    from rules.checks.base import Check
    from rules.district.rule import DistrictRule
    from rules.parties import Party


def all_checks(
    agreements: Iterable[Agreement],
    *,
    party_of: Callable[[str], Party | None],
    country_of: Callable[[str], str | None] | None = None,
    district: Sequence[DistrictRule] = (),
) -> tuple[Check, ...]:
    """Return one of every check.

    Args:
        agreements: every agreement of the district.
        party_of: host -> its owner by the party lists, None: in no list.
        country_of: address -> two-letter country; None: no location database, so no judgement about countries.
        district: the district's own rules.
    """
    known = tuple(agreements)
    circles = Circles(known, party_of=party_of)
    return (
        NoAgreement(known),
        NotInForce(),
        UsePaused(),
        PilotOutsideGroup(),
        ReviewMissing(),
        Under13NotCovered(),
        UndeclaredThirdParty(circles),
        UndeclaredReferral(circles),
        ProhibitedTracking(circles),
        UndisclosedInterest(circles),
        UnexplainedTelemetry(circles),
        CnameCloakedThirdParty(circles),
        PlaintextTransport(),
        OutsideHours(),
        UploadAboveDeclared(),
        StorageCountry(country_of),
        *district_checks(district),
    )
