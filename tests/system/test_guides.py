"""What the guides tell people to write is accepted as it stands, and their commands do what they say."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.mail_sink import MailSink
from tests.system.product import CAPTURE, ROOT, free_port, schoolgate

DOCS = ROOT / "docs"
LIMIT_S = 240

# What is not run here, each with the reason.
ELSEWHERE = {
    r"apt-get install .*": "Debian's packages are the machine's",
    r"python3 -m venv /opt/schoolgate": "tests.deployment.dry_build does it as the images do",
    r"/opt/schoolgate/bin/python -m pip install .*": "likewise",
    r"systemd-sysusers|systemd-tmpfiles --create schoolgate\.conf": "tests/deployment/test_units.py reads the files",
    r"systemctl .*": "the first process of a machine for tests is no systemd; tests/deployment tries the units",
    r"runuser -u schoolgate .*": "there is no such user here; the same words follow without it",
    r"deploy/compose/prepare\.sh": "tests/deployment/test_compose.py runs it",
    r"docker compose .*": "there is no Docker daemon here; below it is looked at word by word",
}


def guide(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", guide(name), re.DOTALL)


def commands(name: str) -> list[str]:
    lines = [line.partition(" #")[0].strip() for block in blocks(name, "sh") for line in block.splitlines()]
    return [line for line in lines if line]


def reason(command: str) -> str | None:
    """Return why a command is not run here, None: it is."""
    return next((why for pattern, why in ELSEWHERE.items() if re.fullmatch(pattern, command)), None)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder that stands for /: the program and the folders that the guide's earlier lines would have made."""
    folders = "etc/schoolgate/agreements etc/systemd/system usr/lib/sysusers.d usr/lib/tmpfiles.d var/tmp var/backups"
    for folder in (*folders.split(), "opt/schoolgate/bin"):
        (tmp_path / folder).mkdir(parents=True)
    program = tmp_path / "opt/schoolgate/bin/schoolgate"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m schoolgate "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return tmp_path


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[MailSink]:
    own = MailSink(tmp_path / "sink")
    yield own
    own.kill()


