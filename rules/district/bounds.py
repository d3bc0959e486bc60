"""What an expression may cost, and which parts of CEL a rule has a use for: looked at before it meets a flow.

CEL ends always, but it may take long: lists inside lists multiply, sums of texts grow, regular expressions with large
counts compile slowly. Nothing that builds a value is allowed here, so an accepted expression allocates next to nothing,
and its steps are counted beforehand. So no clock is needed: the same rule says the same on a slow machine.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from collector.problems import Fault, shown
from rules.district.variables import LONGEST_LIST, VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rules.district.tree import Node, Tree

# A rule that people understand has a line or three.
MAX_LENGTH: Final = 1_000
MAX_NODES: Final = 250
MAX_LIST: Final = 64
# Comprehensions (all, exists, exists_one), and none inside another.
MAX_COMPREHENSIONS: Final = 4
# Some 0.1 microseconds each: no flow costs a rule more than a millisecond, and few cost it more than ten microseconds.
MAX_STEPS: Final = 10_000
MAX_PATTERN: Final = 100
# Of all counts {m,n} in a pattern together: RE2 writes them out.
MAX_REPEATS: Final = 16

STEPS_OF: Final = {"matches": 150, "contains": 3, "startsWith": 3, "endsWith": 3}
# RE2 compiles the pattern anew for each call, which is most of its cost: what each character of it adds, and each class
# that covers nearly all of Unicode and is written out as automata over octets.
PATTERN_STEPS: Final = 6
WIDE_CLASS_STEPS: Final = 100

FUNCTIONS: Final = (
    "startsWith", "endsWith", "contains", "matches", "size", "all", "exists", "exists_one", "in",
)  # fmt: skip
"""Functions and macros that a rule may use, beside the operators."""
CALLS: Final = frozenset(
    {
        "_&&_", "_||_", "!_", "_?_:_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in",
        "_+_", "_-_", "_*_", "_/_", "_%_", "-_", "@not_strictly_false",
        "startsWith", "endsWith", "contains", "matches", "size",
    }
)  # fmt: skip
ADDS_NUMBERS: Final = {"add_int64", "add_uint64", "add_double"}
REMEDIES: Final = {
    "_[_]": 'ask for an entry with `in`, or with exists: cnames.exists(name, name.endsWith(".example"))',
    "dyn": "leave it out: every name has its type",
    "type": "leave it out: every name has its type",
    "timestamp": "ask for hour, weekday, school_day or in_school_hours",
    "duration": "ask for hour, weekday, school_day or in_school_hours",
}


def faults_in(tree: Tree, *, known: Mapping[str, Sequence[str]]) -> Iterator[Fault]:
    """Yield everything in *tree* that a rule may not say.

    Args:
        tree: a typed expression.
        known: variable -> every value it may have, where that is known beyond the words of the variable itself.
    """
    nodes = list(tree.nodes())
    if len(nodes) > MAX_NODES:
        yield _fault(f"`when` has {len(nodes)} parts of at most {MAX_NODES}", "split it into several rules")
    said: set[str] = set()
    for node in nodes:
        for fault in (*_of_kind(node, tree=tree), *_of_words(node, known=known)):
            if fault.what not in said:
                said.add(fault.what)
                yield fault
    if said:
        return
    yield from _of_cost(tree, nodes)


def steps(node: Node) -> int:
    """Return how many steps *node* takes over one flow at most."""
    taken = STEPS_OF.get(node.name, 1) + sum(map(steps, node.parts))
    if node.name == "matches":
        taken += _pattern_steps(node.parts[-1].text or "")
    if node.name == "@in":
        taken += _entries(node.parts[-1])
    elif node.kind == "call" and node.name in {"_==_", "_!=_"}:
        taken += max(map(_entries, node.parts), default=0)
    if node.over is not None:
        taken += steps(node.over) + _entries(node.over) * sum(map(steps, node.each))
    return taken


def _of_kind(node: Node, *, tree: Tree) -> Iterator[Fault]:
    """Yield what is wrong with a node by itself."""
    if node.id in tree.untyped:
        yield _fault("a list or value of mixed kinds has no type", "write texts alone or numbers alone in one list")
    if node.kind in {"struct", "select"}:
        yield _fault("a rule builds no maps and reads no fields", f"use the names as they are, such as {_SOME_NAMES}")
    elif node.kind == "list" and len(node.parts) > MAX_LIST:
        yield _fault(f"a list has {len(node.parts)} entries of at most {MAX_LIST}", "split it into several rules")
    elif node.kind == "call" and node.name not in CALLS:
        yield _no_such_call(node.name)
    elif node.name == "_+_" and not ADDS_NUMBERS.issuperset(tree.overloads.get(node.id, ())):
        what = "a rule joins no texts and builds no lists (`+`, map, filter)"
        yield _fault(what, "compare the parts, or use exists, all or exists_one")
    elif node.name == "matches":
        yield from _of_pattern(node.parts[-1])


def _of_pattern(pattern: Node) -> Iterator[Fault]:
    text = pattern.text
    if text is None:
        yield _fault("the pattern of `matches` is not written out", 'write it in quotes: host.matches("^cdn[0-9]+[.]")')
        return
    if len(text) > MAX_PATTERN:
        what = f"a regular expression has {len(text)} characters of at most {MAX_PATTERN}"
        yield _fault(what, "use `in`, startsWith or endsWith")
    repeats = _repeats(text)
    if repeats > MAX_REPEATS:
        what = f"the counts in {shown(text)} multiply to {repeats:,}, at most {MAX_REPEATS} are taken"
        yield _fault(what, "use + or *, which cost nothing")
    if not text.isascii() or re.search(r"\\[pP]|\(\?[a-zA-Z-]*i", text):
        what = f"{shown(text)} asks for letters beyond a to z, or for capitals"
        yield _fault(what, "names on the wire are small ASCII letters: write [a-z0-9-]")


def _repeats(pattern: str) -> int:
    """Return how often the most repeated part of *pattern* may be written out, at most."""
    repeats = 1
    for counts in re.findall(r"\{(\d{0,9}(?:,\d{0,9})?)\}", pattern):
        repeats *= max([int(count) for count in counts.split(",") if count] or [1])
    return repeats


def _pattern_steps(pattern: str) -> int:
    wide = len(re.findall(r"\.|\[\^|\[:\^|\\[wWSD]", pattern))
    return _repeats(pattern) * (PATTERN_STEPS * len(pattern) + WIDE_CLASS_STEPS * wide)


def _of_words(node: Node, *, known: Mapping[str, Sequence[str]]) -> Iterator[Fault]:
    """Yield texts that a variable with a closed set of values is compared with in vain."""
    if node.kind != "call" or node.name not in {"_==_", "_!=_", "@in"}:
        return
    for name, other in (node.parts, node.parts[::-1]):
        if name.kind != "name" or name.name not in VARIABLES:
            continue
        for text in [entry.text for entry in (other.parts if other.kind == "list" else (other,))]:
            fault = None if text is None else word_fault(text, variable=name.name, known=known)
            if fault is not None:
                yield fault


def word_fault(text: str, *, variable: str, known: Mapping[str, Sequence[str]]) -> Fault | None:
    """Return what is wrong when *variable* is to have the value *text*; None: it may have it."""
    words = known.get(variable) or VARIABLES[variable].words
    if not words or text in words or not text:
        return None
    near = get_close_matches(text.lower(), words, n=1)
    remedy = f"did you mean `{near[0]}`?" if near else f"it may be {', '.join(words[:LONGEST_LIST])}"
    return _fault(f"`{variable}` is never {shown(text)}", remedy)


def _of_cost(tree: Tree, nodes: Sequence[Node]) -> Iterator[Fault]:
    loops = [node for node in nodes if node.kind == "comprehension"]
    if len(loops) > MAX_COMPREHENSIONS:
        what = f"`when` goes over lists {len(loops)} times, at most {MAX_COMPREHENSIONS} times are taken"
        yield _fault(what, "split it into several rules")
    elif any(_holds_loop(part) for loop in loops for part in (*loop.each, *([loop.over] if loop.over else []))):
        what = "a list is gone over inside another (all, exists or exists_one)"
        yield _fault(what, "ask about one list after the other, with && or ||")
    elif steps(tree.top) > MAX_STEPS:
        what = f"`when` may take {steps(tree.top):,} steps over one flow, at most {MAX_STEPS:,} are taken"
        yield _fault(what, "use shorter lists, and `matches` outside of all and exists")


def _holds_loop(node: Node) -> bool:
    return node.kind == "comprehension" or any(map(_holds_loop, (*node.parts, *node.each)))


def _entries(node: Node) -> int:
    """Return how many entries a list may have; 0: it is none."""
    if node.kind == "list":
        return len(node.parts)
    if node.kind == "name":
        return LONGEST_LIST if node.name in VARIABLES and VARIABLES[node.name].type == "list(string)" else 0
    return max(map(_entries, node.parts), default=0) if node.name == "_?_:_" else 0


def _no_such_call(name: str) -> Fault:
    remedy = REMEDIES.get(name)
    if remedy is None:
        near = get_close_matches(name, FUNCTIONS, n=1)
        remedy = f"did you mean `{near[0]}`?" if near else f"the functions are {', '.join(FUNCTIONS)}"
    return _fault(f"{'`[]`' if name == '_[_]' else shown(name)} is nothing that a rule may use", remedy)


def _fault(what: str, remedy: str) -> Fault:
    return Fault(at=(), what=what, remedy=remedy)


_SOME_NAMES: Final = "party.kind or agreement.id"
