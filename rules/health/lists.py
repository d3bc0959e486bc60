"""How old the lists are that hosts and addresses are looked up in: an old one names yesterday's owners."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import maxminddb

from collector.outcomes import misconfigured, not_applicable, warning, well
from rules.lists.catalogue import lists_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from collector.outcomes import Outcome
    from rules.lists.catalogue import NamedList

# Registries change suffixes a few times a month; the few that matter to schools, once in years.
SUFFIXES_MAY_BE_DAYS: Final = 400
# Addresses change hands all the time; suppliers of country databases publish every week or month.
LOCATIONS_MAY_BE_DAYS: Final = 120
# Publishers bring out new ones every week to every few months.
LISTS_MAY_BE_DAYS: Final = 180
# Companies and their domains change; once a year somebody should look through the district's own list.
PARTIES_MAY_BE_DAYS: Final = 400
_VERSION = re.compile(rb"^// VERSION: (\d{4})-(\d\d)-(\d\d)", re.MULTILINE)
# The version stands at the top of a file of 300 kB.
_TOP_OCTETS = 2_000


def lists(*, parties: Sequence[Path], location: Path | None, today: date) -> Iterator[Outcome]:
    """Yield the age of each list.

    Args:
        parties: the district's own party files, and lists files.
        location: country database; None: there is none.
        today: the date.
    """
    yield suffixes(today=today)
    for path in parties:
        if named := lists_in(path):
            for each in named:
                yield _of_others(each, today=today)
            continue
        try:
            changed = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC).date()
        except OSError as error:
            yield misconfigured(f"{path} cannot be read ({error.strerror})", remedy="correct `parties`")
            continue
        remedy = "look through it: owners and domains change"
        yield _aged(f"the party file {path}", since=changed, today=today, most=PARTIES_MAY_BE_DAYS, remedy=remedy)
    if location is None:
        yield not_applicable("no country database is named, so no case says where a server stands")
    else:
        yield _location(location, today=today)


def _of_others(named: NamedList, *, today: date) -> Outcome:
    what = f"the list {named.entry.title} ({named.place})"
    # Whether its octets are the right ones is told where the rulebook is read, which reads them anyhow.
    if not named.place.exists():
        remedy = f"get it, or take its row out of {named.catalogue}; until then its hosts are of unknown kind"
        return misconfigured(f"{what} is not there", remedy=remedy)
    if named.entry.date > today:
        return misconfigured(f"{what} is of {named.entry.date}, a day to come", remedy="correct its `date`")
    remedy = "get a newer one, and enter it with `schoolgate parties add`"
    return _aged(what, since=named.entry.date, today=today, most=LISTS_MAY_BE_DAYS, remedy=remedy)


def suffixes(*, today: date) -> Outcome:
    """Return the age of the public suffix list in use."""
    # Of the library that the rules look hosts up with.
    with (files("publicsuffixlist") / "public_suffix_list.dat").open("rb") as source:
        found = _VERSION.search(source.read(_TOP_OCTETS))
    if found is None:
        return warning("the public suffix list does not say how old it is", remedy="install Schoolgate anew")
    since = date(*map(int, found.groups()))
    remedy = "install a newer release of Schoolgate, which brings a newer one"
    return _aged("the public suffix list", since=since, today=today, most=SUFFIXES_MAY_BE_DAYS, remedy=remedy)


def _location(path: Path, *, today: date) -> Outcome:
    try:
        with maxminddb.open_database(path, maxminddb.MODE_FILE) as reader:
            since = datetime.fromtimestamp(reader.metadata().build_epoch, tz=UTC).date()
    except (OSError, maxminddb.InvalidDatabaseError, ValueError) as error:
        return misconfigured(f"{path} cannot be used ({error})", remedy="name a MaxMind-format file as `location`")
    remedy = "get a newer one from its supplier"
    return _aged(f"the country database {path}", since=since, today=today, most=LOCATIONS_MAY_BE_DAYS, remedy=remedy)


def _aged(what: str, *, since: date, today: date, most: int, remedy: str) -> Outcome:
    days = (today - since).days
    if days > most:
        return warning(f"{what} is of {since}, {days} days old", remedy=remedy)
    return well(f"{what} is of {since}")
