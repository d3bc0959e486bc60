"""The real tshark, asked about the sample day and about made packets; and programs in its place that do it harm."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from collector.cut_out import CutFrame, CutOut, pcapng
from collector.events import FlowEvent
from collector.flow_name import FlowName, flow_name, of_event
from collector.second_opinion import Circumstances, Row, own_opinion, side_by_side
from collector.sources.capture_file import CaptureFile
from collector.sources.tshark import Answer, TsharkError, ask, missing
from collector.tshark_opinion import tshark_opinion
from collector.watch import Watch
from tests.collector import frames_for_tests as made
from tests.parts import tshark as tshark_part
from tests.parts.cache import PartMissingError

SAMPLE = Path(__file__).resolve().parents[2] / "rules" / "sample" / "day.pcap.gz"
WHOLE = made.udp(payload=bytes(64))
PIECES = [(WHOLE[at : at + 24], at, at + 24 < len(WHOLE)) for at in range(0, len(WHOLE), 24)]
FRAGMENTED = {
    "IPv4 fragments": (
        flow_name(f"{made.PUPIL}:40000-{made.SERVER}:9999"),
        [made.ethernet(made.ipv4(piece, 17, offset=at, more=more)) for piece, at, more in PIECES],
    ),
    "IPv6 fragments": (
        flow_name(f"[{made.PUPIL6}]:40000-[{made.SERVER6}]:9999"),
        [
            made.ethernet(made.ipv6(made.ipv6_fragment(piece, 17, offset=at, more=more), 44), 0x86DD)
            for piece, at, more in PIECES
        ],
    ),
}
KINDS: dict[str, Callable[[FlowEvent], bool]] = {
    "TLS over IPv6": lambda event: event.app == "tls" and ":" in str(event.dst_ip) and not event.cnames,
    "TLS behind a CNAME": lambda event: event.app == "tls" and bool(event.cnames),
    "TLS with ECH": lambda event: event.app == "tls" and event.ech,
    "QUIC": lambda event: event.app == "quic",
    "HTTP": lambda event: event.app == "http",
    "a name of DNS": lambda event: event.name_source == "dns",
    "DNS": lambda event: event.app == "dns",
}


@pytest.fixture(scope="module")
def tshark() -> Iterator[None]:
    """Put tshark on the PATH; skips where it cannot be had."""
    try:
        place = tshark_part.set_up()
    except PartMissingError as none:
        pytest.skip(str(none))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
        yield


class Told:
    """What both say of one flow of each kind; tshark is asked once about all of them."""

    def __init__(self) -> None:
        self.events = chosen()
        self.cuts = {kind: CutOut(named(event)) for kind, event in self.events.items()}
        with CaptureFile(SAMPLE) as file:
            for block in file:
                for cut in self.cuts.values():
                    cut.take(block)
        self.answers = {kind: cut.answers(named(self.events[kind])) for kind, cut in self.cuts.items()}
        given = {each.place: each for cut in self.cuts.values() for each in cut.frames}
        given |= {each.place: each for answers in self.answers.values() for each in answers}
        frames = [each for _, each in sorted(given.items())]
        for kind, (flow, pieces) in FRAGMENTED.items():
            watch = Watch(sensor="test", network=None, pseudonyms=None)
            block = made.block_of(pieces)
            cut = CutOut(flow)
            cut.take(block)
            (event,) = [*watch.observe(block), *(event for batch in watch.finish() for event in batch)]
            self.events[kind], self.cuts[kind], self.answers[kind] = event, cut, []
            frames += cut.frames
        self.answer: Answer = ask(pcapng(frames), packets=len(frames))

    def rows(self, kind: str) -> dict[str, Row]:
        event, cut = self.events[kind], self.cuts[kind]
        heard = tshark_opinion(self.answer.packets, flow=named(event), proto=event.proto)
        at = Circumstances(
            given=cut.given(event.proto), left_out=cut.left_out, fragments=cut.fragments, cut_short=cut.cut_short,
            answers=len(self.answers[kind]), placed=heard.placed,
        )  # fmt: skip
        return {row.fact: row for row in side_by_side(own_opinion([event]), other=heard.opinion, at=at)}


def chosen() -> dict[str, FlowEvent]:
    """Return the first flow of each kind in the sample day."""
    watch = Watch(sensor="test", network=None, pseudonyms=None)
    found: dict[str, FlowEvent] = {}
    with CaptureFile(SAMPLE) as file:
        for block in file:
            for event in watch.observe(block):
                for kind, meant in KINDS.items():
                    whole = event.end == ("fin" if event.proto == "tcp" else "idle")
                    if whole and event.packets_down and event.part == 0 and meant(event):
                        found.setdefault(kind, event)
    return found


def named(event: FlowEvent) -> FlowName:
    name = of_event(event)
    assert name is not None
    return name


@pytest.fixture(scope="module")
def told(request: pytest.FixtureRequest) -> Told:
    """What both say; tshark is set up first."""
    request.getfixturevalue("tshark")
    return Told()


def test_the_sample_day_has_a_flow_of_each_kind(told: Told) -> None:
    assert set(told.events) == {*KINDS, *FRAGMENTED}


@pytest.mark.parametrize("kind", [*KINDS, *FRAGMENTED])
def test_both_say_the_same_of(told: Told, kind: str) -> None:
    assert {fact: row for fact, row in told.rows(kind).items() if row.differs is not False} == {}


def test_what_is_compared_is_not_empty(told: Told) -> None:
    rows = told.rows("TLS behind a CNAME")
    assert rows["server_name"].tshark
    assert rows["cnames"].tshark
    assert rows["bytes_down"].tshark
    assert told.rows("TLS with ECH")["ech"].tshark is True
    assert told.rows("QUIC")["name_source"].tshark == "quic_sni"
    assert told.rows("HTTP")["name_source"].tshark == "http_host"
    assert told.rows("a name of DNS")["name_source"].tshark == "dns"
    assert all(told.rows(kind)["packets_up"].tshark == len(PIECES) for kind in FRAGMENTED)


def test_tshark_says_its_version(told: Told) -> None:
    assert told.answer.version.count(".") == 2


@pytest.mark.usefixtures("tshark")
def test_who_tells_of_fewer_packets_than_were_given_is_not_believed() -> None:
    frame = CutFrame(place=0, octets=made.ethernet(made.ipv4(made.udp(), 17)), wire=60, time_ns=1, link=made.ETHERNET)
    broken = pcapng([frame, replace(frame, octets=b"")])[:-20]
    with pytest.raises(TsharkError, match=r"told of \d of 2 packets|gave no whole answer"):
        ask(broken, packets=2)


PACKET = """<packet><proto name="geninfo"><field name="num" show="1" value="1"/><field name="len" show="60" value="3c"/>
<field name="caplen" show="60" value="3c"/><field name="timestamp" show="x" value="1.0"/></proto>
<proto name="frame"><field name="frame.interface_id" show="0"/></proto>
<proto name="http"><field name="http.host" show="{}"/></proto></packet>"""


@pytest.fixture
def instead(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Puts a shell script in the place of tshark; one that everybody may read, as a program is."""
    place = Path(tempfile.mkdtemp(prefix="schoolgate-"))
    place.chmod(0o755)

    def put(script: str) -> None:
        program = place / "tshark"
        version = 'if [ "$1" = -v ]; then echo "TShark (Wireshark) 9.8.7 (made)"; exit; fi'
        program.write_text(f"#!/bin/sh\n{version}\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")

    yield put
    shutil.rmtree(place)


