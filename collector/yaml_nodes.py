"""Reads one YAML 1.2 document into nodes that know their line.

It builds text, numbers, true and false, lists and mappings, and nothing else: no tags, no dates, no objects.
It refuses what a hand-written file has no use for and what a hostile file would use: tabs, a second document,
deep nesting, and aliases that multiply.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from collector.problems import DocumentError, Problem, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

Scalar = str | int | float | bool | None
Step = str | int

# An agreement nests six deep; whatever goes much deeper is a slip of the indentation or an attack on the stack.
MAX_DEPTH = 32
# After aliases are written out. A full agreement has about 300 values, the largest party file some 10,000.
MAX_VALUES = 100_000
MAX_ALIASES = 64

# YAML 1.2.2 section 10.3.2, the core schema: only these plain scalars are not text. `no`, `on` and dates stay text.
_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
# At most 18 digits: no field here needs more, and Python refuses to convert very long ones.
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,30}|[0-9]{1,30}(\.[0-9]{0,30})?)([eE][-+]?[0-9]{1,3})?")

_INDENT_WITH_TAB = re.compile(r"[ ]*\t[ \t]*[^\s#]")


@dataclass(slots=True, kw_only=True)
class Node:
    """One value of a document, and where it stands."""

    line: int
    """Line on which the value begins, counted from 1."""
    content: Scalar | list[Node] | dict[str, Node]
    """The value; members of lists and mappings are nodes again."""
    key_lines: dict[str, int] = field(default_factory=dict)
    """For a mapping: the line of each key."""
    size: int = 1
    """How many values this is when written out in full."""

    def plain(self) -> object:
        """Return the value without lines: text, numbers, true and false, None, lists and dictionaries."""
        if isinstance(self.content, list):
            return [member.plain() for member in self.content]
        if isinstance(self.content, dict):
            return {key: member.plain() for key, member in self.content.items()}
        return self.content

    def line_of(self, steps: tuple[Step, ...]) -> int:
        """Return the line of the key or list entry that *steps* lead to, or of the last one that exists."""
        node, line = self, self.line
        for step in steps:
            if isinstance(step, str) and isinstance(node.content, dict) and step in node.content:
                line, node = node.key_lines[step], node.content[step]
            elif isinstance(step, int) and isinstance(node.content, list) and step < len(node.content):
                node = node.content[step]
                line = node.line
            else:
                break
        return line


def read_nodes(text: str, *, path: str) -> tuple[Node, list[Problem]]:
    """Return the top mapping of *text* and the problems that do not hinder reading on (keys written twice).

    Raises:
        DocumentError: the text is no YAML, or none that a file of this project may contain.

    Source: YAML 1.2.2, https://yaml.org/spec/1.2.2/.
    """
    builder = _Builder(path=path)
    builder.refuse_tabs(text)
    if not any(line.strip() and not line.lstrip().startswith(("#", "---", "...")) for line in text.splitlines()):
        raise builder.error(1, "the file is empty", "begin with a line `schema: ...` as in the example files")
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except MarkedYAMLError as error:
        raise builder.not_yaml(error) from None
    # Beside its own errors the reader lets a few conversions through: an escape beyond Unicode, a directive's number.
    except (YAMLError, ValueError, OverflowError) as error:
        if isinstance(error, DocumentError):
            raise
        raise builder.unreadable(error, text) from None
    if builder.top is None or not isinstance(builder.top.content, dict):
        raise builder.error(
            1, "the file does not hold named fields", "write lines such as `key: value`, beginning with `schema: ...`"
        )
    return builder.top, builder.problems


@dataclass(slots=True, kw_only=True)
class _Open:
    """A list or mapping that has not ended yet."""

    node: Node
    anchor: str | None
    key: str | None = None
    """In a mapping: the key that waits for its value."""
    key_line: int = 0


class _Builder:
    """Turns parser events into nodes without recursion, so that depth is a limit of ours and not of the stack."""

    def __init__(self, *, path: str) -> None:
        self.top: Node | None = None
        self.problems: list[Problem] = []
        self._path = path
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._documents = self._aliases = self._values = 0

    def error(self, line: int, what: str, remedy: str) -> DocumentError:
        """Return the error that ends reading: this one, and what was found before it."""
        return DocumentError([*self.problems, self._problem(line, what, remedy)])

    def _problem(self, line: int, what: str, remedy: str) -> Problem:
        return Problem(path=self._path, line=line, what=what, remedy=remedy)

    def refuse_tabs(self, text: str) -> None:
        """Raise when lines are indented with tabs (YAML 1.2.2 section 6.1 forbids it); all such lines at once."""
        numbers = [number for number, line in enumerate(text.split("\n"), start=1) if _INDENT_WITH_TAB.match(line)]
        if numbers:
            raise DocumentError(
                self._problem(number, "the line is indented with a tab", "use spaces") for number in numbers
            )

    def not_yaml(self, error: MarkedYAMLError) -> DocumentError:
        """Return the reader's complaint as a problem with its line."""
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        complaint = (error.problem or error.context or "it cannot be read").strip()
        if "'\\t'" in complaint:
            return self.error(line, "there is a tab between key and value", "use spaces")
        return self.error(
            line,
            f"this is not valid YAML ({complaint})",
            "check the indentation, and put text that contains `: `, ` #`, quotes or brackets in quotes",
        )

    def unreadable(self, error: Exception, text: str) -> DocumentError:
        """Return the problem for a character or a number that YAML does not know."""
        position = getattr(error, "position", None)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else self._last_line()
        return self.error(line, "there is a character that YAML does not allow", "remove it, or type the line again")

    def _last_line(self) -> int:
        return self._open[-1].node.line if self._open else 1

    def take(self, event: object) -> None:
        """Take the next event of the parser."""
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                line = event.start_mark.line + 1
                raise self.error(line, "a second document begins here", "keep one document in a file, without `---`")
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._close()
        elif isinstance(event, NodeEvent):
            self._begin(event, line=event.start_mark.line + 1)

    def _begin(self, event: NodeEvent, *, line: int) -> None:
        if isinstance(event, AliasEvent):
            self._place(self._alias(str(event.anchor), line=line), anchor=None)
            return
        anchor = None if event.anchor is None else str(event.anchor)
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._refuse_tag(event.tag, line=line)
            if len(self._open) >= MAX_DEPTH:
                raise self.error(line, f"the file nests more than {MAX_DEPTH} deep", "check the indentation")
            if self._awaits_key():
                raise self.error(line, "a list or a mapping stands where a key belongs", "write a plain word as key")
            is_mapping = isinstance(event, MappingStartEvent)
            self._open.append(_Open(node=Node(line=line, content={} if is_mapping else []), anchor=anchor))
        elif isinstance(event, ScalarEvent):
            self._refuse_tag(event.tag, line=line)
            text = str(event.value)
            if any("\ud800" <= char <= "\udfff" for char in text):
                raise self.error(line, "an escape stands for half a character", "write the character itself")
            # Only a plain scalar (no quotes, no block) is resolved; and a key is always what was typed.
            is_plain = event.style is None or event.style == ""
            content = _resolve(text) if is_plain and not self._awaits_key() else text
            self._place(Node(line=line, content=content), anchor=anchor)

    def _refuse_tag(self, tag: object, *, line: int) -> None:
        if tag is not None and str(tag) != "!":
            # Not shown, and below: a password may begin with such a sign.
            raise self.error(
                line,
                "the tag (a word that begins with !) is not used in these files",
                "put text in quotes, or leave the tag out",
            )

    def _alias(self, name: str, *, line: int) -> Node:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise self.error(line, f"there are more than {MAX_ALIASES} aliases", "write the values out")
        node = self._anchors.get(name)
        if node is None:
            raise self.error(
                line,
                "the alias (a word that begins with *) names nothing above it",
                "put text in quotes, or write the value out",
            )
        return node

    def _awaits_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].node.content, dict) and self._open[-1].key is None

    def _close(self) -> None:
        done = self._open.pop()
        self._place(done.node, anchor=done.anchor)

    def _place(self, node: Node, *, anchor: str | None) -> None:
        """Put a finished node where it belongs: the top, a list, or a mapping (as key or as value)."""
        self._values += 1 if self._open or self.top is None else 0
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._open:
            self.top = node
            return
        parent = self._open[-1]
        parent.node.size += node.size
        if parent.node.size > MAX_VALUES:
            raise self.error(node.line, f"the file holds more than {MAX_VALUES} values", "split it, or drop aliases")
        if isinstance(parent.node.content, list):
            parent.node.content.append(node)
        elif parent.key is None:
            parent.key, parent.key_line = str(node.content), node.line
        else:
            self._enter(parent, node)

    def _enter(self, parent: _Open, value: Node) -> None:
        """Enter key and value into a mapping; the first of two equal keys counts, the second is a problem."""
        members, lines, key = parent.node.content, parent.node.key_lines, parent.key
        if not isinstance(members, dict) or key is None:  # pragma: no cover -- the caller has just looked
            return
        if key in members:
            what = f"the key {shown(key)} is written a second time (first on line {lines[key]})"
            self.problems.append(self._problem(parent.key_line, what, "keep one of the two"))
        else:
            members[key], lines[key] = value, parent.key_line
        parent.key = None


def _resolve(text: str) -> Scalar:
    """Return what a plain scalar stands for in the core schema of YAML 1.2."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def walk(node: Node, steps: tuple[Step, ...] = ()) -> Iterator[tuple[tuple[Step, ...], Node]]:
    """Yield every node beneath *node* (and itself) with the steps that lead there."""
    yield steps, node
    if isinstance(node.content, dict):
        for key, member in node.content.items():
            yield from walk(member, (*steps, key))
    elif isinstance(node.content, list):
        for place, member in enumerate(node.content):
            yield from walk(member, (*steps, place))
