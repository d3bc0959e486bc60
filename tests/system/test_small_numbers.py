"""Every place that shows a case or a count, for two who want to know more: one subtracts, one looks twice.

Districts that differ only in small numbers, or in times within a quarter of an hour, must look exactly the same.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rules.small_numbers import IT_K, OFFICER_K
from rules.store import Store
from rules.versions import FRAME_PART, CaseVersion, ReportPart
from tests.parts.told_everywhere import told_everywhere
from tests.rules.first_store import a_case
from tests.rules.told_cases import Hands
from tests.system.desk_visitor import Desked, signed_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

AT = datetime(2026, 10, 14, 13, 0, 1, tzinfo=UTC)
SMALL = range(1, OFFICER_K)


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def a_small_case(case_id: str, devices: int, *, late_s: int = 0, version: int = 1) -> CaseVersion:
    """Return a case with everything that a rule, attribution and the evidence count, all of it small."""
    said = "fewer than 5 devices" if devices < IT_K else f"{devices} devices"
    body = a_case(
        case_id, agreement="quizgale", subject="adco.example", devices=devices, flows=devices, severity="warning",
        bytes_up=devices * 1000, bytes_down=devices * 5000, first_seen=stamp(AT + timedelta(seconds=late_s)),
        last_seen=stamp(AT + timedelta(seconds=2 * late_s)),
        summary=f"More data than declared appears to go to Quizgale: up to {50.5 + devices} MB a day from one device, "
        f"on {said} (counted per day) in 1 school.",
    )  # fmt: skip
    quarter = f"2026-10-14T{13 + devices % 3}:15Z"
    evidence = {
        "v": 1, "days_left_out": 0,
        "days": [{"day": "2026-10-14", "devices": devices, "flows": devices, "bytes_up": 1, "bytes_down": 1}],
        # Who was at work in which quarter of an hour differs; of so few it is not shown at all.
        "windows": [{"from": quarter, "to": quarter, "step_minutes": 15, "devices": devices}],
        "attribution": {
            "method": "noisy-or", "near_share": 1 - 1 / (devices + 1), "elsewhere_share": 1 / (devices + 1),
            "bag": 1 / (devices + 1), "quiet_windows": devices, "windows": devices, "device_days": devices,
            "class_hours": devices, "lab": None, "samples": [{"from": stamp(AT), "devices": devices}],
            "candidates": [{"agreement_or_site": "quizgale", "posterior": 0.98},
                           {"agreement_or_site": "news.example", "posterior": 0.01, "share": 1 / (devices + 1),
                            "rate": 1 / (devices + 1)}],
        },
    }  # fmt: skip
    return CaseVersion(
        id=case_id, version=version, state="open", body=json.dumps(body), evidence=json.dumps(evidence)
    )  # fmt: skip


def stored(folder: Path, *versions: CaseVersion) -> dict[str, str]:
    """Return what is told of a store into which these versions of cases were written one after the other."""
    store = Store(f"sqlite:///{folder}/{len(list(folder.iterdir()))}.db", clock=Hands())
    for each in versions:
        store.keep([each], parts=())
    told = told_everywhere(store)
    store.close()
    return told


def test_mails_hooks_alerts_exports_and_metrics_are_the_same_whatever_the_small_number(tmp_path: Path) -> None:
    looks = [stored(tmp_path, a_small_case("c1", devices)) for devices in SMALL]
    assert {"mail", "webhook", "alertmanager", "pack/cases/c1.html", "annual/annual.json"} <= looks[0].keys()
    for place in looks[0]:
        assert len({look[place] for look in looks}) == 1, place
    assert "fewer than 10" in looks[0]["mail"]
    # And they are not the same because nothing is told: from ten on it is.
    assert stored(tmp_path, a_small_case("c1", OFFICER_K))["mail"] != looks[0]["mail"]


def test_times_within_a_quarter_of_an_hour_are_the_same_everywhere(tmp_path: Path) -> None:
    looks = [stored(tmp_path, a_small_case("c1", 3, late_s=late)) for late in (0, 1, 449)]
    for place in looks[0]:
        assert len({look[place] for look in looks}) == 1, place
    assert stored(tmp_path, a_small_case("c1", 3, late_s=900))["mail"] != looks[0]["mail"]


def test_whoever_looks_twice_learns_no_more_than_whoever_looks_once(tmp_path: Path) -> None:
    looks = [
        stored(tmp_path, a_small_case("c1", before), a_small_case("c1", after, version=2))
        for before, after in ((1, 2), (1, 9), (4, 5), (8, 9))
    ]
    for place in looks[0]:
        assert len({look[place] for look in looks}) == 1, place


def test_that_few_devices_were_seen_again_is_sent_to_nobody(tmp_path: Path) -> None:
    once = stored(tmp_path, a_small_case("c1", 3))
    again = stored(tmp_path, a_small_case("c1", 3), a_small_case("c1", 3, late_s=7200, version=2))
    # Who asks for an export, or opens the page, sees the last sighting as it is then (docs/privacy.md, what remains).
    assert {place for place in once if once[place] != again[place] and "/" not in place} == set()
    assert once["pack/cases/c1.json"] != again["pack/cases/c1.json"]


def ended_and_grown(folder: Path, ended_at: int) -> list[dict[str, str]]:
    """Return what is told of a case that is closed at so many devices and grows by one to 25, at some of the steps."""
    store = Store(f"sqlite:///{folder}/ended{ended_at}.db", clock=Hands())
    looks = []
    for devices in range(ended_at, 26):
        version = 1 if devices == ended_at else devices
        store.keep([a_small_case("c1", devices, version=version)], parts=())
        if devices == ended_at:
            store.act("c1", act="closed", by="ada", text="", reason="explained")
        if devices in {10, 19, 20, 25}:
            looks.append(told_everywhere(store))
    store.close()
    return looks


def test_a_case_that_was_closed_comes_back_alike_whatever_the_small_number_at_which_it_was(tmp_path: Path) -> None:
    first, *others = [ended_and_grown(tmp_path, ended_at) for ended_at in SMALL]
    for other in others:
        for step, look in zip(first, other, strict=True):
            assert [place for place in step if step[place] != look[place]] == []
    assert ['"twice_exposure"' in step["log"] for step in first] == [False, False, True, True]


def frame(total: int, few: int, *, version: int) -> ReportPart:
    """Return a report's frame in which *few* of *total* flows are without a name, and outside, and so on."""
    sources = {"tls_sni": total - few, "quic_sni": 0, "http_host": 0, "dns": 0, "none": few}
    coverage = {
        "flows": total, "bytes": total * 1000,
        "by_name_source": {name: {"flows": flows, "bytes": flows} for name, flows in sources.items()},
        "blind": {name: {"flows": few, "bytes": few} for name in ("ech", "no_name", "doh")},
        "outside_segments": {"flows": few, "bytes": few}, "shared_devices": few,
    }  # fmt: skip
    report: dict[str, Any] = {"v": 1, "last_day": "2026-10-14", "cases": [], "coverage": coverage, "agreements": []}
    return ReportPart(name=FRAME_PART, version=version, body=json.dumps(report))


