"""What goes wrong when frames are to be captured from a network: the machine's fault, never the frames'."""

from __future__ import annotations


class TapError(RuntimeError):
    """Frames cannot be captured here; the message says what to change."""


class NoSuchInterfaceError(TapError):
    """An interface is not there; the message names those that are."""
