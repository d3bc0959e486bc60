"""Rights given up for good: tried in processes of their own, since no process gets them back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from collector.privileges import PrivilegeError, drop_privileges, rights

ROOT = Path(__file__).resolve().parents[2]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="giving up root needs root")

STATUS = """Name:\tpython3
Uid:\t1000\t1000\t1000\t1000
Gid:\t100\t100\t100\t100
Groups:\t4 24
CapInh:\t0000000000000000
CapPrm:\t0000000000002000
CapEff:\t0000000000002000
CapBnd:\t000001ffffffffff
CapAmb:\t0000000000000000
NoNewPrivs:\t1
"""


def child(program: str) -> subprocess.CompletedProcess[str]:
    """Run *program* in a process of its own, with the names that the tests need."""
    head = "import os, socket, threading\nfrom collector.privileges import PrivilegeError, drop_privileges, rights\n"
    return subprocess.run(
        [sys.executable, "-c", head + program], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )


def test_the_kernels_status_tells_what_a_thread_may_do() -> None:
    found = rights(STATUS)
    assert (found.users, found.groups, found.supplementary) == (frozenset({1000}), frozenset({100}), frozenset({4, 24}))
    assert found.capabilities == {"permitted", "effective"}
    assert found.bounding == 0x1FFFFFFFFFF
    assert found.no_new_privs


def test_a_status_that_lacks_a_line_is_no_status() -> None:
    with pytest.raises(KeyError):
        rights(STATUS.replace("CapBnd", "CapOther"))


@as_root
def test_root_becomes_the_named_user_and_keeps_nothing() -> None:
    done = child(
        "left = drop_privileges(user='nobody')\n"
        "status = rights(open('/proc/self/status').read())\n"
        "assert left == status\n"
        "print(sorted(status.users), sorted(status.supplementary), sorted(status.capabilities))\n"
        "print(status.bounding, status.no_new_privs)\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[65534] [] []", "0 True"]


@as_root
def test_what_was_given_up_does_not_come_back() -> None:
    done = child(
        "drop_privileges(user='nobody')\n"
        "for attempt in (\n"
        "    lambda: os.setuid(0),\n"
        "    lambda: os.setgid(0),\n"
        "    lambda: os.setgroups([0]),\n"
        "    lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),\n"
        "    lambda: open('/etc/shadow'),\n"
        "):\n"
        "    try:\n"
        "        attempt()\n"
        "    except PermissionError:\n"
        "        print('refused')\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["refused"] * 5


@as_root
def test_a_program_started_later_has_no_rights_either() -> None:
    done = child("drop_privileges(user='root')\nos.execv('/bin/cat', ['cat', '/proc/self/status'])\n")
    assert done.returncode == 0, done.stderr
    found = rights(done.stdout)
    assert found.users == {0}  # asked for by name; root in name only
    assert (found.capabilities, found.bounding) == (frozenset(), 0)


@as_root
def test_a_group_may_be_named_beside_the_user() -> None:
    done = child("print(sorted(drop_privileges(user='nobody', group='1').groups))\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[1]"


@as_root
def test_root_without_a_user_to_become_is_refused() -> None:
    with pytest.raises(PrivilegeError, match="no user is named"):
        drop_privileges()


def test_an_unknown_user_is_refused_before_anything_is_given_up() -> None:
    with pytest.raises(PrivilegeError, match="no user nobody-of-that-name"):
        drop_privileges(user="nobody-of-that-name")


@as_root
def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(PrivilegeError, match="no group of-no-one"):
        drop_privileges(user="nobody", group="of-no-one")


def test_a_group_without_a_user_is_refused() -> None:
    done = child(
        "if os.geteuid() == 0:\n"
        "    os.setresuid(65534, 65534, 65534)\n"
        "try:\n"
        "    drop_privileges(group='1')\n"
        "except PrivilegeError as error:\n"
        "    print(error)\n"
    )
    assert done.stdout == "group 1 is named without a user; name the user as well\n", done.stderr


def test_an_ordinary_user_only_loses_what_it_had() -> None:
    done = child(
        "if os.geteuid() == 0:\n"
        "    os.setresuid(65534, 65534, 65534)\n"
        "left = drop_privileges()\n"
        "print(len(left.users), sorted(left.capabilities), left.no_new_privs)\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1 [] True"


def test_an_ordinary_user_becomes_nobody_else() -> None:
    done = child(
        "if os.geteuid() == 0:\n"
        "    os.setresuid(65534, 65534, 65534)\n"
        "try:\n"
        "    drop_privileges(user='root')\n"
        "except PrivilegeError as error:\n"
        "    print(error)\n"
    )
    assert done.stdout.startswith("only root can become user root"), done.stderr


@as_root
def test_a_thread_that_keeps_its_rights_stops_the_program() -> None:
    done = child(
        "wait = threading.Event()\n"
        "threading.Thread(target=wait.wait, daemon=True).start()\n"
        "try:\n"
        "    drop_privileges(user='root')\n"
        "except PrivilegeError as error:\n"
        "    print(error)\n"
    )
    assert "still has effective capabilities, permitted capabilities" in done.stdout, done.stderr