def bare(page: str) -> str:
    """Return a page without what differs by the session, and by how many cases there were before."""
    return re.sub(r'name="(csrf|seen)" value="[^"]*"', "", page)


@pytest.mark.parametrize(("name", "k"), [("ada", OFFICER_K), ("ann", OFFICER_K), ("ivo", IT_K)])
def test_every_page_of_the_desk_is_the_same_whatever_the_small_number(own_desk: Desked, name: str, k: int) -> None:
    visitor = signed_in(own_desk, name)
    looks: list[dict[str, str]] = []
    version = 1
    for devices in range(1, k):
        version += 1
        # One case that changes: its page, its list, its letter; and the flows that could not be judged.
        body = a_small_case("cccc0001", devices, version=version)
        own_desk.store.keep([body], parts=[frame(250, devices - 1, version=version)])
        pages = ("/cases?state=all", "/cases/print?state=all", "/cases/cccc0001", "/cases/cccc0001/letter.txt",
                 "/coverage", "/vendors", "/vendors/quizgale", "/system")  # fmt: skip
        looks.append({path: bare(visitor.ask(path).text) for path in pages})
    for path in looks[0]:
        assert len({look[path] for look in looks}) == 1, path
    assert f"fewer than {k}" in looks[0]["/cases/cccc0001"]
    assert f"fewer than {k}" in looks[0]["/coverage"]


@pytest.mark.parametrize(("name", "k"), [("ada", OFFICER_K), ("ivo", IT_K)])
def test_no_page_tells_at_which_small_number_a_case_was_closed(own_desk: Desked, name: str, k: int) -> None:
    visitor = signed_in(own_desk, name)
    looks: list[list[str]] = []
    for ended_at in SMALL:
        case = f"cccc{ended_at:04}"
        looks.append([])
        for devices in range(ended_at, 26):
            version = 1 if devices == ended_at else devices
            own_desk.store.keep([a_small_case(case, devices, version=version)], parts=())
            if devices == ended_at:
                own_desk.store.act(case, act="closed", by="ada", text="", reason="explained")
            if devices in {9, 10, 19, 20, 25}:
                looks[-1].append(bare(visitor.ask(f"/cases/{case}").text).replace(case, "a case"))
    for step, pages in enumerate(zip(*looks, strict=True)):
        assert len(set(pages)) == 1, step
    assert f"{k} to" in looks[0][3]
    assert ["twice as many devices (counted" in page for page in looks[0]] == [False, False, False, True, True]


def test_it_reads_a_finer_band_than_the_officer_and_a_letter_is_the_same_for_both(own_desk: Desked) -> None:
    own_desk.store.keep([a_small_case("cccc0001", 7)], parts=())
    told: Mapping[str, Any] = {
        name: {path: signed_in(own_desk, name).ask(f"/cases/cccc0001{path}").text for path in ("", "/letter.txt")}
        for name in ("ada", "ivo")
    }
    assert "5 to 9" in told["ivo"][""]
    assert "5 to 9" not in told["ada"][""]
    assert told["ivo"]["/letter.txt"] == told["ada"]["/letter.txt"]
