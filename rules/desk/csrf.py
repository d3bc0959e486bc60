"""Whether a form really comes from a page of this desk."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from rules.desk.sessions import Session

FIELD: Final = "csrf"
"""Name of the hidden field in every form."""


def from_this_site(headers: Mapping[str, str], *, origins: Collection[str]) -> bool:
    """Tell whether a browser says that this POST comes from one of our own pages.

    Every browser of the last years sends `Origin` with a POST; without it nobody says so.

    Source: Fetch standard, section 3.1 (`Origin`); Fetch Metadata, section 2.4 (`Sec-Fetch-Site`).
    """
    return headers.get("origin", "") in origins and headers.get("sec-fetch-site", "same-origin") == "same-origin"


def token_fits(form: Mapping[str, str], *, session: Session | None) -> bool:
    """Tell whether *form* carries what the pages of this session carry."""
    return session is not None and hmac.compare_digest(form.get(FIELD, "").encode(), session.csrf.encode())
