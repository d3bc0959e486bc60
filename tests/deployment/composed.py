"""What docker-compose.yml says, read once for the tests of this folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
_VARIABLE = re.compile(r"\$\{\w+:-([^}]*)\}")


def _resolved(value: Any) -> Any:
    """Return a value with each variable replaced by its default, as where no .env is."""
    if isinstance(value, str):
        return _VARIABLE.sub(r"\1", value)
    if isinstance(value, list):
        return [_resolved(each) for each in value]
    if isinstance(value, dict):
        return {key: _resolved(each) for key, each in value.items()}
    return value


DOCUMENT: Final[dict[str, Any]] = YAML(typ="safe").load(FILE)
SERVICES: Final[dict[str, dict[str, Any]]] = {name: _resolved(each) for name, each in DOCUMENT["services"].items()}
OURS: Final = sorted(name for name, each in SERVICES.items() if each["image"].startswith("schoolgate-"))
LASTING: Final = sorted(name for name, each in SERVICES.items() if each["restart"] == "unless-stopped")
