"""Everything that events are compared with, read together, so that every problem of every file shows at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, TypeVar

from collector.documents import DocumentError, Problem
from collector.segments import Network, load_network
from rules.agreements.load import load_agreements
from rules.locations import LocationError, Locations, open_locations
from rules.matching import Register
from rules.parties import PartyTable, load_parties

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rules.agreements.model import Agreement
    from rules.editions import Editions

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RulebookFiles:
    """Where the parts of a rulebook lie."""

    agreements: Path | None
    """Folder of agreement files; None: agreements come from elsewhere."""
    network: Path
    """The network file."""
    parties: tuple[Path, ...] = ()
    """The district's own party files; later ones win."""
    location: Path | None = None
    """MaxMind-format country database; None: no judgement about countries."""

    def fingerprint(self) -> tuple[tuple[str, int, int], ...]:
        """Return name, time of change and size of every file, to tell whether anything changed."""
        files = [self.network, *self.parties, *([self.location] if self.location else [])]
        if self.agreements is not None:
            try:
                files += sorted(self.agreements.iterdir())
            except OSError:
                files.append(self.agreements)
        return tuple(_fingerprint(path) for path in files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """What was promised, by whom, and where."""

    agreements: tuple[Agreement, ...]
    """What counts now; of several editions the newest."""
    register: Register
    """Which agreement claims a host on a date."""
    parties: PartyTable
    """Who owns a host."""
    network: Network
    """Schools, groups, calendar."""
    locations: Locations | None
    """Country of an address; None: no database was given."""
    editions: Editions | None = None
    """Agreements by the time of what is judged; None: `agreements` speak for every time."""

    def under(self, editions: Editions) -> Rulebook:
        """Return the same parties, network and locations with other agreements."""
        newest = editions.register(len(editions.starts) - 1)
        return replace(self, agreements=newest.agreements, register=newest, editions=editions)

    def agreements_on(self, day: date) -> tuple[Agreement, ...]:
        """Return the agreements that count at the end of a local day."""
        if self.editions is None or day == date.max:
            return self.agreements
        midnight = datetime.combine(day + timedelta(days=1), time(), tzinfo=self.network.time_zone)
        return self.editions.agreements(self.editions.number(midnight - timedelta(microseconds=1)))


def load_rulebook(files: RulebookFiles) -> Rulebook:
    """Read all parts.

    Raises:
        DocumentError: with every problem of every file.
    """
    problems: list[Problem] = []

    def attempt(load: Callable[[], T]) -> T | None:
        try:
            return load()
        except DocumentError as error:
            problems.extend(error.problems)
        except LocationError as error:
            problems.append(error.problem)
        return None

    folder = files.agreements
    agreements = () if folder is None else attempt(lambda: load_agreements(folder))
    network = attempt(lambda: load_network(files.network))
    parties = attempt(lambda: load_parties(files.parties))
    location = files.location
    locations = attempt(lambda: open_locations(location)) if location else None
    if problems or agreements is None or network is None or parties is None:
        raise DocumentError(problems)
    return Rulebook(
        agreements=agreements,
        register=Register(agreements),
        parties=parties,
        network=network,
        locations=locations,
    )


class RulebookWatch:
    """Notices when files change and reads them again; a bad file never replaces a good one."""

    def __init__(self, files: RulebookFiles) -> None:
        self._files = files
        self._last = files.fingerprint()
        self._asked = False

    def ask(self) -> None:
        """Read again at the next look, whether anything changed or not."""
        self._asked = True

    def look(self) -> Rulebook | None:
        """Return a new rulebook when the files changed, None when they did not.

        Raises:
            DocumentError: the new files are wrong; told once for each change.
        """
        now = self._files.fingerprint()
        if now == self._last and not self._asked:
            return None
        self._last, self._asked = now, False
        return load_rulebook(self._files)


def _fingerprint(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        return (str(path), 0, -1)
    return (str(path), status.st_mtime_ns, status.st_size)
