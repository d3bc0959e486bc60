"""The agreement file as JSON Schema, for editors and other programs. Made from the models, so that it cannot differ."""

from __future__ import annotations

from typing import Any

from rules.agreements.model import Agreement

SCHEMA_ID = "urn:schoolgate:agreement:1"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of agreement files, version 1, with a plain-English description on every field.

    It says what a single field may hold. What holds between fields and between files, `load` checks beyond it.

    Source: https://json-schema.org/draft/2020-12/schema.
    """
    made = Agreement.model_json_schema(by_alias=True)
    plain = _without_leftovers(made)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **plain,
        "title": "Declared data agreement, version 1",
    }


def _without_leftovers(node: Any) -> Any:
    """Drop what only describes our classes: their titles, and the null that stands for an absent key."""
    if isinstance(node, list):
        return [_without_leftovers(member) for member in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _without_leftovers(member)
        for key, member in node.items()
        # `title` and `default` are also names of properties elsewhere; there the member is a schema, not a value.
        if not (key == "title" and isinstance(member, str)) and not (key == "default" and member is None)
    }
