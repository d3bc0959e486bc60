"""What one look at one part of an installation shows: well or not, and what to do. A fact; the looks are elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "problem", "not applicable"]
Wrong = Literal["configuration", "environment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One line for whoever runs the installation."""

    state: State
    """`warning`: it works, and somebody should act; `problem`: it does not work like this."""
    what: str
    """What was seen, in plain words."""
    remedy: str | None = None
    """What to do; None: nothing."""
    wrong: Wrong | None = None
    """Where a problem lies: in a file of the district, or in the machine and its surroundings; None: no problem."""


def well(what: str) -> Outcome:
    """Return that it is as it should be."""
    return Outcome(state="ok", what=what)


def warning(what: str, *, remedy: str) -> Outcome:
    """Return that it works, and what somebody should do all the same."""
    return Outcome(state="warning", what=what, remedy=remedy)


def misconfigured(what: str, *, remedy: str) -> Outcome:
    """Return that a file of the district is wrong."""
    return Outcome(state="problem", what=what, remedy=remedy, wrong="configuration")


def failed(what: str, *, remedy: str) -> Outcome:
    """Return that the machine or its surroundings are not as they must be."""
    return Outcome(state="problem", what=what, remedy=remedy, wrong="environment")


def not_applicable(why: str) -> Outcome:
    """Return that there is nothing to look at, and why."""
    return Outcome(state="not applicable", what=why)
