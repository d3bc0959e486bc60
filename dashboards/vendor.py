"""For whoever prepares a talk with one vendor: its open cases, when they came, and what its agreement leaves open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders.dashboard import Row

from dashboards.panels import (
    FEW_ARE_WORTH_A_LOOK,
    FULL_WIDTH,
    NONE_IS_GOOD,
    Series,
    Told,
    board,
    course,
    figure,
    rows,
    timeline,
    variable,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard

UID: Final = "schoolgate-vendor"
CHOSEN: Final = 'agreement="$agreement"'
OPEN: Final = f"agreement:schoolgate_open_cases:last6h{{{CHOSEN}}}"
STATE: Final = "schoolgate_agreement_clause_state"


def vendor() -> Dashboard:
    """Return the dashboard."""
    made = board(
        "Schoolgate / One vendor",
        uid=UID,
        about="One agreement: its open cases over time, and what it says on paper.",
        audience="privacy",
        since="now-90d",
    ).with_variable(
        variable("agreement", label="Agreement", query='label_values(schoolgate_open_cases{agreement!=""}, agreement)')
    )
    return _on_paper(_cases(made))


def _cases(made: Dashboard) -> Dashboard:
    made = (
        made.with_row(Row("Cases of $agreement"))
        .with_panel(
            figure(
                Told(
                    title="Open cases",
                    why="Promises that the traffic seems to break: evidence to review.",
                    unit="short",
                ),
                f"sum({OPEN})",
                steps=FEW_ARE_WORTH_A_LOOK,
                width=6,
            )
        )
        .with_panel(
            figure(
                Told(title="Critical", why="Open cases of severity critical.", unit="short"),
                f'sum(agreement:schoolgate_open_cases:last6h{{severity="critical",{CHOSEN}}})',
                steps=NONE_IS_GOOD,
                width=6,
            )
        )
        .with_panel(
            figure(
                Told(
                    title="Cases opened",
                    why="Cases that opened in the time shown, closed ones among them.",
                    unit="short",
                ),
                f"sum(increase(schoolgate_violations_total{{{CHOSEN}}}[$__range]))",
                width=6,
            )
        )
        .with_panel(
            figure(
                Told(
                    title="Clauses not stated",
                    why="Questions that the agreement does not answer: gaps, no violations.",
                    unit="short",
                ),
                f'sum({STATE}{{state="not_stated",{CHOSEN}}})',
                steps=FEW_ARE_WORTH_A_LOOK,
                width=6,
            )
        )
    )
    return _course_of_cases(made)


def _course_of_cases(made: Dashboard) -> Dashboard:
    return made.with_panel(
        timeline(
            Told(title="Open cases by rule", why="Coloured while a case of that rule is open.", unit="short"),
            Series(expr=f"sum by (rule) ({OPEN})", legend="{{rule}}"),
            steps=FEW_ARE_WORTH_A_LOOK,
        )
    ).with_panel(
        course(
            Told(
                title="Cases opened a day",
                why="When cases came, by rule. Did it stop after the vendor was asked? Look here.",
                unit="short",
            ),
            Series(expr=f"sum by (rule) (increase(schoolgate_violations_total{{{CHOSEN}}}[1d]))", legend="{{rule}}"),
            width=FULL_WIDTH,
        )
    )


def _on_paper(made: Dashboard) -> Dashboard:
    return (
        made.with_row(Row("What the agreement says"))
        .with_panel(
            rows(
                Told(
                    title="Clauses",
                    why="The state of every clause, read from the agreement file, not from traffic.",
                    unit="short",
                ),
                f"{STATE}{{{CHOSEN}}} == 1",
                columns={"clause": "Clause", "state": "State"},
            )
        )
        .with_panel(
            rows(
                Told(title="Open now", why="What is open now, by rule and severity.", unit="short"),
                f"sum by (rule, severity) ({OPEN}) > 0",
                columns={"rule": "Rule", "severity": "Severity", "Value": "Open cases"},
            )
        )
    )
