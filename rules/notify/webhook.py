"""The webhook channel: each case as JSON, signed so that the receiver knows who sent it and when.

The signature is HMAC-SHA256 over the time (seconds since 1970, decimal), a full stop and the body:
`X-Schoolgate-Signature: t=TIME,v1=HEX`. A receiver refuses what is older than a few minutes, and drops an id that it
has seen: a notice comes at least once.
"""

from __future__ import annotations

import contextlib
import hmac
import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from rules.notify.channel import CaseNotice, ChannelDownError, NoticeRefusedError
from rules.notify.planning import about
from rules.notify.web import ask

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from rules.notify.channel import Notice
    from rules.notify.planning import Audience
    from rules.notify.wording import Place

SIGNATURE: Final = "X-Schoolgate-Signature"
# What a server says of a body that it will never like.
OF_THE_BODY: Final = frozenset({400, 413, 415, 422})


class WebhookChannel:
    """Cases to one web address.

    Args:
        url: the address.
        secret: signs; None: not signed.
        trust: checks the certificate.
        place: whose cases they are.
        clock: tells the time that the signature carries.
    """

    audience: Audience = "program"

    def __init__(
        self, url: str, *, secret: bytes | None, trust: ssl.SSLContext, place: Place, clock: Callable[[], datetime]
    ) -> None:
        # An address may hold a secret in its path: only what tells it from others is shown and kept.
        self.name = f"webhook:{urlsplit(url).netloc}:{sha256(url.encode()).hexdigest()[:8]}"
        self._url = url
        self._secret = secret
        self._trust = trust
        self._place = place
        self._clock = clock

    @contextlib.contextmanager
    def connect(self) -> Iterator[WebhookChannel]:
        """Return itself: each notice is a request of its own."""
        yield self

    def send(self, notice: Notice) -> None:
        """Post one notice."""
        if isinstance(notice, CaseNotice):
            self._post(payload(notice, place=self._place))

    def trial(self) -> str:
        """Post a body of kind `test`, which is about no case.

        Raises:
            ChannelDownError: it is refused, or nobody is there.
        """
        try:
            self._post({"v": 1, "kind": "test", "id": "test", "district": self._place.district})
        except NoticeRefusedError as error:
            raise ChannelDownError(str(error)) from error
        return f"{urlsplit(self._url).netloc} takes what is posted{'' if self._secret else ' (not signed)'}"

    def _post(self, told: dict[str, Any]) -> None:
        body = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
        headers = {"Idempotency-Key": str(told["id"])}
        if self._secret is not None:
            headers[SIGNATURE] = signature(body, secret=self._secret, at=int(self._clock().timestamp()))
        answer = ask(self._url, method="POST", trust=self._trust, body=body, headers=headers)
        if 300 <= answer.status < 400:
            raise ChannelDownError(
                f"the server answers {answer.status} and points elsewhere, where nothing is sent; name the last address"
            )
        if answer.status in OF_THE_BODY:
            raise NoticeRefusedError(f"the server refuses it: {answer.words()}")
        if not answer.good:
            raise ChannelDownError(f"the server answers {answer.words()}")


def payload(notice: CaseNotice, *, place: Place) -> dict[str, Any]:
    """Return what is posted of a case: counts in bands, times in quarters of an hour, no word of a person."""
    standing = notice.standing
    return {
        "v": 1,
        "kind": "case",
        "id": notice.id,
        "event": notice.event,
        "state": about(standing),
        "status": standing.status if standing.supported else "withdrawn",
        "district": place.district,
        "case": {"id": standing.case_id, **standing.view},
        "url": place.case_url(standing.case_id),
    }


def signature(body: bytes, *, secret: bytes, at: int) -> str:
    """Return the header that shows who sent *body*, and at which time (seconds since 1970)."""
    return f"t={at},v1={hmac.new(secret, f'{at}.'.encode() + body, sha256).hexdigest()}"
