"""What the judge writes into its two state topics: its own notes, which may change with any release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collector import topics
from rules import (
    counted_contacts,
    edge_tellings,
    ended_contacts,
    ended_days,
    kept_shares,
    kept_sums,
    left_counts,
    partition_contacts,
    report_parts,
    stage_one,
    stage_two,
)
from rules.days import DAY_KEYS, SEEN_KEYS
from rules.edge_records import EDGE_KEYS
from rules.partition_task import BARRIER_KEY, SPENT_KEY
from rules.renewal import RENEWED_KEY
from rules.repeats import REPEAT_KEYS
from rules.sealed_days import MARK
from schoolgate.messages import COUNTS, OCTETS, Channel, Message, always, begins, listed, ref, text

if TYPE_CHECKING:
    from schoolgate.messages import Schema

SEALED: Final = (
    f"What tells of the devices of an open day lies there sealed: `{MARK.decode()}`, the date, a stroke, and sealed as "
    "a finding is, with a key of topic, partition and day that is destroyed with the day (docs/decisions/0041); the "
    "payload told here is what is inside."
)


def engine_state() -> Channel:
    """Return what lies in the state of stage one."""
    return Channel(
        topic=topics.ENGINE_STATE,
        about="State of stage one, partition for partition that of the flows. Private to the judge: it may change "
        f"with any release. {SEALED}",
        messages=(
            _kept("KeptFinding", under=kept_sums.FINDING_KEYS, rest="id of the finding", payload=ref("SealedFinding")),
            _kept("KeptWatermark", under=stage_one.WATERMARK_KEYS, rest="collector", payload=ref("Standing")),
            Message(
                name="KeptCoverage",
                summary="Kept: the sums of the partition.",
                key=always(stage_one.COVERAGE_KEY),
                payload=ref("Share"),
            ),
            Message(
                name="KeptRepeats",
                summary="Kept: the last records of a collector, so that a repeat is known.",
                key=begins(REPEAT_KEYS, rest="slot, a stroke, and the collector"),
                payload=text("Numbers of 8 octets each, the piece's own first."),
                content_type=OCTETS,
            ),
            Message(
                name="KeptContacts",
                summary="Kept: whom devices met on an open day, from one portion of records.",
                key=begins(partition_contacts.CONTACT_KEYS, rest="local date, a stroke, and the portion's offset"),
                payload=text("Names and packed rows, in MessagePack."),
                content_type=OCTETS,
            ),
            Message(
                name="ToldContacts",
                summary="Kept: what was told last of the contacts of an open day.",
                key=begins(partition_contacts.TOLD_KEYS, rest="key of what was told"),
                payload=text("A hash of 16 octets."),
                content_type=OCTETS,
            ),
            _kept("OpenDay", under=DAY_KEYS, rest="local date", payload=ref("KeptDay")),
            Message(
                name="SeenIds",
                summary="Kept: the ids of the events of an open day, so that a second copy is known.",
                key=begins(SEEN_KEYS, rest="local date, a stroke, and the number of the piece"),
                payload=text("Hashes of 8 octets each."),
                content_type=OCTETS,
            ),
            Message(
                name="Renewed",
                summary="Kept: the last day on which what must outlive the retention was written down again.",
                key=always(RENEWED_KEY),
                payload=text("A UTC date."),
                content_type="text/plain",
            ),
            _spent(),
            _barrier(),
        ),
    )


def case_state() -> Channel:
    """Return what lies in the state of stage two."""
    return Channel(
        topic=topics.CASE_STATE,
        about="State of stage two, partition for partition that of the findings. Private to the judge: it may "
        f"change with any release. {SEALED}",
        messages=(
            _kept("TakenFinding", under=kept_sums.FINDING_KEYS, rest="id of the finding", payload=ref("SealedFinding")),
            _kept(
                "TakenOver",
                under=ended_days.OVER_KEYS,
                rest="local date, a stroke, and the offset",
                payload=ref("Over"),
            ),
            Message(
                name="ClosedDay",
                summary="Kept: up to which offset findings of a local day were taken in before it was closed.",
                key=begins(ended_days.CLOSED_KEYS, rest="local date"),
                payload=text("The offset, in decimal."),
                content_type="text/plain",
            ),
            Message(
                name="OpenFindings",
                summary="Kept: since when findings of devices are held of each local day.",
                key=always(ended_days.SINCE_KEY),
                payload={"type": "object"},
            ),
            _kept("KeptCase", under=stage_two.CASE_KEYS, rest="id of the case", payload=ref("SealedVersion")),
            _kept("KeptPart", under=report_parts.PART_KEYS, rest="name of the part", payload=ref("ReportPart")),
            _kept(
                "TakenCoverage",
                under=kept_shares.COVERAGE_KEYS,
                rest="partition, a stroke, and `since`",
                payload=ref("Share"),
            ),
            Message(
                name="TakenContacts",
                summary="Kept: the counts of contacts of one hour in one input partition, in partition 0 alone.",
                key=begins(counted_contacts.COUNTED_KEYS, rest="key under which they were told"),
                payload=text(COUNTS),
                content_type=OCTETS,
            ),
            _kept(
                "ContactsEnd",
                under=ended_contacts.OVER_KEYS,
                rest="key under which it was told",
                payload=ref("ContactsOver"),
            ),
            _kept(
                "ClosedContacts",
                under=ended_contacts.CLOSED_KEYS,
                rest="key under which their end is told",
                payload=ref("ContactsOver"),
            ),
            Message(
                name="OpenContacts",
                summary="Kept: since when counts of contacts that are not closed are held of each local day.",
                key=always(ended_contacts.SINCE_KEY),
                payload={"type": "object"},
            ),
            Message(
                name="LeftContacts",
                summary="Kept: what is left of the counts of contacts of a day that is over, in partition 0 alone.",
                key=begins(left_counts.LEFT_KEYS, rest="local date, numbers of the closing and of the part"),
                payload=text(COUNTS),
                content_type=OCTETS,
            ),
            Message(
                name="Telling",
                summary="Kept: number of the newest telling of edges.",
                key=always(counted_contacts.TELLING_KEY),
                payload=text("In decimal.", pattern="^[0-9]+$"),
                content_type="text/plain",
            ),
            _kept(
                "GatheredEdges",
                under=edge_tellings.GATHERED_KEYS,
                rest="telling, whether days were closed by it (0, 1), records of the list, number of the part, and the "
                "agreement, with strokes between",
                payload=listed("SealedEdge"),
            ),
            Message(
                name="ClosedEdges",
                summary="Kept: telling with which days were closed last in the edges of an agreement.",
                key=begins(edge_tellings.CLOSED_KEYS, rest="agreement"),
                payload=text("In decimal.", pattern="^[0-9]+$"),
                content_type="text/plain",
            ),
            Message(
                name="ToldEdges",
                summary="Kept: what was told last of the edges of an agreement, in partition 0 alone.",
                key=begins(counted_contacts.TOLD_KEYS, rest="number of the part, a stroke, and the agreement"),
                payload=text("A hash of 16 octets."),
                content_type=OCTETS,
            ),
            _kept(
                "TakenEdges",
                under=EDGE_KEYS,
                rest="number of the part, a stroke, and the agreement",
                payload=listed("SealedEdge"),
            ),
            Message(
                name="ToldDifferential",
                summary="Kept: which users of each product meet its third parties, in partition 0 alone.",
                key=always(counted_contacts.DIFFERENTIAL_KEY),
                payload={"type": "array", "items": {"type": "object"}},
            ),
            Message(
                name="LostContacts",
                summary="Kept: how many counts of contacts found no room.",
                key=always(counted_contacts.UNWEIGHED_KEY),
                payload=text("In decimal.", pattern="^[0-9]+$"),
                content_type="text/plain",
            ),
            Message(
                name="HeldDays",
                summary="Kept: since when evidence of each local day is held, and up to which day some was let go.",
                key=always(stage_two.DAYS_KEY),
                payload={"type": "object"},
            ),
            Message(
                name="Lost",
                summary="Kept: how many findings found no room.",
                key=always(stage_two.LOST_KEY),
                payload=text("In decimal.", pattern="^[0-9]+$"),
                content_type="text/plain",
            ),
            _spent(),
            _barrier(),
        ),
    )


def _spent() -> Message:
    return Message(
        name="Spent",
        summary="Kept: the offset at which a day ended last. What the input holds before it is deleted.",
        key=always(SPENT_KEY),
        payload=text("The offset, in decimal.", pattern="^[0-9]+$"),
        content_type="text/plain",
    )


def _barrier() -> Message:
    return Message(
        name="Barrier",
        summary="Where a restore may stop. Whoever opens a task writes its own first.",
        key=always(BARRIER_KEY),
        payload=text("Who opened the task."),
        content_type="text/plain",
    )


def _kept(name: str, *, under: bytes, rest: str, payload: Schema) -> Message:
    return Message(name=name, summary=f"Kept under the {rest}.", key=begins(under, rest=rest), payload=payload)
