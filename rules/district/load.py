"""Reads the files of a district's own rules, tries every rule on its examples, and says all that is wrong at once."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from collector.documents import Document, DocumentError, Fault, parse_document, read
from collector.hosts import registrable_domain
from collector.problems import Problem, shown
from rules.district.bounds import word_fault
from rules.district.errors import ExpressionError, NoAnswerError
from rules.district.language import compile_expression, flow_of
from rules.district.model import MAX_RULES, RuleFile
from rules.district.rule import DistrictRule
from rules.district.variables import KEPT_BACK, LARGEST_INT, LONGEST_LIST, LONGEST_TEXT, VARIABLES
from rules.small_numbers import OFFICER_K

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rules.district.model import RuleRow
    from rules.district.variables import Value

_SAYINGS: Final = {
    "string": "a text",
    "int": "a whole number",
    "bool": "true or false",
    "list(string)": "a list of texts",
}


def load_district_rules(
    paths: Iterable[str | Path], *, known: Mapping[str, Sequence[str]] | None = None
) -> tuple[DistrictRule, ...]:
    """Return the rules of the files at *paths*, in their order, each linted, typed and tried on its examples.

    Args:
        paths: the files.
        known: variable -> every value it may have in this district (`school`, `group`, `agreement.id`); what is not
            there may be anything.

    Raises:
        DocumentError: with every problem of every file.
    """
    found: list[DistrictRule] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            found += rules_in(read(path), path=str(path), known=known or {})
        except DocumentError as error:
            problems.extend(error.problems)
    problems += _across_files(found)
    if problems:
        raise DocumentError(problems)
    return tuple(found)


def rules_in(text: str, *, path: str, known: Mapping[str, Sequence[str]]) -> list[DistrictRule]:
    """Return the rules that one file holds.

    Raises:
        DocumentError: with every problem of the file.
    """
    document: Document[RuleFile] = parse_document(text, path=path, model=RuleFile)
    found: list[DistrictRule] = []
    problems: list[Problem] = []
    for number, row in enumerate(document.value.rules):
        at = ("rules", number)
        problems += [document.problem(_under(at, fault)) for fault in _scope_faults(row, known=known)]
        given = _checked_examples(row, known=known)
        problems += [document.problem(_under(at, fault)) for fault in given.faults]
        try:
            expression = compile_expression(row.when, known=known)
        except ExpressionError as error:
            problems += [document.problem(_under((*at, "when"), fault)) for fault in error.faults]
            continue
        line = document.line_of(*at, "when")
        rule = DistrictRule(row=row, expression=expression, path=path, line=line)
        problems += [document.problem(_under(at, fault)) for fault in (*_few_faults(rule), *_tried(rule, given))]
        found.append(rule)
    if problems:
        raise DocumentError(problems)
    return found


class _Given:
    """The examples of one rule: whole flows, or what is wrong with them."""

    def __init__(self) -> None:
        self.flows: list[tuple[tuple[str | int, ...], bool, dict[str, Value]]] = []
        self.faults: list[Fault] = []


def _checked_examples(row: RuleRow, *, known: Mapping[str, Sequence[str]]) -> _Given:
    given = _Given()
    for key, wanted, flows in (("true", True, row.examples.true), ("false", False, row.examples.false)):
        for place, named in enumerate(flows):
            at = ("examples", key, place)
            faults = [_under((*at, name), fault) for name, fault in _value_faults(named, known=known)]
            given.faults += faults
            if not faults:
                given.flows.append((at, wanted, whole_flow(row, named)))
    return given


def _value_faults(named: Mapping[str, Any], *, known: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, Fault]]:
    for name, value in named.items():
        variable = VARIABLES.get(name)
        if variable is None:
            yield name, _no_variable(name)
        elif not _is_a(value, kind=variable.type):
            what = f"`{name}` is {shown(value)} in this example"
            yield name, Fault(at=(), what=what, remedy=f"write {_SAYINGS[variable.type]}")
        elif isinstance(value, str | list):
            for text in value if isinstance(value, list) else [value]:
                fault = word_fault(text, variable=name, known=known)
                if fault is not None:
                    yield name, fault


def _no_variable(name: str) -> Fault:
    if name in KEPT_BACK:
        remedy = "ask for school, group, hour or weekday instead"
        return Fault(at=(), what=f"{shown(name)} is kept from rules, which watch vendors and not pupils", remedy=remedy)
    near = get_close_matches(name, VARIABLES, n=1)
    remedy = f"did you mean `{near[0]}`?" if near else f"the names here are {', '.join(VARIABLES)}"
    return Fault(at=(), what=f"{shown(name)} is no name that a rule knows", remedy=remedy)


def _is_a(value: object, *, kind: str) -> bool:
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_INT
    if kind == "string":
        return _is_text(value)
    return isinstance(value, list) and len(value) <= LONGEST_LIST and all(map(_is_text, value))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_TEXT and value.isprintable()


def whole_flow(row: RuleRow, named: Mapping[str, Value]) -> dict[str, Value]:
    """Return every variable of an example: those that it names, the others as in a usual flow of the rule."""
    values: dict[str, Value] = {name: variable.usual for name, variable in VARIABLES.items()}
    if row.groups:
        values["group"] = row.groups[0]
    if row.agreements:
        values["agreement.id"] = row.agreements[0]
    values |= named
    if "domain" not in named:
        values["domain"] = registrable_domain(str(values["host"])) if values["host"] else ""
    return values


def _tried(rule: DistrictRule, given: _Given) -> Iterator[Fault]:
    """Yield a fault for each example that does not hold."""
    for at, wanted, values in given.flows:
        try:
            says = rule.answer(values, flow=flow_of(values))
        except NoAnswerError as error:
            yield Fault(at=at, what=f"`when` has no answer for this example ({error})", remedy="correct one of the two")
            continue
        if says != wanted:
            what = f"this example is {str(says).lower()} for `{rule.id}`, and stands under `{at[1]}`"
            yield Fault(at=at, what=what, remedy="correct `when`, or the example, or put it under the other word")


def _scope_faults(row: RuleRow, *, known: Mapping[str, Sequence[str]]) -> Iterator[Fault]:
    for key, named, variable in (("groups", row.groups, "group"), ("agreements", row.agreements, "agreement.id")):
        words = known.get(variable)
        for place, name in enumerate(named or ()):
            if words and name not in words:
                near = get_close_matches(name, words, n=1)
                remedy = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(words)}"
                yield Fault(at=(key, place), what=f"{shown(name)} is none of the {key} of this district", remedy=remedy)


def _few_faults(rule: DistrictRule) -> Iterator[Fault]:
    """Yield a fault where a case of few devices would say where or when they were."""
    if rule.narrows and rule.at_least_device_days < OFFICER_K:
        named = ", ".join(f"`{name}`" for name in rule.narrows)
        what = f"this rule asks for {named}, and opens a case at {rule.at_least_device_days} device-days"
        remedy = f"write {OFFICER_K} or more, or leave `at_least_device_days` out"
        yield Fault(at=("at_least_device_days",), what=what, remedy=remedy)


def _across_files(rules: Sequence[DistrictRule]) -> Iterator[Problem]:
    first: dict[str, DistrictRule] = {}
    for number, rule in enumerate(rules):
        before = first.setdefault(rule.id, rule)
        if before is not rule:
            what = f"the id {shown(rule.id)} is used a second time (first in {before.path}:{before.line})"
            yield Problem(path=rule.path, line=rule.line, what=what, remedy="give one of the two another id")
        if number == MAX_RULES:
            what = f"the files together hold more than {MAX_RULES} rules"
            yield Problem(path=rule.path, line=rule.line, what=what, remedy="join rules with ||, or leave some out")


def _under(at: tuple[str | int, ...], fault: Fault) -> Fault:
    return Fault(at=(*at, *fault.at), what=fault.what, remedy=fault.remedy)