def test_tshark_runs_without_rights_and_without_a_home(instead: Callable[[str], None]) -> None:
    rights = "$(grep -E '^(NoNewPrivs|CapEff|CapBnd):' /proc/self/status)"
    words = f"said=$(echo $(id -u) $HOME {rights} $(ulimit -v) $(ulimit -t))"
    instead(f"{words}\ncat <<END\n{PACKET.format('$said')}\nEND")
    (packet,) = ask(b"", packets=1).packets
    user, home, *rest = packet.layers[-1][1]["http.host"][0].split()
    assert home == "/nonexistent"
    told = dict(zip(rest[0:6:2], rest[1:6:2], strict=True))
    assert told["NoNewPrivs:"] == "1"
    assert int(told["CapEff:"], 16) == 0
    if os.geteuid() == 0:
        assert user != "0"
        assert int(told["CapBnd:"], 16) == 0
    assert all(limit.isdecimal() for limit in rest[6:])


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exec sleep 60", "did not come to an end within 3 s"),
        ("echo; sleep 0.2; kill -9 $$", "tshark ended with -9"),
        ("kill -9 $$", "tshark ended (with -9|before it said a word)"),
        ("echo '<packet>'; sleep 0.2; exit 4", "tshark ended with 4"),
        ("exec yes '<packet></packet>'", "gave no whole answer"),
        ("cat <<END\n" + PACKET.format("one") + "\nEND", "told of 1 of 2 packets"),
    ],
)
def test_what_tshark_does_wrong_is_told_in_one_line(instead: Callable[[str], None], script: str, said: str) -> None:
    instead(script)
    with pytest.raises(TsharkError, match=said) as error:
        ask(b"", packets=2, limit_s=3 if "sleep" in script else 120)
    assert "\n" not in str(error.value)


def test_who_has_no_tshark_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt-get install tshark" in missing()
    with pytest.raises(TsharkError, match="apt-get install tshark"):
        ask(b"", packets=0)
