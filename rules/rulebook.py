"""Everything that events are compared with, read together, so that every problem of every file shows at once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, TypeVar

from collector.documents import DocumentError, Problem
from collector.segments import Network, load_network
from rules.agreements.load import load_agreements
from rules.basis import Basis, basis_of
from rules.district.load import load_district_rules
from rules.findings import RULES
from rules.lab_evidence import EVIDENCE, LabEvidence, load_lab_evidence, strays, told_once
from rules.lists.catalogue import lists_in
from rules.locations import LocationError, Locations, open_locations
from rules.matching import Register
from rules.parties import PartyTable, load_parties

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rules.agreements.model import Agreement
    from rules.district.rule import DistrictRule
    from rules.editions import Editions

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RulebookFiles:
    """Where the parts of a rulebook lie."""

    agreements: Path | None
    """Folder of agreement files; None: agreements come from elsewhere."""
    network: Path
    """The network file."""
    off_schools: tuple[str, ...] = ()
    """Schools that are not watched at all."""
    parties: tuple[Path, ...] = ()
    """The district's own party files, and lists files; later ones win."""
    location: Path | None = None
    """MaxMind-format country database; None: no judgement about countries."""
    evidence: Path | None = None
    """Folder of lab evidence; None: the folder `evidence` inside that of the agreements, where there is one."""
    rules: tuple[Path, ...] = ()
    """Files of the district's own rules."""

    @property
    def lab_folder(self) -> Path | None:
        """Where lab evidence lies; None: nowhere."""
        return self.evidence or (self.agreements / EVIDENCE if self.agreements is not None else None)

    def fingerprint(self) -> tuple[tuple[str, int, int], ...]:
        """Return name, time of change and size of every file, to tell whether anything changed."""
        lists = [named.place for path in self.parties for named in lists_in(path)]
        files = [self.network, *self.parties, *lists, *self.rules, *([self.location] if self.location else [])]
        for folder in (self.agreements, self.lab_folder):
            if folder is not None:
                try:
                    files += sorted(folder.iterdir())
                except OSError:
                    files.append(folder)
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
    basis: Basis | None = None
    """Versions and hashes that verdicts rest on, for the evidence; None: made in memory."""
    lab: Mapping[str, LabEvidence] = field(default_factory=dict)
    """What products did in a lab, by id of the agreement; most have none."""
    rules: tuple[DistrictRule, ...] = ()
    """The district's own rules."""

    @property
    def rule_ids(self) -> tuple[str, ...]:
        """Ids of all rules, the district's own last."""
        return (*RULES, *(rule.id for rule in self.rules))

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What a person should know: lab evidence that speaks of no agreement of any time, lists that are not used."""
        known = (each.id for each in self.agreements) if self.editions is None else self.editions.everything()
        return (*strays(self.lab, agreements=known), *self.parties.warnings)

    def under(self, editions: Editions) -> Rulebook:
        """Return the same parties, network and locations with other agreements."""
        newest = editions.register(len(editions.starts) - 1)
        return replace(self, agreements=newest.agreements, register=newest, editions=editions)

    def with_agreements(self, agreements: tuple[Agreement, ...]) -> Rulebook:
        """Return the same rulebook with other agreements, which speak for every time."""
        return replace(self, agreements=agreements, register=Register(agreements), editions=None)

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
    network = attempt(lambda: load_network(files.network, off_schools=files.off_schools))
    parties = attempt(lambda: load_parties(files.parties))
    location = files.location
    locations = attempt(lambda: open_locations(location)) if location else None
    laboratory = files.lab_folder
    lab = {} if laboratory is None else attempt(lambda: load_lab_evidence(laboratory))
    known = _known_words(network, agreements=None if folder is None else agreements)
    rules = attempt(lambda: load_district_rules(files.rules, known=known)) if files.rules else ()
    if problems or agreements is None or network is None or parties is None or lab is None or rules is None:
        raise DocumentError(problems if folder is None else told_once(problems, agreements=folder))
    return Rulebook(
        agreements=agreements,
        register=Register(agreements),
        parties=parties,
        network=network,
        locations=locations,
        basis=basis_of(files, lists=parties.sources, lab=lab),
        lab=lab,
        rules=rules,
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


def _known_words(network: Network | None, *, agreements: tuple[Agreement, ...] | None) -> dict[str, tuple[str, ...]]:
    """Return what a district's rule may compare schools, groups and agreements with, as far as it is known here."""
    known: dict[str, tuple[str, ...]] = {}
    if network is not None:
        known["school"] = tuple(sorted({school for school, _group in network.groups}))
        known["group"] = tuple(sorted({group for _school, group in network.groups}))
    if agreements:
        known["agreement.id"] = tuple(sorted(agreement.id for agreement in agreements))
    return known


def _fingerprint(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        return (str(path), 0, -1)
    return (str(path), status.st_mtime_ns, status.st_size)
