"""`schoolgate run` on a capture: what is due is told before it ends, and what could not be stays for the next run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.mail_sink import MailSink
from tests.system.product import copy_district, schoolgate, stored_report

OFFICER = "privacy@district.example"


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[MailSink]:
    own = MailSink(tmp_path / "mail")
    yield own
    own.kill()


@pytest.fixture
def config(tmp_path: Path, sink: MailSink) -> Path:
    folder = tmp_path / "district"
    folder.mkdir()
    path = copy_district(folder) / "config.yaml"
    mail = {"host": "127.0.0.1", "port": sink.port, "sender": "schoolgate@district.example", "to": [OFFICER]}
    path.write_text(f"{path.read_text(encoding='utf-8')}notify: {json.dumps({'mail': mail})}\n", encoding="utf-8")
    return path


def test_a_run_ends_when_every_case_is_told_and_says_what_it_could_not_tell(config: Path, sink: MailSink) -> None:
    sink.kill()
    run = schoolgate("run", "--config", config)
    assert run.returncode == 0, run.stderr
    cases = {case["id"] for case in stored_report(config)["cases"]}
    assert f"mail:{OFFICER}: {len(cases)} not told (127.0.0.1:{sink.port}: " in run.stderr
    assert "Traceback" not in run.stderr
    sink.start()
    again = schoolgate("run", "--config", config)
    assert again.returncode == 0, again.stderr
    assert "not told" not in again.stderr
    assert sorted(str(mail["X-Schoolgate-Case"]) for mail in sink.mails(to=OFFICER)) == sorted(cases)


def test_a_secret_that_is_missing_shows_before_anything_is_judged(tmp_path: Path) -> None:
    path = copy_district(tmp_path) / "config.yaml"
    mail = "{host: mail.example, sender: a@d.example, to: [b@d.example], user: u, password: {file: nosuch}}"
    path.write_text(f"{path.read_text(encoding='utf-8')}notify: {{mail: {mail}}}\n", encoding="utf-8")
    run = schoolgate("run", "--config", path)
    assert run.returncode == 2, run.stderr
    assert "nosuch:1: " in run.stderr
    assert not (tmp_path / "cases.db").exists()
