"""`schoolgate flows CAPTURE --explain FLOW`: what tshark says of one flow, beside what Schoolgate says. Lab work.

The capture is read once. What is shown names a pupil's address, so it goes to whoever asked and nowhere else.
"""

from __future__ import annotations

import heapq
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from collector.cut_out import CutOut, pcapng
from collector.flow_name import FlowName, FlowNameError, flow_name, nearness, of_event
from collector.problems import on_one_line
from collector.progress import ReadingBar
from collector.second_opinion import Circumstances, own_opinion, side_by_side
from collector.sources.capture_file import CaptureFile
from collector.sources.input_file import InputFile
from collector.sources.octets import CaptureError
from collector.sources.tshark import Answer, TsharkError, ask, missing
from collector.tshark_opinion import tshark_opinion
from collector.watch import Watch
from schoolgate.shell import EnvironmentFailedError, say, tell_warning

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from collector.events import FlowEvent
    from collector.second_opinion import Value

FORMAT_VERSION = 1
NEAR_MISSES = 3
"""Flows that a message names when the one asked for is not there."""

_LABELS = {
    "server_name": "name",
    "name_source": "name known from",
    "cnames": "CNAME chain",
    "app": "protocol",
    "tls_version": "TLS version",
    "tls_version_offered": "version only offered",
    "alpn": "ALPN",
    "ech": "ECH in the hello",
    "flows": "flows",
    "packets_up": "packets up",
    "packets_down": "packets down",
    "bytes_up": "octets up",
    "bytes_down": "octets down",
    "started_at": "first packet",
    "ended_at": "last packet",
}
_SOURCES = {
    "tls_sni": "hello of TLS",
    "quic_sni": "hello of QUIC",
    "http_host": "request of HTTP",
    "dns": "answer of DNS",
    "none": "-",
}


def explain(captures: Sequence[str], *, flow: str, network: Path | None, as_json: bool) -> None:
    """Write both opinions about *flow* in the one capture of *captures* to standard output.

    Raises:
        CaptureError: this is no single capture, or it does not hold the flow.
        EnvironmentFailedError: tshark cannot be asked.
    """
    if network is not None:
        raise CaptureError("--explain: takes no --network, for it tells of addresses and not of schools; leave it out")
    if len(captures) != 1:
        raise CaptureError(f"--explain: takes one capture and {len(captures)} are named; name the one with the flow")
    try:
        wanted = flow_name(flow)
    except FlowNameError as error:
        raise CaptureError(f"--explain: {on_one_line(str(error))}") from None
    # Said before a long capture is read, not after.
    lacking = missing()
    if lacking:
        raise EnvironmentFailedError(f"--explain asks tshark, by way of pyshark: {lacking}")
    say("note: lab work, like --addresses: this names a client's address; nothing of it is kept or written to a file")
    reading = _Reading(captures[0], wanted=wanted)
    reading.read()
    told = _told(reading)
    if as_json:
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    else:
        sys.stdout.write(_page(told))
    sys.stdout.flush()


class _Reading:
    """One pass through a capture: the events of the flow, its packets, and flows that look like it.

    Args:
        path: the capture, or "-".
        wanted: the flow.
    """

    def __init__(self, path: str, *, wanted: FlowName) -> None:
        given = InputFile(path)
        if given.form != "capture":
            raise CaptureError(f"{given.path}: holds no packets; --explain needs the capture itself (pcap, pcapng)")
        self.file = CaptureFile(given.open())
        self.wanted = wanted
        self.cut = CutOut(wanted)
        self._meant = (wanted, wanted.turned)
        self.events: list[FlowEvent] = []
        self._watch = Watch(sensor="explain", network=None, pseudonyms=None)
        self._near: list[tuple[int, int, str]] = []
        self._flows = 0

    def read(self) -> None:
        """Read the capture to its end.

        Raises:
            CaptureError: it cannot be read, or the flow is not in it.
        """
        with ReadingBar() as bar, self.file:
            for block in self.file:
                self.cut.take(block)
                self._note(self._watch.observe(block))
                bar.show(self.file)
        for batch in self._watch.finish():
            self._note(batch)
        tell_warning(self.file.warning)
        if not self.events:
            raise CaptureError(self._no_such_flow())

    def _note(self, batch: Sequence[FlowEvent]) -> None:
        for event in batch:
            name = of_event(event)
            if name is None:
                continue
            if name in self._meant:
                self.events.append(event)
            else:
                self._note_near(event, name=name)

    def _note_near(self, event: FlowEvent, *, name: FlowName) -> None:
        near = nearness(self.wanted, other=name)
        if near:
            self._flows += 1
            # Of two that are equally near the earlier one is shown.
            heapq.heappush(self._near, (near, -self._flows, f"{name} ({event.proto}, {event.started_at})"))
            if len(self._near) > NEAR_MISSES:
                heapq.heappop(self._near)

    def _no_such_flow(self) -> str:
        missing_flow = f"{self.file.name}: holds no flow {self.wanted}"
        if not self._near:
            return f"{missing_flow}, and none of either address; `schoolgate flows --addresses` lists all flows"
        near = ", ".join(text for _, _, text in sorted(self._near, reverse=True))
        return f"{missing_flow}; near it are {near}; `schoolgate flows --addresses` lists all flows"


