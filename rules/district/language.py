"""Compiles and evaluates CEL expressions: the one place that knows the library.

It is the Python face of CEL's own C++ implementation: typed at compile time, regular expressions in linear time (RE2),
and a budget of iterations that ends a rule which loops. It is loaded when the first rule of a district is read.

Source: https://github.com/google/cel-spec/blob/master/doc/langdef.md; docs/decisions/0019.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from collector.problems import Fault, shown
from rules.district.bounds import FUNCTIONS, MAX_LENGTH, faults_in
from rules.district.errors import ExpressionError, NoAnswerError, TooCostlyError
from rules.district.tree import read_tree
from rules.district.variables import KEPT_BACK, VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rules.district.tree import Tree
    from rules.district.variables import Value

# What the library says when an expression took more than its 10,000 iterations.
BUDGET_WORDS: Final = "budget exceeded"
TYPE_WORDS: Final = {
    "string": "a text", "int": "a whole number", "uint": "a whole number", "double": "a number with a point",
    "bool": "a yes or no", "list(string)": "a list of texts", "null_type": "nothing", "bytes": "octets",
}  # fmt: skip
OPERATORS: Final = {
    "_==_": "==", "_!=_": "!=", "_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">=", "_+_": "+", "_-_": "-",
    "_*_": "*", "_/_": "/", "_%_": "%", "-_": "-", "!_": "!", "_&&_": "&&", "_||_": "||", "@in": "in", "_?_:_": "?:",
    "_[_]": "[]",
}  # fmt: skip

_SAID = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*?)(?=\n \||\nERROR: |\Z)", re.DOTALL)
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_MISFIT = re.compile(r"found no matching overload for '([^']*)' applied to '([^']*)'")


class _Library(NamedTuple):
    """The library, loaded, with what is made once."""

    environment: Any
    yes_or_no: Any
    pattern_probe: Any


@cache
def _library() -> _Library:
    from cel_expr_python import cel  # noqa: PLC0415 -- 14 MB of code that a district without rules never needs

    types = {
        "string": cel.Type.STRING,
        "int": cel.Type.INT,
        "bool": cel.Type.BOOL,
        "list(string)": cel.Type.List(cel.Type.STRING),
    }
    environment = cel.NewEnv(variables={name: types[variable.type] for name, variable in VARIABLES.items()})
    probe = cel.NewEnv(variables={"pattern": cel.Type.STRING}).compile('"".matches(pattern)')
    return _Library(environment=environment, yes_or_no=cel.Type.BOOL, pattern_probe=probe)


class Expression:
    """A compiled expression that says yes or no about one flow. Made by `compile_expression`."""

    __slots__ = ("_program", "names")

    def __init__(self, program: Any, *, names: frozenset[str]) -> None:
        self._program = program
        self.names = names
        """Variables that it asks for."""

    def holds(self, flow: Any) -> bool:
        """Return what it says of *flow*, made by `flow_of` from at least its `names`.

        Raises:
            TooCostlyError: it takes more iterations than the library grants.
            NoAnswerError: it has no value for this flow.
        """
        try:
            answer = self._program.eval(activation=flow).value()
        except RuntimeError as error:
            if BUDGET_WORDS in str(error):
                raise TooCostlyError("it takes more than 10,000 steps over lists") from None
            raise NoAnswerError(_in_short(str(error))) from None
        if answer is True or answer is False:
            return answer is True
        raise NoAnswerError(_in_short(str(answer)))


def flow_of(values: Mapping[str, Value]) -> Any:
    """Return *values*, by variable, in the form in which expressions read them."""
    return _library().environment.Activation(values)


def compile_expression(text: str, *, known: Mapping[str, Sequence[str]]) -> Expression:
    """Return the expression that *text* says.

    Args:
        text: a CEL expression.
        known: variable -> every value it may have, where that is known beyond the words of the variable itself.

    Raises:
        ExpressionError: with everything that is wrong with it.
    """
    program, tree = compile_unbounded(text)
    found = [*faults_in(tree, known=known)]
    found += [fault for pattern in _patterns(tree) if (fault := _pattern_fault(pattern)) is not None]
    if found:
        raise ExpressionError(found)
    return Expression(program, names=names_in(tree))


def compile_unbounded(text: str) -> tuple[Any, Tree]:
    """Return the library's program and its tree, typed, but with no bound on what it may cost.

    Raises:
        ExpressionError: it is too long, no CEL, names what does not exist, or compares what cannot be compared.
    """
    if len(text) > MAX_LENGTH:
        what = f"`when` has {len(text):,} characters of at most {MAX_LENGTH:,}"
        raise ExpressionError([Fault(at=(), what=what, remedy="split it into several rules")])
    library = _library()
    try:
        program = library.environment.compile(text.encode("utf-8").decode("utf-8"))
    except UnicodeError:
        remedy = "write plain letters"
        raise ExpressionError([Fault(at=(), what="`when` holds half a character", remedy=remedy)]) from None
    except RuntimeError as error:
        raise ExpressionError(_explained(str(error), text=text)) from None
    kind = program.return_type()
    if kind != library.yes_or_no:
        what = f"`when` gives {_type_words(kind.name().lower())}, not a yes or no"
        remedy = "compare it with something, such as bytes_up > 1000000"
        raise ExpressionError([Fault(at=(), what=what, remedy=remedy)])
    return program, read_tree(program.serialize())


def names_in(tree: Tree) -> frozenset[str]:
    """Return the variables that an expression asks for."""
    return frozenset(node.name for node in tree.nodes() if node.kind == "name" and node.name in VARIABLES)


def _patterns(tree: Tree) -> Iterator[str]:
    for node in tree.nodes():
        if node.kind == "call" and node.name == "matches" and node.parts[-1].text is not None:
            yield node.parts[-1].text


def _pattern_fault(pattern: str) -> Fault | None:
    # The compiler takes any text as a pattern; one that is none would only show when the first flow came.
    answer = _library().pattern_probe.eval(data={"pattern": pattern}).value()
    if answer is True or answer is False:
        return None
    what = f"{shown(pattern)} is no regular expression ({_in_short(str(answer))})"
    return Fault(at=(), what=what, remedy="write one in the syntax of RE2, or use startsWith, endsWith or contains")


def _explained(said: str, *, text: str) -> list[Fault]:
    """Return what the compiler said, one fault each, in words for people."""
    found: dict[Fault, None] = {}
    for line, column, what in _SAID.findall(said):
        found[_fault(what.strip(), line=int(line), column=int(column), text=text)] = None
        if what.startswith("Syntax error"):
            # Whatever the compiler says after the first is about the parts that were left over.
            break
    if not found and "recursion limit" in said:
        what, remedy = "`when` is nested too deeply", "use fewer brackets; 32 levels are too many to read"
        return [Fault(at=(), what=what, remedy=remedy)]
    return list(found) or [Fault(at=(), what=f"`when` is no CEL ({_in_short(said)})", remedy=_SHAPE)]


def _fault(said: str, *, line: int, column: int, text: str) -> Fault:
    unknown = _UNDECLARED.match(said)
    if unknown is not None:
        return _unknown(unknown[1])
    misfit = _MISFIT.match(said)
    if misfit is not None:
        kinds = [_type_words(kind) for kind in re.split(r", (?![^(]*\))", misfit[2].strip("()") or "nothing")]
        operator = OPERATORS.get(misfit[1], misfit[1])
        what = f"`{operator}` does not go with {' and '.join(kinds)}"
        return Fault(at=(), what=what, remedy=_misfit_remedy(operator))
    if said.startswith("Syntax error"):
        place = f"character {column}" if "\n" not in text.strip() else f"character {column} of line {line}"
        return Fault(at=(), what=f"`when` is no CEL from {place} on ({_in_short(said)})", remedy=_slip(text))
    if "recursion depth" in said:
        what, remedy = "`when` is nested too deeply", "use fewer brackets and shorter sums"
        return Fault(at=(), what=what, remedy=remedy)
    return Fault(at=(), what=f"`when` is wrong ({_in_short(said)})", remedy=_SHAPE)


_SHAPE: Final = 'write for example host.endsWith(".example") && bytes_up > 1000000; texts stand in quotes'


def _slip(text: str) -> str:
    """Return the remedy for text that is no CEL: the slips of people who know another language."""
    bare = re.sub(r"\"[^\"]*\"|'[^']*'", "", text)
    if re.search(r"(?<![=!<>])=(?!=)", bare):
        return "equality is written =="
    for word, sign in (("and", "&&"), ("or", "||"), ("not", "!")):
        if re.search(rf"\b{word}\b", bare, re.IGNORECASE):
            return f"{word} is written {sign}"
    return _SHAPE


def _unknown(name: str) -> Fault:
    if name.rpartition(".")[2] in KEPT_BACK:
        remedy = "ask for school, group, hour or weekday instead"
        return Fault(at=(), what=f"`{name}` is kept from rules, which watch vendors and not pupils", remedy=remedy)
    near = get_close_matches(name, [*VARIABLES, *FUNCTIONS], n=1)
    remedy = f"did you mean `{near[0]}`?" if near else f"the names here are {', '.join((*VARIABLES, *FUNCTIONS))}"
    return Fault(at=(), what=f"{shown(name)} is no name that a rule knows", remedy=remedy)


def _misfit_remedy(operator: str) -> str:
    if operator in {"&&", "||", "!", "?:"}:
        return "it needs a yes or no on every side, such as hour < 7"
    if operator in {"==", "!=", "<", "<=", ">", ">=", "in"}:
        return 'compare values of one kind: texts in quotes ("k-5"), numbers without'
    return "docs/district-rules.md lists the type of every name"


def _type_words(kind: str) -> str:
    return TYPE_WORDS.get(kind, kind)


def _in_short(said: str) -> str:
    """Return the first line of what the library said, without its prefix and its suffix."""
    first = said.strip().splitlines()[0] if said.strip() else "no reason given"
    first = re.sub(r"^(?:[A-Z_]+: )|(?: \[[A-Z_]+\])$", "", first).removeprefix("Syntax error: ")
    first = first.partition(" expecting {")[0]
    return first if len(first) <= 120 else f"{first[:120]}..."
