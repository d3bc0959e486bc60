"""`schoolgate cases forget` and its neighbours: what is asked, what is refused, and what the desk shows."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import socket
import stat
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rules.store import Store
from rules.store.forgetting import forget
from rules.versions import CaseVersion
from schoolgate.forget import destroyed_keys
from tests.parts.small_disk import mounted
from tests.rules.fifth_store import build_fifth_store
from tests.rules.first_store import a_case
from tests.system.desk_visitor import Desked, signed_in
from tests.system.product import ROOT, command, copy_district, schoolgate

REASON = "The vendor left the district."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The sample district with two cases in its store."""
    folder = copy_district(tmp_path / "district")
    store = Store(f"sqlite:///{folder / 'cases.db'}")
    for name in ("aa01", "aa02"):
        body = json.dumps(a_case(name, subject=f"{name}.example"))
        store.keep([CaseVersion(id=name, version=1, state="open", body=body)], parts=())
    store.close()
    return folder


def verb(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return schoolgate(*words, "--config", folder / "config.yaml")


def open_ids(folder: Path) -> set[str]:
    store = Store(f"sqlite:///{folder / 'cases.db'}")
    try:
        return set(store.cases())
    finally:
        store.close()


def test_nothing_is_forgotten_unless_somebody_says_so(folder: Path) -> None:
    asked = verb(folder, "cases", "forget", "aa01", "--reason", REASON)
    assert asked.returncode != 0
    dry = verb(folder, "cases", "forget", "aa01", "--reason", REASON, "--dry-run")
    assert (dry.returncode, dry.stdout) == (0, "aa01\n")
    assert open_ids(folder) == {"aa01", "aa02"}
    assert list(folder.glob("purge-*")) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("aa01", "--reason", " "), "the reason is empty"),
        (("aa", "--reason", REASON), "2 cases have an id that starts with aa"),
        (("zz", "--reason", REASON), "no case has an id that starts with zz"),
        (("aa01", "--reason", REASON, "--certificate", "config.yaml"), "is there already"),
    ],
)
def test_what_is_unclear_is_refused_before_anything_is_done(folder: Path, words: tuple[str, ...], said: str) -> None:
    chosen = [str(folder / word) if word == "config.yaml" else word for word in words]
    run = verb(folder, "cases", "forget", *chosen, "--yes")
    assert (run.returncode, said in run.stderr, "Traceback" in run.stderr) == (2, True, False)
    assert open_ids(folder) == {"aa01", "aa02"}


def test_the_certificate_is_signed_and_the_log_ends_where_it_says(folder: Path) -> None:
    key, out = folder / "key.pem", folder / "purge.zip"
    run = verb(folder, "cases", "forget", "aa01", "--reason", REASON, "--yes", "--key", key, "--certificate", out)
    assert run.returncode == 0, run.stderr
    assert "replace the file of keys now" in run.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with zipfile.ZipFile(out) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    told, manifest = json.loads(files["purge.json"]), json.loads(files["manifest.json"])
    assert {name: hashlib.sha256(files[name]).hexdigest() for name in manifest["sha256"]} == manifest["sha256"]
    assert "aa01.example" not in "".join(octets.decode("latin-1") for octets in files.values())
    # What was not looked at is said, on the certificate and to whoever asked for it.
    assert told["complete"]
    assert [place["what"] for place in told["elsewhere"]] == [
        "not tried: the configuration names no broker",
        "not tried: none was named with --backup",
        "not tried: none was named with --keys",
    ]
    assert b"not every place was" in files["purge.html"]
    assert "Backups: not tried: none was named with --backup" in run.stderr
    line = f"schoolgate-case-log/1 {told['log']['entries']} {told['log']['hash']}\n"
    assert verb(folder, "cases", "verify").stdout == line
    for name, octets in files.items():
        (folder / name).write_bytes(octets)
    command = "openssl pkeyutl -verify -pubin -inkey public-key.pem -rawin -in purge.json -sigfile purge.json.sig"
    assert command in files["README.txt"].decode()
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: the signature was not checked by another program")
    assert subprocess.run(command.split(), cwd=folder, capture_output=True, check=False).returncode == 0


