"""Country of an address, by a MaxMind-format file that the district supplies. Nothing is bundled or asked online."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Protocol

import maxminddb

from collector.documents import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Servers of one school day, many times over; a look-up costs microseconds, a remembered one a fraction of that.
MAX_REMEMBERED_ADDRESSES = 65_536


class Locations(Protocol):
    """Whatever knows where an address is."""

    def country(self, address: str) -> str | None:
        """Return the two-letter country (ISO 3166-1) of an IPv4 or IPv6 address, None: not known."""
        ...


class LocationError(ValueError):
    """The location database cannot be used."""

    problem: Problem
    """The file, what is wrong with it and what to do."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


class MaxMindLocations:
    """Countries by a MaxMind-format file: GeoLite2 Country and City, DB-IP, IPinfo, or one made by hand."""

    def __init__(self, reader: maxminddb.Reader) -> None:
        self._reader = reader
        self._remembered = lru_cache(maxsize=MAX_REMEMBERED_ADDRESSES)(self._look_up)

    def country(self, address: str) -> str | None:
        """Return the two-letter country (ISO 3166-1) of an IPv4 or IPv6 address, None: not known."""
        return self._remembered(address)

    def _look_up(self, address: str) -> str | None:
        try:
            where = ip_address(address)
        except ValueError:
            return None
        if where.version == 6 and self._reader.metadata().ip_version == 4:
            return None
        return _country(self._reader.get(where))


def open_locations(path: str | Path) -> Locations:
    """Return the countries of the database at *path*, read into memory.

    Raises:
        LocationError: there is no such file, or it is no database of this kind.
    """
    try:
        reader = maxminddb.open_database(str(path), maxminddb.MODE_MEMORY)
    except FileNotFoundError:
        raise _error(path, "there is no such file", "check the name, or leave the location database out") from None
    except OSError as error:
        raise _error(path, f"the file cannot be read ({error.strerror})", "check its rights and the disk") from error
    except (maxminddb.InvalidDatabaseError, ValueError) as error:
        raise _error(
            path, "this is no location database", "give a country database in MaxMind format (.mmdb)"
        ) from error
    return MaxMindLocations(reader)


def _error(path: str | Path, what: str, remedy: str) -> LocationError:
    return LocationError(Problem(path=str(path), line=1, what=what, remedy=remedy))


def _country(record: object) -> str | None:
    """Return the country in a record: `country.iso_code` (MaxMind, DB-IP), `country` or `country_code` (IPinfo)."""
    if not isinstance(record, dict):
        return None
    fields: Mapping[str, Any] = record
    country = fields.get("country", fields.get("country_code"))
    code = country.get("iso_code") if isinstance(country, dict) else country
    return code.upper() if isinstance(code, str) and len(code) == 2 else None
