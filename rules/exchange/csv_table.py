"""Reads a spreadsheet of agreements (CSV, one row a vendor) into drafts. The columns may come in any order and case."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from difflib import get_close_matches
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

from collector.problems import DocumentError, Problem, shown
from rules.exchange import csv_columns as cells
from rules.exchange.drafts import Draft

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rules.exchange.drafts import Steps

MAX_OCTETS: Final = 16 << 20
MAX_ROWS: Final = 2_000
MAX_COLUMNS: Final = 300
MAX_CELL: Final = 20_000
_UNSTATED: Final = frozenset({"", "not stated", "not stated in the agreement"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column."""

    name: str
    """As the template writes it."""
    steps: Steps
    """Where the value goes in an agreement file."""
    read: Callable[[str], Any]
    """Turns a cell that is not empty into the value; raises CellError."""
    example: str = ""
    """What the template shows."""
    also: tuple[str, ...] = ()
    """Other names that are taken."""


COLUMNS: Final = (
    Column(name="id", steps=("id",), read=cells.text, example="mathtrek"),
    Column(name="vendor", steps=("vendor", "legal_name"), read=cells.text, example="MathTrek Learning Inc.",
           also=("legal_name", "vendor_name", "operator", "provider")),
    Column(name="parent_company", steps=("vendor", "parent_company"), read=cells.text),
    Column(name="privacy_contact", steps=("vendor", "privacy_contact"), read=cells.text,
           example="privacy@mathtrek.example"),
    Column(name="security_contact", steps=("vendor", "security_contact"), read=cells.text),
    Column(name="products", steps=("products",), read=cells.names, example="MathTrek",
           also=("product", "product_name")),
    Column(name="grades", steps=("products", "grades"), read=cells.grades, example="2-6"),
    Column(name="under_13", steps=("products", "under_13"), read=cells.yes_no, example="yes"),
    Column(name="personalized", steps=("products", "personalized"), read=cells.yes_no),
    Column(name="uses_algorithms", steps=("products", "uses_algorithms"), read=cells.yes_no),
    Column(name="kind", steps=("agreement", "kind"), read=cells.word, example="ndpa_v2", also=("agreement_kind",)),
    Column(name="status", steps=("agreement", "status"), read=cells.word, example="active",
           also=("agreement_status",)),
    Column(name="effective", steps=("agreement", "effective"), read=cells.day, example="2026-08-01",
           also=("effective_date", "start_date")),
    Column(name="expires", steps=("agreement", "expires"), read=cells.day, example="2029-07-31",
           also=("expiration_date", "end_date")),
    Column(name="terminated_on", steps=("agreement", "terminated_on"), read=cells.day),
    Column(name="document", steps=("agreement", "document"), read=cells.text, also=("agreement_url",)),
    Column(name="originating_lea", steps=("agreement", "originating_lea"), read=cells.text),
    Column(name="state_terms", steps=("agreement", "state_terms"), read=cells.codes, example="IL"),
    Column(name="school_official", steps=("agreement", "school_official"), read=cells.yes_no),
    Column(name="coppa_consent", steps=("agreement", "coppa_consent"), read=cells.word),
    Column(name="breach_notice_hours", steps=("agreement", "breach_notice_hours"), read=cells.number, example="72"),
    Column(name="domains", steps=("domains",), read=cells.hosts, example="mathtrek.example; mathtrek-app.example",
           also=("domain", "own_domains")),
    Column(name="shared_domains", steps=("domains", "shared"), read=cells.hosts),
    Column(name="marketing_domains", steps=("domains", "marketing"), read=cells.hosts),
    Column(name="third_party_list_is", steps=("third_parties", "list_is"), read=cells.word, example="complete",
           also=("list_is",)),
    Column(name="unlisted_third_parties", steps=("third_parties", "unlisted"), read=cells.word, example="forbidden",
           also=("unlisted",)),
    Column(name="subprocessors", steps=("third_parties", "list", "subprocessor"), read=cells.parties("subprocessor"),
           example="HostCo (hostco.example); MailCo", also=("subcontractors", "sub_processors")),
    Column(name="embedded", steps=("third_parties", "list", "embedded"), read=cells.parties("embedded")),
    Column(name="referrals", steps=("third_parties", "list", "referral"), read=cells.parties("referral")),
    Column(name="affiliates", steps=("third_parties", "list", "affiliate"), read=cells.parties("affiliate")),
    Column(name="purposes", steps=("purposes",), read=cells.purposes,
           example="instruction: Practice problems chosen by the teacher.", also=("purpose",)),
    *(
        Column(name=f"prohibits_{key}", steps=("prohibited", key), read=cells.yes_no,
               example="yes" if key in {"targeted_ads", "sale"} else "")
        for key in ("targeted_ads", "any_ads", "sale", "non_educational_profiles", "third_party_tracking",
                    "ai_training")
    ),
    Column(name="data_categories", steps=("data", "categories"), read=cells.categories,
           example="in_app_performance; student_work: essays", also=("data_elements",)),
    Column(name="data_owner", steps=("data", "owner"), read=cells.word, example="district"),
    Column(name="stored_in", steps=("data", "stored_in"), read=cells.codes, example="US"),
    Column(name="encrypted_in_transit", steps=("data", "encrypted_in_transit"), read=cells.yes_no, example="yes"),
    Column(name="encrypted_at_rest", steps=("data", "encrypted_at_rest"), read=cells.yes_no),
    Column(name="retention_days_after_request", steps=("data", "retention_days_after_request"), read=cells.number),
    Column(name="retention_days_after_end", steps=("data", "retention_days_after_end"), read=cells.number,
           example="60"),
    Column(name="access", steps=("data", "access"), read=cells.texts),
    Column(name="storage_plain", steps=("data", "storage_plain"), read=cells.text),
    Column(name="improvement", steps=("improvement",), read=cells.improvements),
    Column(name="interests_disclosed", steps=("interests", "disclosed"), read=cells.yes_no),
    Column(name="revenue", steps=("interests", "revenue"), read=cells.words),
    Column(name="commercial_implications", steps=("interests", "commercial_implications"), read=cells.text),
    *(
        column
        for name in ("curriculum", "pedagogy", "assessment", "algorithms")
        for column in (
            Column(name=f"review_{name}", steps=("reviews", name, "status"), read=cells.word),
            Column(name=f"review_{name}_independent", steps=("reviews", name, "independent"), read=cells.yes_no),
            Column(name=f"review_{name}_date", steps=("reviews", name, "date"), read=cells.day),
        )
    ),
    Column(name="use_gate_status", steps=("use_gate", "status"), read=cells.word, example="approved",
           also=("use_gate", "approval")),
    Column(name="use_gate_from", steps=("use_gate", "from"), read=cells.day),
    Column(name="use_gate_until", steps=("use_gate", "until"), read=cells.day),
    Column(name="decided_by", steps=("use_gate", "decided_by"), read=cells.text),
    Column(name="reason", steps=("use_gate", "reason"), read=cells.text),
    Column(name="allowed_groups", steps=("use_gate", "allowed_groups"), read=cells.texts),
    Column(name="oversight_entity", steps=("oversight", "entity"), read=cells.text),
    Column(name="oversight_independent", steps=("oversight", "independent"), read=cells.yes_no),
    Column(name="expected_hours", steps=("expected", "hours"), read=cells.word),
    Column(name="upload_mb_per_device_day", steps=("expected", "upload_mb_per_device_day"), read=cells.amount),
    Column(name="entered_by", steps=("provenance", "entered_by"), read=cells.text),
    Column(name="review_by", steps=("provenance", "review_by"), read=cells.day),
    Column(name="sources", steps=("provenance", "sources"), read=cells.section_sources,
           example="third_parties: p. 14; prohibited: section 4.7"),
)  # fmt: skip
_BY_NAME: Final = {name: column for column in COLUMNS for name in (column.name, *column.also)}


