"""What leaves a collector by name, what was forgotten, and what is let go in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders.dashboard import Row

from dashboards.panels import QUARTER, Series, Told, course

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard


def kept(made: Dashboard, *, here: str) -> Dashboard:
    """Add what leaves a collector, and what is let go.

    Args:
        made: the dashboard so far.
        here: PromQL matcher of the instances that are shown.
    """
    withheld = f"schoolgate_withheld_names_total{{{here}}}"
    return (
        made.with_row(Row("What leaves, and what is let go"))
        .with_panel(
            course(
                Told(
                    title="Names withheld",
                    why="Over an hour, by reason; `never`: sensitive or not public; address alone: no name was said.",
                    unit="short",
                ),
                Series(expr=f"sum by (reason) (increase({withheld}[1h]))", legend="{{reason}}"),
                Series(expr=f"sum(increase(schoolgate_reduced_names_total{{{here}}}[1h]))", legend="shortened"),
                Series(
                    expr=f"sum(increase(schoolgate_withheld_addresses_total{{{here}}}[1h]))", legend="address alone"
                ),
                least=QUARTER,
            )
        )
        .with_panel(
            course(
                Told(
                    title="Memory of the release rule",
                    why="Names of no list that it remembers today, and those that had to make room.",
                    unit="short",
                ),
                Series(expr=f"sum(schoolgate_release_names{{{here}}})", legend="remembered"),
                Series(
                    expr=f"sum(increase(schoolgate_release_names_forgotten_total{{{here}}}[1h]))", legend="made room"
                ),
                least=QUARTER,
            )
        )
        .with_panel(
            course(
                Told(
                    title="Passed over",
                    why="Records of cases that were forgotten, over an hour: nobody can open them any more.",
                    unit="short",
                ),
                Series(
                    expr=f"sum by (source) (increase(schoolgate_forgotten_findings_total{{{here}}}[1h]))",
                    legend="{{source}}",
                ),
            )
        )
        .with_panel(
            course(
                Told(
                    title="Since the last purge",
                    why="What may be kept no longer is let go every hour. After 26 hours without it an alert goes out.",
                    unit="s",
                ),
                Series(expr=f"time() - max(schoolgate_last_purge_timestamp_seconds{{{here}}} > 0)", legend="now"),
            )
        )
        .with_panel(
            course(
                Told(
                    title="Let go", why="Rows that were taken out of the case store, by where they lay.", unit="short"
                ),
                Series(expr=f"max by (source) (schoolgate_purged_rows_total{{{here}}})", legend="{{source}}"),
            )
        )
    )
