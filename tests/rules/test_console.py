"""What a person reads on a terminal: no small numbers, no exact times, nothing that could steer the terminal."""

from __future__ import annotations

import io
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from rules.console import RULE_TITLES, clean, few, octets, quarter, show_case, show_differential, show_report, show_span
from rules.findings import RULES

CHICAGO = ZoneInfo("America/Chicago")
CASE: dict[str, Any] = {
    "id": "c0ffee", "agreement": "mathtrek", "rule": "use-paused", "subject": "mathtrek.example",
    "verdict": "contradicted",
    "severity": "critical", "clause": "R0", "confidence": 1.0, "devices": 4, "schools": ["lincoln-es"],
    "groups": ["k-5"], "flows": 12, "bytes_up": 91_234, "bytes_down": 771_234,
    "first_seen": "2026-10-06T14:07:59.123456Z", "last_seen": "2026-10-06T15:29:00.000000Z",
    "summary": "MathTrek appears to be in use.", "agreement_says": "Its use is prohibited.",
    "cannot_see": "Who used it.",
}  # fmt: skip


def shown(case: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=200)
    show_case(case, console, zone=CHICAGO)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_every_part_of_a_case_is_shown() -> None:
    text = shown(CASE)
    for part in (
        "CRITICAL",
        "MathTrek appears",
        "Its use is prohibited",
        "Who used it",
        "k-5",
        "lincoln-es",
        "R0",
        "c0ffee",
    ):
        assert part in text


def test_a_small_number_of_devices_is_not_told() -> None:
    assert "fewer than 5 device-days" in shown(CASE)
    assert "5 device-days" in shown({**CASE, "devices": 5})
    assert few(4, "device") == "fewer than 5 devices"
    assert few(1234, "device") == "1,234 devices"


def test_times_go_in_steps_of_a_quarter_of_an_hour_in_the_districts_own_time() -> None:
    assert quarter("2026-10-06T14:07:59.123456Z", CHICAGO) == "Tue 06 Oct 2026 09:00"
    assert quarter("2026-10-06T14:15:00.000000Z", CHICAGO) == "Tue 06 Oct 2026 09:15"
    assert "14:07" not in shown(CASE)


@pytest.mark.parametrize("name", ["\x1b[2Jevil.example", "[bold red]evil[/]", "a\r\nb", "\u202egnp.exe"])
def test_a_hostile_name_cannot_steer_the_terminal_or_its_markup(name: str) -> None:
    text = shown({**CASE, "subject": name, "summary": f"about {name}", "schools": [name]})
    for steering in ("\x1b", "\r", "\u202e"):
        assert steering not in text
    assert "evil" in text or "b" in text or "gnp.exe" in text
    assert clean("[bold]") == "[bold]"


def test_octets_are_said_as_people_say_them() -> None:
    assert [octets(n) for n in (0, 999, 1000, 54_600_000, 7_200_000_000)] == [
        "0 octets", "999 octets", "1.0 kB", "54.6 MB", "7.2 GB",
    ]  # fmt: skip


def test_every_rule_of_the_contract_has_a_title() -> None:
    assert set(RULE_TITLES) == set(RULES)


def test_a_report_without_cases_says_so_and_shows_what_could_not_be_seen() -> None:
    tally = {"flows": 10, "bytes": 1000}
    report = {
        "cases": [], "agreements": [], "errors": ["day.pcap breaks off\x07"],
        "waived": [{"rule": "use-paused", "clause": "R0", "agreement": "m", "flows": 3, "subject": "m.example"}],
        "coverage": {
            "flows": 40, "bytes": 4000, "by_name_source": {"none": tally},
            "blind": {"ech": tally, "no_name": tally, "doh": tally},
        },
    }  # fmt: skip
    console = Console(file=io.StringIO(), width=160)
    show_report(report, console, zone=CHICAGO)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "No case" in text
    assert "25.0 % hid their name" in text
    assert "Waived: use-paused" in text
    assert "\x07" not in text
    assert "0 cases: 0 critical, 0 warning, 0 info" in text


def test_a_span_is_told_in_the_districts_own_time_with_what_lay_outside() -> None:
    console = Console(file=io.StringIO(), width=200)
    span = {"since": "2026-11-01T00:00:00-05:00", "until": "2026-11-02T00:00:00-06:00", "outside": 1234}
    show_span(span, console, zone=CHICAGO)
    show_span(None, console, zone=CHICAGO)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().strip() == (
        "Span: only flows that began from Sun 01 Nov 2026 00:00:00 CDT and before Mon 02 Nov 2026 00:00:00 CST. "
        "1,234 events lay outside it and count nowhere."
    )


def test_third_parties_that_only_some_meet_are_shown_without_small_numbers() -> None:
    def row(party: str, *, only: list[str], unclear: list[str]) -> dict[str, Any]:
        audiences = {
            "under_13": {"devices": 40, "product_devices": 1200},
            "staff": {"devices": 0, "product_devices": 3},
        }
        return {"agreement": "m\x1b[2J", "party": party, "audiences": audiences, "only": only, "unclear": unclear}

    console = Console(file=io.StringIO(), width=200)
    rows = [row("adco.example", only=["under_13"], unclear=["staff"]), row("alike.example", only=[], unclear=[])]
    show_differential(rows, console)
    show_differential(rows[1:], console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    for part in (
        "adco.example",
        "40 of 1,200",
        "none of fewer than 5",
        "not used",
        "under 13 (staff used it too little",
    ):
        assert part in text
    assert "alike.example" not in text
    assert "\x1b" not in text
    assert text.count("Third parties that meet only some") == 1
