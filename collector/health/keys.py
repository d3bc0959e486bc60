"""Whether a key of pseudonyms lies in the key file although it ought to be destroyed. Looks, and destroys nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from collector.keyfile import key_began, key_names
from collector.outcomes import misconfigured, not_applicable, warning, well

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, tzinfo
    from pathlib import Path

    from collector.outcomes import Outcome

# As the alert: a key lives 24 hours at most, and an hour longer until the last flows of its day have ended.
TOO_OLD: Final = timedelta(hours=26)


def keys(path: Path, *, zone: tzinfo, now: datetime) -> Iterator[Outcome]:
    """Yield how old the oldest key in the file at *path* is, whoever made it.

    Args:
        path: the key file; it need not be there yet.
        zone: time zone of the district.
        now: the time, with its zone.
    """
    try:
        begun = [key_began(name, zone=zone) for name in key_names(path)]
    except FileNotFoundError:
        yield not_applicable(f"there is no key file {path} yet")
        return
    except OSError as error:
        yield not_applicable(f"{path} cannot be looked at ({error.strerror})")
        return
    except ValueError:
        yield misconfigured(f"{path} is no key file", remedy="remove it to start new keys")
        return
    if not begun:
        yield well(f"no key lies in {path}")
        return
    age = now - min(begun)
    told = (
        f"the oldest of {len(begun)} keys in {path} is of a period that began {age / timedelta(hours=1):,.0f} hours ago"
    )
    if age > TOO_OLD:
        yield warning(told, remedy="start the collector, which destroys it; see docs/runbooks/SchoolgateKeyTooOld.md")
    else:
        yield well(told)
