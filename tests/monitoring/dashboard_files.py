"""The committed dashboards, as Grafana reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))
# What Grafana puts in for a view of some hours; the day of the tests has a sample a minute in its last hour.
BUILT_IN = {"__rate_interval": "5m", "__interval": "1m", "__range": "1h"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query of a panel."""

    panel: str
    expr: str
    instant: bool
    legend_labels: tuple[str, ...]
    """Labels that its legend names."""


def read(path: Path) -> dict[str, Any]:
    """Return one dashboard."""
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Return its panels, rows left out."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def variables(dashboard: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return its variables that are filled by a query, by name."""
    return {each["name"]: each for each in dashboard["templating"]["list"] if each["type"] == "query"}


def queries(dashboard: dict[str, Any], *, values: Mapping[str, str]) -> Iterator[Query]:
    """Yield every query of its panels with *values* in place of variables."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield Query(
                panel=panel["title"],
                expr=filled(target["expr"], values=values),
                instant=bool(target.get("instant")),
                legend_labels=tuple(re.findall(r"{{\s*(\w+)\s*}}", target.get("legendFormat", ""))),
            )


def filled(expr: str, *, values: Mapping[str, str]) -> str:
    """Return *expr* with every variable replaced; one that nobody knows is a KeyError."""
    known = {**BUILT_IN, **values}
    return re.sub(r"\$\{?(\w+)\}?", lambda found: known[found[1]], expr)
