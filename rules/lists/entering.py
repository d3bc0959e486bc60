"""Enters a list into a lists file, with its hash, and leaves the rest of the file as its author wrote it."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from collector.documents import read
from collector.problems import DocumentError, Problem
from rules.lists.catalogue import SCHEMA, is_catalogue, named_lists
from rules.whole_files import replace_file

if TYPE_CHECKING:
    from rules.lists.catalogue import ListEntry


def enter(entry: ListEntry, *, catalogue: Path) -> bool:
    """Write *entry* into the lists file, in place of a row with its path; a missing file is made.

    Args:
        entry: the row; its path starts at the folder of the lists file.
        catalogue: the lists file.

    Returns:
        True: a row was replaced.

    Raises:
        DocumentError: the lists file is wrong, or would be; it stays as it was.
        OSError: it cannot be written; it stays as it was.
    """
    text = _present(catalogue)
    yaml = YAML(typ="rt")
    yaml.width = 1_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    whole: Any = yaml.load(text)
    row = {key: value for key, value in entry.model_dump(by_alias=True).items() if value is not None}
    rows = whole["lists"]
    known = [place for place, held in enumerate(rows) if held["path"] == entry.path]
    if known:
        rows[known[0]].update(row)
        for key in set(rows[known[0]]) - set(row):
            del rows[known[0]][key]
    else:
        rows.append(row)
    out = io.StringIO()
    yaml.dump(whole, out)
    named_lists(out.getvalue(), path=str(catalogue))
    replace_file(catalogue, out.getvalue().encode())
    return bool(known)


def path_within(place: Path, *, catalogue: Path) -> str:
    """Return how the lists file at *catalogue* names the list at *place*."""
    return Path(os.path.relpath(place.absolute(), catalogue.absolute().parent)).as_posix()


def _present(catalogue: Path) -> str:
    """Return the text of the lists file, checked; that of an empty one where there is none."""
    if not catalogue.exists():
        return f"schema: {SCHEMA}\nlists: []\n"
    text = read(catalogue)
    if not is_catalogue(text):
        what, remedy = "this is no lists file", f"begin it with `schema: {SCHEMA}`, or name another file with --to"
        raise DocumentError([Problem(path=str(catalogue), line=1, what=what, remedy=remedy)])
    named_lists(text, path=str(catalogue))
    return text
