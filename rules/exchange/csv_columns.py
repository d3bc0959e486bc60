"""How a cell of a spreadsheet of agreements becomes a value. An empty cell says nothing and never comes here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from collector.problems import shown

if TYPE_CHECKING:
    from collections.abc import Callable


class CellError(ValueError):
    """A cell cannot be read; the message is what is wrong, `remedy` what to write."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what, self.remedy = what, remedy
        super().__init__(what)


def text(cell: str) -> str:
    """Return the cell as it is."""
    return cell


def yes_no(cell: str) -> bool:
    """Return what yes or no means."""
    word = cell.casefold()
    if word in {"yes", "y", "true"}:
        return True
    if word in {"no", "n", "false"}:
        return False
    raise CellError(f"{shown(cell)} is neither yes nor no", "write yes or no; leave the cell empty if it is not stated")


def number(cell: str) -> int:
    """Return a whole number."""
    if re.fullmatch(r"-?[0-9]{1,9}", cell) is None:
        raise CellError(f"{shown(cell)} is no whole number", "write digits such as 60, without a unit")
    return int(cell)


def amount(cell: str) -> float:
    """Return a number."""
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", cell) is None:
        raise CellError(f"{shown(cell)} is no number", "write digits such as 5 or 2.5, without a unit")
    return float(cell)


def day(cell: str) -> str:
    """Return a date as it is written; 8/1/2026 is August in one country and January in another."""
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", cell) is None:
        remedy = "write it as 2026-08-01 (in a spreadsheet: format the cell as text)"
        raise CellError(f"{shown(cell)} is not a date", remedy)
    return cell


def word(cell: str) -> str:
    """Return one word of the agreement file's own, whatever its case."""
    return cell.casefold().replace(" ", "_").replace("-", "_")


def words(cell: str) -> list[str]:
    """Return words of the agreement file's own."""
    return [word(part) for part in _parts(cell)]


def codes(cell: str) -> list[str]:
    """Return codes of two capital letters."""
    return [part.upper() for part in _parts(cell)]


def texts(cell: str) -> list[str]:
    """Return several texts."""
    return _parts(cell)


def hosts(cell: str) -> list[dict[str, str]]:
    """Return host names as rows."""
    return [{"match": part.lower()} for part in _parts(cell)]


def names(cell: str) -> list[dict[str, str]]:
    """Return names as rows."""
    return [{"name": part} for part in _parts(cell)]


def grades(cell: str) -> list[int]:
    """Return lowest and highest grade: `2-6`, `K-5`, `PK-2`, `4`."""
    found = re.fullmatch(r"(PK|K|[0-9]{1,2})(?:\s*(?:-|to)\s*(PK|K|[0-9]{1,2}))?", cell.upper().replace("TO", "to"))
    if found is None:
        raise CellError(f"{shown(cell)} names no grades", "write 2-6, K-5, PK-2 or 4")
    below = {"PK": -1, "K": 0}
    return [below[grade] if grade in below else int(grade) for grade in (found[1], found[2] or found[1])]


def purposes(cell: str) -> list[dict[str, str]]:
    """Return purposes, each `code: words`, on lines or after |."""
    example = "instruction: Practice problems chosen by the teacher."
    return [_coded(part, code="code", example=example) for part in _lines(cell)]


def improvements(cell: str) -> list[dict[str, str]]:
    """Return uses for improvement, each `activity: words`, on lines or after |."""
    example = "crash_reports: When it crashes it sends a report."
    return [_coded(part, code="activity", example=example) for part in _lines(cell)]


def categories(cell: str) -> list[dict[str, str]]:
    """Return kinds of data: `in_app_performance; student_work: essays`."""
    rows = []
    for part in _parts(cell):
        cat, _colon, detail = part.partition(":")
        rows.append({"cat": word(cat.strip()), **({"detail": detail.strip()} if detail.strip() else {})})
    return rows


def parties(relation: str) -> Callable[[str], list[dict[str, Any]]]:
    """Return a reader of companies: `HostCo (hostco.example, hostco-cdn.example); MailCo`; `none`: there are none."""

    def read(cell: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for part in () if cell.casefold() == "none" else _parts(cell):
            found = re.fullmatch(r"([^()]*[^()\s])\s*(?:\(([^()]*)\))?", part)
            if found is None:
                raise CellError(f"{shown(part)} names no company", "write HostCo (hostco.example); MailCo")
            row: dict[str, Any] = {"name": found[1], "relation": relation}
            domains = [each.strip().lower() for each in re.split(r"[,\s]+", found[2] or "") if each.strip()]
            rows.append({**row, **({"domains": domains} if domains else {})})
        return rows

    return read


def section_sources(cell: str) -> dict[str, str]:
    """Return where the signed document says what: `third_parties: p. 14; prohibited: section 4.7`."""
    found = {}
    for part in _parts(cell):
        section, colon, where = part.partition(":")
        if not colon or not where.strip():
            raise CellError(f"{shown(part)} names no place in the document", "write third_parties: p. 14")
        found[word(section.strip())] = where.strip()
    return found


def _parts(cell: str) -> list[str]:
    return [part.strip() for part in re.split(r"[;\n]", cell) if part.strip()]


def _lines(cell: str) -> list[str]:
    return [part.strip() for part in re.split(r"[|\n]", cell) if part.strip()]


def _coded(part: str, *, code: str, example: str) -> dict[str, str]:
    name, colon, plain = part.partition(":")
    if not colon or not plain.strip():
        raise CellError(f"{shown(part)} does not begin with a {code} and a colon", f"write {example}")
    return {code: word(name.strip()), "plain": plain.strip()}
