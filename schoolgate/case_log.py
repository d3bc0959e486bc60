"""What `schoolgate cases verify` does: the case log against its own chain, its record of the end, and anchors."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

from collector.problems import DocumentError, Problem
from rules.store.chain import Break, Head
from rules.store.sealing import RESEALED_KIND
from schoolgate.configuration import configuration_at
from schoolgate.existing_store import existing_store
from schoolgate.shell import say

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rules.store import Store

NAME = "schoolgate-case-log/1"
_ANCHOR = re.compile(rf"{re.escape(NAME)} (\d{{1,18}}) ([0-9a-f]{{64}})")


def verify(config: Path, *, anchor: Path | None, as_json: bool) -> bool:
    """Check the case log of *config*, print where it ends, and return whether it is as it was written.

    What is printed is an anchor: kept elsewhere and given back later, it shows that nothing before was made anew.

    Raises:
        DocumentError: a file is wrong.
        StoreError: the store cannot be used.
    """
    settings = configuration_at(config)
    anchors = read_anchors(anchor) if anchor else []
    store = existing_store(settings, config=config)
    try:
        anchors = [each for each in anchors if not _is_of_before(each, store=store)]
        found = store.verify(anchors)
        row = next(iter(store.log(after=found.seq - 1)), None) if isinstance(found, Break) and found.seq else None
    finally:
        store.close()
    if isinstance(found, Head):
        told: dict[str, Any] = {"v": 1, "intact": True, "entries": found.entries, "hash": found.hash}
        _print(told if as_json else f"{NAME} {found.entries} {found.hash}")
        return True
    about = f" (case {row.case_id}, {row.kind})" if row is not None and row.seq == found.seq else ""
    say(f"row {found.seq} of the case log{about}: {found.what}")
    say("the case log was changed; keep this store as it is, and compare it with a backup")
    if as_json:
        _print({"v": 1, "intact": False, "row": found.seq, "what": found.what})
    return False


def _is_of_before(anchor: Head, *, store: Store) -> bool:
    """Return whether an anchor is where the log ended before its entries were sealed, by the word of the log."""
    for row in store.log(""):
        said = json.loads(row.entry) if row.kind == RESEALED_KIND else {}
        if (said.get("entries"), said.get("hash")) == (anchor.entries, anchor.hash):
            say(f"the anchor is the one that row {row.seq} names: the log was sealed after it; take a new one")
            return True
    return False


def read_anchors(path: Path) -> list[Head]:
    """Return the anchors in *path*, one a line as `verify` prints them.

    Raises:
        DocumentError: with every line that is none.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return list(_anchors(lines, path=str(path)))


def _anchors(lines: Iterable[str], *, path: str) -> Iterable[Head]:
    problems, found = [], []
    for number, line in enumerate(lines, start=1):
        match = _ANCHOR.fullmatch(line.strip())
        if match:
            found.append(Head(entries=int(match[1]), hash=match[2]))
        elif line.strip():
            what, remedy = "this is no anchor", "write a line that `schoolgate cases verify` printed"
            problems.append(Problem(path=path, line=number, what=what, remedy=remedy))
    if not found and not problems:
        what, remedy = "the file holds no anchor", "write a line that `schoolgate cases verify` printed"
        problems.append(Problem(path=path, line=1, what=what, remedy=remedy))
    if problems:
        raise DocumentError(problems)
    return found


def _print(told: dict[str, Any] | str) -> None:
    sys.stdout.write((told if isinstance(told, str) else json.dumps(told)) + "\n")