def run(command: str, machine: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the guide with paths under *machine*, as the user of this test."""
    here = re.sub(r"(?<=[ ])/(?=etc|usr|var|opt)", f"{machine}/", f" {command}")
    here = re.sub(r"-o schoolgate", f"-o {os.geteuid()}", re.sub(r"-g schoolgate", f"-g {os.getegid()}", here))
    here = here.replace("--user schoolgate", f"--user {Path('/proc/self').owner()}")
    # The guide's commands are for the checkout; whatever they make lies under the machine.
    return subprocess.run(["sh", "-ec", here], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def filled_in(path: Path, *, machine: Path, mail_port: int) -> None:
    """Change in a configuration what the guide says is to be changed."""
    text = path.read_text(encoding="utf-8")
    changes = {
        "host: mail.district.example, port: 25": f"host: 127.0.0.1, port: {mail_port}",
        "interface: eth1": "interface: lo",
        "127.0.0.1:9464": f"127.0.0.1:{free_port()}",
        "127.0.0.1:9465": f"127.0.0.1:{free_port()}",
        "/var/lib/schoolgate": f"{machine}/var/lib/schoolgate",
    }
    for old, new in changes.items():
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def test_the_way_from_the_tap_to_the_first_alert(machine: Path, sink: MailSink) -> None:
    told: dict[str, subprocess.CompletedProcess[str]] = {}
    deadline = time.monotonic() + LIMIT_S
    config = machine / "etc/schoolgate/schoolgate.yaml"
    drill = machine / "var/tmp/drill/drill.yaml"
    for command in (each for each in commands("guide-it.md") if reason(each) is None):
        if "store backup" in command:
            # The drill's cases stand for a year of them.
            shutil.copy(drill.with_name("drill.db"), machine / "var/lib/schoolgate/cases.db")
            text = config.read_text(encoding="utf-8").replace("cases.db", "restored.db")
            config.with_name("restored.yaml").write_text(text, encoding="utf-8")
        if " doctor " in command:
            shutil.copy(ROOT / "rules/sample/agreements/choirbox.yaml", config.with_name("agreements"))
        done = run(command, machine)
        while "no answer within" in done.stdout and time.monotonic() < deadline:
            done = run(command, machine)  # the doctor gives each look five seconds; a busy machine may need more
        words = command.partition("schoolgate/bin/schoolgate ")[2] or command
        told[" ".join(words.split()[:2])] = done
        may_capture = os.geteuid() == 0 or not words.startswith("doctor")
        assert done.returncode == (0 if may_capture else 3), f"{command}: {done.stdout}{done.stderr}"
        for made in (config, drill):
            if made.name in command and command.startswith(("install", "cp")):
                filled_in(made, machine=machine, mail_port=sink.port)
    assert sink.mails(to="it@district.example")
    assert "problem" not in told["doctor --config"].stdout or os.geteuid() != 0
    # What was restored is what was backed up.
    assert run(f"{machine}/opt/schoolgate/bin/schoolgate cases verify --config {config.with_name('restored.yaml')}",
               machine).stdout == told["cases verify"].stdout  # fmt: skip
    assert "intact" in told["store restore"].stderr
    (backup,) = (machine / "var/backups").iterdir()
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    # The next night, with the same words.
    (line,) = (each for each in commands("guide-it.md") if "store backup" in each)
    done = run(line.replace("$(date -I)", "$(date -I --date=tomorrow)"), machine)
    assert done.returncode == 0, done.stderr
    assert len(list((machine / "var/backups").iterdir())) == 2


def test_every_command_of_the_guides_is_run_here_or_somewhere_else() -> None:
    it = commands("guide-it.md")
    assert {why for command in it if (why := reason(command))} == set(ELSEWHERE.values())
    assert all(reason(command) is None for command in commands("guide-officer.md"))
    assert len(it) > 20


def test_the_containers_and_verbs_that_the_guide_names_are_there() -> None:
    import typer  # noqa: PLC0415 -- one test's own

    from schoolgate.verbs import app  # noqa: PLC0415 -- likewise
    from tests.deployment.composed import SERVICES  # noqa: PLC0415 -- likewise

    def known(words: list[str]) -> bool:
        command = typer.main.get_command(app)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
        options = {name for each in command.params for name in each.opts}
        return bool(words) and {word for word in words if word.startswith("--")} <= options

    ran = [shlex.split(line)[2:] for line in commands("guide-it.md") if line.startswith("docker compose")]
    for words in (each for each in ran if each[0] in {"run", "exec"}):
        service, *inner = [word for word in words[1:] if word != "--rm"]
        assert service in SERVICES
        verb = inner[1:] if words[0] == "exec" else inner or SERVICES[service]["command"]
        assert known(list(verb)), words
    for ours in (each for each in SERVICES.values() if each["image"].startswith("schoolgate-")):
        assert known(list(ours["command"]))


def test_every_file_of_the_officers_guide_is_accepted_and_every_command_works(tmp_path: Path) -> None:
    network, agreement, waiver = blocks("guide-officer.md", "yaml")
    folder = tmp_path / "district"
    (folder / "agreements").mkdir(parents=True)
    (folder / "network.yaml").write_text(network, encoding="utf-8")
    (folder / "agreements" / "mathtrek.yaml").write_text(agreement, encoding="utf-8")
    # A recording of the first minutes is enough here.
    (folder / "day.pcap").write_bytes(gzip.decompress(CAPTURE.read_bytes())[:100_000])
    done = {}
    for command in commands("guide-officer.md"):
        done[command.split()[2] if "agreements" in command.split()[1] else command.split()[1]] = schoolgate(
            *shlex.split(command)[1:], folder=folder
        )
    assert {each.returncode for each in done.values()} == {0}, {name: each.stderr for name, each in done.items()}
    assert done["validate"].stdout == "1 agreement: no problem found\n"
    assert "MathTrek" in done["explain"].stdout
    assert "not stated" in done["gaps"].stdout
    without = re.sub(r"^provenance: .*\n", "", agreement, flags=re.MULTILINE)
    assert without != agreement
    (folder / "agreements" / "mathtrek.yaml").write_text(without + waiver, encoding="utf-8")
    validate = shlex.split(commands("guide-officer.md")[0])
    waived = schoolgate(*validate[1:], folder=folder)
    assert (waived.returncode, waived.stdout) == (0, "1 agreement: no problem found\n"), waived.stderr


def test_the_network_file_of_the_guide_is_the_one_that_lies_ready() -> None:
    ready = (ROOT / "deploy/compose/district/network.yaml").read_text(encoding="utf-8")
    assert (
        "\n".join(line for line in ready.splitlines() if not line.startswith("#")) + "\n"
        == blocks("guide-officer.md", "yaml")[0]
    )


def test_the_tap_elsewhere_of_the_guide_is_a_whole_configuration(tmp_path: Path) -> None:
    from schoolgate.configuration import configuration_at  # noqa: PLC0415 -- one test's own

    (more,) = blocks("guide-it.md", "yaml")
    path = tmp_path / "schoolgate.yaml"
    path.write_text((ROOT / "deploy/systemd/schoolgate.yaml").read_text(encoding="utf-8") + more, encoding="utf-8")
    settings = configuration_at(path)
    assert settings.kafka.security.user == "schoolgate-collector"
