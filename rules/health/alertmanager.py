"""Whether each Alertmanager is ready, and whether its clock agrees with ours: alerts carry times."""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from collector.outcomes import failed, misconfigured, warning, well

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from collector.outcomes import Outcome
    from rules.settings import AlertmanagerPlace

TIMEOUT_S: Final = 4.0
# An alert that ends before it starts is refused; the Date header counts whole seconds.
CLOCK_MAY_DIFFER_S: Final = 5.0


def alertmanager(places: Sequence[AlertmanagerPlace], *, folder: Path) -> Iterator[Outcome]:
    """Yield for each place whether an Alertmanager answers there that it is ready.

    Args:
        places: as the configuration names them.
        folder: where relative paths in it start.
    """
    for place in places:
        ca = folder / place.ca if place.ca is not None else None
        try:
            trust = ssl.create_default_context(cafile=ca)
        except OSError as error:  # ssl.SSLError is one, too
            reason = f"{ca} is no readable PEM file ({error.strerror or error})"
            yield misconfigured(reason, remedy="correct `ca` under `notify.alertmanager`")
        else:
            yield _ready(place.url, trust=trust)


def _ready(address: str, *, trust: ssl.SSLContext) -> Outcome:
    began = time.time()
    try:
        # The configuration lets nothing but http and https pass.
        with urllib.request.urlopen(  # noqa: S310 -- see above
            f"{address}/-/ready", timeout=TIMEOUT_S, context=trust
        ) as answer:
            date = answer.headers.get("Date")
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return misconfigured(f"no Alertmanager at {address}", remedy="correct `notify.alertmanager`")
        return failed(f"{address} is not ready (it answers {error.code})", remedy="see its log")
    except OSError as error:
        reason = getattr(error, "reason", error)
        return failed(f"{address} does not answer ({reason})", remedy="start it, or correct `notify.alertmanager`")
    off = _off(date, now=(began + time.time()) / 2)
    if abs(off) > CLOCK_MAY_DIFFER_S:
        way = "ahead of" if off > 0 else "behind"
        return warning(f"the clock of {address} is {abs(off):.0f} s {way} ours", remedy="set both clocks by NTP")
    return well(f"{address} is ready")


def _off(date: str | None, *, now: float) -> float:
    try:
        # The header has no fractions: on average half a second is lost.
        return parsedate_to_datetime(date or "").timestamp() + 0.5 - now
    except ValueError:
        return 0.0
