"""The configuration file as a whole (contract, section 8): each side's part, and where its paths start."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from collector.configuration import load_configuration
from collector.settings import CollectorSettings
from rules.settings import RulesSettings

if TYPE_CHECKING:
    from pathlib import Path


class Configuration(CollectorSettings, RulesSettings):
    """Settings of Schoolgate, version 1."""


def configuration_at(path: Path) -> Configuration:
    """Return what the file at *path* and the environment say.

    Raises:
        DocumentError: with every problem.
    """
    return load_configuration(path, model=Configuration, environment=os.environ)


def store_address(address: str, *, folder: Path) -> str:
    """Return the database address with a relative SQLite path starting at the configuration file's folder."""
    prefix = "sqlite:///"
    if address.startswith(prefix) and not address.startswith(prefix + "/"):
        return prefix + str((folder / address.removeprefix(prefix)).resolve())
    return address
