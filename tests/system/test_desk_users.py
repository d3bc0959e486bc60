"""`schoolgate desk` and `schoolgate desk users` as an operator runs them."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import stat
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.documents import DocumentError
from rules.desk.access_log import AccessLog
from rules.store import Store
from schoolgate.configuration import configuration_at
from schoolgate.configured_desk import desk_server
from schoolgate.desk_users import add, remove
from tests.system.product import command, configure, copy_district, free_port, schoolgate, scrape, until

WORDS = "correct horse and more"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = copy_district(tmp_path)
    path = configure(folder)
    (folder / "password").write_text(f"{WORDS}\n", encoding="utf-8")
    return path


def with_desk(config: Path, desk: str) -> Path:
    text = re.sub(r"desk: .*\n", f"desk: {desk}\n", config.read_text(encoding="utf-8"))
    config.write_text(text, encoding="utf-8")
    return config


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are ended with the test, whatever becomes of it."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def test_users_are_added_listed_changed_and_removed_and_each_change_is_written_down(config: Path) -> None:
    with_desk(config, "{users: users.yaml}")
    users = config.with_name("users.yaml")
    done = schoolgate(
        "desk", "users", "add", "ada", "--config", config, "--password-file", config.with_name("password")
    )
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(users.stat().st_mode) == 0o600
    text = users.read_text(encoding="utf-8")
    assert "$argon2id$v=19$m=65536,t=3,p=4$" in text
    assert WORDS not in text + done.stderr + done.stdout
    add(config, name="ada", role="auditor", password_file=config.with_name("password"))
    listed = schoolgate("desk", "users", "list", "--config", config)
    assert (listed.returncode, listed.stdout) == (0, "ada\tauditor\n")
    remove(config, name="ada")
    with pytest.raises(DocumentError, match="nobody called `ada`"):
        remove(config, name="ada")
    store = Store(f"sqlite:///{config.parent}/cases.db")
    try:
        assert [row.what for row in AccessLog(store).latest(most=9)] == ["user_removed", "user_changed", "user_added"]
    finally:
        store.close()


@pytest.mark.parametrize(
    ("name", "password", "words"),
    [
        ("ada", "too short", "at least 12"),
        ("ada", "aaaaaaaaaaaaaaaa", "easy to guess"),
        ("ada", "my name is Ada, so", "easy to guess"),
        ("Ada Moss", WORDS, "no name to sign in with"),
        ("../ada", WORDS, "no name to sign in with"),
    ],
)
def test_bad_names_and_passwords_are_refused(config: Path, name: str, password: str, words: str) -> None:
    with_desk(config, "{users: users.yaml}")
    config.with_name("password").write_text(password, encoding="utf-8")
    with pytest.raises(DocumentError, match=words):
        add(config, name=name, role="officer", password_file=config.with_name("password"))
    assert not config.with_name("users.yaml").exists()


def test_a_password_is_asked_for_twice_and_never_shown(config: Path) -> None:
    with_desk(config, "{users: users.yaml}")
    for second, status in (("something else entirely", 2), (WORDS, 0)):
        pid, terminal = pty.fork()
        if pid == 0:
            words = command("desk", "users", "add", "ada", "--config", config)
            os.execv(words[0], words)  # noqa: S606 -- the product itself, on a terminal
        shown = b""
        for prompt, typed in ((b"Password: ", WORDS), (b"Once more: ", second)):
            deadline = time.monotonic() + 60
            while prompt not in shown and time.monotonic() < deadline:
                shown += os.read(terminal, 1000)
            os.write(terminal, typed.encode() + b"\n")
        while True:
            try:
                more = os.read(terminal, 1000)
            except OSError:  # the other end is closed: Linux says so in this way
                break
            if not more:
                break
            shown += more
        _, ended = os.waitpid(pid, 0)
        os.close(terminal)
        assert os.waitstatus_to_exitcode(ended) == status, shown
        assert WORDS.encode() not in shown
        assert config.with_name("users.yaml").exists() == (status == 0)


@pytest.mark.parametrize(
    ("desk", "words"),
    [
        ("{listen: 0.0.0.0:8080}", "without a file of users"),
        ("{listen: 0.0.0.0:8080, users: users.yaml}", "under which name"),
        ("{listen: nonsense}", "no HOST:PORT"),
        ("{listen: 127.0.0.1:99999}", "no HOST:PORT"),
        ("{listen: '::1:80'}", "no HOST:PORT"),
        ("{address: 'https://desk.example/path'}", "a name of its own"),
    ],
)
def test_a_desk_that_must_not_listen_there_is_refused_with_file_and_line(config: Path, desk: str, words: str) -> None:
    with pytest.raises(DocumentError, match=rf"config\.yaml:9: .*{words}"):
        configuration_at(with_desk(config, desk))


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("schema: schoolgate/users/1\nusers: []\n", 0o600, "users add"),
        ("schema: schoolgate/users/1\nusers: []\n", 0o666, "chmod 600"),
        ("schema: schoolgate/users/1\nusers: [{name: a, role: king, password: x}]\n", 0o600, "officer"),
        ("schema: schoolgate/users/1\nusers: [{name: a, role: it, password: x}]\n", 0o600, "no argon2 hash"),
        (None, 0o600, "no such file"),
    ],
)
def test_a_file_of_users_that_will_not_do_is_said_before_anything_is_served(
    config: Path, text: str | None, mode: int, words: str
) -> None:
    settings = configuration_at(with_desk(config, "{users: users.yaml}"))
    if text is not None:
        config.with_name("users.yaml").write_text(text, encoding="utf-8")
        config.with_name("users.yaml").chmod(mode)
    store = Store(f"sqlite:///{config.parent}/cases.db")
    try:
        with pytest.raises(DocumentError, match=words):
            desk_server(store, settings=settings, folder=config.parent, desk=settings.desk)
    finally:
        store.close()


def test_a_taken_port_is_exit_3(config: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        run = schoolgate("desk", "--config", with_desk(config, f"{{listen: '127.0.0.1:{taken.getsockname()[1]}'}}"))
    assert run.returncode == 3
    assert "desk.listen" in run.stderr
    assert "Traceback" not in run.stderr


def test_the_desk_serves_page_and_metrics_until_it_is_stopped(
    config: Path, running: list[subprocess.Popen[str]]
) -> None:
    listen, metrics = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    with_desk(config, f"{{listen: '{listen}'}}")
    log = config.with_name("log")
    with log.open("w") as out:
        running.append(
            subprocess.Popen(
                command("desk", "--config", config, "--metrics", metrics), stderr=out, stdout=out, text=True
            )
        )
    until(lambda: "until Ctrl-C" in log.read_text(encoding="utf-8"), what="the desk to serve")
    address = re.search(rf"http://{listen}/enter/\S+", log.read_text(encoding="utf-8"))
    assert address is not None
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with browser.open(address[0], timeout=60) as page:
        assert "Cases" in page.read().decode()
    assert "schoolgate_pending_notifications 0.0" in scrape(metrics)
    assert "schoolgate_open_cases" in scrape(metrics)
    assert "schoolgate_build_info{compiled=" in scrape(metrics)
    running[0].send_signal(signal.SIGHUP)
    running[0].send_signal(signal.SIGTERM)
    assert running[0].wait(timeout=60) == 0
    assert "Traceback" not in log.read_text(encoding="utf-8")
