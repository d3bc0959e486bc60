"""Public resolvers that answer DNS over HTTPS: facts that their operators publish, no judgement.

Each hello asks: compiled; the C types stand in resolvers.pxd.
"""

from __future__ import annotations

# A name covers itself and all beneath it: several operators give each customer a name of its own.
_RESOLVERS = frozenset(
    {
        "adguard-dns.com",
        "cloudflare-dns.com",
        "cloudflare-gateway.com",
        "dns.adguard.com",
        "dns.alidns.com",
        "dns.controld.com",
        "dns.google",
        "dns.google.com",
        "dns.mullvad.net",
        "dns.nextdns.io",
        "dns.quad9.net",
        "dns.sb",
        "dns.switch.ch",
        "dns.twnic.tw",
        "dns0.eu",
        "dns10.quad9.net",
        "dns11.quad9.net",
        "dns12.quad9.net",
        "dns9.quad9.net",
        "dns64.dns.google",
        "doh.applied-privacy.net",
        "doh.cleanbrowsing.org",
        "doh.dns.sb",
        "doh.familyshield.opendns.com",
        "doh.libredns.gr",
        "doh.mullvad.net",
        "doh.opendns.com",
        "doh.pub",
        "doh.sandbox.opendns.com",
        "doh.umbrella.com",
        "doh.xfinity.com",
        "family.adguard.com",
        "freedns.controld.com",
        "odvr.nic.cz",
        "one.one.one.one",
        "ordns.he.net",
        "public.dns.iij.jp",
        "unfiltered.adguard.com",
        "wikimedia-dns.org",
    }
)

# The last two labels of each: a look at them settles nearly every name, and each hello asks.
_ENDINGS = frozenset(name[name.rfind(".", 0, name.rfind(".")) + 1 :] for name in _RESOLVERS)

# Who runs a resolver for DNS over HTTPS calls it so, mostly: a school that meets one in no list should see it counted.
_USUAL_STARTS = frozenset({"dns", "dns.", "doh", "doh."})


def is_known_resolver(name: str) -> bool:
    """Say whether *name* (lower case, no trailing dot) is a resolver for DNS over HTTPS, by list or by its name."""
    if name.startswith("d") and name[:4] in _USUAL_STARTS:
        return True
    dot = name.rfind(".")
    if name[name.rfind(".", 0, dot) + 1 if dot >= 0 else 0 :] not in _ENDINGS:
        return False
    while name:
        if name in _RESOLVERS:
            return True
        name = name.partition(".")[2]
    return False
