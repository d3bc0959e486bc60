"""The files of the rules' side as a configuration names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.rulebook import RulebookFiles

if TYPE_CHECKING:
    from pathlib import Path

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
