"""The case desk as a configuration names it; apart from the rest, so that who serves no pages loads no web server."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rules.desk.server import DeskServer
from schoolgate.configured import rulebook_files
from schoolgate.release import VERSION
from schoolgate.shell import say

if TYPE_CHECKING:
    from pathlib import Path

    from rules.settings import Desk
    from rules.store import Store
    from schoolgate.configuration import Configuration


def desk_server(store: Store, *, settings: Configuration, folder: Path, desk: Desk) -> DeskServer:
    """Return the case desk of a configuration, not started.

    Raises:
        DocumentError: a file is wrong, or the desk must not listen where it should.
    """
    # Where servers stand is the judge's business.
    files = replace(rulebook_files(settings, folder=folder), location=None)
    return DeskServer(store, settings=desk, files=files, folder=folder, version=VERSION, say=say)
