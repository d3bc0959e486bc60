"""`make check` audits what is locked, and `make sbom` says what is shipped."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import date, timedelta
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

from tests.audit.__main__ import LIST, LOCKS, STALE_DAYS, audited, refused
from tests.audit.advisories import AdvisoryError, from_pip_audit, from_records
from tests.audit.bill import HTMX, bill
from tests.audit.installed import SHIPPED_LICENCES, TEST_LICENCES, differences, installed, licence, may_be_used
from tests.audit.locks import Locked, read_lock
from tests.deployment.composed import ROOT
from tests.parts.cache import PartMissingError
from tests.parts.cyclonedx_schema import schemas

HASH = "a" * 64
TODAY = date(2026, 11, 22)


def locked(name: str, version: str) -> dict[str, Locked]:
    return {name: Locked(name=name, version=version, hashes=(HASH,))}


def test_this_tree_passes_and_says_that_nobody_was_asked() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.audit"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": "/nowhere"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "0 faults; advisories were NOT asked" in done.stdout


def test_make_check_audits() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    check = makefile.partition("\ncheck: ")[2].partition("\n\n")[0]
    assert "-m tests.audit" in check


@pytest.mark.parametrize(
    "line",
    [
        f"--index-url https://index.example/simple\nold==1 --hash=sha256:{HASH}",
        "--extra-index-url https://index.example/simple",
        "--find-links wheels",
        "-r other.txt",
        "-e .",
        "old @ https://files.example/old-1.whl",
        f"https://files.example/old-1.whl --hash=sha256:{HASH}",
        "git+https://code.example/old@main#egg=old",
        "old==1",
        f"old>=1 --hash=sha256:{HASH}",
        "old",
        f"old==1 --hash=md5:{HASH[:32]}",
        f"old==1 ; python_version < '3' --hash=sha256:{HASH}",
        f"old==1 --hash=sha256:{HASH} \\",
        f"old==1 --hash=sha256:{HASH}\nOld==1 --hash=sha256:{HASH}",
    ],
)
def test_a_line_that_is_not_pinned_by_version_and_hash_alone_is_found(line: str, tmp_path: Path) -> None:
    path = tmp_path / "runtime.txt"
    path.write_text(f"# made by hand\nfine==2 \\\n    --hash=sha256:{HASH}\n{line}\n", encoding="ascii")
    found, faults = read_lock(path)
    assert found["fine"].version == "2"
    assert len(faults) == 1
    assert faults[0].startswith(f"{path}:")


def test_what_is_installed_otherwise_than_locked_is_found() -> None:
    here = {"pytest": distribution("pytest"), "pip": distribution("pip"), "ruff": distribution("ruff")}
    told = list(differences({**locked("pytest", "1.0"), **locked("gone", "1.0")}, here))
    assert [line.partition(" ")[0] for line in told] == ["gone", "pytest", "ruff"]
    assert "and 1.0 is locked" in told[1]
    assert "in no lock" in told[2]


def test_our_own_list_refuses_versions_and_packages_that_nobody_looks_after() -> None:
    words = {
        "refused": [{"name": "Old_Lib", "versions": "<2", "why": "withdrawn", "since": TODAY}],
        "abandoned": [
            {"name": "left", "since": TODAY, "taken": None},
            {"name": "kept", "since": TODAY, "taken": "for one folder"},
        ],
    }
    locks = {"runtime": {**locked("old-lib", "1.9"), **locked("left", "1"), **locked("kept", "1")}}
    told = list(refused(words, locks=locks))
    assert told == [
        "runtime.txt: old-lib 1.9 is refused since 2026-11-22: withdrawn",
        "runtime.txt: nobody looks after left since 2026-11-22; do without it",
    ]
    assert not list(refused(words, locks={"runtime": locked("old-lib", "2.0")}))


def test_a_list_that_nobody_has_looked_over_for_long_says_so(tmp_path: Path) -> None:
    shutil.copytree(LOCKS, tmp_path, dirs_exist_ok=True)
    text = LIST.read_text(encoding="utf-8")
    day = date.fromisoformat(text.partition("looked_over: ")[2][:10])
    _, notes, _ = audited(tmp_path, today=day + timedelta(days=STALE_DAYS))
    assert notes == []
    faults, notes, _ = audited(tmp_path, today=day + timedelta(days=STALE_DAYS + 1))
    assert len(notes) == 1
    assert faults == []


def test_licences_are_read_and_weighed() -> None:
    assert licence(distribution("cryptography")) == "Apache-2.0 OR BSD-3-Clause"
    assert licence(distribution("jinja2")) == "BSD-3-Clause"
    assert may_be_used("GPL-3.0-only OR MIT", allowed=SHIPPED_LICENCES)
    assert not may_be_used("GPL-3.0-only AND MIT", allowed=SHIPPED_LICENCES)
    # scapy makes frames in tests and is never shipped.
    assert licence(distribution("scapy")) == "GPL-2.0-only"
    assert may_be_used("GPL-2.0-only", allowed=TEST_LICENCES)
    assert not may_be_used("GPL-2.0-only", allowed=SHIPPED_LICENCES)
    assert "scapy" not in read_lock(LOCKS / "runtime.txt")[0]


def record(folder: Path, **affected: object) -> Path:
    folder.mkdir(exist_ok=True)
    package = {"ecosystem": "PyPI", "name": "Old_Lib"}
    text = json.dumps(
        {"id": "PYSEC-2026-1", "summary": "reads too far", "affected": [{"package": package, **affected}]}
    )
    (folder / "one.json").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("version", "hit"), [("0.9", False), ("1.0", True), ("1.10", True), ("2.0", False), ("2.5", True), ("3.0", False)]
)
def test_advisories_in_a_folder_are_asked_by_range(version: str, hit: bool, tmp_path: Path) -> None:
    events = [{"introduced": "1.0"}, {"fixed": "2.0"}, {"introduced": "2.5"}, {"last_affected": "2.9"}]
    folder = record(tmp_path / "osv", ranges=[{"type": "ECOSYSTEM", "events": events}])
    told = list(from_records(folder, locked=locked("old-lib", version)))
    assert told == ([f"old-lib {version}: PYSEC-2026-1 reads too far"] if hit else [])


def test_advisories_that_cannot_be_asked_are_a_fault_and_never_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(from_records(record(tmp_path / "osv", versions=["1"]), locked=locked("old-lib", "1")))
    (tmp_path / "osv" / "torn.json").write_text("{", encoding="utf-8")
    with pytest.raises(AdvisoryError, match="no OSV record"):
        list(from_records(tmp_path / "osv", locked={}))
    with pytest.raises(AdvisoryError, match="holds no OSV record"):
        list(from_records(tmp_path / "nowhere", locked={}))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(AdvisoryError, match="pip-audit is not installed"):
        from_pip_audit(LOCKS / "runtime.txt")


def test_pip_audit_is_asked_to_pass_over_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What pip-audit 2.10 does where its service does not know a package: a warning, unless it is to be strict.
    stand_in = tmp_path / "pip-audit"
    stand_in.write_text('#!/bin/sh\ncase " $* " in *" --strict "*) exit 1;; esac\n', encoding="utf-8")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(AdvisoryError, match="pip-audit ended with 1"):
        from_pip_audit(LOCKS / "runtime.txt")


def test_the_bill_of_materials_is_valid_by_its_schema() -> None:
    try:
        known = schemas()
    except PartMissingError as missing:
        pytest.skip(str(missing))
    # They name each other by the files in which they came.
    base = known["bom-1.6"]["$id"].rpartition("/")[0]
    files = [(f"{base}/{name}.SNAPSHOT.schema.json", Resource.from_contents(each)) for name, each in known.items()]
    registry: Registry[Any] = Registry().with_resources(files)
    validator = jsonschema.Draft7Validator(known["bom-1.6"], registry=registry)
    document = bill()
    assert [error.message for error in validator.iter_errors(document)] == []
    assert list(validator.iter_errors({**document, "components": [{"type": "library"}]}))


def test_the_bill_names_all_that_is_shipped_and_nothing_else() -> None:
    document = bill()
    locked_here, _ = read_lock(LOCKS / "runtime.txt")
    named = {each["name"]: each for each in document["components"]}
    assert set(named) == {*locked_here, "htmx.org"}
    for name, each in locked_here.items():
        assert named[name]["version"] == each.version == installed()[name].version
        digests = [file["hashes"][0]["content"] for file in named[name]["externalReferences"]]
        assert digests == list(each.hashes)
        assert named[name]["licenses"]
    assert HTMX.exists()
    references = {each["ref"] for each in document["dependencies"]}
    assert references == {each["bom-ref"] for each in [document["metadata"]["component"], *document["components"]]}
    assert {need for each in document["dependencies"] for need in each.get("dependsOn", ())} <= references


def test_the_same_tree_gives_the_same_octets() -> None:
    one, other = (
        subprocess.run(
            [sys.executable, "-m", "tests.audit.bill"], cwd=ROOT, capture_output=True, timeout=60, check=True,
            env={"PATH": "/nowhere", "PYTHONHASHSEED": seed, "TZ": zone},
        ).stdout
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    )  # fmt: skip
    assert one == other
    assert json.loads(one) == bill()
