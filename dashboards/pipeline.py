"""For district IT: do the collectors see everything, does it get through, and is it judged in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders.dashboard import Row

from dashboards.kept import kept
from dashboards.panels import FULL_WIDTH, NONE_IS_GOOD, QUARTER, Series, Told, board, course, figure, rows, variable

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard

UID: Final = "schoolgate-pipeline"
HERE: Final = 'instance=~"$instance"'
# Of the collector: what they hold, and how full they are.
TABLES: Final = {
    "open flows": "schoolgate_capture_flows_open_ratio",
    "DNS answers": "schoolgate_capture_answers_held_ratio",
    "waiting first octets": "schoolgate_capture_openings_waiting_ratio",
}
UP: Final = f'up{{job=~"schoolgate-.*",{HERE}}}'
HOUR_S: Final = 3600


def pipeline() -> Dashboard:
    """Return the dashboard."""
    made = board(
        "Schoolgate / Collectors and pipeline",
        uid=UID,
        about="Do the collectors see everything, and is it judged in time? For district IT.",
        audience="it",
        since="now-6h",
    ).with_variable(
        variable(
            "instance",
            label="Instance",
            query="label_values(schoolgate_build_info, instance)",
            everything=".+",
        )
    )
    return _parts(kept(_visibility(_judging(_delivery(_capture(_losses(_health(made)))))), here=HERE))


def _health(made: Dashboard) -> Dashboard:
    made = (
        made.with_row(Row("Health"))
        .with_panel(
            figure(
                Told(
                    title="Parts that answer",
                    why="Share of the parts of Schoolgate that answer now.",
                    unit="percentunit",
                ),
                f"sum({UP}) / count({UP})",
                steps=((None, "red"), (1, "green")),
            )
        )
        .with_panel(
            figure(
                Told(
                    title="Events waiting",
                    why="Events in the collectors' spools that the broker does not have yet.",
                    unit="short",
                ),
                f"sum(schoolgate_events_spooled{{{HERE}}})",
                steps=((None, "green"), (10_000, "orange"), (1_000_000, "red")),
            )
        )
        .with_panel(
            figure(
                Told(title="Records to judge", why="Records in the topics that no judge has taken yet.", unit="short"),
                f"sum(schoolgate_judge_lag_records{{{HERE}}})",
                steps=((None, "green"), (10_000, "orange"), (100_000, "red")),
            )
        )
    )
    return _faults(made)


def _faults(made: Dashboard) -> Dashboard:
    return (
        made.with_panel(
            figure(
                Told(title="Dead letters", why="Records that could not be used, in the time shown.", unit="short"),
                f"sum(increase(schoolgate_dead_letters_total{{{HERE}}}[$__range]))",
                steps=NONE_IS_GOOD,
            )
        )
        .with_panel(
            figure(
                Told(
                    title="Oldest key",
                    why="Since when the oldest pseudonym key has been held. Keys are destroyed within 25 hours.",
                    unit="s",
                ),
                f"max(time() - (schoolgate_oldest_key_timestamp_seconds{{{HERE}}} > 0)) or vector(0)",
                steps=((None, "green"), (25 * HOUR_S, "orange"), (26 * HOUR_S, "red")),
            )
        )
        .with_panel(
            figure(
                Told(title="Not yet told", why="Notifications about cases that have not gone out yet.", unit="short"),
                f"max(schoolgate_pending_notifications{{{HERE}}})",
                steps=NONE_IS_GOOD,
            )
        )
    )


def _losses(made: Dashboard) -> Dashboard:
    return made.with_panel(
        rows(
            Told(
                title="Alerts that fire",
                why="SchoolgateWatchdog always fires; a row leads nowhere, its runbook does.",
                unit="short",
            ),
            'ALERTS{alertname=~"Schoolgate.*",alertstate="firing"}',
            columns={"alertname": "Alert", "severity": "Severity", "instance": "Instance"},
            width=FULL_WIDTH,
        )
    )


def _capture(made: Dashboard) -> Dashboard:
    dropped = f"schoolgate_capture_dropped_packets_total{{{HERE}}}"
    unread = f"schoolgate_capture_openings_affected_total{{{HERE}}}"
    return (
        made.with_row(Row("Capture"))
        .with_panel(
            course(
                Told(
                    title="Packets",
                    why="Packets read, by collector. A line on the ground: look at the tap.",
                    unit="pps",
                ),
                Series(
                    expr=f"sum by (instance) (rate(schoolgate_capture_packets_total{{{HERE}}}[$__rate_interval]))",
                    legend="{{instance}}",
                ),
            )
        )
        .with_panel(
            course(
                Told(
                    title="Packets that no flow counts",
                    why="By reason; `kernel`: not fetched in time, flows are missed.",
                    unit="pps",
                ),
                Series(expr=f"sum by (reason) (rate({dropped}[$__rate_interval]))", legend="{{reason}}"),
            )
        )
        .with_panel(
            course(
                Told(
                    title="First words not read",
                    why="By reason; `quic_attempts_capped`: too many Initials in a second, a flood.",
                    unit="ops",
                ),
                Series(expr=f"sum by (reason) (rate({unread}[$__rate_interval]))", legend="{{reason}}"),
                least=QUARTER,
            )
        )
        .with_panel(
            course(
                Told(
                    title="Lost",
                    why="Share of the packets that the kernel threw away. Above 1% flows are missed.",
                    unit="percentunit",
                ),
                Series(expr=f"instance:schoolgate_capture_lost:ratio_rate5m{{{HERE}}}", legend="{{instance}}"),
            )
        )
        .with_panel(
            course(
                Told(
                    title="Unreadable",
                    why="Share of the frames that are cut short or of unknown kind.",
                    unit="percentunit",
                ),
                Series(expr=f"instance:schoolgate_capture_unreadable:ratio_rate15m{{{HERE}}}", legend="{{instance}}"),
            )
        )
        .with_panel(
            course(
                Told(
                    title="Tables",
                    why="How full they are. A full one lets go what was silent longest, and counts it.",
                    unit="percentunit",
                ),
                *(
                    Series(expr=f"max by (instance) ({series}{{{HERE}}})", legend=f"{{{{instance}}}}: {what}")
                    for what, series in TABLES.items()
                ),
            )
        )
        .with_panel(
            course(
                Told(
                    title="Capture rings",
                    why="Memory between the kernel and the collector. It doubles when it runs full, up to a bound.",
                    unit="bytes",
                ),
                Series(expr=f"sum by (instance) (schoolgate_capture_ring_bytes{{{HERE}}})", legend="{{instance}}"),
            )
        )
        .with_panel(
            course(
                Told(title="Rings that grew", why="Over an hour: bursts that the ring was small for.", unit="short"),
                Series(
                    expr=f"sum by (instance) (increase(schoolgate_capture_rings_grown_total{{{HERE}}}[1h]))",
                    legend="{{instance}}",
                ),
            )
        )
    )


def _delivery(made: Dashboard) -> Dashboard:
    return (
        made.with_row(Row("Delivery"))
        .with_panel(
            course(
                Told(
                    title="Events waiting",
                    why="What lies in each spool. It drains by itself when the broker is back.",
                    unit="short",
                ),
                Series(expr=f"sum by (instance) (schoolgate_events_spooled{{{HERE}}})", legend="{{instance}}"),
                Series(
                    expr=f"sum by (instance) (schoolgate_spool_dropped_events{{{HERE}}})", legend="{{instance}} dropped"
                ),
            )
        )
        .with_panel(
            course(
                Told(
                    title="Events delivered",
                    why="Events a second that the broker acknowledged, by collector.",
                    unit="cps",
                ),
                Series(
                    expr=f"sum by (instance) (rate(schoolgate_events_delivered_total{{{HERE}}}[$__rate_interval]))",
                    legend="{{instance}}",
                ),
            )
        )
    )


def _rate(name: str) -> str:
    return f"rate({name}{{{HERE}}}[$__rate_interval])"


def _judging(made: Dashboard) -> Dashboard:
    made = (
        made.with_row(Row("Judging"))
        .with_panel(
            course(
                Told(title="Records to judge", why="By judge, both stages. It should return to 0.", unit="short"),
                Series(expr=f"sum by (instance) (schoolgate_judge_lag_records{{{HERE}}})", legend="{{instance}}"),
            )
        )
        .with_panel(
            course(
                Told(title="Flows judged", why="By what the agreements say of them.", unit="cps"),
                Series(expr=f"sum by (verdict) ({_rate('schoolgate_flows_total')})", legend="{{verdict}}"),
                least=QUARTER,
            )
        )
        .with_panel(
            course(
                Told(
                    title="Dead letters",
                    why="Records that could not be used, by reason; the runbook explains each.",
                    unit="cps",
                ),
                Series(expr=f"sum by (reason) ({_rate('schoolgate_dead_letters_total')})", legend="{{reason}}"),
            )
        )
        .with_panel(
            course(
                Told(
                    title="Sent again, and late",
                    why="Records that a collector sent again are dropped; late events are judged all the same.",
                    unit="cps",
                ),
                Series(expr=f"sum({_rate('schoolgate_repeated_records_total')})", legend="sent again"),
                Series(expr=f"sum({_rate('schoolgate_duplicate_events_total')})", legend="judged before"),
                Series(expr=f"sum({_rate('schoolgate_late_events_total')})", legend="late"),
            )
        )
    )
    return _shortfalls(made)


def _shortfalls(made: Dashboard) -> Dashboard:
    return made.with_panel(
        course(
            Told(
                title="Behind the clock",
                why="How far judged event time lies behind now, by stage. The slowest collector at work decides.",
                unit="s",
            ),
            Series(
                expr=f"max by (source) (time() - (schoolgate_watermark_seconds{{{HERE}}} > 0))", legend="{{source}}"
            ),
        )
    ).with_panel(
        course(
            Told(
                title="Not in the report",
                why="All should lie at 0: what collectors had to drop, and what judges had no room for.",
                unit="cps",
            ),
            Series(expr=f"sum({_rate('schoolgate_collector_gaps_total')})", legend="gaps told by collectors"),
            Series(expr=f"sum({_rate('schoolgate_lost_findings_total')})", legend="findings without room"),
            Series(expr=f"sum({_rate('schoolgate_unremembered_events_total')})", legend="events not remembered"),
            Series(expr=f"sum({_rate('schoolgate_unweighed_contacts_total')})", legend="contacts without room"),
            Series(expr=f"sum({_rate('schoolgate_refused_agreement_records_total')})", legend="agreements not used"),
            Series(
                expr=f"sum by (reason) ({_rate('schoolgate_sensor_records_affected_total')})",
                legend="records of other sensors: {{reason}}",
            ),
        )
    )


def _visibility(made: Dashboard) -> Dashboard:
    return (
        made.with_row(Row("Visibility"))
        .with_panel(
            course(
                Told(
                    title="How names are known",
                    why="Flows by where the server's name comes from; `none` cannot be judged.",
                    unit="cps",
                ),
                Series(
                    expr=f"sum by (source) (rate(schoolgate_named_flows_total{{{HERE}}}[$__rate_interval]))",
                    legend="{{source}}",
                ),
                least=QUARTER,
            )
        )
        .with_panel(
            course(
                Told(
                    title="Without a name", why="Share of all flows without a name, over an hour.", unit="percentunit"
                ),
                Series(expr="schoolgate_nameless_flows:ratio_rate1h", legend="now"),
            )
        )
    )


def _parts(made: Dashboard) -> Dashboard:
    return made.with_row(Row("Parts")).with_panel(
        rows(
            Told(
                title="Versions",
                why="What runs where. `compiled` false: the plain build, many times slower.",
                unit="short",
            ),
            f"schoolgate_build_info{{{HERE}}}",
            columns={"job": "Job", "instance": "Instance", "version": "Version", "compiled": "Compiled"},
            width=FULL_WIDTH,
        )
    )
