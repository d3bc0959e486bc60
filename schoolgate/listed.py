"""The names that somebody answers for, as the collector gets them: plain data out of agreements and party lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.destinations import Listed
from collector.documents import DocumentError
from collector.hosts import normal_name
from rules.agreements.load import load_agreements
from rules.agreements.model import listed_third_parties, waivers
from rules.coverage import PUBLIC_FRONTS
from rules.lists.catalogue import lists_in
from rules.parties import DELIVERY, load_parties

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from collector.problems import Problem
    from rules.agreements.model import Agreement
    from rules.parties import PartyTable
    from rules.rulebook import RulebookFiles


def listed_names(agreements: Iterable[Agreement], *, parties: PartyTable) -> Listed:
    """Return the names of vendors, and those that their agreements and the party lists give for others."""
    vendors: set[str] = set()
    others = {domain for domain, party in parties if party.kind not in DELIVERY} | PUBLIC_FRONTS
    for agreement in agreements:
        for domain in agreement.domains:
            # A host that many vendors use is nobody's own.
            (others if domain.shared else vendors).add(normal_name(domain.match))
        others.update(map(normal_name, _named(agreement)))
    # What an agreement names is named on purpose, whatever a list says of its business.
    return Listed(
        vendors=frozenset(vendors),
        others=frozenset(others),
        delivery=frozenset(domain for domain, party in parties if party.kind == "cdn" and domain not in others),
        hosting=frozenset(domain for domain, party in parties if party.kind == "hosting" and domain not in others),
    )


def _named(agreement: Agreement) -> Iterator[str]:
    for row in listed_third_parties(agreement):
        yield from row.domains or ()
    for activity in agreement.improvement or ():
        yield from activity.domains or ()
    for waiver in waivers(agreement):
        if waiver.domain is not None:
            yield waiver.domain


class ListedFiles:
    """Reads the names from files, and notices when those change; a bad file never replaces a good one.

    A tap host whose folder of agreements does not exist knows party lists alone.

    Args:
        files: where agreements and party lists lie.

    Raises:
        DocumentError: a file is wrong; with every problem of every file.
    """

    def __init__(self, files: RulebookFiles) -> None:
        self._files = files
        self._last = self._prints()
        self._asked = False
        self.names = self._load()
        """What was read last."""

    @property
    def warning(self) -> str:
        """What a person should know; empty: nothing."""
        folder = self._files.agreements
        if folder is None or folder.exists():
            return ""
        return f"{folder}: no such folder: vendors with an agreement are not known here, and their names are withheld"

    def ask(self) -> None:
        """Read again at the next look, whether anything changed or not."""
        self._asked = True

    def look(self) -> Listed | None:
        """Return the names when the files changed, None when they did not.

        Raises:
            DocumentError: the new files are wrong; told once for each change.
        """
        now = self._prints()
        if now == self._last and not self._asked:
            return None
        self._last, self._asked = now, False
        self.names = self._load()
        return self.names

    def _load(self) -> Listed:
        problems: list[Problem] = []
        agreements: tuple[Agreement, ...] = ()
        parties: PartyTable | None = None
        folder = self._files.agreements
        try:
            agreements = load_agreements(folder) if folder is not None and folder.exists() else ()
        except DocumentError as error:
            problems.extend(error.problems)
        try:
            parties = load_parties(self._files.parties)
        except DocumentError as error:
            problems.extend(error.problems)
        if problems or parties is None:
            raise DocumentError(problems)
        return listed_names(agreements, parties=parties)

    def _prints(self) -> tuple[tuple[str, int, int], ...]:
        lists = [named.place for path in self._files.parties for named in lists_in(path)]
        folder = self._files.agreements
        files = sorted(folder.iterdir()) if folder is not None and folder.is_dir() else []
        return tuple(map(_print, [*self._files.parties, *lists, *files]))


def _print(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        return (str(path), 0, -1)
    return (str(path), status.st_mtime_ns, status.st_size)
