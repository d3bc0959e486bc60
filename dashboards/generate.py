"""Writes the dashboards as JSON: `python -m dashboards.generate --out dashboards`. Same code, same files."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.compliance import compliance
from dashboards.pipeline import pipeline
from dashboards.vendor import vendor

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard


def texts() -> dict[str, str]:
    """Return file name -> JSON of every dashboard."""
    return {f"{made.build().uid}.json": _text(made) for made in (compliance(), pipeline(), vendor())}


def _text(made: Dashboard) -> str:
    told: dict[str, Any] = json.loads(json.dumps(made.build(), cls=JSONEncoder))
    # The library leaves the ids out; Grafana would make new ones at every load, and links to panels would break.
    for number, panel in enumerate(told["panels"], start=1):
        panel["id"] = number
    return json.dumps(told, indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description="Schoolgate's Grafana dashboards")
    parser.add_argument("--out", type=Path, required=True, help="folder of the JSON files")
    out = parser.parse_args().out
    for name, text in texts().items():
        (out / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
