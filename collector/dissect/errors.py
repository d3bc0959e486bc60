"""The one error that leaves a dissector: what came from the network is not what it claims to be."""

from __future__ import annotations


class DissectError(ValueError):
    """Octets from the network break the format they claim to follow. Count it and go on: it is nobody's bug here."""
