"""The services that an installation is made of, by their verbs."""

from __future__ import annotations

from enum import StrEnum


class Part(StrEnum):
    """One service."""

    COLLECT = "collect"
    JUDGE = "judge"
    DESK = "desk"
    RUN = "run"
    """All of them in one process."""
