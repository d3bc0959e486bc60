"""Opens the collector's side of break-glass; without anything of cases and people, which a collector does not load."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from prometheus_client import Counter

from collector.documents import DocumentError, Problem, read
from collector.glass_door import GlassDoor
from schoolgate.shell import EnvironmentFailedError, say, today

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from collector.pseudonyms import Pseudonyms
    from collector.segments import Network
    from collector.settings import BreakGlass


def open_door(
    settings: BreakGlass,
    *,
    folder: Path,
    network: Callable[[], Network],
    pseudonyms: Pseudonyms,
    registry: CollectorRegistry,
) -> GlassDoor:
    """Let the collector answer approvals; devices are those that it remembers for today.

    Raises:
        DocumentError: the key is none.
        EnvironmentFailedError: the socket cannot be had.
    """
    path = folder / settings.public_key
    opened = Counter("schoolgate_break_glass", "Devices named by break-glass.", registry=registry)
    try:
        key = load_pem_public_key(read(path).encode())
    except ValueError as error:
        if isinstance(error, DocumentError):
            raise
        raise _no_key(path) from None
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path)
    try:
        return GlassDoor(
            folder / settings.socket,
            key=key,
            today=lambda: today(network()),
            device=lambda number: pseudonyms.device_of(number, int(datetime.now(UTC).timestamp()) * 1_000_000_000),
            answered=opened.inc,
            say=say,
        )
    except OSError as error:
        raise EnvironmentFailedError(f"{folder / settings.socket} cannot be opened ({error})") from error


def _no_key(path: Path) -> DocumentError:
    what, remedy = "this is no public key of Ed25519", "run `schoolgate break-glass keys`"
    return DocumentError([Problem(path=str(path), line=1, what=what, remedy=remedy)])
