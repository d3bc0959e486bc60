"""What a verdict was reached with: versions and hashes of program, rule, agreement, lists and network file.

Whoever has files with these hashes and a program of this version gets the same verdict from the same flows. A hash is
SHA-256 of the octets as they lie in the file; of an agreement, of its text in UTF-8 without a byte order mark, so that
it is the same whether the agreement came from a folder or from a topic.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field
from functools import cache
from hashlib import file_digest, sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rules.parties import BUNDLED_LIST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rules.agreements.model import Agreement
    from rules.checks.base import Check
    from rules.lab_evidence import LabEvidence
    from rules.lists.rows import ListFacts
    from rules.rulebook import RulebookFiles

NOT_READ: Final = ""
"""In place of a hash: the file was gone when its hash was to be taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedFile:
    """One file that verdicts rest on."""

    name: str
    """Name of the file, without its folder: another host has it elsewhere."""
    sha256: str
    """Of its octets, hexadecimal; empty: it could not be read any more."""
    date: str | None = None
    """Date that its publisher gives it; None: not known."""
    licence: str | None = None
    """Licence; None: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What all verdicts of one rulebook rest on, besides agreement and rule."""

    product: str
    """Version of Schoolgate."""
    code: str
    """SHA-256 over all sources of the rules, hexadecimal."""
    network: UsedFile
    parties: tuple[UsedFile, ...]
    """Party lists in the order in which they were read; later ones win."""
    location: UsedFile | None
    """Location database; None: none was given."""
    lab: Mapping[str, str] = field(default_factory=dict)
    """Agreement id -> SHA-256 of its lab evidence; most have none."""


def basis_of(
    where: RulebookFiles, *, lists: Iterable[ListFacts] = (), lab: Mapping[str, LabEvidence] | None = None
) -> Basis:
    """Return what verdicts by these files rest on.

    Args:
        where: the files.
        lists: the lists that lists files among them name; one that could not be used is no basis of anything.
        lab: agreement id -> what its product did in a lab.
    """
    bundled = UsedFile(name=BUNDLED_LIST, sha256=_bundled_list())
    return Basis(
        product=_product(),
        code=code_version(),
        network=_used(where.network),
        parties=(bundled, *(_used(path) for path in where.parties), *map(_listed, filter(_usable, lists))),
        location=_used(where.location) if where.location else None,
        lab={key: each.version for key, each in (lab or {}).items()},
    )


def basis_of_case(
    basis: Basis, *, check: Check | None, rule: str, agreement: Agreement | None, agreements: Iterable[Agreement]
) -> dict[str, Any]:
    """Return what one case rests on, ready for JSON.

    Args:
        basis: what all cases rest on.
        check: the rule that concluded it; None: it is not known any more.
        rule: its id.
        agreement: the version of the agreement that it was concluded by; None: it is about the absence of one.
        agreements: all agreements in effect then: who claims which name, and who else may have caused what was seen.
    """
    return {
        "product": {"version": basis.product, "code": basis.code},
        "rule": {"id": rule, "version": "" if check is None else rule_version(check)},
        "agreement": None if agreement is None else {"id": agreement.id, "sha256": agreement.version},
        "agreements": _digest(f"{each.id} {each.version}" for each in agreements),
        "network": asdict(basis.network),
        "parties": [asdict(each) for each in basis.parties],
        "location": None if basis.location is None else asdict(basis.location),
        "lab": None if agreement is None else basis.lab.get(agreement.id),
    }


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what is another now than in the basis of a case *then*, as words for people; none: nothing is."""
    found = []
    if then.get("agreement") != now.get("agreement"):
        of = (then.get("agreement") or now.get("agreement") or {}).get("id", "")
        found.append(f"the agreement file of {of}")
    elif then.get("agreements") != now.get("agreements"):
        found.append("the agreement file of another vendor")
    if then.get("network") != now.get("network"):
        found.append("the network file")
    lists = [{each["name"]: each["sha256"] for each in side.get("parties") or ()} for side in (then, now)]
    names = dict.fromkeys([*lists[0], *lists[1]])
    found += [f"the party list {name}" for name in names if lists[0].get(name) != lists[1].get(name)]
    if then.get("location") != now.get("location"):
        found.append("the location database")
    if then.get("lab") != now.get("lab"):
        found.append("the lab evidence")
    products = [side.get("product") or {} for side in (then, now)]
    if products[0].get("version") != products[1].get("version"):
        found.append(f"the program (version {products[0].get('version')} then, {products[1].get('version')} now)")
    elif then.get("rule") != now.get("rule"):
        found.append(f"the rule {(then.get('rule') or {}).get('id')}")
    elif products[0].get("code") != products[1].get("code"):
        found.append("the program's code")
    return found


def rule_version(check: Check) -> str:
    """Return the version of a rule: its own, where it has one (a district's rule), else the hash of its source."""
    own = getattr(check, "version", None)
    return own if isinstance(own, str) else _source(type(check).__module__)


@cache
def code_version() -> str:
    """Return SHA-256 over the names and octets of all sources of the rules, hexadecimal.

    Once: a process that has given up its rights may no longer reach the folder in which the program lies.
    """
    root = Path(str(package_files("rules")))
    sources = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.py")}
    for name, octets in sources.items():
        _SOURCES[f"rules.{name.removesuffix('.py').replace('/', '.')}"] = sha256(octets).hexdigest()
    return _digest(f"{name} {sha256(octets).hexdigest()}" for name, octets in sources.items())


_SOURCES: Final[dict[str, str]] = {}


def _source(module: str) -> str:
    code_version()
    if module not in _SOURCES:
        # A rule that was not shipped with the product, for example one of a test.
        place = getattr(sys.modules.get(module), "__file__", None)
        _SOURCES[module] = _hash(Path(place)) if place else NOT_READ
    return _SOURCES[module]


def _digest(lines: Iterable[str]) -> str:
    return sha256("".join(f"{line}\n" for line in sorted(lines)).encode("utf-8", "surrogatepass")).hexdigest()


def _used(path: Path) -> UsedFile:
    return UsedFile(name=path.name, sha256=_hash(path))


def _usable(facts: ListFacts) -> bool:
    return facts.usable


def _listed(facts: ListFacts) -> UsedFile:
    day = None if facts.date is None else facts.date.isoformat()
    return UsedFile(name=facts.name, sha256=facts.sha256, date=day, licence=facts.licence)


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError:
        return NOT_READ


@cache
def _bundled_list() -> str:
    return sha256(package_files("rules").joinpath("parties.yaml").read_bytes()).hexdigest()


@cache
def _product() -> str:
    try:
        return version("schoolgate")
    except PackageNotFoundError:
        return "unknown"
