"""Whether the mail server takes mail for each recipient, as far as that can be known without sending any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from collector.documents import DocumentError
from collector.outcomes import failed, misconfigured, well
from rules.notify.channel import ChannelDownError
from rules.notify.channels import open_channels
from rules.notify.mail import MailChannel
from rules.notify.wording import Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.outcomes import Outcome
    from rules.settings import Notify

# No case is told, so nobody's name stands in anything.
NOWHERE: Final = Place(district="", zone=ZoneInfo("UTC"), desk=None, runbooks="")


def mail(settings: Notify, *, folder: Path) -> Iterator[Outcome]:
    """Yield for each recipient whether the server would take mail: TLS, login, sender and recipient; nothing is sent.

    Args:
        settings: who is told.
        folder: where relative paths in it start.
    """
    try:
        channels = open_channels(settings, folder=folder, place=NOWHERE)
    except DocumentError as error:
        for problem in error.problems:
            yield misconfigured(f"{problem.path}: {problem.what}", remedy=problem.remedy)
        return
    for channel in channels.messages:
        if not isinstance(channel, MailChannel):
            continue
        recipient = channel.name.removeprefix("mail:")
        try:
            yield well(f"{recipient}: {channel.trial()}; nothing was sent")
        except ChannelDownError as error:
            what, _, remedy = str(error).partition("; ")
            yield failed(
                f"no mail reaches {recipient}: {what}", remedy=remedy or "start the server, or correct `notify.mail`"
            )
