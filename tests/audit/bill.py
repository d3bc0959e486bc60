"""Writes the bill of materials of what is shipped: CycloneDX 1.6, JSON. The same lock gives the same octets.

    python -m tests.audit.bill > schoolgate.cdx.json

In it: Schoolgate, every package of requirements/runtime.txt with the SHA-256 of each file that may be installed, its
licence, who needs whom, and HTMX, the one file of others that lies in the tree. No time and no random number: a bill
of one commit can be made again and compared.
Source: CycloneDX 1.6; package URL specification, type pypi.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tomllib
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.audit.installed import installed, licence
from tests.audit.locks import Locked, read_lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.metadata import Distribution

ROOT: Final = Path(__file__).resolve().parents[2]
HTMX: Final = ROOT / "rules" / "desk" / "static" / "htmx-2.0.11.min.js"


def bill(root: Path = ROOT) -> dict[str, Any]:
    """Return the bill of the checkout at *root*.

    Raises:
        ValueError: the lock is wrong, or a package of it is not installed here.
    """
    locked, faults = read_lock(root / "requirements" / "runtime.txt")
    here = installed()
    faults += [f"{name} is not installed; run `make setup`" for name in locked if name not in here]
    if faults:
        raise ValueError("; ".join(faults))
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = _url(project["name"], project["version"])
    htmx = f"pkg:npm/htmx.org@{HTMX.name.split('-')[1].removesuffix('.min.js')}"
    parts = [_component(each, here[name]) for name, each in sorted(locked.items())]
    parts.append(_vendored(htmx))
    needed = {_url(each.name, each.version): _needs(here[name], locked) for name, each in sorted(locked.items())}
    first = sorted({_reference(need, locked) for need in map(Requirement, project["dependencies"])} | {htmx})
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application", "bom-ref": own, "name": project["name"], "version": project["version"],
                "description": project["description"], "purl": own,
                "licenses": [{"license": {"id": project["license"]}}],
            },
        },
        "components": parts,
        "dependencies": [
            {"ref": own, "dependsOn": first},
            {"ref": htmx},
            *({"ref": ref, **({"dependsOn": needs} if needs else {})} for ref, needs in needed.items()),
        ],
    }  # fmt: skip
    # Named after what is in it: two bills with one number are the same bill.
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).digest()
    return {**document, "serialNumber": f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=4)}"}


def _url(name: str, version: str) -> str:
    return f"pkg:pypi/{canonicalize_name(name)}@{quote(version)}"


def _component(each: Locked, package: Distribution) -> dict[str, Any]:
    expression = licence(package)
    named: dict[str, Any] = {}
    if expression is not None:
        simple = re.fullmatch(r"[A-Za-z0-9.+-]+", expression)
        named = {"licenses": [{"license": {"id": expression}} if simple else {"expression": expression}]}
    url = _url(each.name, each.version)
    return {
        "type": "library",
        "bom-ref": url,
        "name": each.name,
        "version": each.version,
        "purl": url,
        # One package, several files of it: a lock names them all, and one is installed.
        "externalReferences": [
            {"type": "distribution", "url": f"{url}#{number}", "hashes": [{"alg": "SHA-256", "content": digest}]}
            for number, digest in enumerate(each.hashes, start=1)
        ],
        **named,
    }


def _vendored(url: str) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": url,
        "name": "htmx.org",
        "version": url.rpartition("@")[2],
        "purl": url,
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(HTMX.read_bytes()).hexdigest()}],
        "licenses": [{"license": {"id": "0BSD"}}],
    }


def _needs(package: Distribution, locked: Mapping[str, Locked]) -> list[str]:
    """Return the locked packages that *package* names; those of extras that the lock has count, too."""
    names: Iterable[Requirement] = (Requirement(text) for text in package.requires or ())
    return sorted({_reference(need, locked) for need in names if canonicalize_name(need.name) in locked})


def _reference(need: Requirement, locked: Mapping[str, Locked]) -> str:
    each = locked[canonicalize_name(need.name)]
    return _url(each.name, each.version)


def main() -> int:
    """Print the bill."""
    sys.stdout.write(json.dumps(bill(), indent=2, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
