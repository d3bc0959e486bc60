"""The formats of lists that can be read, by the name that `lists.yaml` calls them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

from rules.lists import companiesdb, disconnect, host_lines, own, registry, tracker_radar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rules.lists.rows import Piece, Tally

FormatName = Literal[
    "adguard-companiesdb",
    "tracker-radar",
    "disconnect",
    "easyprivacy",
    "easylist",
    "data-brokers",
    "parties",
]


class Loader(Protocol):
    """Reads the files of one list."""

    def __call__(self, pieces: Iterable[Piece], *, tally: Tally) -> None:
        """Put what the list says into *tally*.

        Raises:
            DocumentError: the list as a whole cannot be used.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How a list is read."""

    load: Loader
    """Reads it."""
    title: str
    """What a case calls a list of this format that has no name."""
    says: str
    """What it is, for `--help` and messages."""
    files: tuple[str, ...] = ()
    """Files that count where the list is a folder; empty: it is one file."""
    folders: tuple[str, ...] = ()
    """Folders whose `.json` files count; where none of them is there, every `.json` beneath the list's folder."""


FORMATS: Final[Mapping[FormatName, Format]] = {
    "adguard-companiesdb": Format(
        load=companiesdb.load,
        title="AdGuard companiesdb",
        says="trackers.json of AdGuard companiesdb, or the folder with it and companies.json (owners by name)",
        files=(companiesdb.COMPANIES, companiesdb.TRACKERS),
    ),
    "tracker-radar": Format(
        load=tracker_radar.load,
        title="DuckDuckGo Tracker Radar",
        says="folder of Tracker Radar (domains/, entities/), or its domain_map.json (owners only)",
        folders=tracker_radar.FOLDERS,
    ),
    "disconnect": Format(load=disconnect.load, title="Disconnect", says="services.json of Disconnect"),
    "easyprivacy": Format(
        load=host_lines.loader(kind="analytics"), title="EasyPrivacy", says="EasyPrivacy; only lines that block a host"
    ),
    "easylist": Format(
        load=host_lines.loader(kind="advertising"), title="EasyList", says="EasyList; only lines that block a host"
    ),
    "data-brokers": Format(
        load=registry.load,
        title="the registry of data brokers",
        says="CSV of a registry of data brokers (California, Vermont); columns are found by their headings",
    ),
    "parties": Format(load=own.load, title="the district's own list", says="a party file of the district"),
}
"""Every format that `lists.yaml` may name."""
