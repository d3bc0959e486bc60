"""What publishing a folder of agreements changes in the topic: from a moment on, the folder is what holds.

Versions of earlier moments stay as they are, since old events are judged by them; versions of later moments stay as
well, since somebody put them there on purpose. An agreement that is not in the folder is withdrawn from the moment on.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, Literal

from msgspec import structs

from collector.documents import DocumentError, Problem
from rules.agreement_topic import conflicts
from rules.editions import BEGINNING
from rules.published import MAX_VALUE_OCTETS, RECORD_VERSION, PublishedAgreement, PublishedVersion, read_record, stamp
from rules.published import written as written_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rules.agreement_topic import AgreementTopic
    from rules.agreements.model import Agreement

Kind = Literal["new", "changed", "repaired", "withdrawn", "unchanged"]
WRITTEN: Final = frozenset({"new", "changed", "repaired", "withdrawn"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of one agreement."""

    kind: Kind
    """`repaired`: the topic's last record of it cannot be used, and its history is written again."""
    key: str
    """Agreement id."""
    value: bytes | None
    """The record to write; None: nothing is written."""
    path: str | None
    """Its file; None: it is not in the folder."""
    later: tuple[str, ...]
    """Times at which versions that were published before take over from this one."""


def plan(
    texts: Mapping[str, str], *, agreements: Sequence[Agreement], topic: AgreementTopic, effective: datetime
) -> tuple[Change, ...]:
    """Return what becomes of every agreement, by id.

    Args:
        texts: path -> text of each file.
        agreements: what the files say, in the same order.
        topic: the topic, read to its end.
        effective: moment from which on the folder holds (aware); of no meaning while the topic holds nothing, because
            what is published first has always been so.

    Raises:
        DocumentError: together with versions of other moments the folder contradicts itself, or has grown too large.
    """
    since = BEGINNING if topic.editions is None else effective
    files = {each.id: path for path, each in zip(texts, agreements, strict=True)}
    changes: list[Change] = []
    for key in sorted({*files, *topic.held}):
        path = files.get(key)
        wanted = PublishedVersion(effective=stamp(since)) if path is None else _version(path, texts[path], since=since)
        changes.append(_change(key, wanted=wanted, path=path, topic=topic, since=since))
    _refuse_problems(changes, topic=topic)
    return tuple(changes)


def _version(path: str, text: str, *, since: datetime) -> PublishedVersion:
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return PublishedVersion(effective=stamp(since), file=PurePath(path).name, sha256=digest, text=text)


def _change(key: str, *, wanted: PublishedVersion, path: str | None, topic: AgreementTopic, since: datetime) -> Change:
    history = topic.held.get(key)
    if history is None and wanted.sha256 is not None and key.encode() in topic.broken:
        # Its history is lost. The best that is known of earlier times is what holds now.
        wanted = structs.replace(wanted, effective=None)
    known = () if history is None else history.record.versions
    moments = () if history is None else tuple(version.effective for version in history.versions)
    before = [told for told, moment in zip(known, moments, strict=True) if moment <= since]
    after = [told for told, moment in zip(known, moments, strict=True) if moment > since]
    now = before[-1].sha256 if before else None
    kind: Kind
    if now == wanted.sha256:
        kind = "repaired" if key.encode() in topic.broken else "unchanged"
        versions = list(known)
    else:
        kind = "withdrawn" if wanted.sha256 is None else "new" if now is None else "changed"
        kept = [told for told, moment in zip(known, moments, strict=True) if moment < since]
        versions = [*kept, wanted, *after]
    record = PublishedAgreement(v=RECORD_VERSION, id=key, versions=_without_repeats(versions))
    return Change(
        kind=kind,
        key=key,
        value=written_record(record) if kind in WRITTEN else None,
        path=path,
        later=tuple(told.effective for told in after if told.effective is not None),
    )


def _without_repeats(versions: Sequence[PublishedVersion]) -> tuple[PublishedVersion, ...]:
    """Drop versions that say what the one before them said, and a withdrawal of what never was."""
    kept: list[PublishedVersion] = []
    for version in versions:
        if version.sha256 != (kept[-1].sha256 if kept else None):
            kept.append(version)
    return tuple(kept)


def _refuse_problems(changes: Sequence[Change], *, topic: AgreementTopic) -> None:
    problems = [
        Problem(
            path=change.path or change.key,
            line=1,
            what=f"with all its versions {change.key} is larger than {MAX_VALUE_OCTETS >> 20} MiB",
            remedy="go on under a new id, and let the old one expire",
        )
        for change in changes
        if change.value is not None and len(change.value) > MAX_VALUE_OCTETS
    ]
    if problems:
        raise DocumentError(problems)
    held = dict(topic.held)
    for change in changes:
        if change.value is not None:
            held[change.key] = read_record(change.key.encode(), change.value)
    problems = [
        Problem(
            path="schoolgate.agreements",
            line=1,
            what=f"with versions that were published for another time, {told}",
            remedy="publish those again first, with `--effective` of their time",
        )
        for told in conflicts(held)
    ]
    if problems:
        raise DocumentError(problems)
