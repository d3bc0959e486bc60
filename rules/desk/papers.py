"""The district's own files as the desk shows them: agreements and schools, read again when they change."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from collector.problems import DocumentError
from rules.basis import basis_of_case, differences
from rules.rulebook import RulebookWatch, load_rulebook

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime
    from typing import Any
    from zoneinfo import ZoneInfo

    from rules.agreements.model import Agreement
    from rules.rulebook import Rulebook, RulebookFiles

LOOK_EVERY_S: Final = 2.0


class Papers:
    """Agreements and network file as they are now; a bad file never replaces a good one.

    Args:
        files: where they lie.
        say: what the operator is told.

    Raises:
        DocumentError: with every problem of every file.
    """

    def __init__(self, files: RulebookFiles, *, say: Callable[[str], None]) -> None:
        self._say = say
        self._watch = RulebookWatch(files)
        self._lock = threading.Lock()
        self._look_at = time.monotonic() + LOOK_EVERY_S
        self._rulebook = load_rulebook(files)
        self.problem: str | None = None
        """What is wrong with the files as they are now; None: nothing."""

    def ask(self) -> None:
        """Read again at the next look, whether anything changed or not."""
        self._watch.ask()
        self._look_at = 0.0

    @property
    def agreements(self) -> dict[str, Agreement]:
        """The agreements by id."""
        return {agreement.id: agreement for agreement in self._now().agreements}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What in the files is right and yet not used. Untrusted: escape before showing."""
        return tuple(map(str, self._now().warnings))

    @property
    def vendors(self) -> dict[str, str]:
        """Agreement id -> products and vendor as one would say them. Untrusted: escape before showing."""
        return {
            agreement.id: f"{', '.join(product.name for product in agreement.products)} ({agreement.vendor.legal_name})"
            for agreement in self._now().agreements
        }

    @property
    def district(self) -> str:
        """Name of the district."""
        return self._now().network.district

    @property
    def zone(self) -> ZoneInfo:
        """Its time zone."""
        return self._now().network.time_zone

    def other_than(self, then: Mapping[str, Any]) -> list[str]:
        """Return what is another in the files as they are now than in the basis of a case; none: nothing is."""
        rulebook = self._now()
        if rulebook.basis is None:
            return []
        agreement = self.agreements.get((then.get("agreement") or {}).get("id", ""))
        now = basis_of_case(rulebook.basis, check=None, rule="", agreement=agreement, agreements=rulebook.agreements)
        # The desk judges nothing: whether the rule is another, the hash of all sources says.
        return differences(then, {**now, "rule": then.get("rule")})

    def today(self, now: datetime) -> date:
        """Return the district's date at *now*."""
        return self._now().network.local_day(now)

    def _now(self) -> Rulebook:
        with self._lock:
            if time.monotonic() >= self._look_at:
                self._look_at = time.monotonic() + LOOK_EVERY_S
                try:
                    fresh = self._watch.look()
                    if fresh is not None:
                        self._rulebook, self.problem = fresh, None
                except DocumentError as error:
                    self.problem = str(error)
                    self._say(f"{error}\ndesk: going on with the files that were read before")
            return self._rulebook
