"""Captures and event files against agreements: what `schoolgate check` does."""

from __future__ import annotations

import json
import sys
from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING

from rich.console import Console

from collector.capture import CaptureEvents
from collector.lab import without_addresses
from collector.progress import ReadingBar
from collector.sources.event_file import EventFile, looks_like_events
from collector.sources.octets import OctetSource
from collector.watch import new_pseudonyms
from rules.console import show_report
from rules.day_keys import DayKeys
from rules.intake import read_events
from rules.judgement import Judgement
from rules.rulebook import load_rulebook
from schoolgate.shell import Exit, new_key, tell_warning, today

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collector.events import FlowEvent
    from collector.pseudonyms import Pseudonyms
    from collector.segments import Network
    from rules.rulebook import RulebookFiles


def check(inputs: Sequence[str], *, files: RulebookFiles, as_json: bool) -> Exit:
    """Judge *inputs*, print the report, and return how the verb ends.

    Raises:
        DocumentError: a file of the district or an event is wrong.
        CaptureError: an input is neither a capture nor events.
    """
    rulebook = load_rulebook(files)
    pseudonyms, _ring = new_pseudonyms(rulebook.network, make_key=new_key)
    judgement = Judgement(rulebook, token_key=DayKeys(new_key).of, today=today(rulebook.network))
    warnings: list[str] = []
    with ReadingBar() as bar:
        streams = [
            events_of(path, network=rulebook.network, pseudonyms=pseudonyms, bar=bar, warnings=warnings)
            for path in inputs
        ]
        judgement.judge(merge(*streams, key=attrgetter("ended_at")) if len(streams) > 1 else streams[0])
    report = judgement.report(errors=warnings)
    if as_json:
        sys.stdout.write(json.dumps(report, indent=1) + "\n")
    else:
        show_report(report, Console(), zone=rulebook.network.time_zone)
    return Exit.CASES if any(case["severity"] != "info" for case in report["cases"]) else Exit.DONE


def events_of(
    path: str, *, network: Network, pseudonyms: Pseudonyms, bar: ReadingBar, warnings: list[str]
) -> Iterator[FlowEvent]:
    """Return the events of one input, a capture or a file of events. Raises at once when it is neither."""
    octets = OctetSource(path)
    if looks_like_events(octets):
        return _events_in_file(EventFile(octets), network=network, pseudonyms=pseudonyms, bar=bar, warnings=warnings)
    capture = CaptureEvents(octets, sensor="capture", network=network, pseudonyms=pseudonyms)
    return _events_in_capture(capture, bar=bar, warnings=warnings)


def _events_in_capture(capture: CaptureEvents, *, bar: ReadingBar, warnings: list[str]) -> Iterator[FlowEvent]:
    for batch in capture.batches():
        bar.show(capture.file)
        yield from batch
    if capture.warning:
        tell_warning(capture.warning)
        warnings.append(capture.warning)


def _events_in_file(
    file: EventFile, *, network: Network, pseudonyms: Pseudonyms, bar: ReadingBar, warnings: list[str]
) -> Iterator[FlowEvent]:
    for number, event in enumerate(read_events(file, path=file.name)):
        if number % 4096 == 0:
            bar.show(file)
        yield without_addresses(event, network=network, pseudonyms=pseudonyms) if event.src_ip else event
    if file.warning:
        tell_warning(file.warning)
        warnings.append(file.warning)
