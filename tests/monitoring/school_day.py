"""A day of Schoolgate's own metrics as OpenMetrics, for a Prometheus that is to have something to show.

Names, labels and the series that exist from the start are those of the product's metric classes; only the figures are
invented.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, disable_created_metrics

from collector.metrics import CollectorMetrics, DeliveryMetrics
from rules import findings
from rules.case_metrics import CaseMetrics
from rules.judge_metrics import JudgeMetrics
from rules.metrics import RulesMetrics
from rules.notify.metrics import NotifyMetrics
from schoolgate.own_doors import certificate_ends
from schoolgate.purging import PurgeMetrics

AGREEMENTS = ("mathtrek", "storyhill")
RULES = findings.RULES
CLAUSES = {agreement: {"6a": "not_stated", "6c": "met", "6d": "not_met"} for agreement in AGREEMENTS}
OPEN_CASES = {("mathtrek", "use-paused"): 1.0, ("", "no-agreement"): 2.0}
STATED = ("schoolgate_build_info", "schoolgate_agreement_clause_state")
DAY_S = 26 * 3600
COARSE_S = 600
FINE_FROM_S = 3600
FINE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One process that Prometheus scrapes."""

    job: str
    instance: str
    registry: CollectorRegistry


def parts() -> tuple[Part, ...]:
    """Return the parts of a small district as they are when they start."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no hints here
    collectors = ("tap-north:9464", "tap-south:9464")
    judges = ("judge-1:9464", "judge-2:9464")
    return (
        Part(job="schoolgate-run", instance="run:9464", registry=_run()),
        *(Part(job="schoolgate-collect", instance=where, registry=_collect()) for where in collectors),
        *(Part(job="schoolgate-judge", instance=where, registry=_judge()) for where in judges),
        Part(job="schoolgate-desk", instance="desk:9464", registry=_desk()),
    )


def product_names() -> set[str]:
    """Return the name of every series that a part exports from its start."""
    return {sample.name for part in parts() for family in part.registry.collect() for sample in family.samples}


def write_day(path: Path, *, end: int) -> None:
    """Write what scrapes would have read during a day until *end*, seconds since the epoch."""
    chance = random.Random(4)  # noqa: S311 -- figures of a test
    lines: dict[tuple[str, str], list[str]] = defaultdict(list)
    totals: dict[str, float] = defaultdict(float)
    district = parts()
    found = [
        (family.name, family.type, sample, {**sample.labels, "job": part.job, "instance": part.instance})
        for part in district
        for family in part.registry.collect()
        for sample in family.samples
    ]
    for at in _times(end):
        for part in district:
            lines["up", "gauge"].append(f"up{_labels({'job': part.job, 'instance': part.instance})} 1 {at}")
        for name, kind, sample, labels in found:
            series = f"{sample.name}{_labels(labels)}"
            if kind == "counter":
                totals[series] += chance.randrange(9 if "dead" in name or "violations" in name else 900)
                value = totals[series]
            else:
                value = _gauge(name, labels=labels, given=sample.value, at=at, chance=chance)
            lines[name, kind].append(f"{series} {value} {at}")
    with path.open("w", encoding="utf-8") as out:
        for (name, kind), told in lines.items():
            out.write(f"# TYPE {name} {kind}\n")
            out.writelines(f"{line}\n" for line in told)
        out.write("# EOF\n")


def _gauge(name: str, *, labels: Mapping[str, str], given: float, at: int, chance: random.Random) -> float:
    if name in STATED:
        return given
    if name == "schoolgate_open_cases":
        return OPEN_CASES.get((labels["agreement"], labels["rule"]), 0.0)
    if name == "schoolgate_certificate_expiry_timestamp_seconds":
        return at + 300 * 24 * 3600
    if name.endswith("_seconds"):
        return at - 9 * 3600
    return chance.randrange(90)


def _times(end: int) -> Iterator[int]:
    yield from range(end - DAY_S, end - FINE_FROM_S, COARSE_S)
    yield from range(end - FINE_FROM_S, end + 1, FINE_S)


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def _run() -> CollectorRegistry:
    registry = CollectorRegistry()
    PurgeMetrics(registry, store=None)
    CollectorMetrics(registry)
    RulesMetrics(registry, rules=RULES, version="1.0.0", compiled=True).declare(CLAUSES)
    CaseMetrics(registry, rules=RULES, store=None, clauses=lambda: CLAUSES)
    NotifyMetrics(registry)
    return registry


def _collect() -> CollectorRegistry:
    registry = CollectorRegistry()
    CollectorMetrics(registry)
    DeliveryMetrics(registry, spooled=lambda: 0, dropped=lambda: 0, version="1.0.0", compiled=True)
    return registry


def _judge() -> CollectorRegistry:
    registry = CollectorRegistry()
    PurgeMetrics(registry, store=None)
    JudgeMetrics(registry, rules=RULES, version="1.0.0", compiled=True).declare(AGREEMENTS)
    return registry


def _desk() -> CollectorRegistry:
    registry = CollectorRegistry()
    certificate_ends(registry).labels(source="desk")
    PurgeMetrics(registry, store=None)
    CaseMetrics(registry, rules=RULES, store=None, clauses=lambda: CLAUSES)
    NotifyMetrics(registry)
    return registry
