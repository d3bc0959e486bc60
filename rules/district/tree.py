"""Reads the tree that the CEL compiler makes of an expression, out of its serialized form.

The form is a protocol buffer, `cel.expr.CheckedExpr` inside `google.protobuf.Any`. The few messages in it are read here
by their field numbers: the protobuf library would be a second dependency, larger than what it would be asked.

Source: cel-spec, proto/cel/expr/syntax.proto and checked.proto; https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

NodeKind = Literal["constant", "name", "select", "call", "list", "struct", "comprehension"]

# The compiler's own limit is 32; macros add a few levels that nobody wrote.
MAX_DEPTH: Final = 96

VARINT, FIXED64, OCTETS, FIXED32 = 0, 1, 2, 5
Message = dict[int, list[int | bytes]]

# Fields of cel.expr.Expr, of which each node has one.
KINDS: Final[dict[int, NodeKind]] = {
    3: "constant", 4: "name", 5: "select", 6: "call", 7: "list", 8: "struct", 9: "comprehension",
}  # fmt: skip
# In which field of a kind its name stands, and in which its parts.
NAMES: Final[dict[NodeKind, int]] = {"name": 1, "select": 2, "call": 2}
PARTS: Final[dict[NodeKind, tuple[int, ...]]] = {
    "select": (1,), "call": (1, 3), "list": (1,), "comprehension": (4, 7),
}  # fmt: skip
# Fields of cel.expr.Constant.
CONST_STRING: Final = 6
# Fields of cel.expr.Expr.Comprehension: over what it runs, and what it does for each entry.
RANGE, CONDITION, STEP = 2, 5, 6


class TreeError(ValueError):
    """What the compiler gave is no tree that this module knows: its library has changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node of an expression."""

    id: int
    """Number of the node in its tree."""
    kind: NodeKind
    """What it is."""
    name: str = ""
    """Name of a variable, function or field; of an operator the one that CEL gives it, such as `_==_`."""
    text: str | None = None
    """Value of a text constant; None: something else."""
    parts: tuple[Node, ...] = ()
    """Operands, arguments, entries; of a comprehension its start and its result."""
    over: Node | None = None
    """Of a comprehension: what it runs over."""
    each: tuple[Node, ...] = ()
    """Of a comprehension: what is done for each entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A checked expression."""

    top: Node
    """Its outermost node."""
    overloads: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Node -> the typed functions that the compiler chose for it, such as `add_int64`."""
    untyped: frozenset[int] = frozenset()
    """Nodes whose type is known only when they run."""

    def nodes(self) -> Iterator[Node]:
        """Yield every node, outer ones first."""
        waiting = [self.top]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += [*node.parts, *node.each, *([node.over] if node.over else [])]


def read_tree(octets: bytes) -> Tree:
    """Return the tree in a serialized CheckedExpr.

    Raises:
        TreeError: it is none.
    """
    try:
        checked = _message(_octets(_message(octets), 2))
        return Tree(
            top=_node(_octets(checked, 4), depth=0),
            overloads={key: _names(value, 3) for key, value in _entries(checked, 2)},
            untyped=frozenset(key for key, value in _entries(checked, 3) if _is_untyped(value)),
        )
    except (IndexError, UnicodeDecodeError) as error:
        raise TreeError(f"the compiled expression ends too early ({error})") from error


def _node(octets: bytes, *, depth: int) -> Node:
    if depth > MAX_DEPTH:
        raise TreeError("the compiled expression is nested too deeply")
    message = _message(octets)
    number = next((each for each in KINDS if each in message), None)
    if number is None:
        raise TreeError(f"the compiled expression holds a node of an unknown kind ({sorted(message)})")
    kind, inner = KINDS[number], _message(_octets(message, number))

    def below(*fields: int) -> tuple[Node, ...]:
        return tuple(
            _node(each, depth=depth + 1) for name in fields for each in inner.get(name, []) if isinstance(each, bytes)
        )

    looped = kind == "comprehension"
    return Node(
        id=_int(message, 2),
        kind=kind,
        name=_text(inner, NAMES[kind]) if kind in NAMES else "",
        text=_text(inner, CONST_STRING) if kind == "constant" and CONST_STRING in inner else None,
        parts=below(*PARTS.get(kind, ())),
        over=below(RANGE)[0] if looped else None,
        each=below(CONDITION, STEP) if looped else (),
    )


def _entries(message: Message, number: int) -> Iterator[tuple[int, Message]]:
    """Yield the entries of a map field with whole numbers as keys."""
    for entry in message.get(number, []):
        if isinstance(entry, bytes):
            pair = _message(entry)
            yield _int(pair, 1), _message(_octets(pair, 2))


def _is_untyped(kind: Message) -> bool:
    """Return whether a cel.expr.Type is `dyn`, or a list of it."""
    if 1 in kind:
        return True
    return any(_is_untyped(_message(inner)) for listed in kind.get(6, []) if isinstance(listed, bytes)
               for inner in _message(listed).get(1, []) if isinstance(inner, bytes))  # fmt: skip


def _names(message: Message, number: int) -> tuple[str, ...]:
    return tuple(each.decode() for each in message.get(number, []) if isinstance(each, bytes))


def _text(message: Message, number: int) -> str:
    return _octets(message, number).decode()


def _octets(message: Message, number: int) -> bytes:
    # A field that is absent has its empty value (proto3).
    found = message.get(number, [b""])[-1]
    if not isinstance(found, bytes):
        raise TreeError(f"field {number} of the compiled expression is no message")
    return found


def _int(message: Message, number: int) -> int:
    found = message.get(number, [0])[-1]
    if not isinstance(found, int):
        raise TreeError(f"field {number} of the compiled expression is no number")
    return found


def _message(octets: bytes) -> Message:
    """Return the fields of one message: number -> values in their order."""
    fields: Message = {}
    at = 0
    while at < len(octets):
        tag, at = _varint(octets, at)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, at = _varint(octets, at)
            fields.setdefault(number, []).append(value)
            continue
        if wire not in {FIXED64, OCTETS, FIXED32}:
            raise TreeError(f"the compiled expression holds a field of an unknown form ({wire})")
        length, at = _varint(octets, at) if wire == OCTETS else ({FIXED64: 8, FIXED32: 4}[wire], at)
        if at + length > len(octets):
            raise TreeError("the compiled expression ends too early")
        fields.setdefault(number, []).append(octets[at : at + length])
        at += length
    return fields


def _varint(octets: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        octet = octets[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value, at
        shift += 7
