"""How long a test waits for what must come: so long that a machine that does other things as well makes none fail."""

from __future__ import annotations

from typing import Final

PATIENCE_S: Final = 180
