"""Writes the YAML files of the project: plain values in the order given, so that a person can go on editing."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ruamel.yaml.representer import RoundTripRepresenter

# No line is folded: a fold inside a text is hard to see, and editors wrap by themselves.
_NEVER = 1 << 20


def yaml_text(values: Mapping[str, Any], *, comment: str) -> str:
    """Return *values* (text, numbers, true and false, lists, mappings) as YAML 1.2, *comment* lines in front."""
    writer = YAML(typ="rt", pure=True)
    writer.width = _NEVER
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.representer.add_representer(str, _text)
    out = StringIO()
    writer.dump(dict(values), out)
    lines = "".join(f"# {line}\n" for line in comment.splitlines())
    return lines + out.getvalue()


def _text(representer: RoundTripRepresenter, value: str) -> Any:
    # Plain where it reads as text; in double quotes, escaped, where a plain scalar would lose something.
    if value.isprintable() and value == value.strip():
        return representer.represent_str(value)
    return representer.represent_double_quoted_scalarstring(DoubleQuotedScalarString(value))
