"""Why an expression is refused, or gives no answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.problems import Fault


class ExpressionError(ValueError):
    """An expression is refused, for one reason or several."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(f"{fault.what}; {fault.remedy}" for fault in self.faults))


class NoAnswerError(ValueError):
    """An expression has no value for one flow, such as after a division by zero."""


class TooCostlyError(NoAnswerError):
    """An expression would take more steps over one flow than it may."""
