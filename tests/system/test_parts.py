"""The parts that tests fetch and start: nothing but what was pinned is used, and nothing outlives the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.parts import cache, kafka_jars, ports
from tests.parts.cache import PartDamagedError, PartMissingError
from tests.parts.program import Program, ProgramError
from tests.parts.verb_program import VerbProgram
from tests.system.product import copy_district, until

REPOSITORY = Path(__file__).resolve().parents[2]
GONE_LIMIT_S = 60.0
VERB_LIMIT_S = 60.0


def runs(pid: int) -> bool:
    """Whether *pid* is a process that still does something (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # before it was opened, before it was read
        return False
    return state != "Z"


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + GONE_LIMIT_S
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not runs(pid)


def in_another_python(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )


def test_a_program_ends_when_the_run_that_started_it_is_killed(tmp_path: Path) -> None:
    code = """
        import pathlib, sys, time
        from tests.parts.program import Program
        print(Program(["sleep", "600"], log=pathlib.Path(sys.argv[1])).pid, flush=True)
        time.sleep(600)
    """
    with in_another_python(code, str(tmp_path / "log")) as run:
        assert run.stdout is not None
        pid = int(run.stdout.readline())
        assert runs(pid)
        run.kill()
    assert wait_until_gone(pid)


def test_a_program_ends_when_its_leash_is_killed(tmp_path: Path) -> None:
    program = Program(["sleep", "600"], log=tmp_path / "log")
    assert isinstance(program._leash, subprocess.Popen)
    program._leash.kill()
    assert wait_until_gone(program.pid)
    program.kill()


def test_a_verb_that_stays_is_a_process_of_its_own_that_ends_with_who_holds_it(tmp_path: Path) -> None:
    config = copy_district(tmp_path / "district") / "config.yaml"
    with config.open("a", encoding="utf-8") as file:
        file.write("kafka: {bootstrap: ['127.0.0.1:1']}\n")
    programs = [VerbProgram(("collect", "--config", config), log=tmp_path / f"log-{way}") for way in ("let go", "stop")]
    assert all(program.alive and program.code is None and runs(program.pid) for program in programs)
    held, stopped = programs
    # What becomes of the pipe when a test run is killed.
    assert held._leash.stdin is not None
    held._leash.stdin.close()
    assert wait_until_gone(held.pid)
    assert held.wait(limit_s=VERB_LIMIT_S) == 128 + signal.SIGKILL
    until(lambda: "127.0.0.1:1" in stopped.log.read_text(encoding="utf-8"), what="what the verb says")
    stopped.signal(signal.SIGTERM)
    assert stopped.wait(limit_s=VERB_LIMIT_S) == 0
    refused = VerbProgram(("nosuchverb",), log=tmp_path / "refused")
    assert refused.wait(limit_s=VERB_LIMIT_S) == 2
    for program in (*programs, refused):
        program.kill()


def test_a_stalled_program_can_be_killed_and_killing_twice_is_no_fault(tmp_path: Path) -> None:
    program = Program(["sleep", "600"], log=tmp_path / "log")
    program.pause()
    assert program.alive
    program.kill()
    program.kill()
    assert wait_until_gone(program.pid)


def test_a_program_that_ignores_the_polite_request_is_killed_when_time_is_up(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = Program(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"], log=log)
    while "ready" not in log.read_text():
        time.sleep(0.01)
    program.stop(limit_s=0.3)
    assert wait_until_gone(program.pid)


def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="no-such-program did not start"):
        Program(["no-such-program"], log=tmp_path / "log")


def test_ports_are_different_and_no_client_is_ever_given_one_as_its_source() -> None:
    found = ports.free_ports(50)
    assert len(set(found)) == 50
    assert max(found) < int(ports.EPHEMERAL.read_text(encoding="ascii").split()[0])


def test_the_cache_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "schoolgate"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.folder() == tmp_path / ".cache" / "schoolgate"


def test_of_two_processes_that_want_one_part_the_second_waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    code = """
        from tests.parts.cache import locked
        with locked("part"):
            print("mine", flush=True)
    """
    with cache.locked("part"):
        second = in_another_python(code)
        with pytest.raises(subprocess.TimeoutExpired):
            second.communicate(timeout=0.7)
    told, _ = second.communicate(timeout=GONE_LIMIT_S)
    assert told == "mine\n"


def test_a_command_that_hangs_is_ended_and_says_that_another_try_may_go_through(tmp_path: Path) -> None:
    with pytest.raises(PartMissingError, match="gave no answer within 0 s; another try may go through"):
        cache.run(["sleep", "600"], part="part", limit_s=0.2, log=tmp_path / "log")


def test_a_command_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(PartMissingError, match="`sh` failed with 7: no route"):
        cache.run(["sh", "-c", "echo no route; exit 7"], part="part", limit_s=5.0, log=tmp_path / "log")


def test_a_jar_that_is_not_what_was_pinned_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kafka.jar").write_bytes(b"something else")
    with pytest.raises(PartDamagedError, match=r"kafka\.jar is refused: SHA-256 .*, pinned 0000; remove"):
        kafka_jars.verify(tmp_path, pins={"kafka.jar": "0000"})


def test_a_missing_jar_is_named(tmp_path: Path) -> None:
    with pytest.raises(PartDamagedError, match=r"absent\.jar is missing; remove"):
        kafka_jars.verify(tmp_path, pins={"absent.jar": "0000"})


def test_every_jar_is_pinned_by_a_whole_hash_and_the_broker_is_the_version_named() -> None:
    pins = kafka_jars.pinned()
    assert f"kafka_2.13-{kafka_jars.VERSION}.jar" in pins
    assert {len(bytes.fromhex(digest)) for digest in pins.values()} == {32}


def test_where_java_is_missing_the_reason_names_the_part_and_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(PartMissingError, match=r"kafka-4\.1\.2: no `java` on this machine; on Debian: apt-get install"):
        kafka_jars.set_up()


def test_where_maven_is_missing_the_reason_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"21.0.1\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    monkeypatch.setattr("shutil.which", lambda name: str(java) if name == "java" else None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(PartMissingError, match=r"no `mvn` .* on this machine"):
        kafka_jars.set_up()


def test_a_java_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_402\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    with pytest.raises(PartMissingError, match="is older than Java 17"):
        kafka_jars.find_java()
