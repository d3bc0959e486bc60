"""What the pages of the desk work with, made once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rules.desk.accounts import LOCAL_OFFICER

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rules.desk.access_log import AccessLog
    from rules.desk.accounts import Account, Accounts
    from rules.desk.address import Address
    from rules.desk.invitation import Invitation
    from rules.desk.limits import Limiter
    from rules.desk.listing import Listing
    from rules.desk.papers import Papers
    from rules.desk.sessions import Session, Sessions
    from rules.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Everything that the pages work with."""

    store: Store
    listing: Listing
    papers: Papers
    sessions: Sessions
    access_log: AccessLog
    address: Address
    accounts: Accounts | None
    """None: there is no file of users."""
    invitation: Invitation | None
    """The way in without a file of users; None: there is one."""
    by_account: Limiter
    """How often a name may be tried."""
    by_origin: Limiter
    """How often sign-ins may come from one address."""
    clock: Callable[[], datetime]
    """The time, with a time zone."""
    say: Callable[[str], None]
    """What the operator is told."""
    version: str
    """Of the product."""

    def account_of(self, session: Session | None) -> Account | None:
        """Return who is signed in, None: nobody, or somebody whose account changed since."""
        if session is None or session.name is None:
            return None
        account = self._account(session.name)
        return account if account is not None and account.stamp == session.stamp else None

    def _account(self, name: str) -> Account | None:
        if self.accounts is not None:
            return self.accounts.account(name)
        return LOCAL_OFFICER if name == LOCAL_OFFICER.name else None
