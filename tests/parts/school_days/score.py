"""How good an attribution is: precision, recall, calibration, and who was accused wrongly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.parts.school_days.truth import Truth

BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Accusation:
    """What an attribution says of one product and one party."""

    agreement: str
    """Agreement id."""
    party: str
    """Registrable domain of the party."""
    confidence: float
    """Posterior, 0 to 1."""
    confirmed: bool
    """It goes into a case; False: only suspected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """How good it was."""

    confirmed: int
    """Confirmed accusations that truth decides about."""
    right: int
    """Those that are true."""
    sufficient: int
    """Edges that the flows are enough to know."""
    found: int
    """Those that were confirmed."""
    calibration_error: float
    """Expected calibration error over ten bins, of all accusations, suspicions included."""
    wrongful: tuple[Accusation, ...]
    """Confirmed accusations of innocent products."""
    missed: tuple[tuple[str, str], ...]
    """Agreement and party of sufficient edges that were not confirmed."""

    @property
    def precision(self) -> float:
        """Share of the confirmed accusations that are true; 1.0 where there is none."""
        return self.right / self.confirmed if self.confirmed else 1.0

    @property
    def recall(self) -> float:
        """Share of the sufficient edges that were confirmed; 1.0 where there is none."""
        return self.found / self.sufficient if self.sufficient else 1.0


def score(truth: Truth, accusations: Iterable[Accusation]) -> Scores:
    """Return how good *accusations* are.

    Sufficient is said in `truth` (`Edge.sufficient`): device-days, lessons, contacts with no rival open, contacts with
    nothing else open, and share. An edge that is true and not sufficient counts for precision, never against recall.
    Edges by way of a widget count for nothing, since the wire does not decide whose they are; nor do connections that a
    page opens and asks nothing on.
    """
    edges = {(edge.agreement, edge.party): edge for edge in truth.edges}
    open_ones = {key for key, edge in edges.items() if edge.via == "widget"} | truth.hinted
    # A party is accused once; of several accusations the surest counts.
    said: dict[tuple[str, str], Accusation] = {}
    for one in accusations:
        key = (one.agreement, one.party)
        if key not in open_ones and (
            key not in said or (said[key].confirmed, said[key].confidence) < (one.confirmed, one.confidence)
        ):
            said[key] = one
    confirmed = {key: one for key, one in said.items() if one.confirmed}
    sufficient = [key for key, edge in edges.items() if edge.sufficient]
    return Scores(
        confirmed=len(confirmed),
        right=sum(key in edges for key in confirmed),
        sufficient=len(sufficient),
        found=sum(key in confirmed for key in sufficient),
        calibration_error=calibration_error((one.confidence, key in edges) for key, one in said.items()),
        wrongful=tuple(one for key, one in sorted(confirmed.items()) if key not in edges),
        missed=tuple(key for key in sorted(sufficient) if key not in confirmed),
    )


def calibration_error(said: Iterable[tuple[float, bool]]) -> float:
    """Return the expected calibration error of pairs of confidence and whether it was true, over ten equal bins.

    Source: Naeini, Cooper, Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015.
    """
    counts = [0] * BINS
    sure = [0.0] * BINS
    true = [0] * BINS
    for confidence, right in said:
        place = min(int(confidence * BINS), BINS - 1)
        counts[place] += 1
        sure[place] += confidence
        true[place] += right
    total = sum(counts)
    return sum(abs(known - good) for known, good in zip(sure, true, strict=True)) / total if total else 0.0
