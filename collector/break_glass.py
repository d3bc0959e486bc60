"""What lets one device of today be named, once: an approval that two people gave, signed, for an hour at most.

The collector believes nothing else. It has no way to the store in which the two people left their names, and needs
none: whoever signs has looked there. Facts and their checks alone; `collector.glass_door` answers.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LONGEST: Final = timedelta(hours=1)
"""How long an approval may hold."""
# Signed with the words, so that no signature of this key under anything else is an approval.
_CONTEXT: Final = b"schoolgate break-glass approval 1\0"
_PSEUDONYM: Final = re.compile(r"[0-9a-f]{16}")
_LONGEST_TEXT: Final = 4096


class ApprovalError(ValueError):
    """This is no approval that holds; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Two people's word that one device may be named."""

    request: str
    """Name of the request in the case log; it is answered once."""
    device: str
    """Pseudonym of today, 16 hexadecimal digits."""
    day: str
    """The district's local day, ISO 8601."""
    asked_by: str
    allowed_by: str
    issued_at: str
    """ISO 8601 UTC."""
    expires_at: str
    """ISO 8601 UTC, an hour later at most."""


def is_pseudonym(text: str) -> bool:
    """Tell whether *text* has the form of a device's number."""
    return _PSEUDONYM.fullmatch(text) is not None


def commitment(request: str, device: str) -> str:
    """Return what the log keeps of a device: it shows later that this number was meant, and tells no number.

    The log is for ever and the number is not; 2^64 numbers would have to be tried to find one.
    """
    return hashlib.sha256(f"{request}\0{device}".encode()).hexdigest()


def signed(approval: Approval, *, key: Ed25519PrivateKey) -> str:
    """Return the approval as one word that can be copied."""
    words = json.dumps(asdict(approval), sort_keys=True).encode()
    return f"{_word(words)}.{_word(key.sign(_CONTEXT + words))}"


def checked(text: str, *, key: Ed25519PublicKey, now: datetime, today: date) -> Approval:
    """Return the approval that *text* is, if it holds now.

    Args:
        text: what `signed` returned.
        key: whose signature counts.
        now: the time, with its zone.
        today: the district's local day.

    Raises:
        ApprovalError: it is none, is of another day or of one person, has expired, or would hold too long.
    """
    try:
        words, signature = (base64.urlsafe_b64decode(each) for each in text.strip()[:_LONGEST_TEXT].split("."))
        key.verify(signature, _CONTEXT + words)
        approval = Approval(**json.loads(words))
        issued, expires = (datetime.fromisoformat(each) for each in (approval.issued_at, approval.expires_at))
        late, long = expires <= now, expires - issued > LONGEST or issued > now + timedelta(minutes=5)
    except (ValueError, TypeError, binascii.Error, InvalidSignature):
        raise ApprovalError("this is no approval that was signed here; copy it whole") from None
    if not is_pseudonym(approval.device):
        raise ApprovalError("the approval names no device")
    if approval.asked_by == approval.allowed_by:
        raise ApprovalError("one person asked and allowed; two are needed")
    if approval.day != today.isoformat():
        raise ApprovalError(f"the approval is of {approval.day}; only devices of today can be named")
    if late:
        raise ApprovalError(f"the approval expired at {expires.astimezone(UTC):%H:%M} UTC; ask again")
    if long:
        raise ApprovalError("the approval would hold longer than an hour")
    return approval


def _word(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode()