def template() -> str:
    """Return a CSV file with every column and one row as an example."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.name for column in COLUMNS])
    writer.writerow([column.example for column in COLUMNS])
    return out.getvalue()


def csv_drafts(octets: bytes, *, path: str) -> list[Draft]:
    """Return a draft for each row.

    Raises:
        DocumentError: the file cannot be read, has no header, or cells are wrong; with every problem.
    """
    rows = _rows(_text(octets, path=path), path=path)
    line, header = next(rows, (1, []))
    problems: list[Problem] = []
    notes: list[Problem] = []
    columns = _header(header, path=path, line=line, problems=problems, notes=notes)
    drafts: list[Draft] = []
    for number, (line, row) in enumerate(rows, start=2):
        if not any(row):
            continue
        if len(drafts) >= MAX_ROWS:
            problems.append(_problem(path, line, f"the file has more than {MAX_ROWS} rows", "split it"))
            break
        draft = Draft(path=path, line=line, place=f"row {number}")
        for place, cell in enumerate(row):
            if place >= len(header):
                if cell:
                    what = f"row {number} has a cell beyond the {len(header)} columns of the header"
                    problems.append(_problem(path, line, what, "put cells that contain commas in double quotes"))
                    break
            elif columns[place] is not None and cell.casefold() not in _UNSTATED:
                problems.extend(_enter(cell, column=columns[place], draft=draft))
        _join(draft)
        drafts.append(draft)
    if not problems and not drafts:
        problems.append(_problem(path, 1, "the file has no row beneath its header", "write one row a vendor"))
    if problems:
        raise DocumentError(problems)
    drafts[0].notes[:0] = notes
    return drafts


def _text(octets: bytes, *, path: str) -> str:
    if len(octets) > MAX_OCTETS:
        raise DocumentError([_problem(path, 1, f"the file is larger than {MAX_OCTETS >> 20} MiB", "split it")])
    remedy = "save it as `CSV UTF-8`"
    if octets[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise DocumentError([_problem(path, 1, "the file is UTF-16 and not UTF-8 text", remedy)])
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise DocumentError([_problem(path, line, "the file is not UTF-8 text", remedy)]) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DocumentError([_problem(path, line, "the file holds a NUL character, so it is no text", remedy)])
    return text


def _rows(text: str, *, path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with the line on which it begins."""
    first = text.split("\n", 1)[0]
    # Spreadsheets of many countries write semicolons; which one it is shows in the header, which has no quotes.
    delimiter = max(",;\t", key=lambda each: sum(_name(cell) in _BY_NAME for cell in first.split(each)[:MAX_COLUMNS]))
    # The reader is given one line more than a row may have; a lost quote would otherwise swallow the file at once.
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            remedy = "put cells with commas, quotes or line breaks in double quotes, and double quotes within them"
            raise DocumentError([_problem(path, line, f"this is no CSV ({error})", remedy)]) from None
        if len(row) > MAX_COLUMNS:
            what = f"a row has {len(row)} cells, and at most {MAX_COLUMNS} are read"
            raise DocumentError([_problem(path, line, what, "check that it is the right file")])
        if any(len(cell) > MAX_CELL for cell in row):
            what = f"a cell has more than {MAX_CELL} characters; perhaps a quote is missing"
            raise DocumentError([_problem(path, line, what, "shorten it, or close the quote")])
        yield line, [cell.strip() for cell in row]
        line = reader.line_num + 1


