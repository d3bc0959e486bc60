"""Turns what pydantic says about a record into what a privacy officer can act on: a line, a fault and a remedy."""

from __future__ import annotations

import re
from difflib import get_close_matches
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from collector.problems import Fault, Problem, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from collector.yaml_nodes import Node, Step


def problems_in(error: ValidationError, *, model: type[BaseModel], top: Node, path: str) -> Iterator[Problem]:
    """Yield one problem for each thing that *error* says about the document below *top*."""
    for detail in error.errors(include_url=False):
        loc = detail["loc"]
        for fault in _faults(detail, model=model):
            yield Problem(path=path, line=top.line_of((*loc, *fault.at)), what=fault.what, remedy=fault.remedy)


def _faults(detail: ErrorDetails, *, model: type[BaseModel]) -> Iterable[Fault]:
    kind = detail["type"]
    if kind == "faults":
        found: tuple[Fault, ...] = detail["ctx"]["faults"]
        return found
    loc = detail["loc"]
    # pydantic counts only the entries that are right by themselves; where the author wrote enough, theirs are reported.
    if kind == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]:
        return []
    owner, name = _owner(model, loc)
    if kind == "extra_forbidden":
        return [_unknown_key(str(loc[-1]), owner=owner, top=model)]
    field = _field(owner, name)
    if kind == "missing":
        what = f"`{loc[-1]}` is missing{_place(loc[:-1])}"
        return [Fault(at=(), what=what, remedy=f"add `{loc[-1]}: {_example(field)}`")]
    say = _SAYINGS.get(kind)
    if say is None:
        return [Fault(at=(), what=f"{_subject(loc)} is wrong ({detail['msg']})", remedy=_instead(field, loc))]
    what, remedy = say(detail, field=field, called=getattr(model, "called", "file"))
    return [Fault(at=(), what=f"{_subject(loc)} {what}", remedy=remedy)]


def _unknown_key(key: str, *, owner: type[BaseModel] | None, top: type[BaseModel]) -> Fault:
    what = f"{shown(key)} is not a key here"
    known = _keys(owner) if owner is not None else {}
    homes = sorted({home for home, keys in _sections(top) if key in keys})
    if homes:
        return Fault(at=(), what=what, remedy=f"it belongs under `{homes[0]}`; check the indentation")
    near = get_close_matches(key.lower(), known, n=1)
    if near:
        return Fault(at=(), what=what, remedy=f"did you mean `{near[0]}`?")
    return Fault(at=(), what=what, remedy=f"leave it out; the keys here are {', '.join(known)}")


def _bool(detail: ErrorDetails, *, field: FieldInfo | None, called: str) -> tuple[str, str]:
    remedy = "write true or false"
    if field is None or not field.is_required():
        remedy += f", or leave the key out if the {called} does not say"
    return f"is {shown(detail['input'])}", remedy


def _choice(detail: ErrorDetails, **_more: object) -> tuple[str, str]:
    expected = detail["ctx"]["expected"]
    # Words are quoted there, numbers are not: `'a', 'b' or 'c'`, `1, 2 or 3`.
    allowed = re.findall(r"'([^']*)'", expected) or re.split(r", | or ", expected)
    given = detail["input"]
    near = get_close_matches(given.lower(), allowed, n=1) if isinstance(given, str) else []
    hint = f"did you mean `{near[0]}`? It may be " if near and len(allowed) > 1 else "write "
    return f"is {shown(given)}", f"{hint}{'one of ' if len(allowed) > 1 else ''}{', '.join(allowed)}"


def _text(detail: ErrorDetails, *, field: FieldInfo | None, called: str) -> tuple[str, str]:
    given = detail["input"]
    if isinstance(given, bool):
        return f"is {shown(given)}, which YAML reads as yes or no", f'put it in quotes: "{str(given).lower()}"'
    if isinstance(given, int | float):
        return f"is {shown(given)}, which YAML reads as a number", f'put it in quotes: "{given}"'
    if given is None:
        return "is empty", _fill(field, called=called)
    return f"is {shown(given)} where text belongs", "write text"


def _whole(detail: ErrorDetails, **_more: object) -> tuple[str, str]:
    return f"is {shown(detail['input'])}", "write a whole number such as 60, without quotes or unit"


def _number(detail: ErrorDetails, **_more: object) -> tuple[str, str]:
    return f"is {shown(detail['input'])}", "write a number such as 5 or 2.5, without quotes or unit"


def _group(detail: ErrorDetails, *, field: FieldInfo | None, called: str) -> tuple[str, str]:
    if detail["input"] is None:
        return "is empty", _fill(field, called=called)
    return f"is {shown(detail['input'])}", "write named fields beneath it, each as `key: value`"


