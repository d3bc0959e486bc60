"""What could be seen at all: how the names of flows are known, and the share that no rule can judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.routing import Route

from rules.breakdown import parts_of, share_of, whole_of
from rules.desk.page import account_of, for_members, office_of, render
from rules.service import stored_frame
from rules.small_numbers import band

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from rules.breakdown import Part

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
WITHHELD: Final = (
    "Name withheld",
    "The name was seen and kept back: too few devices asked for it, it is no public name, or it says too much.",
)
WIDTH: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One line of a table."""

    name: str
    why: str
    flows: str
    """Band."""
    share: str
    """Of all flows, in steps of five percent; of few there is none."""
    bar: int
    """Length of its bar out of `WIDTH`."""


def coverage(request: Request) -> Response:
    """Show the coverage."""
    told, k = stored_frame(office_of(request).store)["coverage"], account_of(request).k
    sources = {key: int(told["by_name_source"].get(key, {}).get("flows", 0)) for key in NAMES}
    # What has no name stands in both tables, and in both alike.
    parts, whole = parts_of(sources, k=k), whole_of(sources.values(), k=k)

    def alone(tally: Mapping[str, int] | None) -> Part:
        return share_of(int((tally or {}).get("flows", 0)), whole=whole, k=k)

    blind = {key: parts["none"] if key == "no_name" else alone(told["blind"].get(key)) for key in BLIND}
    withheld = _share(alone(told.get("withheld")), name=WITHHELD[0], why=WITHHELD[1])
    outside = alone(told.get("outside_segments"))
    shared = told.get("shared_devices")
    return render(
        request,
        "coverage.html",
        flows=band(whole, k=k),
        any_flows=int(told["flows"]) > 0,
        names=[_share(parts[key], name=name, why=why) for key, (name, why) in NAMES.items()],
        blind=[*(_share(blind[key], name=name, why=why) for key, (name, why) in BLIND.items()), withheld],
        outside=_share(outside, name="", why=""),
        shared=None if shared is None else band(shared, k=k),
        width=WIDTH,
    )


def _share(part: Part, *, name: str, why: str) -> Share:
    bar = round(WIDTH * part.percent / 100)
    return Share(name=name, why=why, flows=part.count, share=part.share, bar=bar)


ROUTES: Final = (Route("/coverage", for_members()(coverage), methods=["GET"]),)
