"""Domains beneath which one company runs many businesses, so that no single word is true of all their hosts.

A list that calls `google.com` advertising speaks of what it saw on web pages; the same domain serves sign-ins, maps,
documents and the puzzle that tells people from robots. Taken at its word, every product with such a puzzle would be
accused of tracking. So a list's word about one of these domains itself counts as `other`, while its rows about domains
beneath them hold (`adservice.google.com`), and so does the district's own word about any of them.
"""

from __future__ import annotations

from typing import Final

from collector.hosts import registrable_domain

FIRST_LABELS: Final = frozenset(
    {
        "adobe",
        "amazon",
        "apple",
        "baidu",
        "bing",
        "google",
        "live",
        "microsoft",
        "naver",
        "office",
        "oracle",
        "salesforce",
        "samsung",
        "yahoo",
        "yandex",
        "youtube",
    }
)
"""First label of such a domain, under whatever suffix: `google.com`, `google.co.uk`."""


def is_broad(domain: str) -> bool:
    """Tell whether *domain* is the registrable domain of such a company."""
    return domain.partition(".")[0] in FIRST_LABELS and registrable_domain(domain) == domain