def test_every_verb_goes_on_without_the_case_and_show_says_what_became_of_it(folder: Path) -> None:
    run = verb(folder, "cases", "forget", "aa01", "--reason", REASON, "--by", "ada", "--yes")
    assert run.returncode == 0, run.stderr
    assert len(list(folder.glob("purge-*.zip"))) == 1
    both = verb(folder, "cases", "forget", "aa01", "aa02", "--reason", REASON, "--yes")
    assert (both.returncode, "some were forgotten already" in both.stderr) == (2, True)
    assert open_ids(folder) == {"aa02"}
    shown = verb(folder, "cases", "show", "aa01")
    assert shown.stdout == f"Case aa01: forgotten on {datetime.now(UTC):%Y-%m-%d} by ada: {REASON}\n"
    told = json.loads(verb(folder, "cases", "show", "aa01", "--json").stdout)
    assert (told["state"], told["by"], told["reason"]) == ("forgotten", "ada", REASON)
    for words in (("list", "--json"), ("export", "--hosts"), ("export", "--out", str(folder / "pack.zip"))):
        done = verb(folder, "cases", *words)
        assert done.returncode == 0, done.stderr
        assert "aa01" not in done.stdout
    with zipfile.ZipFile(folder / "pack.zip") as pack:
        assert [name for name in pack.namelist() if "aa01" in name] == []
    assert verb(folder, "store", "scrub").returncode == 0


