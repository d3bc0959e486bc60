"""Synthetic school days whose every flow has a known cause: what attribution is tested, refuted and measured with.

Nothing here is fitted to any other set of days. The traffic is no noisy-OR: parties call one another, appear on some
pages only, start on a later day, spare some pupils, ride on connections of others and speak when the page is gone.
"""

from tests.parts.school_days.days import SchoolDays, school_days
from tests.parts.school_days.null import orders, shuffled
from tests.parts.school_days.truth import Edge, Innocent, Truth
from tests.parts.school_days.twists import ALL_TWISTS

__all__ = ["ALL_TWISTS", "Edge", "Innocent", "SchoolDays", "Truth", "orders", "school_days", "shuffled"]
