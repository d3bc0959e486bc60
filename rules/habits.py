"""What devices do beside a contact, summed over devices: how attribution knows an agent or an extension. A fact."""

from __future__ import annotations

from typing import Final, NamedTuple


class Habit(NamedTuple):
    """Whether devices that meet a party while a product stands open meet it after whatever they open: sums of devices.

    Of each contact on its own this would tell how much its device visits, which a person does alike every day.
    """

    contacts: int = 0
    """Contacts."""
    others: int = 0
    """Sites that the devices visited on the day, what stood open left aside."""
    answered: int = 0
    """Those of them that the party followed at once."""
    beside: int = 0
    """Contacts beside which there was one of those."""

    def plus(self, other: Habit) -> Habit:
        """Return the sums of both."""
        return Habit(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


NO_HABIT: Final = Habit()
"""Of nobody."""