def _list(detail: ErrorDetails, *, field: FieldInfo | None, called: str) -> tuple[str, str]:
    if detail["input"] is None:
        return "is empty", _fill(field, called=called)
    return f"is {shown(detail['input'])}", "write a list, each entry on its own line after `- `"


def _short_list(detail: ErrorDetails, **_more: object) -> tuple[str, str]:
    given, least = detail["ctx"]["actual_length"], detail["ctx"]["min_length"]
    what = f"has {given} of at least {least} entries" if given else "is an empty list"
    return what, f"write at least {least} {'entry' if least == 1 else 'entries'}, each on its own line after `- `"


def _long_list(detail: ErrorDetails, **_more: object) -> tuple[str, str]:
    return "has too many entries", f"keep {detail['ctx']['max_length']}"


def _short_text(detail: ErrorDetails, **_more: object) -> tuple[str, str]:
    least = detail["ctx"]["min_length"]
    return f"is {shown(detail['input'])}, which says too little", f"write at least {least} characters in plain words"


def _long_text(detail: ErrorDetails, **_more: object) -> tuple[str, str]:
    return "is too long", f"write at most {detail['ctx']['max_length']} characters"


def _least(detail: ErrorDetails, **_more: object) -> tuple[str, str]:
    return f"is {shown(detail['input'])}", f"write a number not below {detail['ctx']['ge']}"


def _most(detail: ErrorDetails, **_more: object) -> tuple[str, str]:
    return f"is {shown(detail['input'])}", f"write a number not above {detail['ctx']['le']}"


_SAYINGS: dict[str, Callable[..., tuple[str, str]]] = {
    "bool_type": _bool,
    "literal_error": _choice,
    "string_type": _text,
    "int_type": _whole,
    "int_from_float": _whole,
    "float_type": _number,
    "finite_number": _number,
    "model_type": _group,
    "dict_type": _group,
    "tuple_type": _list,
    "too_short": _short_list,
    "too_long": _long_list,
    "string_too_short": _short_text,
    "string_too_long": _long_text,
    "greater_than_equal": _least,
    "less_than_equal": _most,
}


def _subject(loc: tuple[Step, ...]) -> str:
    """Name the value at *loc*: its key, or the list and its place in it."""
    if not loc:
        return "the file"
    if isinstance(loc[-1], int):
        return _place(loc).strip().removeprefix("in ")
    return f"`{loc[-1]}`{_place(loc[:-1])}"


def _place(loc: tuple[Step, ...]) -> str:
    """Say where *loc* is, beginning with a space; nothing at the top of the file."""
    if not loc:
        return ""
    keys = ".".join(step for step in loc if isinstance(step, str))
    return f" in entry {loc[-1] + 1} of `{keys}`" if isinstance(loc[-1], int) else f" in `{keys}`"


def _instead(field: FieldInfo | None, loc: tuple[Step, ...]) -> str:
    return "correct it" if field is None else f"write for example `{loc[-1]}: {_example(field)}`"


def _fill(field: FieldInfo | None, *, called: str) -> str:
    if field is None:
        return "write a value"
    advice = f"write a value such as `{_example(field)}`"
    return advice if field.is_required() else f"{advice}, or leave the key out if the {called} does not say"


def _example(field: FieldInfo | None) -> str:
    return "..." if field is None or not field.examples else _flow(field.examples[0])


def _flow(value: object) -> str:
    """Write an example the way a file may contain it, in YAML's flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(member) for member in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _field(owner: type[BaseModel] | None, name: str | None) -> FieldInfo | None:
    return None if owner is None or name is None else _keys(owner).get(name)


def _owner(model: type[BaseModel], loc: tuple[Step, ...]) -> tuple[type[BaseModel] | None, str | None]:
    """Return the record in which the last key of *loc* lies, and that key; the key is None inside a list."""
    owner: type[BaseModel] | None = model
    for step in loc[:-1]:
        if isinstance(step, str):
            field = _field(owner, step)
            owner = None if field is None else _record_in(field.annotation)
    return owner, loc[-1] if loc and isinstance(loc[-1], str) else None


def _record_in(annotation: object) -> type[BaseModel] | None:
    """Return the record that a field holds, alone, in a list, or optionally."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {Annotated, Union, UnionType, tuple}:
        for part in get_args(annotation):
            record = _record_in(part)
            if record is not None:
                return record
    return None


def _sections(top: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, dict[str, FieldInfo]]]:
    """Yield every section beneath *top* with its keys."""
    for key, field in _keys(top).items():
        record = _record_in(field.annotation)
        if record is not None:
            yield prefix + key, _keys(record)
            yield from _sections(record, f"{prefix}{key}.")
