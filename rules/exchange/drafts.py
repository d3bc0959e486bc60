"""An agreement in the making: what a source states, where it states it, and the file that comes of it.

Only what the source says goes in. What it does not say stays out and is a gap of the agreement; what every agreement
file must say and the source does not, the district states itself, in words of its own on the command line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import ValidationError

from collector.problems import DocumentError, Problem, shown
from collector.remedies import problems_in
from collector.yaml_nodes import Node
from rules.agreements.load import parse_agreement
from rules.agreements.model import Agreement
from rules.agreements.vocabulary import GateStatus, Kind, ListIs, TermsStatus, Unlisted
from rules.exchange.yaml_text import yaml_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

Steps = tuple[str, ...]

# What an agreement file must say (contract, section 3), and how a district says it on the command line. Where there are
# words to choose from all of them are shown: an example would be copied, and then somebody would have promised it.
REQUIRED: Final[dict[Steps, str]] = {
    ("vendor", "legal_name"): "MathTrek Learning Inc.",
    ("products",): "[{name: MathTrek}]",
    ("agreement", "kind"): "|".join(get_args(Kind)),
    ("agreement", "status"): "|".join(get_args(TermsStatus)),
    ("domains",): "[{match: mathtrek.example}]",
    ("third_parties", "list_is"): "|".join(get_args(ListIs)),
    ("third_parties", "unlisted"): "|".join(get_args(Unlisted)),
    ("purposes",): "[{code: instruction, plain: Practice problems chosen by the teacher.}]",
    ("data", "categories"): "[{cat: in_app_performance}]",
    ("use_gate", "status"): "|".join(get_args(GateStatus)),
}
_ORDER: Final = (
    "schema", "id", "vendor", "products", "agreement", "domains", "third_parties", "purposes", "prohibited", "data",
    "improvement", "interests", "reviews", "use_gate", "oversight", "expected", "provenance",
)  # fmt: skip
_LONGEST_ID: Final = 63
_DISTRICT: Final = "stated by the district (--state):"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """One value, and where the source says it."""

    value: Any
    """Text, number, true or false, or a list of such or of groups."""
    line: int
    """Line of the source."""
    where: str
    """The column or element."""
    lines: tuple[int, ...] = ()
    """For a list: the line of each entry; empty: all on `line`."""


@dataclass(slots=True, kw_only=True)
class Draft:
    """What one source says of one vendor."""

    path: str
    """The file, as the user named it."""
    line: int
    """Line on which the row or element begins."""
    place: str
    """What a person calls it: `row 3`, `privacy element 2`."""
    says: dict[Steps, Stated] = field(default_factory=dict)
    """By the keys that lead to the value in an agreement file."""
    sources: dict[str, str] = field(default_factory=dict)
    """Section of the agreement file -> section of the signed document, where the source knows it."""
    notes: list[Problem] = field(default_factory=list)
    """What the source says and an agreement file cannot take over, or a person should look at."""

    @property
    def name(self) -> str:
        """Name of the file without its folder: what a file may say that goes on to others."""
        return self.path.rsplit("/", 1)[-1]

    def state(self, steps: Steps, value: Any, *, line: int, where: str, lines: Sequence[int] = ()) -> None:
        """Enter what the source says; the first of two statements counts."""
        self.says.setdefault(steps, Stated(value=value, line=line, where=where, lines=tuple(lines)))

    def note(self, what: str, remedy: str, *, line: int) -> None:
        """Remember something that a person should look at."""
        self.notes.append(Problem(path=self.path, line=line, what=what, remedy=remedy))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """An agreement file that may be written."""

    agreement: Agreement
    """What it says."""
    text: str
    """Its text."""
    draft: Draft
    """Where it comes from."""


def finish(draft: Draft, *, statements: Mapping[Steps, Any], today: date) -> Ready:
    """Return the agreement file that *draft* makes.

    Args:
        draft: what the source says.
        statements: what the district states where the source is silent, by the keys that lead there.
        today: the day of the import.

    Raises:
        DocumentError: it would be no valid agreement; with every problem, at the lines of the source.
    """
    said = dict(draft.says)
    for steps, value in statements.items():
        said.setdefault(steps, Stated(value=value, line=draft.line, where=f"{_DISTRICT} {'.'.join(steps)}"))
    problems = [_missing(draft, steps) for steps in REQUIRED if steps not in said]
    if ("id",) not in said and not problems:
        said["id",] = Stated(value=_id(said), line=draft.line, where="made from the name")
    said["schema",] = Stated(value="schoolgate/agreement/1", line=draft.line, where="")
    said["provenance", "entered_on"] = Stated(value=today.isoformat(), line=draft.line, where="")
    said["provenance", "sources"] = Stated(value=_sources(draft, said, today=today), line=draft.line, where="")
    top = _top(said, line=draft.line)
    try:
        Agreement.model_validate(top.plain())
    except ValidationError as error:
        found = problems_in(error, model=Agreement, top=top, path=draft.path)
        # Where sections are missing they are told above, in words that fit the source.
        raise DocumentError(
            [*problems, *(each for each in found if not problems or "is missing" not in each.what)]
        ) from None
    if problems:
        raise DocumentError(problems)
    comment = (
        f"Imported from {draft.name}, {draft.place}, on {today.isoformat()} by `schoolgate agreements import`.\n"
        "What the source does not say is left out. Please read it against the signed document."
    )
    text = yaml_text(top.plain(), comment=_one_line(comment))  # type: ignore[arg-type]  # the top is a mapping
    try:
        return Ready(agreement=parse_agreement(text, path=draft.path), text=text, draft=draft)
    except DocumentError as error:
        what = f"{draft.place} holds text that an agreement file cannot ({error.problems[0].what})"
        raise DocumentError([Problem(path=draft.path, line=draft.line, what=what, remedy="take it out")]) from None


def plain_name(text: str) -> str:
    """Return *text* as an agreement id: small letters, digits and hyphens; empty where nothing is left."""
    return re.sub(r"[^a-z0-9]+", "-", text.casefold())[:_LONGEST_ID].strip("-")


def _id(said: Mapping[Steps, Stated]) -> str:
    products = said["products",].value
    names = [str(product.get("name", "")) for product in products if isinstance(product, dict)] if products else []
    for text in (*names[:1], str(said["vendor", "legal_name"].value)):
        name = plain_name(text)
        if len(name) >= 2:
            return name
    return "unnamed"


def _missing(draft: Draft, steps: Steps) -> Problem:
    key = ".".join(steps)
    what = f"{draft.place} does not say {shown(key)}, which every agreement file must"
    remedy = f"add it to the source, or state it yourself: --state '{key}={REQUIRED[steps]}'"
    return Problem(path=draft.path, line=draft.line, what=what, remedy=remedy)


def _sources(draft: Draft, said: Mapping[Steps, Stated], *, today: date) -> dict[str, str]:
    """Return for each section of the file where its words come from."""
    wheres: dict[str, list[Stated]] = {}
    for steps, stated in said.items():
        if stated.where:
            wheres.setdefault(steps[0], []).append(stated)
    found = {}
    for section in sorted(wheres, key=_ORDER.index):
        own = [stated for stated in wheres[section] if not stated.where.startswith(_DISTRICT)]
        parts = [draft.sources[section]] if section in draft.sources else []
        if own:
            lines = sorted({stated.line for stated in own})
            span = f"line {lines[0]}" if len(lines) == 1 else f"lines {lines[0]} to {lines[-1]}"
            parts.append(f"{draft.name}, {draft.place}, {span} ({', '.join(sorted({each.where for each in own}))})")
        parts += sorted(stated.where for stated in wheres[section] if stated not in own)
        found[section] = _one_line(f"{'; '.join(parts)}; imported {today.isoformat()}")
    # A section of the signed document may be known for what the row itself does not fill.
    return {**{section: where for section, where in draft.sources.items() if section not in found}, **found}


def _top(said: Mapping[Steps, Stated], *, line: int) -> Node:
    top = Node(line=line, content={})
    for steps, stated in sorted(said.items(), key=lambda item: _ORDER.index(item[0][0])):
        node = top
        for step in steps[:-1]:
            node = _member(node, step, line=stated.line)
        _enter(node, steps[-1], _node(stated.value, line=stated.line, lines=stated.lines))
    return top


def _member(node: Node, step: str, *, line: int) -> Node:
    content = node.content
    if not isinstance(content, dict):  # pragma: no cover -- statements are refused before (`statements`)
        raise TypeError(f"{step} has no members")
    if step not in content:
        _enter(node, step, Node(line=line, content={}))
    return content[step]


def _enter(node: Node, key: str, value: Node) -> None:
    if isinstance(node.content, dict):
        node.content[key] = value
        node.key_lines[key] = value.line


def _node(value: Any, *, line: int, lines: tuple[int, ...] = ()) -> Node:
    if isinstance(value, list):
        at = lines or (line,) * len(value)
        return Node(line=line, content=[_node(member, line=there) for member, there in zip(value, at, strict=True)])
    if isinstance(value, dict):
        node = Node(line=line, content={})
        for key, member in value.items():
            _enter(node, key, _node(member, line=line))
        return node
    return Node(line=line, content=value)


def _one_line(text: str) -> str:
    return "\n".join("".join(char if char.isprintable() else " " for char in line) for line in text.split("\n"))
