"""What could be seen at all: how the names of flows are known, and the share that no rule can judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from starlette.routing import Route

from rules.desk.page import for_members, office_of, render
from rules.service import stored_frame
from rules.small_numbers import OFFICER_K, band

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

NAMES: Final = {
    "tls_sni": ("TLS hello", "The device asked for the name when it opened an encrypted connection."),
    "quic_sni": ("QUIC hello", "The same over QUIC, the newer way."),
    "http_host": ("Clear-text HTTP", "The name stood in the open."),
    "dns": ("The device's own look-up", "The device had asked for the address of a name just before."),
    "none": ("No name", "Nothing told the name. No promise can be checked on these."),
}
BLIND: Final = {
    "ech": ("Name hidden", "Encrypted Client Hello shows a stand-in in place of the name."),
    "no_name": ("No name at all", "Neither a hello nor a look-up told the name."),
    "doh": ("Encrypted look-ups", "DNS over HTTPS or TLS: look-ups that would tell names later cannot be read."),
}
WIDTH: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One line of a table."""

    name: str
    why: str
    flows: str
    """Band."""
    share: str
    """Of all flows, in whole percent."""
    bar: int
    """Length of its bar out of `WIDTH`."""


def coverage(request: Request) -> Response:
    """Show the coverage."""
    told = stored_frame(office_of(request).store)["coverage"]
    blind = [_share(told, told["blind"].get(key), name=name, why=why) for key, (name, why) in BLIND.items()]
    names = [_share(told, told["by_name_source"].get(key), name=name, why=why) for key, (name, why) in NAMES.items()]
    outside = _share(told, told.get("outside_segments"), name="", why="")
    return render(
        request,
        "coverage.html",
        flows=band(told["flows"]),
        any_flows=told["flows"] > 0,
        names=names,
        blind=blind,
        outside=outside,
        shared=told.get("shared_devices"),
        shared_band=band(told.get("shared_devices") or 0),
        width=WIDTH,
    )


def _share(coverage: Mapping[str, Any], tally: Mapping[str, int] | None, *, name: str, why: str) -> Share:
    flows, total = (tally or {}).get("flows", 0), coverage["flows"]
    if flows == 0 or total == 0:
        return Share(name=name, why=why, flows="none", share="0 %", bar=0)
    percent = 100 * flows / total
    # Of few flows the share alone would tell how many they are.
    share = f"{percent:.0f} %" if flows >= OFFICER_K and percent >= 1 else "under 1 %" if percent < 1 else "few"
    return Share(
        name=name, why=why, flows=band(flows), share=share,
        bar=max(1, round(WIDTH * flows / total)) if flows >= OFFICER_K else 1,
    )  # fmt: skip


ROUTES: Final = (Route("/coverage", for_members()(coverage), methods=["GET"]),)
