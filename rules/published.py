"""The records of topic `schoolgate.agreements`: one agreement each, with every version that it ever had.

The topic keeps the last record of a key for ever and forgets the others, so a record holds all versions with their
texts: whoever has the last ones has everything. What is read here may have been written by anybody; nothing is believed
that was not checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal, get_args

import msgspec

from collector.documents import DocumentError
from collector.problems import shown
from rules.agreements.load import parse_agreement
from rules.editions import BEGINNING, Version

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from rules.agreements.model import Agreement

RECORD_VERSION: Final = 1

# Before compression. An agreement of 6 KiB has room for a thousand versions; a record beyond this is something else.
MAX_VALUE_OCTETS: Final = 8 << 20

RefusalReason = Literal[
    "no_value", "too_large", "not_json", "wrong_version", "wrong_key", "wrong_agreement", "conflict"
]
"""Why a record of the topic is not used: a closed set, a metric's label."""

REFUSAL_REASONS: Final[tuple[RefusalReason, ...]] = get_args(RefusalReason)


class PublishedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """What an agreement says from a moment on."""

    effective: str | None
    """First moment at which it counts, ISO 8601 UTC with microseconds; null: it has always been so."""
    file: str | None = None
    """Name of the file that it was published from; null: withdrawn."""
    sha256: str | None = None
    """SHA-256 of `text` in UTF-8, hexadecimal; null: withdrawn."""
    text: str | None = None
    """The agreement file (contract, section 3), as it was published; null: withdrawn from this moment on."""


class PublishedAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """Every version of one agreement; the last record of a key replaces all earlier ones."""

    v: int
    """1."""
    id: str
    """Agreement id; the key of the record."""
    versions: tuple[PublishedVersion, ...]
    """By `effective`, ascending, no two of one moment. Empty: it never takes effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A record that was read and found right."""

    record: PublishedAgreement
    """The record."""
    versions: tuple[Version, ...]
    """What it says, by effective time."""


class RefusedRecordError(ValueError):
    """A record cannot be used.

    Args:
        reason: why, for counting.
        what: why, for people.
    """

    def __init__(self, reason: RefusalReason, *, what: str) -> None:
        super().__init__(what)
        self.reason = reason


_records = msgspec.json.Decoder(PublishedAgreement)
_versions = msgspec.json.Decoder(dict[str, msgspec.Raw])


def written(record: PublishedAgreement) -> bytes:
    """Return the value of a record."""
    return msgspec.json.encode(record)


def stamp(moment: datetime) -> str | None:
    """Return a moment (aware) as records have it."""
    if moment == BEGINNING:
        return None
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def read_record(
    key: bytes | None, value: bytes | None, *, known: MutableMapping[str, Agreement] | None = None
) -> History:
    """Return what a record of the topic says.

    Args:
        key: its key.
        value: its value.
        known: SHA-256 -> agreement of texts that were read before; new ones are added.

    Raises:
        RefusedRecordError: it cannot be used.
    """
    if value is None:
        raise RefusedRecordError("no_value", what="it is empty; agreements are withdrawn, not deleted")
    if len(value) > MAX_VALUE_OCTETS:
        raise RefusedRecordError("too_large", what=f"it has more than {MAX_VALUE_OCTETS >> 20} MiB")
    record = _decoded(value)
    if key is None or key.decode(errors="replace") != record.id:
        raise RefusedRecordError("wrong_key", what=f"it holds agreement {shown(record.id)}")
    known = {} if known is None else known
    versions: list[Version] = []
    for told in record.versions:
        effective = _moment(told.effective)
        if versions and effective <= versions[-1].effective:
            raise RefusedRecordError("wrong_agreement", what="its versions do not stand in the order of their times")
        versions.append(Version(effective=effective, agreement=_agreement(told, key=record.id, known=known)))
    return History(record=record, versions=tuple(versions))


def _decoded(value: bytes) -> PublishedAgreement:
    try:
        record = _records.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedRecordError("not_json" if _is_no_object(value) else "wrong_version", what=f"{error}") from None
    if record.v != RECORD_VERSION:
        raise RefusedRecordError("wrong_version", what=f"`v` is {record.v} and not {RECORD_VERSION}")
    return record


def _is_no_object(value: bytes) -> bool:
    try:
        _versions.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
    return False


def _moment(text: str | None) -> datetime:
    if text is None:
        return BEGINNING
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset() != timedelta(0):
        raise RefusedRecordError("wrong_agreement", what=f"{shown(text)} is no time in UTC")
    return moment


def _agreement(told: PublishedVersion, *, key: str, known: MutableMapping[str, Agreement]) -> Agreement | None:
    if told.text is None:
        return None
    octets = told.text.encode("utf-8", "surrogatepass")
    digest = sha256(octets).hexdigest()
    if digest != told.sha256:
        raise RefusedRecordError("wrong_agreement", what="a text does not have the SHA-256 that stands beside it")
    agreement = known.get(digest)
    if agreement is None:
        try:
            agreement = known[digest] = parse_agreement(told.text, path=told.file or key)
        except DocumentError as error:
            raise RefusedRecordError("wrong_agreement", what=str(error.problems[0])) from None
    if agreement.id != key:
        raise RefusedRecordError("wrong_agreement", what=f"a text in it is of agreement {shown(agreement.id)}")
    return agreement
