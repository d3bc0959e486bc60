"""What leaves the store: checked log, evidence packs, public table, host list, signed statement, backup."""

from __future__ import annotations

import io
import json
import re
import shutil
import sqlite3
import stat
import subprocess
import zipfile
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rules.agreements.load import load_agreement
from rules.store import Store
from rules.versions import CaseVersion
from tests.rules.first_store import a_case
from tests.system.product import copy_district, schoolgate

HOSTILE = "<script>alert(1)</script>\n0.0.0.0 bank.example"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample district after its day, and cases that the sample has not: small, hostile, closed."""
    folder = copy_district(tmp_path_factory.mktemp("district"))
    done = schoolgate("run", "--config", folder / "config.yaml")
    assert done.returncode == 0, done.stderr
    store = Store(f"sqlite:///{folder / 'cases.db'}")
    small = a_case("small", devices=3, flows=7, subject="smallco.example",
                   summary="Seen on 7 devices (counted per day) in 1 school.")  # fmt: skip
    evidence = {
        "v": 1, "days": [{"day": "2026-10-14", "devices": 3, "flows": 7, "bytes_up": 1, "bytes_down": 1}],
        "days_left_out": 0, "windows": [],
    }  # fmt: skip
    store.keep(
        [
            CaseVersion(id="small", version=1, state="open", body=json.dumps(small), evidence=json.dumps(evidence)),
            CaseVersion(id="hostile", version=1, state="open", body=json.dumps(a_case("hostile", subject=HOSTILE))),
            CaseVersion(id="done", version=1, state="open", body=json.dumps(a_case("done", subject="done.example"))),
        ],
        parts=(),
    )
    store.act("done", act="closed", by="officer", text="The vendor took it out.")
    store.close()
    return folder


def verb(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return schoolgate(*words, "--config", folder / "config.yaml")


def exported(folder: Path, out: Path, *words: str | Path) -> dict[str, bytes]:
    run = verb(folder, "cases", "export", *words, "--out", out)
    assert run.returncode == 0, run.stderr
    with zipfile.ZipFile(io.BytesIO(out.read_bytes())) as pack:
        files = {name: pack.read(name) for name in pack.namelist()}
    manifest = json.loads(files["manifest.json"])
    assert manifest["sha256"] == {
        name: sha256(octets).hexdigest() for name, octets in files.items() if name != "manifest.json"
    }
    return files


class Tags(HTMLParser):
    """Notes every tag and attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_verify_says_where_the_log_ends_and_that_is_an_anchor(judged: Path, tmp_path: Path) -> None:
    run = verb(judged, "cases", "verify")
    assert run.returncode == 0, run.stderr
    assert re.fullmatch(r"schoolgate-case-log/1 \d+ [0-9a-f]{64}\n", run.stdout)
    anchor = tmp_path / "anchor.txt"
    anchor.write_text(run.stdout, encoding="ascii")
    again = verb(judged, "cases", "verify", "--anchor", anchor, "--json")
    assert json.loads(again.stdout)["intact"] is True
    anchor.write_text(re.sub(r"[0-9a-f]{64}", "0" * 64, run.stdout), encoding="ascii")
    assert verb(judged, "cases", "verify", "--anchor", anchor).returncode == 1
    anchor.write_text("something\n", encoding="ascii")
    wrong = verb(judged, "cases", "verify", "--anchor", anchor)
    assert (wrong.returncode, wrong.stderr.startswith(f"{anchor}:1: ")) == (2, True)


