"""The names by which parts of the traffic model are switched on."""

from __future__ import annotations

from typing import Final

TWISTS: Final[dict[str, str]] = {
    "absences": "8 % of the device-days do not happen, and now and then a whole class is away",
    "ad-chain": "a party fires only where another fired before it, and ad slots go to one exchange out of several",
    "agent": "a filter agent on every device answers to every page",
    "age-split": "some products embed a party only for the groups under 13, or only for the older ones",
    "captive-portal": "each device asks the portal check of its maker when a lesson begins",
    "clean-products": "no product embeds anything: the null run",
    "coalescing": "some parties share a server, and a request rides on a connection that was opened for another host",
    "consent": "a quarter of the pupils never meets advertising",
    "dns": "look-ups in pairs before connections, as long as nothing is cached",
    "ech": "some servers hide their name from the hello",
    "extension": "in one class a browser extension reports every page",
    "hidden-first-party": "only 40 to 70 % of the visits show a flow to the site itself",
    "holiday": "one day in the middle without school",
    "hub": "a learning hub opens most tools, and embeds parties of its own",
    "hover": "pointing at a link opens a connection to a site that nobody visits",
    "late-beacons": "a tenth of the embeds calls 5 to 60 s late",
    "lesson-pairs": "each class uses two products together in most lessons",
    "long-flows": "tools hold a socket open for the lesson, reported every five minutes",
    "ocsp": "certificate checks between everything else",
    "off-task": "news, games and video in other tabs, full of parties",
    "os-noise": "the operating system calls home, partly through servers that products use too",
    "preconnect": "connections on which nothing is asked",
    "referral": "some products send the pupils on to a site with parties of its own",
    "right-after": "pupils of one class open a favourite site right after a tool; only that site embeds the party",
    "rollout": "a party starts in the middle of the week",
    "shared-by-pair": "both products of a lesson pair embed the same party",
    "shared-device": "some devices sit behind one address and look like one",
    "shared-hosts": "products keep files on hosts that many vendors use",
    "sign-on": "a sign-on page stands between the hub and the tool",
    "staff": "staff devices with a rhythm of their own",
    "teacher-demo": "one device opens a tool time and again, and its own toolbar calls an advertiser each time",
    "unload-beacons": "a beacon 3 to 6 s after the page's last flow, as it is left",
    "update-burst": "all devices fetch updates at one time",
    "widget": "the widget of one product works inside the page of another",
    "worker": "service workers call a party while no page is open",
}

ALL_TWISTS: Final[frozenset[str]] = frozenset(TWISTS) - {"clean-products"}
"""Every twist that can hold together; `clean-products` would leave nothing to find."""


def chosen(text: str) -> frozenset[str]:
    """Return the twists named in *text*, with commas between; `all` and `none` are words too.

    Raises:
        ValueError: a name that is no twist.
    """
    names = {name.strip() for name in text.split(",") if name.strip() not in {"", "none"}}
    if "all" in names:
        names = (names - {"all"}) | ALL_TWISTS
    return known(frozenset(names))


def known(names: frozenset[str]) -> frozenset[str]:
    """Return *names* when each of them is a twist.

    Raises:
        ValueError: a name that is no twist.
    """
    unknown = sorted(names - set(TWISTS))
    if unknown:
        raise ValueError(f"no such twist: {', '.join(unknown)}; write some of {', '.join(sorted(TWISTS))}")
    return names
