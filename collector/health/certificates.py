"""Whether certificates that the configuration names can be read, are valid for a while yet, and fit their keys."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from collector.certificates import is_key_of, valid_until
from collector.outcomes import misconfigured, warning, well

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from collector.outcomes import Outcome

SOON: Final = timedelta(days=30)
"""What ends sooner should be renewed now: an authority of a district may take its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A file of certificates that the configuration names."""

    what: str
    """What for."""
    certificate: Path
    """The file (PEM)."""
    key: Path | None
    """File of the private key (PEM), which may be the same; None: it is an authority that we trust."""


def certificates(named: Iterable[Named], *, now: datetime) -> Iterator[Outcome]:
    """Yield for each file how it stands; of a key also whether it fits, and whether it is open to others.

    Args:
        named: the files.
        now: the time, UTC.
    """
    for each in named:
        try:
            yield _lasts(each, now=now)
            if each.key is not None:
                yield from _fits(each, key=each.key)
        except (OSError, ValueError, TypeError) as error:
            reason = getattr(error, "strerror", None) or "it holds something else, or asks for a passphrase"
            files = each.certificate if each.key in {None, each.certificate} else f"{each.certificate} and {each.key}"
            yield misconfigured(
                f"{files} ({each.what}): {reason}",
                remedy="give PEM files that this user may read, without a passphrase",
            )


def _lasts(each: Named, *, now: datetime) -> Outcome:
    ends = valid_until(each.certificate)
    what, left = f"{each.certificate} ({each.what})", ends - now
    if left <= timedelta(0):
        return misconfigured(f"{what} ended on {ends:%Y-%m-%d}; nobody believes it", remedy="renew it and start anew")
    if left < SOON:
        return warning(f"{what} ends on {ends:%Y-%m-%d}, in {left.days} days", remedy="renew it and start anew")
    return well(f"{what} is valid until {ends:%Y-%m-%d}")


def _fits(each: Named, *, key: Path) -> Iterator[Outcome]:
    if not is_key_of(key, certificate=each.certificate):
        yield misconfigured(
            f"{key} is not the key of {each.certificate} ({each.what})", remedy="name the key that it was made with"
        )
    mode = stat.S_IMODE(key.stat().st_mode)
    if mode & stat.S_IRWXO:
        yield warning(f"everybody on this machine may open the key {key} ({each.what})", remedy=f"run: chmod o= {key}")
