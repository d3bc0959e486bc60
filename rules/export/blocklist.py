"""A host list for a firewall: the third parties of open cases, as a hosts file and as a response policy zone.

Never a vendor's own name, and nothing that is not surely a host name: a name from the network that could break out of
its line is left out.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from collector.hosts import normal_name, registrable_domain
from rules.life_cycle import ENDED
from rules.versions import OPEN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rules.agreements.model import Agreement
    from rules.store.rows import CaseRow

ABOUT_PARTIES: Final = frozenset(
    {
        "undeclared-third-party",
        "prohibited-tracking",
        "undisclosed-interest",
        "unexplained-telemetry",
        "cname-cloaked-third-party",
    }
)
"""Rules whose subject is a third party; the subject of others is the vendor's own name."""
# RFC 1123 section 2.1 and RFC 1035 section 2.3.4, lower case, at least two labels.
_HOST: Final = re.compile(
    r"(?=.{4,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])\Z", re.ASCII
)


def blocked_names(cases: Iterable[CaseRow], *, agreements: Iterable[Agreement]) -> list[str]:
    """Return the third parties of open cases of severity `warning` or above, sorted, those of vendors left out."""
    own = {registrable_domain(normal_name(row.match)) for agreement in agreements for row in agreement.domains}
    names = set()
    for row in cases:
        case = json.loads(row.body)
        if (
            row.state == OPEN
            and row.status not in ENDED
            and case["rule"] in ABOUT_PARTIES
            and case["severity"] != "info"
            and case["verdict"] != "unattributed"
            and case["subject"] not in own
            and _HOST.match(case["subject"])
        ):
            names.add(case["subject"])
    return sorted(names)


def as_hosts(names: Iterable[str], *, made_at: str) -> str:
    """Return *names* as a hosts file. It blocks each name alone: what lies beneath needs a response policy zone."""
    head = [
        f"# Third parties of open Schoolgate cases, {made_at}.",
        "# A hosts file blocks these names and nothing beneath them; the response policy zone blocks both.",
    ]
    return "\n".join([*head, *(f"0.0.0.0 {name}" for name in names)]) + "\n"


def as_rpz(names: Iterable[str], *, made_at: str, serial: int) -> str:
    """Return *names* and all beneath them as a response policy zone that answers NXDOMAIN.

    Args:
        names: host names.
        made_at: when, for people.
        serial: serial number of the zone, larger than that of the zone before.
    """
    head = [
        f"; Third parties of open Schoolgate cases, {made_at}.",
        "$TTL 300",
        f"@ IN SOA localhost. root.localhost. {serial} 3600 600 86400 300",
        "@ IN NS localhost.",
    ]
    return "\n".join([*head, *(line for name in names for line in (f"{name} CNAME .", f"*.{name} CNAME ."))]) + "\n"
