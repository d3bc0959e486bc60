"""The images hold the compiled program, pinned dependencies, an ordinary user, and no tools to build with."""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import sys
import tomllib

import pytest

from tests.deployment.composed import ROOT, SERVICES
from tests.parts.dockerfile import Stage, stages

FILES = {name: ROOT / "deploy" / "docker" / f"{name}.Dockerfile" for name in ("collector", "rules")}
IMAGES = pytest.mark.parametrize("name", sorted(FILES))


def read(name: str) -> tuple[Stage, Stage]:
    build, final = stages(FILES[name])
    return build, final


@IMAGES
def test_both_stages_stand_on_one_pinned_image(name: str) -> None:
    build, final = read(name)
    assert build.base == final.base
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", final.base)


def test_both_images_are_built_in_the_same_way() -> None:
    (build, final), (other_build, other_final) = read("collector"), read("rules")
    assert build == other_build
    verbs = {json.loads(each.of("CMD")[0])[0] for each in (final, other_final)}
    assert verbs == {"collect", "judge"}
    assert final.instructions[:-1] == other_final.instructions[:-1]


@IMAGES
def test_everything_that_is_installed_is_pinned_by_hash(name: str) -> None:
    installs = [
        part for line in read(name)[0].of("RUN") for part in line.split("&&") if "pip" in part and "install" in part
    ]
    assert len(installs) == 3
    for install in installs:
        # The one without hashes is the wheel of this very source.
        pinned = "--require-hashes --only-binary :all: -r requirements/" in install
        assert pinned or "--no-deps --no-index /wheels/" in install
    assert ["requirements/build.txt", "requirements/runtime.txt", "requirements/"] in [
        each.split() for each in read(name)[0].of("COPY")
    ]


@IMAGES
def test_the_last_stage_runs_as_an_ordinary_user_and_has_nothing_to_build_with(name: str) -> None:
    _, final = read(name)
    assert final.of("USER") == ["10001:10001"]
    assert final.of("COPY") == ["--from=build /opt/schoolgate /opt/schoolgate"]
    (run,) = final.of("RUN")
    assert run.startswith("python -m pip uninstall --yes pip")
    assert "apt-get" not in run
    assert json.loads(final.of("ENTRYPOINT")[0]) == ["schoolgate"]
    assert {each["user"] for each in SERVICES.values() if each["image"].startswith("schoolgate-rules")} == {
        "10001:10001"
    }


@IMAGES
def test_all_that_a_build_needs_reaches_the_builder_and_nothing_else_does(name: str) -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    let_through = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = [source for line in read(name)[0].of("COPY") for source in line.split()[:-1]]
    assert {source.partition("/")[0] for source in copied} == let_through
    assert all((ROOT / source).exists() for source in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    tops = {package.partition(".")[0] for package in project["tool"]["setuptools"]["packages"]}
    assert tops <= set(copied)
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    dropped = [rule for rule in rules[1:] if not rule.startswith("!")]
    lost = [path for path in files if any(fnmatch.fnmatch(path, rule.replace("**", "*")) for rule in dropped)]
    assert [path for path in lost if path.partition("/")[0] in let_through] == []


@IMAGES
def test_the_check_against_a_slow_build_can_fail(name: str) -> None:
    check = next(line for line in read(name)[0].of("RUN") if "COMPILED" in line)
    code = check.partition('"')[2].rstrip('"')
    for compiled in (True, False):
        stand_in = f"import sys, types; m = types.ModuleType('collector.flows'); m.COMPILED = {compiled}; "
        stand_in += "sys.modules['collector.flows'] = m; "
        done = subprocess.run([sys.executable, "-I", "-c", stand_in + code], timeout=60, check=False)
        assert done.returncode == (0 if compiled else 1)
