"""The command line: words, options and help. Each verb loads what it needs when it runs, so small ones start fast."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from collector.problems import DocumentError, Problem
from schoolgate.agreements import app as agreements_app
from schoolgate.break_glass_verbs import app as break_glass_app
from schoolgate.cases import app as cases_app
from schoolgate.desk import app as desk_app
from schoolgate.district_rules import app as rules_app
from schoolgate.kafka import app as kafka_app
from schoolgate.parties import app as parties_app
from schoolgate.parts import Part  # noqa: TC001 -- typer reads it
from schoolgate.privacy import app as privacy_app
from schoolgate.release import VERSION
from schoolgate.shell import end_with_the_reader
from schoolgate.store import app as store_app
from schoolgate.verb_list import VerbList

app = typer.Typer(
    cls=VerbList,
    name="schoolgate",
    help="Checks what edtech vendors promised schools against what the school network shows.",
    epilog="Start with `schoolgate demo`. Exit codes: 0 done, 1 cases found, 2 wrong input, 3 environment failed.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(agreements_app, name="agreements")
app.add_typer(break_glass_app, name="break-glass")
app.add_typer(cases_app, name="cases")
app.add_typer(desk_app, name="desk")
app.add_typer(kafka_app, name="kafka")
app.add_typer(parties_app, name="parties")
app.add_typer(privacy_app, name="privacy")
app.add_typer(rules_app, name="rules")
app.add_typer(store_app, name="store")


@app.callback(invoke_without_command=True)
def schoolgate(
    *, show_version: Annotated[bool, typer.Option("--version", help="Show the version and the build.")] = False
) -> None:
    """Say the version, or let a verb run."""
    if show_version:
        from collector.flows import COMPILED

        sys.stdout.write(f"schoolgate {VERSION} ({'compiled' if COMPILED else 'pure Python'})\n")
        raise typer.Exit


@app.command()
def flows(
    captures: Annotated[list[str], typer.Argument(metavar="CAPTURE...", help="pcap or pcapng, also .gz; -: stdin.")],
    network: Annotated[
        Path | None, typer.Option(readable=False, help="Network file: schools, groups, address ranges.")
    ] = None,
    sensor: Annotated[str, typer.Option(help="Name of the sensor in the events.")] = "capture",
    *,
    addresses: Annotated[
        bool, typer.Option("--addresses", help="Lab work only: write client addresses in place of pseudonyms.")
    ] = False,
    explain: Annotated[
        str | None,
        typer.Option(metavar="CLIENT:PORT-SERVER:PORT", help="Lab work only: what tshark says of one flow, beside us."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --explain: print JSON.")] = False,
) -> None:
    """Turn captures into flow events, one JSON object a line.

    Names come from TLS and QUIC hellos, clear-text HTTP and the device's own DNS look-ups. Devices appear under a keyed
    pseudonym whose key is forgotten when this program ends. Names are not held back here as the live collector does.

    --explain asks tshark for a second opinion about one flow of one capture, and prints it beside ours: name, where it
    comes from, TLS version, packets, octets, times, and why the two may differ. IPv6 addresses stand in brackets:
    --explain "[2001:db8::10]:50000-[2001:db8::20]:443". Needs tshark; the page second-opinion.md has an example.
    """
    end_with_the_reader()
    if explain is not None:
        from schoolgate.explain import explain as do_explain

        do_explain(captures, flow=explain, network=network, as_json=as_json)
        return
    if as_json:
        raise typer.BadParameter("belongs to --explain: events are JSON anyway", param_hint="--json")
    from schoolgate.flows import flows as do  # each verb loads what it needs and no more

    do(captures, network=network, sensor=sensor, addresses=addresses)


@app.command()
def check(  # noqa: PLR0913 -- every option of a verb is an argument
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Captures, or flow events (.jsonl, .jsonl.gz); -: stdin.")
    ],
    *,
    agreements: Annotated[Path, typer.Option(readable=False, help="Folder of agreement files.")],
    network: Annotated[Path, typer.Option(readable=False, help="Network file: schools, groups, calendar.")],
    parties: Annotated[
        list[Path] | None,
        typer.Option(readable=False, help="Party file, or a lists file that names other lists (repeatable)."),
    ] = None,
    rules: Annotated[
        list[Path] | None, typer.Option(readable=False, help="File of the district's own rules (repeatable).")
    ] = None,
    location: Annotated[Path | None, typer.Option(readable=False, help="Country database in MaxMind format.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE|TIME", help="Only flows that began on this day or later.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE|TIME", help="Only flows that began on this day or earlier.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="DIR", readable=False, help="Other agreements: print what they would change.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Compare captures or flow events with the agreements, and print what contradicts them.

    Several inputs are merged by time; an event seen twice counts once. Exits with 1 when at least one case is a warning
    or worse. Counts below 5 are shown as "fewer than 5"; --json has them exactly.

    --since and --until take local dates of the district, both days included (2026-10-14), or times with their offset
    (2026-10-14T07:30:00-05:00), the first included and the last not. What lies outside is counted and judged nowhere.

    Names are not held back here as `run` and `collect` do; docs/privacy.md says which they let out.

    --against judges the same input by a second folder as well and prints the difference case by case; the exit code is
    then that of the second folder.
    """
    from rules.rulebook import RulebookFiles
    from schoolgate.check import check as do

    end_with_the_reader()
    files = RulebookFiles(
        agreements=agreements,
        network=network,
        parties=tuple(parties or ()),
        rules=tuple(rules or ()),
        location=location,
    )
    raise typer.Exit(do(inputs, files=files, since=since, until=until, against=against, as_json=as_json))


