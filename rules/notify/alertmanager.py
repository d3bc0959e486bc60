"""One Alertmanager: silences first, then alerts, then the end of silences that nobody wants any more.

In this order, so that a case that somebody has taken up is never told in between, not even by an Alertmanager that has
forgotten everything.
"""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from rules.notify.alerts import ALERT, alerts, silences
from rules.notify.channel import ChannelDownError
from rules.notify.web import ask
from rules.notify.wording import plain
from rules.versions import FORGOTTEN

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from rules.notify.docket import Spell, Standing
    from rules.notify.wording import Place

# About a megabyte a request.
PORTION: Final = 500


class Alertmanager:
    """One Alertmanager.

    Args:
        url: its address, with the path before `/api` if it has one.
        trust: checks the certificate.
        place: for words and links.
    """

    def __init__(self, url: str, *, trust: ssl.SSLContext, place: Place) -> None:
        parts = urlsplit(url)
        self.name = f"alertmanager:{parts.netloc}{parts.path}"
        self._api = f"{url}/api/v2"
        self._trust = trust
        self._place = place

    def tell(
        self,
        standings: Sequence[Standing],
        *,
        now: datetime,
        ended_is_news: Callable[[Spell], bool],
        keep_silence: Callable[[str], bool],
    ) -> None:
        """Bring it up to how the cases stand.

        Args:
            standings: every case.
            now: the time.
            ended_is_news: whether an alert that has ended must be told as ended.
            keep_silence: whether the silence of a case is left for now, though nobody wants it any more.

        Raises:
            ChannelDownError: it is away or refuses; some of it may have been done.
        """
        existing = self._listed("/silences")
        todo = silences(standings, existing=existing, now=now, keep=keep_silence)
        for silence in todo.wanted:
            self._do("/silences", method="POST", content=silence)
        told = alerts(standings, now=now, place=self._place, ended_is_news=ended_is_news)
        for start in range(0, len(told), PORTION):
            self._do("/alerts", method="POST", content=told[start : start + PORTION])
        forgotten = {one.case_id for one in standings if one.status == FORGOTTEN and not one.spells}
        if forgotten:
            self._end_alerts(forgotten, now=now)
        for ended in todo.ended:
            self._do(f"/silence/{ended}", method="DELETE", gone_is_fine=True)

    def _end_alerts(self, forgotten: Collection[str], *, now: datetime) -> None:
        """End the alerts of cases that were forgotten while nobody told it: it alone knows what they were like."""
        matcher = quote(f'alertname="{ALERT}"')
        left = [each for each in self._listed(f"/alerts?filter={matcher}") if each["labels"].get("case") in forgotten]
        ended = [
            {"labels": each["labels"], "startsAt": each["startsAt"], "endsAt": now.astimezone(UTC).isoformat()}
            for each in left
        ]
        if ended:
            self._do("/alerts", method="POST", content=ended)

    def runs_since(self) -> str:
        """Return when it was started, in its own words.

        Raises:
            ChannelDownError: it is away, or no Alertmanager.
        """
        told = self._json("/status")
        if not isinstance(told, dict) or "uptime" not in told:
            raise ChannelDownError("what answers there is no Alertmanager; look at the address")
        return str(told["uptime"])

    def trial(self) -> str:
        """Ask how it is, and tell nothing.

        Raises:
            ChannelDownError: it is away, or no Alertmanager.
        """
        told = self._json("/status")
        version = told.get("versionInfo", {}).get("version") if isinstance(told, dict) else None
        if version is None:
            raise ChannelDownError("what answers there is no Alertmanager; look at the address")
        return f"Alertmanager {plain(version)} answers"

    def _listed(self, path: str) -> list[dict[str, Any]]:
        told = self._json(path)
        if not isinstance(told, list):
            raise ChannelDownError("what answers there is no Alertmanager; look at the address")
        return told

    def _json(self, path: str) -> Any:
        try:
            return json.loads(self._do(path, method="GET"))
        except ValueError as error:
            raise ChannelDownError("what answers there is no Alertmanager; look at the address") from error

    def _do(self, path: str, *, method: str, content: object = None, gone_is_fine: bool = False) -> bytes:
        body = None if content is None else json.dumps(content, separators=(",", ":")).encode()
        answer = ask(self._api + path, method=method, trust=self._trust, body=body)
        if not answer.good and not (gone_is_fine and answer.status == 404):
            raise ChannelDownError(f"it answers {answer.words()} to {method} {path}")
        return answer.body
