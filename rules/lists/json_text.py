"""JSON of strangers, bounded in depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import from_json

if TYPE_CHECKING:
    from rules.lists.rows import Piece, Tally


def json_group(piece: Piece, *, tally: Tally) -> dict[str, object]:
    """Return the object that a file holds.

    Raises:
        DocumentError: it holds none, or groups within groups deeper than any list has them (200).
    """
    try:
        # This parser counts depth, so that no nesting reaches the end of the stack, and names line and column.
        value = from_json(piece.octets)
    except ValueError as error:
        raise tally.refusal(f"the file is not JSON ({error})", "get it anew", piece=piece) from None
    if not isinstance(value, dict):
        raise tally.refusal("the file holds no JSON object", "check that it is the right file", piece=piece)
    return value
