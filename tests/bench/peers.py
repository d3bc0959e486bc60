"""The programs that a capture is read with beside ours, and how each is asked for names."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.exam import named_right

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.bench.exam import Named

HERE = Path(__file__).resolve().parent
ANSWER_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One program to run over a capture."""

    name: str
    command: tuple[str, ...]
    """Words; {capture} stands for the capture."""
    release: str
    """What it says of its version."""
    names: tuple[str, ...] = ()
    """The command that writes names to standard output; empty: it tells none."""
    read: Callable[[Iterable[str]], Iterator[Named]] | None = None
    """Reads what `names` writes."""

    def over(self, capture: Path, *, command: tuple[str, ...] = ()) -> list[str]:
        """Return the words to run over *capture*."""
        return [word.replace("{capture}", str(capture)) for word in command or self.command]

    def score(self, capture: Path) -> float | None:
        """Return the share of the names of *capture* that it finds; None: it, or the capture, has none."""
        if not self.names or self.read is None:
            return None
        words = self.over(capture, command=self.names)
        told = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False).stdout
        wanted, right = named_right(capture, self.read(told.splitlines()))
        return right / wanted if wanted else None


def _ndpi_lines(lines: Iterable[str]) -> Iterator[Named]:
    for row in csv.reader(lines):
        if len(row) <= 11 or not row[1].isdecimal():
            continue
        try:
            ends = (int(row[1]), _packed(row[5]), int(row[6]), _packed(row[7]), int(row[8]))
        except ValueError:
            # ndpiReader cuts long IPv6 addresses off; whose such a name is cannot be told.
            continue
        yield ends, row[11]


def _nfstream_lines(lines: Iterable[str]) -> Iterator[Named]:
    for row in csv.reader(lines):
        if len(row) == 6 and row[0].isdecimal():
            yield (int(row[0]), _packed(row[1]), int(row[2]), _packed(row[3]), int(row[4])), row[5]


def _tshark_lines(lines: Iterable[str]) -> Iterator[Named]:
    for line in lines:
        v4, v6, tcp, udp, to_v4, to_v6, to_tcp, to_udp, name, host = line.split("\t")
        ends = (_packed(v4 or v6), int(tcp or udp), _packed(to_v4 or to_v6), int(to_tcp or to_udp))
        if name or host:
            yield (6 if tcp else 17, *ends), name or host


def _packed(address: str) -> bytes:
    # nDPI 4.2 writes every group of zeros as "::".
    return ip_address(address.replace("::", ":0:") if address.count("::") > 1 else address).packed


NFSTREAM = """
import sys
from nfstream import NFStreamer
for flow in NFStreamer(source=sys.argv[1], n_meters=1, statistical_analysis=False):
    if sys.argv[2:]:
        ends = flow.src_ip, flow.src_port, flow.dst_ip, flow.dst_port
        print(flow.protocol, *ends, flow.requested_server_name, sep=",")
"""
TSHARK_FIELDS = (
    *("ip.src", "ipv6.src", "tcp.srcport", "udp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport", "udp.dstport"),
    *("tls.handshake.extensions_server_name", "http.host"),
)


def installed(*, folder: Path, nfstream: Path | None) -> list[Tool]:
    """Return the peers that are here.

    Args:
        folder: where programs may be built.
        nfstream: a Python that has nfstream; None: leave it out.
    """
    found = [tool for tool in (_ndpi(), _tshark(), _tcpdump(), _walk(folder)) if tool is not None]
    if nfstream is not None:
        release = _said([str(nfstream), "-c", "import nfstream; print(nfstream.__version__)"])
        begin = (str(nfstream), "-c", NFSTREAM, "{capture}")
        found.append(
            Tool(name="nfstream", command=begin, release=release, names=(*begin, "names"), read=_nfstream_lines)
        )
    return found


def _ndpi() -> Tool | None:
    if not shutil.which("ndpiReader"):
        return None
    begin = ("ndpiReader", "-q", "-i", "{capture}")
    return Tool(
        name="ndpiReader",
        command=begin,
        release=_said(["ndpiReader", "-h"]),
        names=(*begin, "-C", "/dev/stdout"),
        read=_ndpi_lines,
    )


def _tshark() -> Tool | None:
    if not shutil.which("tshark"):
        return None
    begin = ["tshark", "-n", "-r", "{capture}", "-Y", "tls.handshake.type == 1 || http.host", "-T", "fields"]
    command = (*begin, *(word for name in TSHARK_FIELDS for word in ("-e", name)))
    return Tool(
        name="tshark, names",
        command=command,
        release=_said(["tshark", "--version"]),
        names=command,
        read=_tshark_lines,
    )


def _tcpdump() -> Tool | None:
    if not shutil.which("tcpdump"):
        return None
    command = ("tcpdump", "-n", "-r", "{capture}", "-w", "/dev/null")
    return Tool(name="tcpdump to /dev/null", command=command, release=_said(["tcpdump", "--version"]))


def _walk(folder: Path) -> Tool | None:
    """Build the limit."""
    if not shutil.which("gcc"):
        return None
    program = folder / "walk"
    subprocess.run(["gcc", "-O2", "-o", str(program), str(HERE / "walk.c")], check=True)
    return Tool(
        name="walk in C: the limit", command=(str(program), "{capture}"), release=_said(["gcc", "-dumpversion"])
    )


def _said(words: list[str]) -> str:
    """Return the version number in what a program says."""
    told = subprocess.run(words, capture_output=True, text=True, check=False, timeout=ANSWER_S)
    number = re.search(r"\d+(\.\d+)+|\d+", told.stdout + told.stderr)
    return number.group() if number else "unknown"
