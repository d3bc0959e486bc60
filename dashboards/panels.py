"""The few kinds of panel that our dashboards are made of. Every one says what it shows, why, and in which unit."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any, Final

from grafana_foundation_sdk.builders import bargauge, dashboard, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import dashboard as facts
from grafana_foundation_sdk.models import prometheus as query_facts

if TYPE_CHECKING:
    from collections.abc import Sequence

TAG: Final = "schoolgate"
SOURCE: Final = facts.DataSourceRef(type_val="prometheus", uid="${datasource}")
FULL_WIDTH: Final = 24
HALF_WIDTH: Final = 12
STAT_HEIGHT: Final = 4
HEIGHT: Final = 8
QUARTER: Final = "15m"
"""Least step of what tells what devices do (contract, section 5): between two scrapes it is often one device alone."""

Steps = tuple[tuple[float | None, str], ...]
"""From this value on, this colour; None: from the lowest."""

PLAIN: Final[Steps] = ((None, "text"),)
NONE_IS_GOOD: Final[Steps] = ((None, "green"), (1, "red"))
FEW_ARE_WORTH_A_LOOK: Final[Steps] = ((None, "green"), (1, "orange"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a panel says about itself."""

    title: str
    """Short."""
    why: str
    """One or two sentences for the reader: what it shows, and what to think of it."""
    unit: str
    """Grafana's id of the unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One query of a panel."""

    expr: str
    """PromQL, with Grafana's variables."""
    legend: str = ""
    """What each series is called, with `{{label}}`."""


def figure(told: Told, expr: str, *, steps: Steps = PLAIN, width: int = 4) -> stat.Panel:
    """Return a panel that shows one number as it is now."""
    panel = stat.Panel().title(told.title).description(told.why).unit(told.unit).datasource(SOURCE)
    panel = panel.span(width).height(STAT_HEIGHT).thresholds(_thresholds(steps))
    return panel.with_target(_query(Series(expr=expr), ref="A").instant())


def course(told: Told, *series: Series, width: int = HALF_WIDTH, least: str | None = None) -> timeseries.Panel:
    """Return a panel that shows lines over time.

    Args:
        told: what it says about itself.
        series: its lines.
        width: of 24.
        least: least step, and so the least `$__rate_interval`, for example `QUARTER`; None: that of the samples.
    """
    panel = timeseries.Panel().title(told.title).description(told.why).unit(told.unit).datasource(SOURCE)
    panel = panel.span(width).height(HEIGHT).min(0)
    panel = panel if least is None else panel.interval(least)
    for ref, each in zip(ascii_uppercase, series, strict=False):
        panel = panel.with_target(_query(each, ref=ref).range())
    return panel


def timeline(told: Told, series: Series, *, steps: Steps) -> statetimeline.Panel:
    """Return a panel that shows one coloured bar a series over time."""
    panel = statetimeline.Panel().title(told.title).description(told.why).unit(told.unit).datasource(SOURCE)
    panel = panel.span(FULL_WIDTH).height(HEIGHT).thresholds(_thresholds(steps))
    panel = panel.color_scheme(dashboard.FieldColor().mode(facts.FieldColorModeId.THRESHOLDS))
    return panel.with_target(_query(series, ref="A").range())


def bars(told: Told, series: Series) -> bargauge.Panel:
    """Return a panel that shows one bar a series, as it is now."""
    panel = bargauge.Panel().title(told.title).description(told.why).unit(told.unit).datasource(SOURCE)
    panel = panel.span(HALF_WIDTH).height(HEIGHT).min(0)
    return panel.with_target(_query(series, ref="A").instant())


def rows(
    told: Told,
    expr: str,
    *,
    columns: dict[str, str],
    width: int = HALF_WIDTH,
    link: dashboard.DashboardLink | None = None,
) -> table.Panel:
    """Return a panel that shows one row a series.

    Args:
        told: what it says about itself.
        expr: the query.
        columns: label, or `Value`, -> heading, in the order shown; every other label is left out.
        width: of 24.
        link: where a row leads to.
    """
    panel = table.Panel().title(told.title).description(told.why).unit(told.unit).datasource(SOURCE)
    panel = (
        panel.span(width)
        .height(HEIGHT)
        .with_target(_query(Series(expr=expr), ref="A").instant().format(query_facts.PromQueryFormat.TABLE))
    )
    order: dict[str, Any] = {
        "includeByName": dict.fromkeys(columns, True),
        "indexByName": {name: place for place, name in enumerate(columns)},
        "renameByName": dict(columns),
    }
    panel = panel.with_transformation(facts.DataTransformerConfig(id_val="organize", options=order))
    return panel if link is None else panel.data_links([link])


def variable(name: str, *, label: str, query: str, everything: str | None = None) -> dashboard.QueryVariable:
    """Return a variable that is filled by a query.

    Args:
        name: what queries call it, after a `$`.
        label: what people see.
        query: where its values come from.
        everything: regular expression that "All" stands for; None: exactly one value can be chosen.
    """
    made = (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(facts.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(facts.VariableSort.ALPHABETICAL_ASC)
    )
    if everything is None:
        return made
    return made.multi(True).include_all(True).all_value(everything)  # noqa: FBT003 -- the library takes them so


def board(title: str, *, uid: str, about: str, audience: str, since: str) -> dashboard.Dashboard:
    """Return a dashboard with what all of ours have.

    Args:
        title: shown in the list.
        uid: part of its address; other pages link to it.
        about: one sentence.
        audience: `privacy` or `it`, a tag.
        since: beginning of the time shown, for example `now-30d`.
    """
    siblings = dashboard.DashboardLink("Schoolgate dashboards").type(facts.DashboardLinkType.DASHBOARDS)
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(about)
        .tags([TAG, audience])
        .timezone("browser")
        .refresh("1m")
        .time(since, "now")
        .readonly()
        .tooltip(facts.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .link(siblings.tags([TAG]).as_dropdown(True).keep_time(True))  # noqa: FBT003 -- the library takes them so
    )


def link_to(uid: str, *, title: str, variables: str) -> dashboard.DashboardLink:
    """Return a link from a row to a dashboard of ours, with the time shown kept."""
    return dashboard.DashboardLink(title).url(f"/d/{uid}?{variables}&${{__url_time_range}}")


def _query(series: Series, *, ref: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(series.expr).legend_format(series.legend).datasource(SOURCE).ref_id(ref)


def _thresholds(steps: Sequence[tuple[float | None, str]]) -> dashboard.ThresholdsConfig:
    made = [facts.Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(facts.ThresholdsMode.ABSOLUTE).steps(made)