def _header(
    header: list[str], *, path: str, line: int, problems: list[Problem], notes: list[Problem]
) -> list[Column | None]:
    """Return the column of each place, None: it is not read."""
    columns: list[Column | None] = []
    for cell in header:
        column = _BY_NAME.get(_name(cell))
        if column is None and cell:
            near = get_close_matches(_name(cell), _BY_NAME, n=1)
            remedy = f"did you mean `{near[0]}`?" if near else "see --template for the columns that are"
            notes.append(_problem(path, line, f"the column {shown(cell)} is not read", remedy))
        if column is not None and column in columns:
            what = f"the column `{column.name}` stands twice in the header"
            problems.append(_problem(path, line, what, "keep one of the two"))
        columns.append(column)
    if not any(columns):
        what = "the first line names no column that is read"
        problems.append(
            _problem(path, line, what, "begin with the header of `schoolgate agreements import --template`")
        )
    return columns


def _enter(cell: str, *, column: Column | None, draft: Draft) -> Iterator[Problem]:
    if column is None:
        return
    try:
        value = column.read(cell)
    except cells.CellError as error:
        yield _problem(draft.path, draft.line, f"{draft.place}, column `{column.name}`: {error.what}", error.remedy)
        return
    if column.name == "sources":
        draft.sources.update(value)
    else:
        draft.state(column.steps, value, line=draft.line, where=f"column {column.name}")


def _join(draft: Draft) -> None:
    """Put together what several columns say of one list: products, domains, third parties."""
    products = draft.says.get(("products",))
    for key in ("grades", "under_13", "personalized", "uses_algorithms"):
        said = draft.says.pop(("products", key), None)
        if said is not None and products is None:
            draft.note(
                f"`{key}` is left out, since the row names no product", "add a column `products`", line=draft.line
            )
        elif said is not None and products is not None:
            for product in products.value:
                product[key] = said.value
    rows, wheres = [], []
    for steps, more in (
        (("domains",), {}),
        (("domains", "shared"), {"shared": True}),
        (("domains", "marketing"), {"role": "marketing_site"}),
    ):
        said = draft.says.pop(steps, None)
        if said is not None:
            rows += [{**row, **more} for row in said.value]
            wheres.append(said.where)
    if wheres:
        draft.state(("domains",), rows, line=draft.line, where=", ".join(wheres))
    listed = [steps for steps in draft.says if steps[:2] == ("third_parties", "list")]
    if listed:
        said_rows = [draft.says.pop(steps) for steps in listed]
        joined = [row for said in said_rows for row in said.value]
        where = ", ".join(said.where for said in said_rows)
        draft.state(("third_parties", "list"), joined, line=draft.line, where=where)


def _name(cell: str) -> str:
    """Return the name of a column however it is written: `Sub-processors` is `sub_processors`."""
    return re.sub(r"[^a-z0-9]+", "_", cell.casefold().lstrip("\ufeff")[:100]).strip("_")


def _problem(path: str, line: int, what: str, remedy: str) -> Problem:
    return Problem(path=path, line=line, what=what, remedy=remedy)
