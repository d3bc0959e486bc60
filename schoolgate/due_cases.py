"""Forgets the cases that have been kept for as long as the district wants, and leaves a certificate of each time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from collector.problems import DocumentError, Problem
from collector.segments import load_network
from rules.errors import StoreError
from rules.export.evidence_pack import Origin
from rules.store.elsewhere import Elsewhere
from rules.store.forgetting import try_to_read
from schoolgate.purge_file import PurgeFile
from schoolgate.release import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rules.store import Store
    from rules.store.forgetting import Purge
    from schoolgate.configuration import Configuration

BY: Final = "schoolgate"
"""Who forgot them, as the log names it: nobody, but the policy."""
AT_ONCE: Final = 100
"""Cases of one certificate: meanwhile nobody else writes into the store."""
WHY_NOT: Final = "forgotten by the retention, which looks at the store alone"


class DueCases:
    """Forgets cases that are due.

    Args:
        store: the case store.
        folder: where certificates go; made when it is missing.
        district: name of the district.
        days: how long the district keeps cases after their end.
        say: told in one sentence what an operator should know.
        clock: the time.
    """

    def __init__(
        self,
        store: Store,
        *,
        folder: Path,
        district: str,
        days: int,
        say: Callable[[str], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._folder = folder
        self._district = district
        self._days = days
        self._say = say
        self._clock = clock

    def forget(self, ids: Sequence[str]) -> int:
        """Destroy the keys of these cases, write down what that came to, and return how many they were.

        Where no certificate can be written nothing is forgotten; it is said, and tried again an hour later.

        Raises:
            StoreError: the store cannot be used; what was forgotten until then is.
        """
        done = 0
        for start in range(0, len(ids), AT_ONCE):
            try:
                done += self._some(ids[start : start + AT_ONCE])
            except OSError as error:
                self._say(
                    f"{len(ids) - done} cases that are due are not forgotten: {self._folder} takes no certificate "
                    f"({_why(error)})"
                )
                break
        return done

    def _some(self, ids: Sequence[str]) -> int:
        """Forget these.

        Raises:
            OSError: no certificate can be written; none of them is forgotten.
        """
        now = self._clock()
        self._folder.mkdir(parents=True, exist_ok=True)
        origin = Origin(district=self._district, made_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"), software=VERSION)
        file = PurgeFile(self._folder / f"purge-{now:%Y%m%dT%H%M%S%f}Z.zip", origin=origin)
        reason = f"kept for {self._days} days after their end, as `privacy.case_retention_days` says"
        gone = file.destroy(self._store, ids, by=BY, reason=reason)
        try:
            purge = try_to_read(self._store, gone)
        except StoreError:
            self._say(f"{len(ids)} cases that were due are forgotten; {self._begun(file)}")
            raise
        self._complete(file, purge)
        if not purge.is_complete:
            self._say("old pages of the database may hold their keys still; run `schoolgate store scrub`")
        return len(ids)

    def _complete(self, file: PurgeFile, purge: Purge) -> None:
        """Put the whole certificate in its place; where that fails, say what is there instead: they are forgotten."""
        elsewhere = [Elsewhere.untried(place, why=WHY_NOT) for place in ("Kafka", "Backups", "File of keys")]
        what = f"the certificate is {file.out.name} in {self._folder}"
        try:
            file.complete(purge, elsewhere=elsewhere)
        except OSError as error:
            what = f"{self._begun(file)} ({_why(error)})"
        self._say(
            f"{len(purge.cases)} cases that were due are forgotten; {what}; replace the file of keys: "
            "`schoolgate store backup OUT --keys KEYS`"
        )

    def _begun(self, file: PurgeFile) -> str:
        return (
            f"the certificate {file.out.name} in {self._folder} names them and their keys, and could not be completed"
        )


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__


def due_cases_of(settings: Configuration, *, folder: Path, store: Store, say: Callable[[str], None]) -> DueCases | None:
    """Return what forgets cases that are due, None: the configuration leaves that to a person.

    Args:
        settings: the configuration.
        folder: where relative paths in it start.
        store: the case store.
        say: told in one sentence what an operator should know.

    Raises:
        DocumentError: certificates are wanted and no time after which a case is due, or the network file is wrong.
    """
    privacy = settings.privacy
    if privacy.case_certificates is None:
        return None
    if privacy.case_retention_days is None:
        raise DocumentError(
            [Problem(path="privacy", line=1, what="`case_certificates` is there and `case_retention_days` is not",
                     remedy="say for how many days a case is kept after its end, or leave the folder out")]
        )  # fmt: skip
    district = load_network(folder / settings.network).district
    certificates = folder / privacy.case_certificates
    return DueCases(store, folder=certificates, days=privacy.case_retention_days, say=say, district=district)
