"""Who is told of cases, as a configuration names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.segments import load_network
from rules.notify.channels import open_channels
from rules.notify.wording import Place

if TYPE_CHECKING:
    from pathlib import Path

    from rules.notify.channels import Channels
    from schoolgate.configuration import Configuration


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
