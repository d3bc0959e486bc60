"""Reads the configuration file: one file for every verb, overridden by environment variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from collector.documents import DocumentError, Problem, parse_document, read
from collector.problems import on_one_line
from collector.yaml_nodes import read_nodes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

M = TypeVar("M", bound=BaseModel)

PREFIX = "SCHOOLGATE_"
NESTED = "__"


def load_configuration(path: Path, *, model: type[M], environment: Mapping[str, str]) -> M:
    """Return what the file at *path* says, with `SCHOOLGATE_<SECTION>__<KEY>` of *environment* laid over it.

    The value of a variable is read like a value in the file: `0.5` is a number, `[a, b]` a list.

    Raises:
        DocumentError: with every problem of the file, or else of the variables.
    """
    document = parse_document(read(path), path=str(path), model=model)
    overrides = {name: text for name, text in environment.items() if name.startswith(PREFIX) and NESTED in name}
    if not overrides:
        return document.value
    plain = document.top.plain()
    for name, text in sorted(overrides.items()):
        _lay_over(plain, tuple(name.removeprefix(PREFIX).lower().split(NESTED)), _value(text, name=name))
    try:
        return model.model_validate(plain)
    except ValidationError as error:
        names = ", ".join(sorted(overrides))
        raise DocumentError(
            Problem(
                path=str(path),
                line=1,
                what=on_one_line(f"with {names} set, `{'.'.join(map(str, detail['loc']))}` is wrong: {detail['msg']}"),
                remedy="correct or unset the variable",
            )
            for detail in error.errors(include_url=False)
        ) from None


def _value(text: str, *, name: str) -> object:
    """Return what a variable says, read like a value in the file."""
    node, problems = read_nodes(f"value: {text}", path=f"environment variable {name}")
    if problems:
        raise DocumentError(problems)
    plain = node.plain()
    return plain["value"] if isinstance(plain, dict) else None


def _lay_over(plain: object, steps: tuple[str, ...], value: object) -> None:
    for step in steps[:-1]:
        if isinstance(plain, dict):
            plain = plain.setdefault(step, {})
    if isinstance(plain, dict):
        plain[steps[-1]] = value
