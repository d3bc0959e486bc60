"""Captures, event files and logs of other sensors against agreements: what `schoolgate check` does."""

from __future__ import annotations

import json
import sys
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING

from rich.console import Console

from collector.capture import CaptureEvents
from collector.lab import without_addresses
from collector.problems import DocumentError
from collector.progress import ReadingBar
from collector.refused import Refused
from collector.sensor_events import SensorEvents
from collector.sources.event_file import EventFile
from collector.sources.input_file import InputFile, input_files
from collector.watch import new_pseudonyms
from rules.agreements.load import load_agreements
from rules.comparison import compare
from rules.comparison_view import show_comparison
from rules.console import show_report
from rules.day_keys import DayKeys
from rules.district.rule import untold
from rules.intake import read_events
from rules.judgement import Judgement
from rules.rulebook import load_rulebook
from rules.span import Within, span_of
from schoolgate.shell import Exit, new_key, say, tell_warning, today

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from collector.events import FlowEvent
    from collector.problems import Problem
    from collector.pseudonyms import Pseudonyms
    from collector.segments import Network
    from rules.agreements.model import Agreement
    from rules.rulebook import Rulebook, RulebookFiles


# Events that one rulebook judges before the other sees them: enough to lose no time in between, too few to count.
PORTION = 1_000


class Troubles:
    """What went wrong in the inputs without ending the run; told as it comes."""

    def __init__(self) -> None:
        self.words: list[str] = []
        """One line each."""
        self.refused = 0
        """Lines of files of events that are no events."""

    def warn(self, warning: str) -> None:
        """Keep a warning, if there is one."""
        if warning:
            tell_warning(warning)
            self.words.append(warning)

    def set_aside(self, refused: Refused) -> None:
        """Keep which lines of a file are no events."""
        for line in refused.words:
            say(line)
        self.words += refused.words
        self.refused += refused.count


def check(
    inputs: Sequence[str],
    *,
    files: RulebookFiles,
    since: str | None = None,
    until: str | None = None,
    against: Path | None = None,
    as_json: bool,
) -> Exit:
    """Judge *inputs*, print the report, and return how the verb ends.

    Args:
        inputs: captures, files of events, logs of other sensors or folders of them, in any order.
        files: what they are compared with.
        since: only flows that began on this date, or at this time, or later; as the user wrote it.
        until: only flows that began on this date, or before this time, or earlier; as the user wrote it.
        against: folder of other agreements; then the difference between the two reports is printed.
        as_json: print JSON.

    Raises:
        DocumentError: a file of the district, an event, or the span is wrong.
        CaptureError: an input is neither a capture nor events.

    A line of a file of events that is no event costs the report nothing but that event; it ends as wrong input does.
    """
    rulebooks = _rulebooks(files, against=against)
    network = rulebooks[0].network
    span = span_of(since=since, until=until, zone=network.time_zone)
    within = None if span is None else Within(span)
    # One key for both: the same device-day is the same one under either set.
    token_key = DayKeys(new_key).of
    judgements = [Judgement(each, token_key=token_key, today=today(network)) for each in rulebooks]
    troubles = Troubles()
    for warning in rulebooks[0].warnings:
        tell_warning(str(warning))
    with ReadingBar() as bar:
        events = _merged(inputs, network=network, bar=bar, troubles=troubles)
        _judge(events if within is None else within.of(events), judgements=judgements)
    for trouble in untold(rulebooks[0].rules):
        tell_warning(trouble)
    for judgement in judgements:
        judgement.attribute()
    reports = [judgement.report(errors=troubles.words) for judgement in judgements]
    told = reports[0] if against is None else compare(*reports, against=str(against))
    if span is not None and within is not None:
        told["span"] = span.as_report(outside=within.outside)
    if as_json:
        sys.stdout.write(json.dumps(told, indent=1) + "\n")
    elif against is None:
        show_report(told, Console(), zone=network.time_zone)
    else:
        show_comparison(told, Console(), zone=network.time_zone)
    if troubles.refused:
        return Exit.WRONG_INPUT
    return Exit.CASES if any(case["severity"] != "info" for case in reports[-1]["cases"]) else Exit.DONE


