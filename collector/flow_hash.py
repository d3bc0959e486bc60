"""Mixes the words of a flow's key into its hash.

Not compiled: in compiled code the inline function of flow_hash.pxd stands in for this one.
"""

from __future__ import annotations

_ALL = 0xFFFFFFFFFFFFFFFF
# Odd constants of good avalanche; the seed, not they, keeps strangers from choosing collisions.
_ADD = 0x9E3779B97F4A7C15
_MULTIPLY = 0xBF58476D1CE4E5B9


def mix(value: int, word: int) -> int:
    """Return the hash *value* with one more word of 64 bits in it."""
    value = ((value ^ ((word + _ADD) & _ALL)) * _MULTIPLY) & _ALL
    return value ^ (value >> 29)
