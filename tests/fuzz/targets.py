"""What is fuzzed: each dissector, each opening, and the whole way from frames to lines of events.

A target takes any octets. It raises nothing, or what it raises is a finding: the errors that a dissector is allowed to
raise are caught here, and what must be true afterwards is asserted here.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from collector.devices import Devices
from collector.dissect import dns, hostname, http, kinds, quic, tls
from collector.dissect.errors import DissectError
from collector.dissect.frame import Frame
from collector.dissect.headers import read
from collector.encoding import encode
from collector.flows import FlowTable
from collector.frames import FrameBlock
from collector.meter import Meter
from collector.names import DnsMemory
from collector.opening import Openings
from collector.periods import Periods
from collector.pseudonyms import KeyRing, Pseudonyms
from collector.sensor_records import RecordError
from collector.sources.capture_file import CaptureFile
from collector.sources.netflow_flows import NetflowFlows
from collector.sources.octets import CaptureError
from collector.streams import MAX_OCTETS, Stream
from tests.fuzz import seeds
from tests.fuzz.mutations import MAX_OCTETS as MAX_INPUT
from tests.fuzz.mutations import apart
from tests.fuzz.sealing import DCID, sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from collector.flow import Flow
    from collector.opening_facts import Opening

NOON_NS = 1_790_000_000 * 1_000_000_000
CAPACITY = 64
"""Flows of the table in the whole pipeline: small, so that full tables are met too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing that is fuzzed."""

    run: Callable[[bytes], None]
    """Takes an input; raises only where there is something to find."""
    seeds: Callable[[], Sequence[bytes]]
    """Good inputs."""
    talk: bool = False
    """Inputs are conversations in the form of `joined`."""
    weight: int = 1
    """Its part of the executions, beside the others."""


_frame = Frame()


def headers(octets: bytes) -> None:
    """Read one frame; the first octet stands for the link type."""
    if not octets:
        return
    link = seeds.LINKS[octets[0] % len(seeds.LINKS)]
    data = memoryview(octets)[1:]
    _frame.load(data)
    found = read(_frame, 0, len(data), len(data) + (octets[0] >> 5) * 100, link)
    assert found in {0, 1, 2}
    assert found or _frame.reason
    assert found != 1 or 0 <= _frame.payload_at <= _frame.payload_end <= len(data)
    assert found != 2 or 0 <= _frame.at <= len(data)


def dns_message(octets: bytes) -> None:
    """Read one DNS message and where its name leads."""
    try:
        told = dns.resolution(dns.message(octets))
    except DissectError:
        return
    assert told is None or len(told.chain) <= dns.MAX_CHAIN


def client_hello(octets: bytes) -> None:
    """Read one ClientHello."""
    try:
        found = tls.client_hello(octets)
    except DissectError:
        return
    assert found is None or found.server_name is None or hostname.host_name(found.server_name.encode())


def server_hello(octets: bytes) -> None:
    """Read one ServerHello."""
    try:
        found = tls.server_hello(octets)
    except DissectError:
        return
    assert found is None or found.version < 65_536


def tls_records(octets: bytes) -> None:
    """Take handshakes out of TLS records that arrive in three pieces, and read hellos of either form."""
    handshakes = tls.Handshakes()
    stream = bytearray()
    try:
        for piece in (
            octets[: len(octets) // 3],
            octets[len(octets) // 3 : len(octets) // 2],
            octets[len(octets) // 2 :],
        ):
            stream += piece
            handshakes.read(stream)
            tls.first_message_end(stream)
    except DissectError:
        return
    finally:
        assert len(handshakes.octets) <= len(octets)
    try:
        tls.ssl2_client_hello(octets)
    except DissectError:
        return


def host(octets: bytes) -> None:
    """Decide whether octets are a host name."""
    name = hostname.host_name(hostname.without_port(octets))
    assert name is None or (len(name) <= hostname.MAX_NAME_OCTETS and name.isascii() and name == name.lower())


def http_request(octets: bytes) -> None:
    """Read one request head."""
    end = http.head_end(bytearray(octets), 0)
    assert end <= len(octets)
    try:
        http.request(octets)
    except DissectError:
        return


def first_octets(octets: bytes) -> None:
    """Guess what is spoken, and look for a hello."""
    stream = bytearray(octets)
    assert 0 <= kinds.kind_of(stream) <= kinds_most
    assert kinds.hello_at(stream, 0) < len(octets) or not octets


kinds_most = 7


def quic_packets(octets: bytes) -> None:
    """Find the packets of a datagram, and try to open its Initials."""
    try:
        for packet in quic.packets(octets):
            assert packet.end <= len(octets)
            if packet.number_at and len(packet.dcid) >= quic.MIN_CLIENT_CID_OCTETS:
                quic.InitialKeys(version=packet.version, dcid=packet.dcid).payload(octets, packet)
    except DissectError:
        return


def quic_frames(octets: bytes) -> None:
    """Read the frames of an Initial that was opened."""
    try:
        for offset, data in quic.crypto_frames(octets):
            assert offset + len(data) <= quic.MAX_CRYPTO_OCTETS
    except DissectError:
        return


def stream(octets: bytes) -> None:
    """Put segments in order: each of three octets of offset and one of length; now and then something is taken."""
    held = Stream()
    for at in range(0, len(octets) - 3, 4):
        offset = int.from_bytes(octets[at : at + 2], "big") - 1_000
        size = octets[at + 2]
        way = octets[at + 3]
        if way < 240:
            held.add(offset, bytes(size))
        elif way < 250:
            held.take(min(size, len(held.octets)))
        else:
            held.skip_gap()
    assert len(held.octets) <= MAX_OCTETS


def _device(mac: bytes | None, address: bytes, at_ns: int) -> bytes:
    del at_ns
    return mac or address


def _opened(proto: str, port: int) -> tuple[Openings, Opening]:
    openings = Openings(DnsMemory(), device_key=_device)
    opening = openings.open(
        proto="tcp" if proto == "tcp" else "udp",
        client=b"\x0a\1\0\7",
        server=b"\xc0\0\2\1",
        client_port=50_000,
        server_port=port,
        mac=None,
        server_mac=None,
        at_ns=NOON_NS,
    )
    assert opening is not None
    return openings, opening


def _shown(opening: Opening, openings: Openings, messages: list[tuple[int, bytes]], *, seal: bool) -> None:
    offsets = [0, 0]
    for number, (mark, message) in enumerate(messages[:256]):
        up = mark & 1
        shift = (mark >> 2) - 32 if mark & 0x80 else 0
        data = sealed(message, number=number) if seal and mark & 2 and len(message) < 3_000 else message
        assert opening.octets(bool(up), offsets[up] + shift, data, NOON_NS + number) in range(4)
        offsets[up] += len(message)
    name = opening.server_name
    assert name is None or hostname.host_name(name.encode()) == name
    assert all(count >= 0 for count in openings.counters.told().values())


def opening_tcp(octets: bytes) -> None:
    """Read the opening of a TCP connection: any segments, in any order."""
    openings, opening = _opened("tcp", 443)
    _shown(opening, openings, apart(octets), seal=False)


def opening_quic(octets: bytes) -> None:
    """Read the opening of a QUIC connection; what is marked is sealed with the right keys first."""
    openings, opening = _opened("udp", 443)
    _shown(opening, openings, apart(octets), seal=True)


def opening_dns(octets: bytes) -> None:
    """Read DNS, over TCP where the first message is marked so."""
    messages = apart(octets)
    openings, opening = _opened("tcp" if messages and messages[0][0] & 2 else "udp", 53)
    _shown(opening, openings, messages, seal=False)


class _Disk:
    """A file without a name, in memory where there is room for such, for readers that open paths."""

    def __init__(self) -> None:
        shared = Path("/dev/shm")  # noqa: S108 -- a RAM disk, where there is one
        self._file = tempfile.TemporaryFile(dir=shared if shared.is_dir() else None)  # noqa: SIM115 -- lives on

    def write(self, octets: bytes) -> str:
        """Hold *octets* and nothing else; return a path that leads to them."""
        self._file.seek(0)
        self._file.truncate()
        self._file.write(octets)
        self._file.flush()
        return f"/proc/self/fd/{self._file.fileno()}"


_disk: list[_Disk] = []


def capture(octets: bytes) -> None:
    """Read a capture file of either format."""
    if not _disk:
        _disk.append(_Disk())
    path = _disk[0].write(octets)
    try:
        with CaptureFile(path) as file:
            for block in file:
                for data, wire, _time, _link in block.rows():
                    assert len(data) <= wire
    except CaptureError:
        return


def netflow(octets: bytes) -> None:
    """Read datagrams of NetFlow 9 and IPFIX."""
    flows = NetflowFlows()
    for _mark, datagram in apart(octets):
        try:
            flows.take(datagram, exporter="192.0.2.1")
        except RecordError:
            continue
    flows.finish()


class Pipeline:
    """Frames to lines of events, as `schoolgate flows` does; nothing that passed may be missing from the sums."""

    def __init__(self) -> None:
        periods = Periods(UTC)
        names = DnsMemory()
        devices = Devices(periods)
        self._meter = Meter(
            sensor="fuzz",
            network=None,
            pseudonyms=Pseudonyms(KeyRing(lambda: b"k" * 32), periods=periods, site="example"),
            devices=devices,
            names=names,
        )
        openings = Openings(names, device_key=devices.key)
        self.table = FlowTable(openings, seed=7, capacity=CAPACITY, taker=self._take)
        self.octets = 0
        self.events = 0

    def _take(self, flow: Flow) -> None:
        self.octets += flow.bytes_up + flow.bytes_down
        self.events += 1
        assert encode(self._meter.event(flow)).startswith(b"{")


def pipeline(octets: bytes) -> None:
    """Read a conversation of frames: the mark of each says its link type, and how much time passed before it."""
    block = FrameBlock(capacity=256)
    block.clear(memoryview(octets))
    at = 3
    time_ns = NOON_NS
    for mark, frame in apart(octets)[:256]:
        time_ns += (mark >> 5) ** 4 * 100_000_000
        link = seeds.LINKS[(mark & 31) % len(seeds.LINKS)]
        block.add(at, len(frame), len(frame) + (mark >> 7) * 50, time_ns, link)
        at += len(frame) + 3
    whole = Pipeline()
    whole.table.observe(block)
    assert whole.table.live <= CAPACITY
    for flow in whole.table.finish():
        whole._take(flow)
    assert whole.octets == whole.table.octets
    assert whole.table.counters["packets"] == block.count


TARGETS = {
    "headers": Target(run=headers, seeds=seeds.frames, weight=4),
    "dns": Target(run=dns_message, seeds=seeds.dns_messages, weight=4),
    "tls-client": Target(run=client_hello, seeds=seeds.client_hellos, weight=4),
    "tls-server": Target(run=server_hello, seeds=seeds.server_hellos, weight=2),
    "tls-records": Target(run=tls_records, seeds=lambda: (*map(seeds.records, seeds.client_hellos()), seeds.SSL2)),
    "hostname": Target(run=host, seeds=lambda: (b"www.School.example:443", b"192.0.2.1", b"0x7f.1", b"xn--a.example.")),
    "http": Target(run=http_request, seeds=lambda: seeds.CLEAR, weight=2),
    "kinds": Target(
        run=first_octets,
        seeds=lambda: (*seeds.CLEAR, *seeds.PRELUDES, seeds.SSL2, seeds.records(seeds.client_hellos()[0])),
    ),
    "quic-packets": Target(run=quic_packets, seeds=seeds.quic_datagrams, weight=2),
    "quic-frames": Target(run=quic_frames, seeds=seeds.crypto, weight=2),
    "streams": Target(run=stream, seeds=lambda: (bytes(range(256)), bytes.fromhex("03e80a00" * 40)), weight=2),
    "opening-tcp": Target(run=opening_tcp, seeds=seeds.tcp_talks, talk=True, weight=2),
    "opening-quic": Target(run=opening_quic, seeds=seeds.quic_talks, talk=True),
    "opening-dns": Target(run=opening_dns, seeds=seeds.dns_talks, talk=True, weight=2),
    "capture": Target(run=capture, seeds=seeds.captures),
    "netflow": Target(run=netflow, seeds=seeds.netflow_talks, talk=True),
    "pipeline": Target(run=pipeline, seeds=lambda: seeds.day().conversations, talk=True, weight=1),
}
"""Every target by the name that `--parser` takes."""

assert len(DCID) >= quic.MIN_CLIENT_CID_OCTETS
assert MAX_INPUT < MAX_OCTETS