def _rulebooks(files: RulebookFiles, *, against: Path | None) -> list[Rulebook]:
    """Return what to judge by: the rulebook of *files* and, where asked for, the same one with other agreements.

    Raises:
        DocumentError: with every problem of every file of both.
    """
    if against is None:
        return [load_rulebook(files)]
    problems: list[Problem] = []
    others: tuple[Agreement, ...] = ()
    try:
        others = load_agreements(against)
    except DocumentError as error:
        problems.extend(error.problems)
    try:
        rulebook = load_rulebook(files)
    except DocumentError as error:
        raise DocumentError({*error.problems, *problems}) from None
    if problems:
        raise DocumentError(problems)
    return [rulebook, rulebook.with_agreements(others)]


def _judge(events: Iterable[FlowEvent], *, judgements: Sequence[Judgement]) -> None:
    """Let every judgement see every event, the input being read once."""
    if len(judgements) == 1:
        judgements[0].judge(events)
        return
    stream = iter(events)
    while portion := list(islice(stream, PORTION)):
        for judgement in judgements:
            judgement.judge(portion)


def _merged(inputs: Sequence[str], *, network: Network, bar: ReadingBar, troubles: Troubles) -> Iterable[FlowEvent]:
    """Return the events of all *inputs* by time. Raises at once when one is no input."""
    pseudonyms, _ring = new_pseudonyms(network, make_key=new_key)
    files = input_files(inputs)
    logs = [file for file in files if file.is_sensor_log]
    # Logs of other sensors complete each other, so they are one input.
    sets = [[file] for file in files if not file.is_sensor_log] + ([logs] if logs else [])
    streams = [_events_in(each, network=network, pseudonyms=pseudonyms, bar=bar, troubles=troubles) for each in sets]
    return merge(*streams, key=attrgetter("ended_at")) if len(streams) > 1 else streams[0]


def events_of(
    path: str, *, network: Network, pseudonyms: Pseudonyms, bar: ReadingBar, troubles: Troubles
) -> Iterator[FlowEvent]:
    """Return the events of one input: a capture, a file or a folder. Raises at once when it is none."""
    return _events_in(input_files([path]), network=network, pseudonyms=pseudonyms, bar=bar, troubles=troubles)


def _events_in(
    files: Sequence[InputFile], *, network: Network, pseudonyms: Pseudonyms, bar: ReadingBar, troubles: Troubles
) -> Iterator[FlowEvent]:
    """Return the events of one input: a capture, a file of events, or the logs of other sensors."""
    if files[0].is_sensor_log:
        told = SensorEvents(files, sensor="capture", network=network, pseudonyms=pseudonyms)
        return _events_in_logs(told, bar=bar, troubles=troubles)
    octets = files[0].open()
    if files[0].form == "events":
        return _events_in_file(EventFile(octets), network=network, pseudonyms=pseudonyms, bar=bar, troubles=troubles)
    capture = CaptureEvents(octets, sensor="capture", network=network, pseudonyms=pseudonyms)
    return _events_in_capture(capture, bar=bar, troubles=troubles)


def _events_in_capture(capture: CaptureEvents, *, bar: ReadingBar, troubles: Troubles) -> Iterator[FlowEvent]:
    for batch in capture.batches():
        bar.show(capture.file)
        yield from batch
    troubles.warn(capture.warning)


def _events_in_logs(told: SensorEvents, *, bar: ReadingBar, troubles: Troubles) -> Iterator[FlowEvent]:
    for batch in told.batches():
        if told.reading is not None:
            bar.show(told.reading)
        yield from batch
    for warning in told.warnings:
        troubles.warn(warning)


def _events_in_file(
    file: EventFile, *, network: Network, pseudonyms: Pseudonyms, bar: ReadingBar, troubles: Troubles
) -> Iterator[FlowEvent]:
    refused = Refused()
    for number, event in enumerate(read_events(file, path=file.name, refused=refused)):
        if number % 4096 == 0:
            bar.show(file)
        yield without_addresses(event, network=network, pseudonyms=pseudonyms)
    troubles.warn(file.warning)
    troubles.set_aside(refused)
