"""What happens to the tap's interfaces, and what the tap may do: nothing of it ends the watch, nothing needs rights."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.privileges import rights
from collector.sources.afpacket import RING_BLOCKS
from collector.sources.errors import NoSuchInterfaceError
from tests.parts.patience import PATIENCE_S
from tests.system.veth_for_tests import BETWEEN, IPV4, Lab, frames_of, made_lab, read

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def lab() -> Iterator[Lab]:
    with made_lab() as lab:
        yield lab


def test_an_interface_that_goes_down_and_comes_up_is_heard_again(lab: Lab) -> None:
    said: list[str] = []
    lab.plug()
    with lab.tap("tap0", say=said.append) as tap, lab.outlet() as outlet:
        outlet.send(BETWEEN + IPV4 + b"before")
        assert len(frames_of(tap, 1)) == 1
        lab.down()
        read(tap, until=lambda: tap.away == ("tap0",), use=lambda _: None)
        assert (tap.gaps, tap.away) == (1, ("tap0",))
        lab.up()
        read(tap, until=lambda: not tap.away, use=lambda _: None)
        outlet.send(BETWEEN + IPV4 + b"after")
        assert [frame[14:] for frame in frames_of(tap, 1)] == [b"after"]
        assert (tap.gaps, tap.away) == (1, ())
        assert 0 < tap.gap_s < PATIENCE_S
    assert said[0] == "tap0: is down; its frames are missing until it is back"
    assert said[1].startswith("tap0: is up after ")
    assert len(said) == 2


def test_an_interface_that_vanishes_is_heard_again_under_its_new_number_and_others_go_on(lab: Lab) -> None:
    said: list[str] = []
    lab.plug(0)
    lab.plug(1)
    with lab.tap("tap0", "tap1", say=said.append) as tap, lab.outlet(1) as other:
        lab.unplug(0)
        read(tap, until=lambda: tap.away == ("tap0",), use=lambda _: None)
        other.send(BETWEEN + IPV4 + b"meanwhile")
        assert [frame[14:] for frame in frames_of(tap, 1)] == [b"meanwhile"]
        lab.plug(2)  # so that the number is another one
        lab.plug(0)
        read(tap, until=lambda: not tap.away, use=lambda _: None)
        assert "promiscuity 1" in lab.ip(lab.here, "-d", "link", "show", "tap0")
        with lab.outlet(0) as outlet:
            outlet.send(BETWEEN + IPV4 + b"again")
            assert [frame[14:] for frame in frames_of(tap, 1)] == [b"again"]
        assert tap.gaps == 1
    assert said[0].split(";")[0] in {"tap0: is down", "tap0: is gone"}


def test_an_interface_may_be_down_when_the_tap_opens(lab: Lab) -> None:
    said: list[str] = []
    lab.plug()
    lab.down()
    with lab.tap("tap0", say=said.append) as tap, lab.outlet() as outlet:
        assert said == ["tap0: is down; its frames come as soon as it is up"]
        lab.up()
        read(tap, until=lambda: not tap.away, use=lambda _: None)
        outlet.send(BETWEEN + IPV4 + b"up")
        assert len(frames_of(tap, 1)) == 1
        assert tap.gaps == 0


def test_an_interface_that_is_not_there_is_named_beside_those_that_are(lab: Lab) -> None:
    lab.plug()
    with pytest.raises(NoSuchInterfaceError, match="eth9: is no interface of this machine; name one of: lo, tap0"):
        lab.tap("eth9")
    with pytest.raises(NoSuchInterfaceError, match="a-name-that-is-far-too-long"):
        lab.tap("a-name-that-is-far-too-long")


def test_an_interface_with_an_address_is_taken_for_the_machines_own_and_said(lab: Lab) -> None:
    said: list[str] = []
    lab.plug()
    lab.ip(lab.here, "address", "add", "192.0.2.1/24", "dev", "tap0")
    lab.tap("tap0", say=said.append).close()
    assert said == ["tap0: has an address of this machine; what this machine sends through it is not seen"]


CHILD = """
import resource, sys, time
from collector.privileges import drop_privileges
from collector.sources.errors import TapError
from collector.sources.live import LiveCapture

say = lambda words: print(words, flush=True)
"""


def child(lab: Lab, program: str, *, talk: bool = False) -> subprocess.Popen[str]:
    """Start a program in the namespace of the tap; *talk*: it is told something."""
    return subprocess.Popen(
        ["ip", "netns", "exec", lab.here, sys.executable, "-c", CHILD + program],
        stdin=subprocess.PIPE if talk else None,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_tap_without_any_right_goes_on_even_when_its_interface_is_made_anew(lab: Lab) -> None:
    lab.plug()
    process = child(
        lab,
        "tap = LiveCapture(['tap0'], say=say)\n"
        "drop_privileges(user='nobody')\n"
        "say('ready')\n"
        "for block in tap:\n"
        "    for row in block.rows():\n"
        "        say(row[0][14:].decode())\n",
    )
    try:
        assert line_of(process) == "ready"
        left = rights(Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8"))
        assert 0 not in left.users | left.groups | left.supplementary
        assert (left.capabilities, left.bounding, left.no_new_privs) == (frozenset(), 0, True)
        with lab.outlet() as outlet:
            outlet.send(BETWEEN + IPV4 + b"before")
            assert line_of(process) == "before"
        lab.unplug()
        assert line_of(process).startswith("tap0: is ")
        lab.plug(1)
        lab.plug(0)
        assert line_of(process).startswith("tap0: is up after ")
        assert "promiscuity 1" in lab.ip(lab.here, "-d", "link", "show", "tap0")
        with lab.outlet() as outlet:
            outlet.send(BETWEEN + IPV4 + b"after")
            assert line_of(process) == "after"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=PATIENCE_S)


def test_without_the_right_to_capture_the_message_says_which_one(lab: Lab) -> None:
    process = child(
        lab,
        "drop_privileges(user='nobody')\n"
        "try:\n"
        "    LiveCapture(['lo'])\n"
        "except TapError as error:\n"
        "    say(str(error))\n",
    )
    assert process.communicate(timeout=PATIENCE_S)[0].startswith("no right to capture; start as root or with")


def test_a_smaller_ring_is_taken_where_there_is_no_memory_for_a_large_one(lab: Lab) -> None:
    process = child(
        lab,
        "import os\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * os.sysconf('SC_PAGE_SIZE')\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (24 << 20),) * 2)\n"
        "LiveCapture(['lo'], say=say)\n",
    )
    said = process.communicate(timeout=PATIENCE_S)[0].splitlines()
    assert said == [f"the kernel has memory for {RING_BLOCKS // 2} of {RING_BLOCKS} blocks of the capture ring"]