def test_verify_exits_with_1_and_names_the_row_that_was_changed(judged: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(judged, folder)
    with sqlite3.connect(folder / "cases.db") as database:
        database.execute("DROP TRIGGER case_log_no_update")
        database.execute("UPDATE case_log SET entry = replace(entry, 'sha256', 'sha512') WHERE case_id = 'small'")
        (row,) = database.execute("SELECT seq FROM case_log WHERE case_id = 'small'").fetchone()
    database.close()
    run = verb(folder, "cases", "verify")
    assert run.returncode == 1
    assert f"row {row} of the case log (case small, opened)" in run.stderr
    assert run.stdout == ""
    refused = verb(folder, "cases", "export", "--out", tmp_path / "no.zip")
    assert refused.returncode == 3
    assert not (tmp_path / "no.zip").exists()


def test_show_tells_what_became_of_a_case_that_is_no_longer_open(judged: Path) -> None:
    run = verb(judged, "cases", "show", "done")
    assert run.returncode == 0, run.stderr
    assert "closed by officer: The vendor took it out." in run.stdout
    told = json.loads(verb(judged, "cases", "show", "done", "--json").stdout)
    assert (told["status"], [entry["kind"] for entry in told["log"]]) == ("closed", ["opened", "closed"])
    listed = json.loads(verb(judged, "cases", "list", "--json").stdout)
    assert "done" not in [case["id"] for case in listed["cases"]]


def test_a_pack_holds_what_was_promised_what_was_seen_and_how(judged: Path, tmp_path: Path) -> None:
    files = exported(judged, tmp_path / "pack.zip")
    named = [json.loads(octets) for name, octets in files.items() if name.startswith("cases/") and ".json" in name]
    with_agreement = next(view for view in named if view["agreement"])
    assert with_agreement["agreement"]["vendor"]
    assert with_agreement["evidence"]["days"]
    # In none of them were ten devices at work: they would show when single ones were.
    assert with_agreement["evidence"]["windows"] == []
    for view in named:
        assert view["method"]
        assert view["limits"][0] == view["case"]["cannot_see"]
        page = files[f"cases/{view['id']}.html"].decode()
        assert all(word in page for word in ("Method", "Limits", "Log"))
    for name, octets in files.items():
        for stamp in re.findall(rb"\d\d:\d\d(?::\d\d)?(?:\.\d+)?Z", octets) if name.endswith(".json") else ():
            made = stamp in files["manifest.json"]
            acts = b"closed" in octets
            assert made or acts or stamp[3:5] in {b"00", b"15", b"30", b"45"}, (name, stamp)


def test_a_pack_names_the_hashes_of_the_files_that_the_verdict_was_reached_with(judged: Path, tmp_path: Path) -> None:
    def hashed(path: Path) -> str:
        return sha256(path.read_bytes()).hexdigest()

    files = exported(judged, tmp_path / "pack.zip")
    views = [json.loads(octets) for name, octets in files.items() if name.startswith("cases/") and ".json" in name]
    of_files = {load_agreement(path).id: hashed(path) for path in (judged / "agreements").glob("*.yaml")}
    told = [view for view in views if view["evidence"] and view["evidence"]["basis"]]
    assert len(told) > 3
    for view in told:
        basis = view["evidence"]["basis"]
        assert basis["network"] == {
            "name": "network.yaml", "sha256": hashed(judged / "network.yaml"), "date": None, "licence": None,
        }  # fmt: skip
        assert ("parties.yaml", hashed(judged / "parties.yaml")) in {(e["name"], e["sha256"]) for e in basis["parties"]}
        agreement = basis["agreement"]
        assert (agreement and agreement["id"]) == view["case"]["agreement"]
        assert agreement is None or agreement["sha256"] == of_files[agreement["id"]]
        page = files[f"cases/{view['id']}.html"].decode()
        assert basis["rule"]["version"] in page
        assert "What the verdict was reached with" in page


def test_the_log_in_a_pack_proves_itself_by_its_own_description(judged: Path, tmp_path: Path) -> None:
    files = exported(judged, tmp_path / "pack.zip", "small", "done")
    chain = json.loads(files["chain.json"])
    previous = "0" * 64
    for row_digest in chain["digests"]:
        previous = sha256(f"schoolgate/case-log/1/link\n{previous}\n{row_digest}\n".encode()).hexdigest()
    assert previous == chain["hash"]
    for name in ("cases/small.json", "cases/done.json"):
        entries = json.loads(files[name])["log"]
        assert entries
        for row in entries:
            told = b"schoolgate/case-log/1/row\n"
            for column in ("seq", "case_id", "version", "kind", "at", "entry"):
                octets = str(row[column]).encode()
                told += str(len(octets)).encode() + b":" + octets
            assert sha256(told).hexdigest() == chain["digests"][row["seq"] - 1]


def test_no_small_number_leaves_the_district(judged: Path, tmp_path: Path) -> None:
    files = exported(judged, tmp_path / "pack.zip", "small")
    view = json.loads(files["cases/small.json"])
    assert view["case"]["devices"] == "fewer than 10"
    assert view["evidence"]["days"] == [{"day": "2026-10-14", "devices": "fewer than 10"}]
    for octets in (files["cases/small.json"], files["cases/small.html"]):
        assert b"7 devices" not in octets
        assert b"fewer than 10 devices" in octets
    assert "flows" not in json.dumps(view)


def test_pages_run_nothing_load_nothing_and_show_hostile_names_harmless(judged: Path, tmp_path: Path) -> None:
    packs = [exported(judged, tmp_path / "pack.zip"), exported(judged, tmp_path / "a.zip", "--annual", "2026")]
    pages = [octets.decode() for files in packs for name, octets in files.items() if name.endswith(".html")]
    assert len(pages) > 5
    for page in pages:
        tags = Tags()
        tags.feed(page)
        assert {tag for tag, _ in tags.seen}.isdisjoint({"script", "img", "iframe", "object", "form", "base"})
        for _tag, attributes in tags.seen:
            assert not [name for name in attributes if name.startswith("on")]
            assert not (attributes.get("href") or "").startswith(("http", "//", "javascript"))
    assert any("&lt;script&gt;alert(1)&lt;/script&gt;\\u000a" in page for page in pages)


def test_the_public_table_has_no_total_no_school_and_no_small_number(judged: Path, tmp_path: Path) -> None:
    files = exported(judged, tmp_path / "annual.zip", "--annual", "2026")
    table = json.loads(files["annual.json"])
    assert {row["subject"] for row in table["rows"]} >= {"smallco.example", "done.example"}
    for row in table["rows"]:
        assert re.fullmatch(r"fewer than 10|[\d,]{2,} to [\d,]{2,}", row["devices"])
        assert "schools" not in row
    assert b"lincoln-es" not in files["annual.html"] + files["annual.json"]
    assert json.loads(exported(judged, tmp_path / "old.zip", "--annual", "2001")["annual.json"])["rows"] == []


def test_the_host_list_names_third_parties_and_nothing_else(judged: Path, tmp_path: Path) -> None:
    run = verb(judged, "cases", "export", "--hosts")
    assert run.returncode == 0, run.stderr
    names = [line.split()[1] for line in run.stdout.splitlines() if not line.startswith("#")]
    assert "smallco.example" in names
    assert not {"bank.example", "done.example"} & set(names)
    zone = exported(judged, tmp_path / "hosts.zip", "--hosts")["schoolgate.rpz"].decode()
    assert "smallco.example CNAME .\n*.smallco.example CNAME .\n" in zone
    assert "script" not in zone + run.stdout


def test_the_statement_for_an_oversight_body_is_signed(judged: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    files = exported(judged, tmp_path / "one.zip", "--oversight", "--key", key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    statement = json.loads(files["oversight.json"])
    assert statement["cases"]
    assert not any({"schools", "groups", "evidence"} & set(case) for case in statement["cases"])
    for name, octets in files.items():
        (tmp_path / name).write_bytes(octets)
    command = (
        "openssl pkeyutl -verify -pubin -inkey public-key.pem -rawin -in oversight.json -sigfile oversight.json.sig"
    )
    assert command in files["README.txt"].decode()
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: the signature was not checked by another program")
    checked = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
    (tmp_path / "oversight.json").write_bytes(files["oversight.json"] + b" ")
    assert subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False).returncode != 0
    again = exported(judged, tmp_path / "two.zip", "--oversight", "--key", key)
    assert again["public-key.pem"] == files["public-key.pem"]


def test_a_file_that_is_there_is_never_overwritten(judged: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.zip"
    out.write_text("mine", encoding="ascii")
    for words in (("cases", "export", "--out", out), ("store", "backup", out)):
        run = verb(judged, *words)
        assert run.returncode == 3
        assert "Traceback" not in run.stderr
    assert out.read_text(encoding="ascii") == "mine"


def contents(address: str) -> list[Any]:
    store = Store(address)
    try:
        return [store.cases(), store.log(), list(store.findings()), store.state("report"), store.verify()]
    finally:
        store.close()


def test_a_backup_restored_elsewhere_is_the_same_store(judged: Path, tmp_path: Path, store_address: str) -> None:
    backup, keys = tmp_path / "store.backup", tmp_path / "keys"
    assert verb(judged, "store", "backup", backup, "--keys", keys).returncode == 0
    assert {stat.S_IMODE(each.stat().st_mode) for each in (backup, keys)} == {0o600}
    folder = tmp_path / "other"
    shutil.copytree(judged, folder, ignore=shutil.ignore_patterns("cases.db*"))
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("sqlite:///cases.db", f'"{store_address}"'), encoding="utf-8")
    run = verb(folder, "store", "restore", backup, "--keys", keys)
    assert run.returncode == 0, run.stderr
    assert contents(store_address) == contents(f"sqlite:///{judged / 'cases.db'}")
    assert verb(folder, "cases", "verify").stdout == verb(judged, "cases", "verify").stdout
    again = verb(folder, "store", "restore", backup)
    assert again.returncode == 3
    assert "not empty" in again.stderr


@pytest.mark.parametrize("harm", ["cut", "flipped", "nothing", "changed row"])
def test_a_damaged_backup_is_refused_and_restores_nothing(judged: Path, tmp_path: Path, harm: str) -> None:
    import gzip  # noqa: PLC0415 -- one test's own

    backup = tmp_path / "store.backup"
    assert verb(judged, "store", "backup", backup).returncode == 0
    octets = backup.read_bytes()
    if harm == "changed row":
        lines = gzip.decompress(octets)
        octets = gzip.compress(lines.replace(b'"kind":"closed"', b'"kind":"asked_"'))
        assert gzip.decompress(octets) != lines
    else:
        middle = len(octets) // 2
        flipped = octets[:middle] + bytes([octets[middle] ^ 1]) + octets[middle + 1 :]
        octets = {"cut": octets[:-40], "flipped": flipped, "nothing": b""}[harm]
    backup.write_bytes(octets)
    folder = tmp_path / "other"
    shutil.copytree(judged, folder, ignore=shutil.ignore_patterns("cases.db*"))
    run = verb(folder, "store", "restore", backup)
    assert run.returncode == 3, run.stderr
    assert "Traceback" not in run.stderr
    assert contents(f"sqlite:///{folder / 'cases.db'}")[:3] == [{}, [], []]
