"""For the privacy officer: which agreements have open cases, how that changed, and how much could be judged at all.

Cases and counts of cases only, never devices or times of single events: what few pupils do is not to be read here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders.dashboard import Row

from dashboards.panels import (
    FEW_ARE_WORTH_A_LOOK,
    FULL_WIDTH,
    NONE_IS_GOOD,
    QUARTER,
    Series,
    Told,
    bars,
    board,
    course,
    figure,
    link_to,
    rows,
    timeline,
    variable,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard

UID: Final = "schoolgate-compliance"
CHOSEN: Final = 'agreement=~"$agreement"'
OPEN: Final = f"agreement:schoolgate_open_cases:last6h{{{CHOSEN}}}"
# Products without an agreement have an empty name; they count as cases, and as no agreement.
OF_AGREEMENTS: Final = f'agreement:schoolgate_open_cases:last6h{{agreement!="",{CHOSEN}}}'


def compliance() -> Dashboard:
    """Return the dashboard."""
    made = board(
        "Schoolgate / Compliance",
        uid=UID,
        about="Do vendors keep their agreements? For the privacy officer.",
        audience="privacy",
        since="now-30d",
    ).with_variable(
        variable(
            "agreement",
            label="Agreement",
            query="label_values(schoolgate_open_cases, agreement)",
            # With the empty name: products that no agreement covers.
            everything=".*",
        )
    )
    return _on_paper(_history(_now(made)))


def _now(made: Dashboard) -> Dashboard:
    kept = (
        f"(count(sum by (agreement) ({OF_AGREEMENTS}) == 0) or vector(0)) / count(sum by (agreement) ({OF_AGREEMENTS}))"
    )
    made = (
        made.with_row(Row("Now"))
        .with_panel(
            figure(
                Told(
                    title="Open cases",
                    why="Promises that the traffic seems to break: evidence to review.",
                    unit="short",
                ),
                f"sum({OPEN})",
                steps=FEW_ARE_WORTH_A_LOOK,
            )
        )
        .with_panel(
            figure(
                Told(title="Critical", why="Open cases of severity critical: read these first.", unit="short"),
                f'sum(agreement:schoolgate_open_cases:last6h{{severity="critical",{CHOSEN}}})',
                steps=NONE_IS_GOOD,
            )
        )
        .with_panel(
            figure(
                Told(
                    title="Agreements without a case",
                    why="Share of the agreements with no open case. It says nothing of traffic that cannot be judged.",
                    unit="percentunit",
                ),
                kept,
                steps=((None, "red"), (0.8, "orange"), (1, "green")),
            )
        )
    )
    return _limits(made)


def _limits(made: Dashboard) -> Dashboard:
    return (
        made.with_panel(
            figure(
                Told(
                    title="Cases opened",
                    why="Cases that opened in the time shown, closed ones among them.",
                    unit="short",
                ),
                f"sum(increase(schoolgate_violations_total{{{CHOSEN}}}[$__range]))",
            )
        )
        .with_panel(
            figure(
                Told(
                    title="Traffic without a name",
                    why="Share of the last hour's flows whose server has no name. What has none cannot be judged.",
                    unit="percentunit",
                ),
                "schoolgate_nameless_flows:ratio_rate1h",
                steps=((None, "green"), (0.2, "orange"), (0.5, "red")),
            )
        )
        .with_panel(
            figure(
                Told(title="Not yet told", why="Notifications about cases that have not gone out yet.", unit="short"),
                "max(schoolgate_pending_notifications)",
                steps=NONE_IS_GOOD,
            )
        )
    )


def _history(made: Dashboard) -> Dashboard:
    return (
        made.with_row(Row("Agreements"))
        .with_panel(
            timeline(
                Told(title="Open cases over time", why="Coloured while an agreement has an open case.", unit="short"),
                Series(expr=f"sum by (agreement) ({OPEN})", legend="{{agreement}}"),
                steps=FEW_ARE_WORTH_A_LOOK,
            )
        )
        .with_panel(
            rows(
                Told(title="Open cases by agreement", why="A row leads to the page of its vendor.", unit="short"),
                f"sum by (agreement, severity) ({OPEN})",
                columns={"agreement": "Agreement", "severity": "Severity", "Value": "Open cases"},
                link=link_to(
                    "schoolgate-vendor", title="This vendor", variables="var-agreement=${__data.fields.Agreement}"
                ),
            )
        )
        .with_panel(
            bars(
                Told(
                    title="Cases opened by rule",
                    why="What kinds of promise were broken in the time shown.",
                    unit="short",
                ),
                Series(
                    expr=f"sum by (rule) (increase(schoolgate_violations_total{{{CHOSEN}}}[$__range]))",
                    legend="{{rule}}",
                ),
            )
        )
    )


def _on_paper(made: Dashboard) -> Dashboard:
    state = "schoolgate_agreement_clause_state"
    return (
        made.with_row(Row("What the agreements say"))
        .with_panel(
            bars(
                Told(
                    title="Clauses by state",
                    why="How many clauses are met, not met, or left open. Read from the agreement files, not traffic.",
                    unit="short",
                ),
                Series(expr=f"sum by (state) ({state}{{{CHOSEN}}})", legend="{{state}}"),
            )
        )
        .with_panel(
            rows(
                Told(title="Clauses not met or not stated", why="What to ask for at the next renewal.", unit="short"),
                f'sum by (agreement, state) ({state}{{state=~"not_met|not_stated",{CHOSEN}}})',
                columns={"agreement": "Agreement", "state": "State", "Value": "Clauses"},
            )
        )
        .with_row(Row("How much could be judged"))
        .with_panel(
            course(
                Told(
                    title="Flows by what the agreements say of them",
                    why="`unknown`: to parties in no list. `unattributed`: the cause is not established.",
                    unit="cps",
                ),
                Series(expr="sum by (verdict) (rate(schoolgate_flows_total[$__rate_interval]))", legend="{{verdict}}"),
                width=FULL_WIDTH,
                least=QUARTER,
            )
        )
    )
