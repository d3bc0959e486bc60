"""Registries of data brokers as CSV, one company a row: California (CPPA, before it the attorney general), Vermont.

A registry names a company and its website, not the hosts that collect data. So a row speaks of the registrable domain
of the website, and counts only where no other list covers it (`Weight.REGISTRY`).

Columns differ by state and by year and are found by their headings; the heading need not be on the first line.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from collector.hosts import is_public_suffix, registrable_domain
from rules.lists.rows import ListRow, Weight, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rules.lists.rows import Piece, Tally

NAMES: Final = frozenset({"data broker name", "business name", "company name", "name of data broker", "name"})
"""Headings of the column with the company's name, as `_heading` writes them."""
WEBSITES: Final = frozenset(
    {
        "data broker primary website",
        "business primary website",
        "primary internet address",
        "primary website",
        "website url",
        "website",
        "url",
    }
)
"""Headings of the column with its website."""
STATES: Final = frozenset({"status", "registration status"})
"""Headings of the column that says whether the registration still holds; it may be absent."""
# California writes a line of its own above the headings.
HEADING_WITHIN: Final = 20
_CATEGORY: Final = "registered data broker"


def load(pieces: Iterable[Piece], *, tally: Tally) -> None:
    """Read a registry.

    Raises:
        DocumentError: no line has the headings of a name and of a website.
    """
    for piece in pieces:
        rows = _rows(piece, tally=tally)
        name_at, site_at, state_at = _columns(rows, piece=piece, tally=tally)
        for line, cells in rows:
            if not any(cells):
                continue
            if len(cells) <= max(name_at, site_at):
                tally.spoilt("a row with too few columns", piece=piece, line=line)
                continue
            if state_at is not None and state_at < len(cells) and cells[state_at].strip().lower() not in {"", "active"}:
                tally.skip("no longer registered")
                continue
            _add(words(cells[name_at]), cells[site_at], piece=piece, line=line, tally=tally)


def _add(name: str, site: str, *, piece: Piece, line: int, tally: Tally) -> None:
    domains: dict[str, None] = {}
    for address in site.replace(",", " ").replace(";", " ").split():
        host = _host(address)
        domain = None if host is None else tally.domain(registrable_domain(host), piece=piece, line=line)
        if host is None:
            # Between addresses people write words, such as "and".
            if "." in address:
                tally.spoilt("a website that is no address", piece=piece, line=line)
        elif domain is not None and is_public_suffix(domain):
            tally.skip("a website that is a guest on somebody else's domain")
        elif domain is not None:
            domains[domain] = None
    if domains:
        tally.add(
            ListRow(
                name=name,
                owner=name,
                kind="data_broker",
                category=_CATEGORY,
                domains=tuple(domains),
                weight=Weight.REGISTRY,
            )
        )
    elif not site.strip():
        tally.skip("no website")


def _host(address: str) -> str | None:
    """Return the host of a website's address as people write them, None: it has none."""
    try:
        host = urlsplit(address if "://" in address else f"//{address}").hostname
    except ValueError:
        return None
    return host if host and "." in host and "@" not in address else None


def _columns(rows: Iterator[tuple[int, Sequence[str]]], *, piece: Piece, tally: Tally) -> tuple[int, int, int | None]:
    """Return where name, website and status stand, with *rows* behind the line of headings."""
    for _number, (_line, cells) in zip(range(HEADING_WITHIN), rows, strict=False):
        headings = [_heading(cell) for cell in cells]
        name, site, state = (_first(headings, wanted) for wanted in (NAMES, WEBSITES, STATES))
        if name is not None and site is not None:
            return name, site, state
    what = f"none of the first {HEADING_WITHIN} lines has a column for the name and one for the website"
    raise tally.refusal(what, "give the columns headings such as `Data broker name` and `Website`", piece=piece)


def _first(headings: Sequence[str], wanted: frozenset[str]) -> int | None:
    return next((place for place, heading in enumerate(headings) if heading in wanted), None)


def _heading(cell: str) -> str:
    # Hard spaces, colons and notes in brackets come and go from year to year.
    plain = cell.replace("\N{NO-BREAK SPACE}", " ").partition("[")[0]
    return " ".join(plain.split()).rstrip(":*").strip().lower()


def _rows(piece: Piece, *, tally: Tally) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield each row with the line on which it ends."""
    try:
        text = piece.octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        # What Excel on Windows writes; a letter that is not in it does not matter here.
        text = piece.octets.decode("cp1252", errors="replace")
    reader = csv.reader(io.StringIO(text, newline=""))
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            tally.spoilt(f"no row of a CSV file ({error})", piece=piece, line=reader.line_num)
            continue
        yield reader.line_num, cells
