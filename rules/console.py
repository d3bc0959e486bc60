"""Shows a report to a person on a terminal. Names in it are untrusted: every one is cleaned before it is shown."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rules.findings import DISTRICT_PREFIX
from rules.life_cycle import CODES
from rules.next_steps import RETURNS
from rules.versions import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from rich.console import Console

    from rules.store import LogEntry

FEWEST_SHOWN = 5
"""Counts of devices below this read "fewer than 5": a smaller number may be one class or one child."""
TIME_STEP = timedelta(minutes=15)
AUDIENCE_WORDS = {"under_13": "under 13", "older": "older pupils", "staff": "staff"}
COLOURS = {"critical": "bold white on red", "warning": "bold black on yellow", "info": "bold black on cyan"}
RULE_TITLES: dict[str, str] = {
    "no-agreement": "A product is used without an agreement",
    "agreement-not-in-force": "The agreement is not in force",
    "use-paused": "A paused or prohibited product is used",
    "pilot-outside-group": "A pilot product is used outside its pilot group",
    "review-missing": "A review that this product needs is missing",
    "under-13-not-covered": "Pupils under 13 are not covered",
    "undeclared-third-party": "A third party that the agreement does not list",
    "undeclared-referral": "Users are handed on to a site that is not declared",
    "prohibited-tracking": "Tracking that the agreement prohibits",
    "undisclosed-interest": "A commercial interest that is not disclosed",
    "unexplained-telemetry": "Telemetry that the agreement does not explain",
    "cname-cloaked-third-party": "A vendor's own name leads to a third party",
    "plaintext-transport": "Data travels without protection",
    "outside-hours": "Background traffic outside the declared hours",
    "upload-above-declared": "Devices send more than was declared",
    "storage-country": "A server stands outside the declared countries",
}


def rule_title(rule: str) -> str:
    """Return what a case of *rule* is called; of a district's own rule only the id is known everywhere."""
    if rule.startswith(DISTRICT_PREFIX):
        return f"A rule of the district: {rule.removeprefix(DISTRICT_PREFIX).replace('-', ' ')}"
    return RULE_TITLES.get(rule, rule)


