"""Cases in a store, for tests of what is told of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rules.notify.docket import Docket
from rules.notify.wording import Place
from rules.store import Store
from rules.versions import CaseVersion
from tests.rules.first_store import a_case

PLACE = Place(
    district="Riverbend Schools", zone=ZoneInfo("America/Chicago"), desk="https://desk.example",
    runbooks="https://runbooks.example",
)  # fmt: skip
START = datetime(2026, 10, 14, 15, 0, tzinfo=UTC)


class Hands:
    """A clock that a test moves."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds)


class Cases:
    """Changes cases in a store as judging does."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._versions: dict[str, int] = {}

    def keep(self, case_id: str, *, state: str = "open", **changes: Any) -> None:
        """Write the next version of a case."""
        version = self._versions[case_id] = self._versions.get(case_id, 0) + 1
        body = json.dumps(a_case(case_id, **changes))
        self.store.keep([CaseVersion(id=case_id, version=version, state=state, body=body)], parts=())

    def docket(self) -> Docket:
        """Return how every case stands."""
        docket = Docket()
        for _change in docket.read(self.store.log()):
            pass
        return docket
