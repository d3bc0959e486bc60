"""The rule that every contender applies: look the host up, and emit a finding where an agreement covers it.

Standard library only, for it runs in the peers' own virtual environments too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def table(path: str) -> dict[str, str]:
    """Return host -> agreement, as `bench` wrote it down."""
    found: dict[str, str] = json.loads(Path(path).read_text(encoding="utf-8"))
    return found


def finding(name: str | None, *, event_id: str, octets: int, hosts: dict[str, str]) -> dict[str, Any] | None:
    """Return what one flow comes to, None: no agreement covers the host or a domain above it."""
    while name:
        agreement = hosts.get(name)
        if agreement is not None:
            return {"id": event_id, "agreement": agreement, "bytes": octets}
        name = name.partition(".")[2]
    return None
