"""The rules' side as a configuration names it: files to judge by, and who is told of cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.segments import load_network
from rules.notify.channels import open_channels
from rules.notify.wording import Place
from rules.rulebook import RulebookFiles

if TYPE_CHECKING:
    from pathlib import Path

    from rules.notify.channels import Channels
    from schoolgate.configuration import Configuration


def rulebook_files(settings: Configuration, *, folder: Path) -> RulebookFiles:
    """Return where agreements, network, parties and locations lie."""
    return RulebookFiles(
        agreements=folder / settings.agreements,
        network=folder / settings.network,
        off_schools=tuple(settings.privacy.off_schools),
        parties=tuple(folder / path for path in settings.parties),
        rules=tuple(folder / path for path in settings.rules),
        location=folder / settings.location if settings.location else None,
    )


def configured_channels(settings: Configuration, *, folder: Path) -> Channels | None:
    """Return who is told of cases, with secrets and templates read, None: nobody is.

    Raises:
        DocumentError: a file that `notify` names cannot be used.
    """
    named = settings.notify
    if not (named.alertmanager or named.mail or named.webhook):
        return None
    network = load_network(folder / settings.network)
    place = Place(
        district=network.district, zone=network.time_zone, desk=settings.desk.address, runbooks=named.runbooks_url
    )
    return open_channels(named, folder=folder, place=place)
