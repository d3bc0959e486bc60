"""Makes the capture of the sample school day: `python -m rules.sample.generate --out DIR`."""

from __future__ import annotations

import argparse
import gzip
import io
import sys
from pathlib import Path

from rules.sample.day import school_day
from rules.sample.wire import capture_file

CAPTURE = "day.pcap.gz"

_TEACHES = """\
The capture holds one invented school day as a tap between the switches and the router of a school would record it:
real octets of Ethernet, IPv4, IPv6, TCP, UDP, DNS, TLS, QUIC and HTTP, but nothing that anyone ever sent. Names end in
.example, servers live in the documentation ranges, devices in private ones. All chance comes of one fixed seed, so
that every run gives the same octets.

To change the day, edit day.py (who opens what, and when) or cast.py (devices and hosts), run this again, and adjust
expected.json: it lists the cases that the day must lead to.

  python -m rules.sample.generate --out rules/sample
  schoolgate check rules/sample/day.pcap.gz --agreements rules/sample/agreements \\
      --network rules/sample/network.yaml --parties rules/sample/parties.yaml
"""


def sample_capture() -> bytes:
    """Return the sample day as a pcap file, not compressed."""
    return capture_file(school_day())


def compressed(octets: bytes) -> bytes:
    """Return *octets* as a gzip file that says neither when nor on which system it was made."""
    target = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=target, mtime=0) as file:
        file.write(octets)
    return target.getvalue()


def main(arguments: list[str] | None = None) -> int:
    """Write the capture where the command line says; return the exit status (0 done, 3 it cannot be written)."""
    parser = argparse.ArgumentParser(
        prog="python -m rules.sample.generate",
        description="Make the capture of the sample school day that `schoolgate demo` replays.",
        epilog=_TEACHES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help=f"folder that {CAPTURE} is written to; it must exist"
    )
    target: Path = parser.parse_args(arguments).out / CAPTURE
    octets = sample_capture()
    try:
        target.write_bytes(compressed(octets))
    except OSError as fault:
        sys.stderr.write(f"{target}: cannot be written ({fault.strerror}); name a folder that exists and is yours\n")
        return 3
    sys.stderr.write(f"{target}: {target.stat().st_size:,} octets, {len(octets):,} before compression\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
