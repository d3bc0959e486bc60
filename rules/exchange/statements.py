"""What a district states on the command line where a source is silent: `--state use_gate.status=approved`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from collector.problems import DocumentError, Problem, shown
from collector.yaml_nodes import read_nodes
from rules.agreements.schema import json_schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rules.exchange.drafts import Steps

_OPTION: Final = "--state"


def statements(options: Iterable[str]) -> dict[Steps, Any]:
    """Return what `KEY=VALUE` options state, by the keys that lead there; a value is written as in an agreement file.

    Raises:
        DocumentError: an option is malformed or names no key; with every such problem.
    """
    found: dict[Steps, Any] = {}
    problems: list[Problem] = []
    for option in options:
        key, equals, text = option.partition("=")
        steps = tuple(part.strip() for part in key.split("."))
        if not equals or not text.strip():
            problems.append(_problem(f"{shown(option)} states nothing", f"write {_OPTION} use_gate.status=approved"))
        elif _schema_of(steps) is None:
            what = f"{shown(key)} is no key of an agreement file that can be stated"
            problems.append(_problem(what, "see `schoolgate agreements schema`, such as use_gate.status"))
        else:
            try:
                top, wrong = read_nodes(f"value: {text.strip()}\n", path=_OPTION)
            except DocumentError as error:
                problems.extend(error.problems)
                continue
            problems.extend(wrong)
            value = top.plain()
            found[steps] = value["value"] if isinstance(value, dict) else None
    if problems:
        raise DocumentError(problems)
    return found


def _schema_of(steps: Steps) -> dict[str, Any] | None:
    """Return the schema of the value that *steps* lead to; None: there is none, or it is a whole section."""
    whole = json_schema()
    node = whole
    if steps[0] in {"schema", "id", "provenance"}:
        return None
    for step in steps:
        node = _resolved(node, whole).get("properties", {}).get(step)
        if node is None:
            return None
    found = _resolved(node, whole)
    return None if "properties" in found else found


def _resolved(node: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    reference = node.get("$ref") or next((each["$ref"] for each in node.get("allOf", ()) if "$ref" in each), None)
    return whole["$defs"][reference.rsplit("/", 1)[-1]] if reference else node


def _problem(what: str, remedy: str) -> Problem:
    return Problem(path=_OPTION, line=1, what=what, remedy=remedy)
