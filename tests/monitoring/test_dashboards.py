"""The committed dashboards: made from the code, complete, and answered by a real Prometheus on a day of samples."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from dashboards.generate import texts
from tests.monitoring.backfilled import RULE_FILES, Backfilled
from tests.monitoring.dashboard_files import FILES, filled, panels, queries, read, variables
from tests.monitoring.school_day import product_names
from tests.parts.prometheus import PrometheusParts

EVERY = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
# A rate over five minutes of samples a minute apart needs two of them.
FRESH_S = 90
# Metric names, not those of recorded series, which have colons.
NAMES = re.compile(r"(?<![:\w])(schoolgate_\w+)(?!\w*:)")
OF_DEVICES = {
    "schoolgate_flows_total", "schoolgate_named_flows_total", "schoolgate_withheld_names_total",
    "schoolgate_reduced_names_total", "schoolgate_release_names", "schoolgate_release_names_forgotten_total",
    "schoolgate_capture_openings_affected_total", "schoolgate_withheld_addresses_total",
}  # fmt: skip
"""What tells apart what devices do; how much there is in all shows the switch as well."""
SELECTORS = re.compile(r"(?<![:\w])((?:[a-z_]+:)?schoolgate_\w+(?::\w+)*)(\{[^}]*\})?")


class Fresh:
    """Gives a Prometheus whose samples end just now, the same one for as long as that is so."""

    def __init__(self, parts: PrometheusParts, *, folders: pytest.TempPathFactory) -> None:
        self._parts = parts
        self._folders = folders
        self._own: Backfilled | None = None

    def get(self) -> Backfilled:
        """Return it; made anew where a busy machine took so long that rates over five minutes would run dry."""
        if self._own is None or time.time() - self._own.end > FRESH_S:
            self.close()
            self._own = Backfilled(self._parts, folder=self._folders.mktemp("prometheus"))
        return self._own

    def close(self) -> None:
        """End it."""
        if self._own is not None:
            self._own.close()


@pytest.fixture(scope="module")
def fresh(prometheus_parts: PrometheusParts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fresh]:
    own = Fresh(prometheus_parts, folders=tmp_path_factory)
    yield own
    own.close()


@pytest.fixture
def prometheus(fresh: Fresh) -> Backfilled:
    return fresh.get()


def rule_expressions() -> list[str]:
    told = [YAML(typ="safe").load(path) for path in RULE_FILES]
    return [rule["expr"] for file in told for group in file["groups"] for rule in group["rules"]]


def test_there_are_three_dashboards_with_addresses_of_their_own() -> None:
    uids = [read(path)["uid"] for path in FILES]
    assert uids == [path.stem for path in FILES]
    assert uids == ["schoolgate-compliance", "schoolgate-pipeline", "schoolgate-vendor"]


def test_making_them_again_gives_no_difference() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in FILES} == texts(), "run `make dashboards`"


@EVERY
def test_every_panel_says_what_it_shows_and_in_which_unit_and_has_a_query(path: Path) -> None:
    for panel in panels(read(path)):
        assert panel["title"], path.name
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        assert {each["datasource"]["uid"] for each in (panel, *panel["targets"])} == {"${datasource}"}


@EVERY
def test_no_panel_lies_upon_another_and_each_has_an_id_of_its_own(path: Path) -> None:
    dashboard = read(path)
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    for one, other in itertools.combinations(dashboard["panels"], 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in dashboard["panels"])


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    down = one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]
    return across and down


@EVERY
def test_nothing_on_a_dashboard_speaks_of_devices_addresses_or_hosts(path: Path) -> None:
    told = path.read_text(encoding="utf-8")
    assert re.findall(r"\b(?:device|subject|server_name|dst_ip|src_ip|case_id|school|group)s?=", told) == []


@EVERY
def test_what_devices_do_is_shown_in_quarters_of_an_hour(path: Path) -> None:
    """Between two scrapes a counter often moves for one device alone; and what it moved by is a verdict on it."""
    for panel in panels(read(path)):
        if OF_DEVICES & {name for target in panel["targets"] for name in NAMES.findall(target["expr"])}:
            assert panel["interval"] == "15m", panel["title"]


@EVERY
def test_every_variable_has_values_and_every_query_is_answered(path: Path, prometheus: Backfilled) -> None:
    dashboard = read(path)
    values = {name: chosen(told, prometheus) for name, told in variables(dashboard).items()}
    asked = list(queries(dashboard, values=values))
    assert len(asked) > 6
    for query in asked:
        found = prometheus.now(query.expr) if query.instant else prometheus.over_the_last_hour(query.expr)
        assert found, f"{query.panel}: no data for {query.expr}"
        for label in query.legend_labels:
            assert any(label in series["metric"] for series in found), f"{query.panel}: no series has {label}"


def chosen(variable: dict[str, Any], prometheus: Backfilled) -> str:
    """What Grafana puts in: everything where that can be chosen, else the first value."""
    found = prometheus.label_values(filled(variable["query"], values={}))
    assert found, variable["name"]
    everything: str = variable.get("allValue") or found[0]
    return everything


@EVERY
def test_a_table_shows_only_columns_that_its_query_gives(path: Path, prometheus: Backfilled) -> None:
    dashboard = read(path)
    values = {name: chosen(told, prometheus) for name, told in variables(dashboard).items()}
    asked = {query.panel: query.expr for query in queries(dashboard, values=values)}
    for panel in panels(dashboard):
        if panel["type"] == "table":
            labels = {label for series in prometheus.now(asked[panel["title"]]) for label in series["metric"]}
            (organized,) = (each for each in panel["transformations"] if each["id"] == "organize")
            assert set(organized["options"]["includeByName"]) <= labels | {"Value"}, panel["title"]


def test_every_rule_can_be_read_and_every_series_it_speaks_of_is_there(prometheus: Backfilled) -> None:
    for expr in rule_expressions():
        prometheus.now(expr)
        for name, labels in SELECTORS.findall(expr):
            # Nobody runs the plain build on this day; that such a build would be seen is tested with the rules.
            selector = name + labels.replace('{compiled="false"}', "")
            assert prometheus.now(selector), f"nothing is {selector}, of {expr}"


def test_a_query_that_is_no_promql_and_one_without_data_are_told_apart(prometheus: Backfilled) -> None:
    assert prometheus.now("schoolgate_no_such_metric") == []
    with pytest.raises(Exception, match="parse error"):
        prometheus.now("sum by (agreement")


def test_every_metric_that_is_named_exists_and_every_metric_that_exists_is_used() -> None:
    used = set(NAMES.findall("\n".join(rule_expressions())))
    for path in FILES:
        told = read(path)
        used |= {name for query in told_queries(told) for name in NAMES.findall(query)}
    exists = product_names()
    assert used - exists == set(), "named, and nobody exports it"
    assert exists - used == set(), "exported, and nobody looks at it"


def told_queries(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]
