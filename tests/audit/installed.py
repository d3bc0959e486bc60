"""What is installed here: whether it is what the locks say, and under which licences."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, distributions
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.audit.locks import Locked

# What makes an environment and is in no lock; and ourselves.
BESIDE_THE_LOCK: Final = frozenset({"pip", "schoolgate"})

# What may be shipped beside Apache-2.0 in one product, and what may only be used to build and test it.
SHIPPED_LICENCES: Final = frozenset(
    {
        "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "LGPL-3.0-only", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0",
    }
)  # fmt: skip
"""LGPL and MPL are of libraries that are used unchanged, from files of their own that anybody can replace."""
TEST_LICENCES: Final = SHIPPED_LICENCES | {"GPL-2.0-only"}
"""scapy (GPL) is an extra that a user installs, and makes frames in tests; it is in no image."""

# What packages write that name no licence by its SPDX expression.
_OTHER_WORDS: Final[Mapping[str, str]] = {
    "apache 2": "Apache-2.0", "apache 2.0": "Apache-2.0", "apache-2.0": "Apache-2.0",
    "apache software license": "Apache-2.0", "bsd 2-clause license": "BSD-2-Clause", "bsd license": "BSD-3-Clause",
    "bsd-3-clause": "BSD-3-Clause", "isc license": "ISC", "isc license (iscl)": "ISC", "mit": "MIT",
    "mit license": "MIT", "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
}  # fmt: skip
# Packages that say nothing about themselves; what stands in their own files.
_LOOKED_UP: Final[Mapping[str, str]] = {"axe-playwright-python": "MIT"}


def installed() -> dict[str, Distribution]:
    """Return everything that is installed, by canonical name."""
    return {canonicalize_name(each.metadata["Name"]): each for each in distributions()}


def differences(locked: Mapping[str, Locked], here: Mapping[str, Distribution]) -> Iterator[str]:
    """Yield what is installed otherwise than *locked*."""
    for name, each in sorted(locked.items()):
        if name not in here:
            yield f"{name} {each.version} is locked and not installed; run `make clean setup`"
        elif here[name].version != each.version:
            yield f"{name} {here[name].version} is installed and {each.version} is locked; run `make clean setup`"
    for name in sorted(set(here) - set(locked) - BESIDE_THE_LOCK):
        yield f"{name} {here[name].version} is installed and in no lock; run `make clean setup`"


def licence(package: Distribution) -> str | None:
    """Return the licence of a package as an SPDX expression; None: it does not say."""
    told = package.metadata
    if expressions := told.get_all("License-Expression"):
        return str(expressions[0])
    classifiers = [str(each).rpartition("::")[2].strip() for each in told.get_all("Classifier") or ()]
    for words in (*(told.get_all("License") or ()), *classifiers):
        if known := _OTHER_WORDS.get(words.strip().lower()):
            return known
    return _LOOKED_UP.get(canonicalize_name(told["Name"]))


def may_be_used(expression: str, *, allowed: frozenset[str]) -> bool:
    """Tell whether a licence expression (SPDX, without brackets) can be met by *allowed* alone."""
    choices = re.split(r"\s+OR\s+", expression)
    return any(all(part in allowed for part in re.split(r"\s+AND\s+", choice)) for choice in choices)