def _told(reading: _Reading) -> dict[str, Any]:
    """Return both opinions as data; one flow for each protocol with these ends."""
    names = {event.proto: of_event(event) or reading.wanted for event in reading.events}
    frames = {frame.place: frame for frame in reading.cut.frames}
    answers = {frame.place: frame for name in names.values() for frame in reading.cut.answers(name)}
    given = [frame for _, frame in sorted((frames | answers).items())]
    try:
        answer = ask(pcapng(given), packets=len(given))
    except TsharkError as error:
        raise EnvironmentFailedError(f"--explain: {on_one_line(str(error))}") from None
    return {
        "v": FORMAT_VERSION,
        "capture": reading.file.name,
        "tshark": answer.version,
        "dns_answers_given": len(answers),
        "flows": [_flow(reading, answer=answer, proto=proto, answers=len(answers)) for proto in sorted(names)],
    }


def _flow(reading: _Reading, *, answer: Answer, proto: str, answers: int) -> dict[str, Any]:
    events = [event for event in reading.events if event.proto == proto]
    name = of_event(events[0]) or reading.wanted
    cut = reading.cut
    heard = tshark_opinion(answer.packets, flow=name, proto=proto)
    at = Circumstances(
        given=cut.given(proto),
        left_out=cut.left_out,
        fragments=cut.fragments,
        cut_short=cut.cut_short,
        answers=answers,
        placed=heard.placed,
    )
    rows = side_by_side(own_opinion(events), other=heard.opinion, at=at)
    return {
        "flow": str(name),
        "proto": proto,
        "packets_given": at.given,
        "packets_left_out": at.left_out,
        "frame_bytes_up": heard.frame_bytes_up,
        "frame_bytes_down": heard.frame_bytes_down,
        "facts": [asdict(row) for row in rows],
        "differences": sum(row.differs is True for row in rows),
    }


def _page(told: dict[str, Any]) -> str:
    """Return both opinions as text."""
    lines = []
    for flow in told["flows"]:
        answers = _count(told["dns_answers_given"], "DNS answer")
        up, down = flow["frame_bytes_up"], flow["frame_bytes_down"]
        lines += [
            f"{flow['flow']} ({flow['proto']}) in {on_one_line(told['capture'])}",
            f"tshark {on_one_line(told['tshark'])} was given {_packets(flow)} and {answers} before them.",
            "",
            *_table(flow["facts"]),
            "",
            *_differences(flow["facts"]),
            f"Wireshark's own tables count whole frames, {up:,} octets up and {down:,} down; these are octets of IP.",
            "",
        ]
    return "\n".join(lines)


def _packets(flow: dict[str, Any]) -> str:
    given, left = flow["packets_given"], flow["packets_left_out"]
    return f"the first {given:,} of {given + left:,} packets" if left else _count(given, "packet")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _table(facts: list[dict[str, Any]]) -> list[str]:
    cells: list[tuple[str, str, str, bool | None]] = [("", "Schoolgate", "tshark", None)]
    cells += [
        (_LABELS[fact["fact"]], _shown(fact, "schoolgate"), _shown(fact, "tshark"), fact["differs"]) for fact in facts
    ]
    widths = [max(map(len, column)) for column in list(zip(*(row[:3] for row in cells), strict=True))]
    marks = {True: "  differs", False: "", None: ""}
    return [
        f"{label:{widths[0]}}  {own:{widths[1]}}  {other:{widths[2]}}{marks[differs]}".rstrip()
        for label, own, other, differs in cells
    ]


def _differences(facts: list[dict[str, Any]]) -> list[str]:
    """Return a line for each reason, with the facts that it is about."""
    reasons: dict[str, list[str]] = {}
    for fact in facts:
        if fact["why"]:
            reasons.setdefault(fact["why"], []).append(_LABELS[fact["fact"]])
    if not reasons:
        return ["Both say the same."]
    return [f"{', '.join(labels)}: {why}." for why, labels in reasons.items()]


def _shown(fact: dict[str, Any], side: str) -> str:
    """Return a value for the eye; names are a stranger's words."""
    value: Value = fact[side]
    if value is None or value in ((), ""):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, tuple):
        return on_one_line(" > ".join(value))
    return _SOURCES.get(value, on_one_line(value)) if fact["fact"] == "name_source" else on_one_line(value)
