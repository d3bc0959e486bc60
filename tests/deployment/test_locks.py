"""What is tested is what is shipped: the three locks never differ, and hold what the project says that it needs."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deployment.composed import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NEEDS = {
    "runtime": PROJECT["project"]["dependencies"],
    "build": PROJECT["build-system"]["requires"],
    "dev": PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["dev"],
}
REMEDY = "run `make lock`"


def lock(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Return name -> version and hashes of each package of a lock."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="ascii").replace("\\\n", "")
    rows = re.findall(r"^([^\s=]+)==(\S+)((?:\s+--hash=sha256:[0-9a-f]{64})+)\s*$", text, re.MULTILINE)
    assert len(rows) == len(text.splitlines()), f"{name}.txt holds something without version and hashes"
    return {canonicalize_name(row[0]): (row[1], frozenset(row[2].split())) for row in rows}


def closure(needs: list[str]) -> set[str]:
    """Return everything that *needs* lead to on this system, by what is installed here from the development lock."""
    found: set[str] = set()
    waiting = [(Requirement(need), "") for need in needs]
    seen = set()
    while waiting:
        need, extra = waiting.pop()
        if (str(need), extra) in seen or (need.marker and not need.marker.evaluate({"extra": extra})):
            continue
        seen.add((str(need), extra))
        found.add(canonicalize_name(need.name))
        inner = [Requirement(text) for text in distribution(need.name).requires or ()]
        waiting += [(each, wanted) for each in inner for wanted in (*need.extras, "")]
    return found


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_a_lock_holds_everything_that_is_needed_in_a_version_that_will_do(name: str) -> None:
    locked = lock(name)
    for text in NEEDS[name]:
        need = Requirement(text)
        version, _ = locked[canonicalize_name(need.name)]
        assert need.specifier.contains(version, prereleases=True), f"{text}, and {version} is locked; {REMEDY}"


@pytest.mark.parametrize("name", ["build", "runtime"])
def test_what_is_shipped_is_what_is_tested(name: str) -> None:
    tested = lock("dev")
    for package, pinned in lock(name).items():
        assert tested.get(package) == pinned, f"{package} differs between {name}.txt and dev.txt; {REMEDY}"


@pytest.mark.parametrize("name", ["build", "runtime"])
def test_a_lock_holds_nothing_that_nobody_needs(name: str) -> None:
    assert set(lock(name)) == closure(NEEDS[name]), REMEDY
