"""Gives lab events (made with --addresses) a segment and a pseudonym, and takes their addresses away."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from collector.events import FlowEvent
from collector.site_addresses import is_of_site

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.pseudonyms import Pseudonyms
    from collector.segments import Network


MAX_SERVERS = 65_536
"""Server addresses that are remembered: those of one file come again and again."""


def without_addresses(event: FlowEvent, *, network: Network, pseudonyms: Pseudonyms) -> FlowEvent:
    """Return *event* as a collector with this network file would have sent it.

    A lab event carries no MAC address, so its address stands for the device. Of others, which a collector sent, only
    those change that say where a device of the site is, which earlier collectors told.

    Raises:
        ValueError: the client's address or the time is none.
    """
    inside = event.dst_ip is not None and (event.withheld or _is_of_site(event.dst_ip))
    if event.src_ip is None:
        if event.src_port is None and not inside:
            return event
        return _with(event, {"src_port": None} | ({"dst_ip": None} if inside else {}))
    client = ip_address(event.src_ip).packed
    segment = network.locate(client)
    started_ns = int(datetime.fromisoformat(event.started_at).timestamp() * 1e6) * 1000
    told = {
        "district": network.district_id,
        "school": segment.school if segment else None,
        "group": segment.group if segment else None,
        "device": pseudonyms.of(b"a" + client, at_ns=started_ns),
        "src_ip": None,
        "src_port": None,
    }
    if inside or (event.dst_ip is not None and network.locate(ip_address(event.dst_ip).packed) is not None):
        told["dst_ip"] = None
    return _with(event, told)


def _with(event: FlowEvent, told: Mapping[str, str | None]) -> FlowEvent:
    """Return *event* with other values; field by field, for one that was read quickly is no FlowEvent."""
    return FlowEvent(**{**{each.name: getattr(event, each.name) for each in fields(FlowEvent)}, **told})


@lru_cache(maxsize=MAX_SERVERS)
def _is_of_site(address: str) -> bool:
    try:
        return is_of_site(ip_address(address).packed)
    except ValueError:
        # No address: whatever it is, nothing needs it.
        return True
