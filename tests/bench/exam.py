"""Holds flow events against what is true of a capture: the names that were asked for, and the octets on the wire.

The octets are counted here once more, by a loop that knows no more than Ethernet, IP and two transports.
"""

from __future__ import annotations

import csv
import json
import struct
import subprocess
from collections import Counter
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from tests.bench.traffic import truth_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Ends = tuple[int, bytes, int, bytes, int]
"""Protocol, address and port of one end, address and port of the other."""
Named = tuple[Ends, str]
"""A name, and the ends (the client's first) that it is of."""
_lengths = struct.Struct("<8xII").unpack_from
_ports = struct.Struct(">HH").unpack_from
PROTOCOLS = {6: "tcp", 17: "udp"}
"""As events name them."""
_NUMBERS = {name: number for number, name in PROTOCOLS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """How right a run was."""

    names: int
    """Names that had to be found."""
    names_right: int
    flows: int
    """Pairs of ends that spoke on the wire."""
    flows_right: int
    """Those of which every octet is in the events, none too many, each in its direction."""

    @property
    def perfect(self) -> bool:
        """Everything was right."""
        return self.names == self.names_right and self.flows == self.flows_right


def examine_run(command: list[str], capture: Path) -> Marks:
    """Run *command*, and return the marks of the events that it writes."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        return examine(capture, process.stdout)


def examine(capture: Path, lines: Iterable[bytes]) -> Marks:
    """Return the marks of the events in *lines*, which carry addresses (`schoolgate flows --addresses`)."""
    counted: Counter[tuple[Ends, bool]] = Counter()
    named: list[Named] = []
    for line in lines:
        event = json.loads(line)
        protocol = _NUMBERS[event["proto"]]
        client = ip_address(event["src_ip"]).packed
        server = ip_address(event["dst_ip"]).packed
        source, target = (client, event["src_port"]), (server, event["dst_port"])
        ends, turned = _ends(protocol, source, target)
        counted[ends, turned] += event["bytes_up"]
        counted[ends, not turned] += event["bytes_down"]
        if event["server_name"]:
            named.append(((protocol, *source, *target), event["server_name"]))
    on_wire: Counter[tuple[Ends, bool]] = Counter()
    for ends, turned, octets in packets(capture):
        on_wire[ends, turned] += octets
    flows = {ends for ends, _ in on_wire}
    wrong = {key[0] for key in on_wire.keys() | counted.keys() if on_wire[key] != counted[key]}
    names, right = named_right(capture, named)
    return Marks(
        names=names,
        names_right=right,
        flows=len(flows),
        flows_right=len(flows - wrong) - len(wrong - flows),
    )


def named_right(capture: Path, named: Iterable[Named]) -> tuple[int, int]:
    """Return how many names had to be found in *capture*, and how many of them are among *named*."""
    found = {ends: name for ends, name in named if name}
    wanted = list(true_names(capture))
    return len(wanted), sum(found.get(ends) == name for ends, name in wanted)


def packets(capture: Path) -> Iterator[tuple[Ends, bool, int]]:
    """Yield ends, whether the packet came from the end that sorts last, and IP octets of every packet.

    Reads little-endian classic captures of Ethernet without tags, fragments or IPv6 extensions: what `traffic` writes.
    """
    with capture.open("rb") as file:
        file.seek(24)
        while len(head := file.read(16)) == 16:
            frame = file.read(_lengths(head)[0])
            if frame[12] == 8:
                protocol, octets, source, target = frame[23], int.from_bytes(frame[16:18]), frame[26:30], frame[30:34]
                ports = _ports(frame, 34)
            else:
                protocol, octets, source, target = (
                    frame[20],
                    40 + int.from_bytes(frame[18:20]),
                    frame[22:38],
                    frame[38:54],
                )
                ports = _ports(frame, 54)
            yield *_ends(protocol, (source, ports[0]), (target, ports[1])), octets


def _ends(protocol: int, source: tuple[bytes, int], target: tuple[bytes, int]) -> tuple[Ends, bool]:
    if source > target:
        return (protocol, *target, *source), True
    return (protocol, *source, *target), False


def true_names(capture: Path) -> Iterator[Named]:
    """Yield the names that have to be found in *capture*; nothing, where nobody wrote them down."""
    path = truth_of(capture)
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8") as file:
        for protocol, client, port, server, server_port, name, *_ in csv.reader(file):
            yield (
                (int(protocol), ip_address(client).packed, int(port), ip_address(server).packed, int(server_port)),
                name,
            )
