"""Attackers who know what one device did on one day and look for it on the next, and whether they beat chance.

All of them are told in which class the device sits, for whoever knows the timetable knows that; what is left to find is
the one device among its class.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.parts.two_days import Device

T = TypeVar("T")

ORDERS = 399
"""Orders of the devices of each class, drawn at random, with which an attack is compared."""
LEAST = 0.01
"""An attack beats chance when fewer of those orders are guessed as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """What an attacker came to."""

    tried: int
    """Guesses."""
    right: int
    """Right ones."""
    expected: float
    """Right ones when guessing blindly among the class."""
    p: float
    """Share of the orders of devices for which the same guesses would have been right as often; at least 1/400."""

    @property
    def beats_chance(self) -> bool:
        """Whether blind guessing hardly ever does as well."""
        return self.p < LEAST

    def __str__(self) -> str:
        return f"{self.right} of {self.tried} right ({self.expected:.1f} by chance, p = {self.p:.4f})"


def attack(
    before: Mapping[tuple[Device, str], T],
    after: Mapping[tuple[Device, str], T],
    *,
    classes: Iterable[Sequence[Device]],
    distance: Callable[[T, T], float],
) -> Attack:
    """Guess for everything of *before* which of *after* is of the same device.

    Args:
        before: device and what it met -> what is known of it on the first day.
        after: the same on the second day; the devices there are the truth that the guess is compared with.
        classes: who sits together.
        distance: how unlike two days are; equal ones are drawn by lot.
    """
    home = {device: number for number, group in enumerate(classes) for device in group}
    among: defaultdict[tuple[int, str], list[Device]] = defaultdict(list)
    for device, met in sorted(after):
        among[home[device], met].append(device)
    guesses: list[_Guess] = []
    for (device, met), known in sorted(before.items(), key=lambda item: item[0]):
        candidates = among[home[device], met]
        if device not in candidates or len(candidates) == 1:
            continue
        scored = [(distance(known, after[each, met]), _lot(device, met, each), each) for each in candidates]
        guesses.append(_Guess(device=device, guess=min(scored)[2], among=(home[device], met)))
    right = sum(each.device == each.guess for each in guesses)
    expected = sum(1 / len(among[each.among]) for each in guesses)
    return Attack(tried=len(guesses), right=right, expected=expected, p=_share(guesses, among=among, right=right))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guess:
    device: Device
    guess: Device
    among: tuple[int, str]


def _share(guesses: Sequence[_Guess], *, among: Mapping[tuple[int, str], Sequence[Device]], right: int) -> float:
    """Return how often devices in another order would be guessed as well: a permutation test.

    One order of all devices serves all guesses, since those about one device are no trials of their own; in each set of
    candidates the device takes the place in that order which it had by number.
    """
    chance = Random(len(guesses))  # noqa: S311 -- the same every time
    everybody = sorted({device for each in guesses for device in among[each.among]})
    places = {key: {device: place for place, device in enumerate(among[key])} for key in {e.among for e in guesses}}
    as_good = 0
    for _ in range(ORDERS):
        rank = {device: chance.random() for device in everybody}
        orders = {key: sorted(among[key], key=rank.__getitem__) for key in places}
        moved = sum(orders[each.among][places[each.among][each.device]] == each.guess for each in guesses)
        as_good += moved >= right
    return (1 + as_good) / (1 + ORDERS)


def _lot(*of: object) -> bytes:
    return blake2b(repr(of).encode(), digest_size=8).digest()


def apart(one: Sequence[float], other: Sequence[float]) -> float:
    """Return how far two rows of figures lie apart."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


def unlike(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return how unlike two profiles are: 0 the same, 1 nothing in common (cosine)."""
    norm = sum(value * value for value in one.values()) * sum(value * value for value in other.values())
    return 1 - sum(value * other.get(name, 0) for name, value in one.items()) / norm**0.5 if norm else 1.0