def clean(name: object) -> str:
    """Return *name* with everything that could steer a terminal made visible."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in str(name))


def octets(count: float) -> str:
    """Return a count of octets in the unit a person would say."""
    for unit in ("octets", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "octets" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def few(count: int, word: str) -> str:
    """Return a count of devices, without the small numbers that could point at somebody."""
    return f"fewer than {FEWEST_SHOWN} {word}s" if count < FEWEST_SHOWN else f"{count:,} {word}s"


def quarter(stamp: str, zone: ZoneInfo) -> str:
    """Return an event's time in steps of 15 minutes, in the district's own time."""
    when = datetime.fromisoformat(stamp)
    step = int(TIME_STEP.total_seconds())
    rounded = datetime.fromtimestamp(int(when.timestamp()) // step * step, tz=UTC)
    return f"{rounded.astimezone(zone):%a %d %b %Y %H:%M}"


def show_report(report: Mapping[str, Any], console: Console, *, zone: ZoneInfo) -> None:
    """Print *report* (contract, section 5): cases, what is waived, coverage, gaps.

    Args:
        report: as made by `rules.report`.
        console: where to.
        zone: time zone of the district.
    """
    cases = report["cases"]
    console.print()
    show_span(report.get("span"), console, zone=zone)
    if not cases:
        console.print("No case: nothing that was seen contradicts an agreement.", style="bold green")
    for case in cases:
        show_case(case, console, zone=zone)
    _show_waived(report.get("waived") or [], console)
    show_differential(report.get("differential") or [], console)
    console.print(coverage_table(report["coverage"]))
    _show_blind(report["coverage"], console)
    _show_gaps(report["agreements"], console)
    for error in report["errors"]:
        console.print(f"note: {clean(error)}", style="yellow", highlight=False, markup=False)
    console.print(headline(cases), style="bold", highlight=False)


def show_span(span: Mapping[str, Any] | None, console: Console, *, zone: ZoneInfo) -> None:
    """Print to which time the report is held; None: to none, and nothing is printed."""
    if span is None:
        return
    ends = [
        f"{word} {_moment(span[key], zone)}"
        for word, key in (("from", "since"), ("before", "until"))
        if span[key] is not None
    ]
    console.print(
        Text(
            f"Span: only flows that began {' and '.join(ends)}. {span['outside']:,} events lay outside it and count "
            "nowhere.\n"
        )
    )


def _moment(stamp: str, zone: ZoneInfo) -> str:
    # The user wrote it, so it is told in full; its zone tells on which side of a change of clocks it lies.
    return f"{datetime.fromisoformat(stamp).astimezone(zone):%a %d %b %Y %H:%M:%S %Z}"


def show_differential(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print the third parties that meet only some of those who use a product (`rules.differential`)."""
    different = [row for row in rows if row["only"]]
    if not different:
        return
    table = Table(
        title="Third parties that meet only some of a product's users: something to ask the vendor, no case",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("Product")
    table.add_column("Third party")
    for word in AUDIENCE_WORDS.values():
        table.add_column(word, justify="right")
    table.add_column("Meets only")
    for row in different:
        said = ", ".join(AUDIENCE_WORDS[each] for each in row["only"])
        if row["unclear"]:
            said += f" ({', '.join(AUDIENCE_WORDS[each] for each in row['unclear'])} used it too little to tell)"
        met = (_met(row["audiences"].get(each)) for each in AUDIENCE_WORDS)
        table.add_row(Text(clean(row["agreement"])), Text(clean(row["party"])), *met, said)
    console.print(table)
    console.print("Device-days that met the party, of those that used the product.\n", style="dim", highlight=False)


def _met(audience: Mapping[str, int] | None) -> str:
    if audience is None:
        return "not used"
    met, used = (
        f"fewer than {FEWEST_SHOWN}" if 0 < count < FEWEST_SHOWN else f"{count:,}" if count else "none"
        for count in (audience["devices"], audience["product_devices"])
    )
    return f"{met} of {used}"


def headline(cases: Sequence[Mapping[str, Any]]) -> str:
    """Return one line that counts the cases by severity."""
    counts = {severity: sum(case["severity"] == severity for case in cases) for severity in COLOURS}
    parts = ", ".join(f"{count} {severity}" for severity, count in counts.items())
    return f"{len(cases)} {'case' if len(cases) == 1 else 'cases'}: {parts}"


def show_case(case: Mapping[str, Any], console: Console, *, zone: ZoneInfo) -> None:
    """Print one case as a privacy officer would want to read it."""
    title = Text()
    title.append(f" {case['severity'].upper()} ", style=COLOURS[case["severity"]])
    title.append(f" {rule_title(case['rule'])}", style="bold")
    title.append(f"  {clean(case['agreement'] or case['subject'])}", style="bold cyan")
    console.print(title)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    seen = (
        f"{few(case['devices'], 'device-day')} ({', '.join(map(clean, case['groups'])) or 'group unknown'}; "
        f"{', '.join(map(clean, case['schools'])) or 'school unknown'}), {case['flows']:,} "
        f"{'flow' if case['flows'] == 1 else 'flows'}, {octets(case['bytes_up'])} sent, "
        f"{octets(case['bytes_down'])} received, {quarter(case['first_seen'], zone)} to "
        f"{quarter(case['last_seen'], zone)}"
    )
    rows = (
        ("What", clean(case["summary"])),
        ("The agreement says", clean(case["agreement_says"])),
        ("What was seen", seen),
        ("How sure", f"{case['verdict'].replace('_', ' ')}, confidence {case['confidence']:.2f}"),
        ("What cannot be seen", clean(case["cannot_see"])),
        ("Filed under", f"{case['rule']}, clause {case['clause']}, about {clean(case['subject'])}, case {case['id']}"),
    )
    for name, text in rows:
        grid.add_row(name, Text(text))
    console.print(Padding(grid, (0, 0, 1, 2)))


def coverage_table(coverage: Mapping[str, Any]) -> Table:
    """Return a table of how the names of all flows are known."""
    words = {
        "tls_sni": "TLS hello",
        "quic_sni": "QUIC hello",
        "http_host": "clear-text HTTP",
        "dns": "the device's own DNS look-up",
        "none": "no name",
    }
    table = Table(title="What could be seen (DNS look-ups left out)", title_justify="left", title_style="bold")
    table.add_column("Name known from")
    for head in ("Flows", "Share", "Octets", "Share"):
        table.add_column(head, justify="right")
    flows, volume = max(1, coverage["flows"]), max(1, coverage["bytes"])
    for source, word in words.items():
        row = coverage["by_name_source"].get(source, {"flows": 0, "bytes": 0})
        table.add_row(
            word,
            f"{row['flows']:,}",
            f"{100 * row['flows'] / flows:.1f} %",
            octets(row["bytes"]),
            f"{100 * row['bytes'] / volume:.1f} %",
        )
    table.add_section()
    table.add_row("all", f"{coverage['flows']:,}", "", octets(coverage["bytes"]), "")
    return table


def _show_blind(coverage: Mapping[str, Any], console: Console) -> None:
    flows = max(1, coverage["flows"])
    words = {
        "ech": "hid their name by Encrypted Client Hello",
        "no_name": "had no name at all",
        "doh": "were encrypted DNS look-ups",
    }
    parts = [f"{100 * coverage['blind'][key]['flows'] / flows:.1f} % {word}" for key, word in words.items()]
    console.print(f"Blind share of flows: {', '.join(parts)}.", highlight=False)
    kept_back = coverage.get("withheld", {}).get("flows", 0)
    if kept_back:
        share = f"{100 * kept_back / flows:.1f} %"
        console.print(f"Of {share} of flows the name was seen and kept back (release rule).", highlight=False)
    console.print(
        "A tap never sees content, addresses of pages, who a user is, or what vendors share between their servers.\n",
        style="dim",
        highlight=False,
    )


def show_log(entries: Iterable[LogEntry], console: Console, *, zone: ZoneInfo) -> None:
    """Print what became of a case, the oldest first; what cannot be read any more is left out."""
    for entry in entries:
        if entry.entry == UNREADABLE:
            continue
        told = json.loads(entry.entry)
        line = f"{quarter(entry.at, zone)}  {entry.kind.replace('_', ' ')}"
        if told.get("changed"):
            line += f": {', '.join(told['changed'])}"
        if "by" in told:
            code = CODES.get(entry.kind, {}).get(str(told.get("reason")))
            said = ". ".join(clean(part) for part in (code, told["text"]) if part)
            line += f" by {clean(told['by'])}{': ' if said else ''}{said}"
        if told.get("because"):
            line += f" ({'; '.join(RETURNS.get(name, name) for name in told['because'])})"
        console.print(Text(line), style="dim", highlight=False)


def _show_waived(waived: Sequence[Mapping[str, Any]], console: Console) -> None:
    for row in waived:
        console.print(
            Text(f"Waived: {clean(row['rule'])}, clause {row['clause']}, {clean(row['agreement'])}: "
                 f"{row['flows']:,} flows about {clean(row['subject'])} open no case."),
            style="dim",
        )  # fmt: skip
    if waived:
        console.print()


def _show_gaps(agreements: Sequence[Mapping[str, Any]], console: Console) -> None:
    if not agreements:
        return
    counts = dict.fromkeys(("met", "not_met", "not_stated", "not_applicable"), 0)
    for agreement in agreements:
        for state in agreement["clauses"].values():
            counts[state] += 1
    console.print(
        f"Gaps on paper: in {len(agreements)} agreements {counts['met']} clauses are met, {counts['not_met']} not met, "
        f"{counts['not_stated']} not stated, {counts['not_applicable']} do not apply "
        "(`schoolgate agreements gaps` shows each).\n",
        highlight=False,
    )
