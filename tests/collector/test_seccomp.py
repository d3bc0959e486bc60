"""System calls taken away for good: tried in processes of their own, since no process gets them back."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from collector.seccomp import ALLOW, ERRNO, KILL_PROCESS, SystemCallError, filter_mode, program
from collector.seccomp_calls import FORBIDDEN, MACHINES, Machine

ROOT = Path(__file__).resolve().parents[2]
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
EPERM, ENOSYS = 1, 38
CLONE_VM, CLONE_VFORK, CLONE_THREAD, CLONE_NEWUSER = 0x100, 0x4000, 0x10000, 0x10000000
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET = 1, 2, 10, 16, 17
STREAM, DATAGRAM, RAW, CLOEXEC = 1, 2, 3, 0o2000000

here = pytest.mark.skipif(platform.machine() not in MACHINES, reason="there is no filter for this kind of machine")
each_machine = pytest.mark.parametrize("name", sorted(MACHINES))

# Every way out in one process: to start Python once for each would take longer than the whole file.
TRIALS = """
    import ctypes, json, os, platform, socket, subprocess, sys, threading
    from pathlib import Path
    from collector.seccomp import filter_mode, take_system_calls_away
    from collector.seccomp_calls import MACHINES

    held, done = threading.Event(), threading.Event()
    found = {}

    def ends_in(what, act):
        try:
            act()
        except OSError as error:
            found[what] = error.errno
        else:
            found[what] = 0

    def earlier():
        held.wait(30)
        ends_in("exec of a thread that was there before", lambda: os.execv("/bin/true", ["true"]))
        done.set()

    libc = ctypes.CDLL(None, use_errno=True)

    def call(number, *words):
        if libc.syscall(ctypes.c_long(number), *(ctypes.c_long(word) for word in words)) < 0:
            raise OSError(ctypes.get_errno(), "refused")

    threading.Thread(target=earlier, daemon=True).start()
    tap = None
    try:
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    except PermissionError:
        pass
    file = open(sys.argv[1], "w")
    take_system_calls_away()
    found["modes"] = sorted({filter_mode((task / "status").read_text()) for task in Path("/proc/self/task").iterdir()})
    held.set()
    done.wait(30)
    ends_in("exec", lambda: os.execv("/bin/true", ["true"]))
    ends_in("a program by posix_spawn", lambda: os.posix_spawn("/bin/true", ["true"], {}))
    ends_in("a program by fork", lambda: subprocess.run(["/bin/true"], close_fds=True, preexec_fn=lambda: None))
    ends_in("fork", os.fork)
    ends_in("a packet socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
    ends_in("a raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
    numbers = MACHINES[platform.machine()].numbers
    # Arguments that are wrong everywhere: without the filter none of these would be answered with EPERM to root.
    for name in sorted(numbers):
        ends_in(name, lambda: call(numbers[name], -1, -1, -1, -1, -1))
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
    socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()
    a, b = socket.socketpair()
    a.send(b"x")
    found["read"] = b.recv(1).decode()
    file.write("written")
    file.close()
    thread = threading.Thread(target=lambda: found.__setitem__("a new thread", "works"))
    thread.start()
    thread.join(30)
    found["the tap that was open"] = "gone" if tap is not None and tap.fileno() < 0 else "kept"
    print(json.dumps(found))
"""


@here
def test_nothing_can_be_started_looked_into_or_tapped_once_system_calls_are_taken_away(tmp_path: Path) -> None:
    words = [sys.executable, "-c", textwrap.dedent(TRIALS), str(tmp_path / "file")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("modes") == [2]
    assert (found.pop("read"), found.pop("a new thread"), found.pop("the tap that was open")) == ("x", "works", "kept")
    assert (tmp_path / "file").read_text(encoding="ascii") == "written"
    assert {what: number for what, number in found.items() if number != EPERM} == {}
    assert {"ptrace", "execve", "mount", "process_vm_readv", "bpf", "keyctl", "unshare", "setns"} <= set(found)


@here
def test_a_filter_that_the_kernel_does_not_take_ends_the_program() -> None:
    # A second filter that answers seccomp itself with EPERM stands for a kernel, or a container, that refuses.
    refusing = """
        from dataclasses import replace
        import collector.seccomp as own, collector.seccomp_calls as calls
        calls.MACHINES = own.MACHINES = {
            name: replace(each, numbers={**each.numbers, "bpf": each.seccomp}) for name, each in own.MACHINES.items()
        }
        own.take_system_calls_away()
        from schoolgate.rights import give_up_system_calls
        from schoolgate.shell import EnvironmentFailedError
        from collector.settings import Hardening
        try:
            give_up_system_calls(Hardening())
        except EnvironmentFailedError as error:
            print(error)
        give_up_system_calls(Hardening(system_calls="unrestricted"))
    """
    words = [sys.executable, "-c", textwrap.dedent(refusing)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "could not be restricted" in done.stdout
    assert "hardening: {system_calls: unrestricted}" in done.stdout
    assert "system calls are not restricted: the configuration says so" in done.stderr


@each_machine
def test_numbers_are_those_of_the_kernels_headers(name: str) -> None:
    if not HEADERS[name].exists():
        pytest.skip(f"{HEADERS[name]} is not here; on Debian: apt-get install linux-libc-dev")
    text = HEADERS[name].read_text(encoding="utf-8")
    told = {call: int(number) for call, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)}
    machine = MACHINES[name]
    ours = {**machine.numbers, "clone": machine.clone, "clone3": machine.clone3, "socket": machine.socket}
    assert {call: told[call] for call in ours if call in told} == ours
    assert told["seccomp"] == machine.seccomp
    # What one machine has under another name is no way round: nothing forbidden exists here and is let through.
    assert {call for call in FORBIDDEN if call in told} == set(machine.numbers)


def answer(machine: Machine, number: int, *, words: tuple[int, int] = (0, 0), audit: int | None = None) -> int:
    """Return what the kernel would, by linux/filter.h; it looks at the same octets."""
    data = {0: number, 4: machine.audit if audit is None else audit, 16: words[0], 24: words[1]}
    made, at, held = program(machine), 0, 0
    while True:
        each = made[at]
        at += 1
        match each.code:
            case 0x20:
                held = data[each.value]
            case 0x54:
                held &= each.value
            case 0x06:
                return each.value
            case 0x15 | 0x35 | 0x45:
                holds = {0x15: held == each.value, 0x35: held >= each.value, 0x45: bool(held & each.value)}[each.code]
                at += each.if_true if holds else each.if_false
            case code:
                pytest.fail(f"no such instruction: {code:#x}")


@each_machine
def test_every_forbidden_call_is_refused_and_others_are_not(name: str) -> None:
    machine = MACHINES[name]
    for number in machine.numbers.values():
        assert answer(machine, number) == ERRNO | EPERM
    special = {machine.clone, machine.clone3, machine.socket, *machine.numbers.values()}
    assert {answer(machine, number) for number in range(600) if number not in special} == {ALLOW}
    assert answer(machine, machine.clone3) == ERRNO | ENOSYS


@each_machine
def test_threads_may_be_started_and_processes_and_namespaces_may_not(name: str) -> None:
    machine = MACHINES[name]
    assert answer(machine, machine.clone, words=(CLONE_VM | CLONE_THREAD, 0)) == ALLOW
    for flags in (0, 17, CLONE_VM | CLONE_VFORK | 17, CLONE_THREAD | CLONE_NEWUSER, CLONE_NEWUSER):
        assert answer(machine, machine.clone, words=(flags, 0)) == ERRNO | EPERM


@each_machine
def test_sockets_that_reach_others_openly_are_left(name: str) -> None:
    machine = MACHINES[name]
    for family in range(50):
        for kind in (STREAM, DATAGRAM, RAW, 5, 10):
            left = family == AF_NETLINK or (family in {AF_UNIX, AF_INET, AF_INET6} and kind not in {RAW, 10})
            for flags in (0, CLOEXEC):
                expected = ALLOW if left else ERRNO | EPERM
                assert answer(machine, machine.socket, words=(family, kind | flags)) == expected, (family, kind)
    assert answer(machine, machine.socket, words=(AF_PACKET, DATAGRAM)) == ERRNO | EPERM


@each_machine
def test_another_way_into_the_kernel_ends_the_process(name: str) -> None:
    machine = MACHINES[name]
    i386 = 0x40000003
    assert answer(machine, 1, audit=i386) == KILL_PROCESS
    if machine.other_calls_from is not None:
        assert answer(machine, machine.other_calls_from + 520) == ERRNO | EPERM


def test_a_status_that_says_nothing_of_system_calls_is_no_answer() -> None:
    assert filter_mode("Name:\tpython\nSeccomp:\t2\nSeccomp_filters:\t1\n") == 2
    with pytest.raises(SystemCallError, match="does not tell"):
        filter_mode("Name:\tpython\n")
