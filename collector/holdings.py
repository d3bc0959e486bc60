"""Bounds what all openings together hold while they wait for more octets.

One flow holds little, but a sender who begins many hellos and ends none would fill the memory all the same. So whatever
waits takes places in one ring; when the ring comes round, what has waited longest is let go, and counted.

Compiled; the C types stand in holdings.pxd.
"""

from __future__ import annotations

PLACES = 32_768
PLACE_OCTETS = 2_048
"""Octets that one place stands for: all of them together are 64 MB."""
OBJECT_OCTETS = 256
"""What an object costs beside the octets in it: so many tiny pieces weigh what they take."""

LOOKS = 1_024
"""Places looked at, evenly chosen, to say how many of all are taken."""

_PLACES = PLACES
_PLACE_OCTETS = PLACE_OCTETS
_LOOKS = LOOKS


class Holding:
    """Something that holds octets until more come."""

    __slots__ = ("places",)

    def __init__(self) -> None:
        self.places = 0
        """Places of the ring that it has taken."""

    def weight(self) -> int:
        """Return how many octets of memory it holds now, about; 0: it waits for nothing."""
        raise NotImplementedError

    def let_go(self) -> None:
        """Hold nothing any more, and take nothing more."""
        raise NotImplementedError


class Holdings:
    """The ring. It knows the holdings, they do not know it: nothing here needs a collector of garbage."""

    __slots__ = ("_at", "_ring", "shed")

    def __init__(self) -> None:
        self.shed = 0
        """Holdings that were let go to make room."""
        self._ring: list[Holding] = []
        self._at = 0

    def taken(self) -> float:
        """Return about what share of the places something takes that still waits; a ring that has come round has more.

        Who waits no longer keeps its places until the ring comes to them, and loses nothing then.
        """
        given = len(self._ring)
        if given == 0:
            return 0.0
        step = 1 + (given - 1) // _LOOKS
        taken = 0.0
        place = 0
        while place < given:
            holding = self._ring[place]
            needed = (holding.weight() + _PLACE_OCTETS - 1) // _PLACE_OCTETS
            taken += 1.0 if needed >= holding.places else needed / holding.places
            place += step
        return taken / ((given + step - 1) // step) * given / _PLACES

    def keep(self, holding: Holding) -> None:
        """Give *holding* the places that it needs; those who had them may have to go."""
        weight = holding.weight()
        while holding.places * _PLACE_OCTETS < weight:
            holding.places += 1
            if len(self._ring) < _PLACES:
                self._ring.append(holding)
                continue
            oldest = self._ring[self._at]
            self._ring[self._at] = holding
            self._at = (self._at + 1) % _PLACES
            oldest.places -= 1
            if oldest is not holding and oldest.places * _PLACE_OCTETS < oldest.weight():
                oldest.let_go()
                self.shed += 1
