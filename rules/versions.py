"""What a case task writes down under growing versions: whoever stores it keeps the highest version of each."""

from __future__ import annotations

from typing import Final

import msgspec

OPEN: Final = "open"
WITHDRAWN: Final = "withdrawn"
FORGOTTEN: Final = "forgotten"
"""State of a case whose key was destroyed: its number of versions is all that is left of it."""

UNREADABLE: Final = '{"unreadable":true,"v":1}'
"""What stands in place of an entry of the case log whose key was destroyed."""

WAIVED_PARTS: Final = "waived/"
"""Parts of the report that hold the waived cases of one partition each."""
FRAME_PART: Final = "frame"
"""Part of the report that holds everything but cases: coverage, clause states."""


class CaseVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a case, as topic `schoolgate.cases` carries it."""

    id: str
    """Id of the case."""
    version: int
    """1, 2, ...: grows with every change."""
    state: str
    """`open` or `withdrawn`."""
    body: str
    """The case as JSON (contract, section 5)."""
    evidence: str = ""
    """What it rests on as JSON (`rules.evidence`): days, windows, basis; empty: this version was made without."""


class ReportPart(msgspec.Struct, frozen=True, kw_only=True):
    """One version of what surrounds the cases in a report, as far as one task knows it."""

    name: str
    """Which part."""
    version: int
    """1, 2, ...: grows with every change."""
    body: str
    """The part as JSON."""