@app.command()
def explain_coverage(
    *,
    agreements: Annotated[
        Path | None, typer.Option(readable=False, help="Count the clause states of this folder's agreements.")
    ] = None,
    network: Annotated[
        Path | None, typer.Option(readable=False, help="Network file; needed with any of the other files.")
    ] = None,
    parties: Annotated[
        list[Path] | None,
        typer.Option(readable=False, help="Party file, or a lists file that names other lists (repeatable)."),
    ] = None,
    rules: Annotated[
        list[Path] | None, typer.Option(readable=False, help="File of the district's own rules (repeatable).")
    ] = None,
    location: Annotated[Path | None, typer.Option(readable=False, help="Country database in MaxMind format.")] = None,
    on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day that clause states speak of; default: today.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say clause by clause what is judged, from which signal, against which field, and what cannot be seen.

    By itself it explains the rules. With --network and --agreements it also counts how many agreements meet each clause
    and names the rules that cannot speak, or say less, because something is not supplied. Plain text when piped.
    """
    from rules.rulebook import RulebookFiles
    from schoolgate.explain_coverage import explain_coverage as do

    end_with_the_reader()
    files = None
    if network is not None:
        files = RulebookFiles(
            agreements=agreements,
            network=network,
            parties=tuple(parties or ()),
            rules=tuple(rules or ()),
            location=location,
        )
    elif agreements or parties or rules or location or on:
        what = "the network file is missing, which says what day it is and who is under 13"
        raise DocumentError([Problem(path="--network", line=1, what=what, remedy="add --network FILE")])
    do(files, on=on.date() if on else None, as_json=as_json)


@app.command()
def run(
    config: Annotated[Path, typer.Option(readable=False, help="Configuration file.")],
    metrics: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Where Prometheus reads.")] = None,
    *,
    stay: Annotated[
        bool, typer.Option("--stay", help="Go on serving desk and metrics when the capture is done.")
    ] = False,
) -> None:
    """Run everything in one process: interface or capture, rules, case store, desk, metrics. No Kafka.

    Agreement, party and network files are read again when they change, and on SIGHUP. A capture that was judged before
    is skipped; one that was interrupted is gone on with.
    """
    from schoolgate.runs import run_configured

    raise typer.Exit(run_configured(config, listen=metrics, stay=stay))


@app.command()
def collect(
    config: Annotated[Path, typer.Option(readable=False, help="Configuration file.")],
    metrics: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Where Prometheus reads.")] = None,
) -> None:
    """Bring flow events of an interface or of captures to Kafka, by way of a durable spool.

    While the broker is away the spool grows; nothing is lost until it is full. Captures end the run when the broker has
    everything; a capture that was collected before is skipped, one that was interrupted is gone on with. Where one core
    cannot read all that passes an interface, `source: {interface: eth1, processes: 3}` shares it among several.
    """
    from schoolgate.collect import collect as do

    raise typer.Exit(do(config, listen=metrics))


@app.command()
def judge(
    config: Annotated[Path, typer.Option(readable=False, help="Configuration file.")],
    instance: Annotated[
        str | None, typer.Option(help="Name of this process, the same after every start: static membership.")
    ] = None,
    metrics: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Where Prometheus reads.")] = None,
) -> None:
    """Judge flow events from Kafka: findings and cases to Kafka, cases to the store as well.

    Any number of processes share the work. One that dies loses nothing: another goes on from its last transaction.
    Agreement, party and network files are those of the configuration, the same for every process; they are read again
    when they change, and on SIGHUP.
    """
    from schoolgate.judge import judge as do

    do(config, instance=instance, listen=metrics)


@app.command()
def doctor(
    config: Annotated[Path, typer.Option(readable=False, help="Configuration file.")],
    part: Annotated[
        list[Part] | None,
        typer.Option(help="Service that runs here (repeatable); none: whatever the configuration names."),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(help="Who the services run as; otherwise this user or, as root, the owner of the file's folder."),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Look at everything that an installation stands on, and say what to do. Changes and sends nothing.

    Interface, offload, rights, traffic, clock, folders, disk, broker, case store, agreements, age of lists,
    Alertmanager, mail server: each gets five seconds, all at once, and a line: ok, warning, problem, or n/a with the
    reason. Warnings leave the exit code at 0; 2: a file of yours is wrong; 3: something else is.
    """
    from schoolgate.doctor import doctor as do

    raise typer.Exit(do(config, parts=part or [], user=user, as_json=as_json))


@app.command()
def demo(
    metrics: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where Prometheus reads.")] = "127.0.0.1:9464",
    desk: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the case desk listens.")] = "127.0.0.1:8080",
    *,
    once: Annotated[bool, typer.Option("--once", help="Print the cases and exit.")] = False,
) -> None:
    """Show the main job: an invented school day goes through the whole pipeline and its cases are printed.

    Then serves the case desk and /metrics until Ctrl-C. Everything stays in a temporary folder.
    """
    from schoolgate.sample_run import run_sample

    run_sample(listen=None if once else metrics, desk=desk)