def forgetting(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return verb(folder, "cases", "forget", "aa01", "--reason", REASON, "--by", "ada", "--yes", *words)


def told_in(certificate: Path) -> dict[str, Any]:
    with zipfile.ZipFile(certificate) as archive:
        return dict(json.loads(archive.read("purge.json")))


def test_nothing_is_forgotten_where_no_certificate_can_be_written(folder: Path, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    with mounted(full, "size=8k"):
        (full / "ballast").write_bytes(b"x" * 8192)
        for place in (full / "x.zip", tmp_path / "nonexistent" / "x.zip"):
            run = forgetting(folder, "--certificate", place)
            assert (run.returncode, "without one nothing is forgotten" in run.stderr) == (3, True), run.stderr
            assert not place.exists()
            assert open_ids(folder) == {"aa01", "aa02"}
    assert forgetting(folder, "--certificate", full / "x.zip").returncode == 0


def test_a_folder_that_nobody_may_write_to_leaves_the_case_as_it_is(folder: Path) -> None:
    """As with a configuration that belongs to root: the certificate goes beside it unless another place is named."""
    sealed = folder.parent / "sealed"
    sealed.mkdir()
    with mounted(sealed, "size=1m"):
        shutil.copytree(folder, sealed, dirs_exist_ok=True)
        config = sealed / "config.yaml"
        config.write_text(config.read_text().replace("sqlite:///cases.db", f"sqlite:///{folder}/cases.db"))
        subprocess.run(["mount", "-o", "remount,ro", sealed], check=True)
        run = forgetting(sealed)
        assert (run.returncode, "--certificate" in run.stderr) == (3, True), run.stderr
    assert open_ids(folder) == {"aa01", "aa02"}


def test_who_stops_it_while_a_broker_does_not_answer_has_a_certificate_and_can_have_it_whole(
    folder: Path, tmp_path: Path
) -> None:
    out, whole = tmp_path / "purge.zip", tmp_path / "whole.zip"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = folder / "config.yaml"
        before = config.read_text()
        config.write_text(f"{before}\nkafka: {{bootstrap: ['127.0.0.1:{silent.getsockname()[1]}']}}\n")
        words = ("cases", "forget", "aa01", "--reason", REASON, "--by", "ada", "--yes", "--certificate", out)
        line = command(*words, "--config", config)
        with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as running:
            peer, _address = silent.accept()
            running.send_signal(signal.SIGINT)
            _said, told = running.communicate(timeout=30)
            peer.close()
    assert "names them and their keys" in told
    provisional = told_in(out)
    assert (provisional["complete"], [case["case_id"] for case in provisional["cases"]]) == (False, ["aa01"])
    config.write_text(before)
    again = forgetting(folder, "--certificate", whole)
    assert (again.returncode, "already; the certificate is written again" in again.stderr) == (0, True), again.stderr
    written = told_in(whole)
    assert written["complete"]
    assert written["tried"]["samples"] > 0
    for name in ("at", "by", "reason", "log"):
        assert written[name] == provisional[name]
    assert written["cases"] == [provisional["cases"][0] | {"findings": None}]
    for certificate in (out, whole):
        assert destroyed_keys(certificate).keys == {key["sha256"] for key in written["cases"][0]["keys"]}


def test_the_desk_says_when_by_whom_and_why_and_nothing_else(own_desk: Desked) -> None:
    ada = signed_in(own_desk, "ada")
    ada.act("aaaa0002", act="noted", text="A note about it.")
    forget(own_desk.store, ["aaaa0002"], by="ada <b>", reason="The vendor <left>.")
    page = ada.ask("/cases/aaaa0002")
    text = page.octets.decode()
    assert page.status == 410
    assert "by ada &lt;b&gt;: The vendor &lt;left&gt;." in text
    assert not [word for word in ("choirbox", "A note about it", "plaintext") if word in text]
    assert "aaaa0002" not in ada.ask("/cases").octets.decode()
    assert "aaaa0001" in ada.ask("/cases").octets.decode()
    for path in ("/cases/aaaa0002/letter", "/cases/aaaa0002/evidence.zip"):
        assert ada.ask(path, headers={"Sec-Fetch-Site": "same-origin"}).status == 404
    assert own_desk.store.case("aaaa0002") is None


def test_a_certificate_keeps_cases_forgotten_whatever_old_files_hold(folder: Path, tmp_path: Path) -> None:
    files = (tmp_path / "old.gz", "--keys", tmp_path / "keys")
    assert verb(folder, "store", "backup", *files).returncode == 0
    certificate = tmp_path / "purge.zip"
    done = verb(folder, "cases", "forget", "aa01", "--reason", REASON, "--yes", "--certificate", certificate)
    assert done.returncode == 0, done.stderr
    for path in folder.glob("cases.db*"):
        path.unlink()
    wrong = verb(folder, "store", "restore", *files, "--purged", folder / "config.yaml")
    assert (wrong.returncode, "no purge certificate" in wrong.stderr) == (2, True)
    run = verb(folder, "store", "restore", *files, "--purged", certificate)
    assert run.returncode == 0, run.stderr
    assert "1 cases are forgotten again" in run.stderr
    assert open_ids(folder) == {"aa02"}


def test_a_store_without_its_keys_says_that_there_are_cases(folder: Path, tmp_path: Path) -> None:
    assert verb(folder, "store", "backup", tmp_path / "old.gz").returncode == 0
    for path in folder.glob("cases.db*"):
        path.unlink()
    run = verb(folder, "store", "restore", tmp_path / "old.gz")
    assert "2 cases cannot be read" in run.stderr
    listed = verb(folder, "cases", "list")
    assert (listed.returncode, "2 cases cannot be read" in listed.stderr) == (0, True)
    assert "restore the backup together with its file of keys" in verb(folder, "cases", "show", "aa01").stdout
    assert verb(folder, "cases", "verify").returncode == 0


def test_an_anchor_of_before_the_log_was_sealed_is_the_one_that_it_names(folder: Path) -> None:
    path = folder / "cases.db"
    for each in folder.glob("cases.db*"):
        each.unlink()
    before = build_fifth_store(f"sqlite:///{path}")
    (folder / "anchor").write_text(f"schoolgate-case-log/1 {before.entries} {before.hash}\n", encoding="ascii")
    run = verb(folder, "cases", "verify", "--anchor", folder / "anchor")
    assert (run.returncode, "take a new one" in run.stderr) == (0, True)
    (folder / "anchor").write_text(f"schoolgate-case-log/1 {before.entries} {'0' * 64}\n", encoding="ascii")
    assert verb(folder, "cases", "verify", "--anchor", folder / "anchor").returncode == 1
