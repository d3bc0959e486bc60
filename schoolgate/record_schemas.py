"""JSON Schemas of the facts that go through topics, made from the classes: descriptions are the field docstrings."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import TYPE_CHECKING, Any, Final

import msgspec
from pydantic import TypeAdapter

if TYPE_CHECKING:
    from collections.abc import Mapping

REF: Final = "#/components/schemas/{name}"


def read_strictly(kind: type) -> dict[str, Any]:
    """Return the schema of a class that is read by pydantic under its own `__pydantic_config__`: no unknown fields."""
    made = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}")
    return _with_docstrings(_without_titles(made), kind=kind)


def read_openly(kind: type) -> dict[str, Any]:
    """Return the schema of a class that is read by msgspec: fields it does not know are passed over."""
    _, components = msgspec.json.schema_components([kind], ref_template=REF)
    return _with_docstrings(_without_titles(components[kind.__name__]), kind=kind)


def of_sums(sums: Mapping[str, Any], *, about: str, kinds: tuple[type, ...]) -> dict[str, Any]:
    """Return the schema of a nest of counters, by one instance of it.

    Args:
        sums: names and counts, or further nests.
        about: what it is.
        kinds: classes whose field docstrings describe names in it.
    """
    told = {name: text for kind in reversed(kinds) for name, text in field_docstrings(kind).items()}
    return {"description": about, **_nest(sums, told=told)}


def field_docstrings(kind: type) -> dict[str, str]:
    """Return field -> the string that stands below it in the source, its lines joined."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    if not isinstance(definition, ast.ClassDef):
        return {}
    found = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            text = ast.literal_eval(below.value)
            found[field.target.id] = " ".join(str(text).split())
    return found


def _nest(sums: Mapping[str, Any], *, told: Mapping[str, str]) -> dict[str, Any]:
    properties = {
        name: {
            **({"description": told[name]} if name in told else {}),
            **(_nest(part, told=told) if isinstance(part, dict) else {"type": "integer", "minimum": 0}),
        }
        for name, part in sums.items()
    }
    return {"type": "object", "required": list(sums), "properties": properties}


def _with_docstrings(schema: dict[str, Any], *, kind: type) -> dict[str, Any]:
    told = field_docstrings(kind)
    if issubclass(kind, msgspec.Struct):
        told = {field.encode_name: told[field.name] for field in msgspec.structs.fields(kind) if field.name in told}
    properties = {
        name: {"description": told[name], **{word: part for word, part in shape.items() if word != "description"}}
        if name in told
        else shape
        for name, shape in schema["properties"].items()
    }
    about = " ".join((inspect.getdoc(kind) or "").split())
    rest = {word: part for word, part in schema.items() if word not in {"properties", "description"}}
    return {"description": about, **rest, "properties": properties}


def _without_titles(node: Any) -> Any:
    """Drop the names of our classes and fields, which a reader has before the colon already."""
    if isinstance(node, list):
        return [_without_titles(member) for member in node]
    if not isinstance(node, dict):
        return node
    return {
        word: _without_titles(part) for word, part in node.items() if not (word == "title" and isinstance(part, str))
    }
