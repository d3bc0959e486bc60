"""What may lie in each topic: messages, keys, headers, as facts. The document of the topics is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector import topics
from collector.control_records import GapRecord
from collector.events import FlowEvent
from rules.coverage import Coverage, Tally
from rules.days import KeptDay
from rules.edges import Candidate, Edge, Exposure, SampleWindow
from rules.ended_contacts import ContactsOver
from rules.ended_days import Over
from rules.findings import Case, Finding
from rules.published import PublishedAgreement, PublishedVersion
from rules.records import (
    CLOSING,
    COLLECTOR,
    CONTACTS,
    CONTACTS_OVER,
    COVERAGE,
    EDGES,
    GAP,
    KEPT_OCTETS,
    KIND,
    OVER,
    PIECE,
    PIECES,
    REASONS,
    SEQUENCE,
    TELLING,
    WATERMARK,
)
from rules.sealed_records import SealedEdge, SealedFinding, SealedVersion
from rules.shares import Share
from rules.versions import CaseVersion, ReportPart
from rules.watermarks import Standing, Watermark
from schoolgate.messages import COUNTS, JSON, NO_KEY, OCTETS, Channel, Message, always, listed, ref, text
from schoolgate.record_schemas import of_sums, read_openly, read_strictly
from schoolgate.state_messages import case_state, engine_state

if TYPE_CHECKING:
    from schoolgate.messages import Schema


def schemas() -> dict[str, Schema]:
    """Return the shared schemas by name."""
    counted = of_sums(
        Coverage().as_state(),
        about="How much of the traffic of one partition could be judged, as sums since its task began.",
        kinds=(Coverage, Tally),
    )
    share = read_openly(Share)
    share["properties"]["coverage"] = counted
    return {
        "FlowEvent": read_strictly(FlowEvent),
        "Watermark": read_openly(Watermark),
        "GapRecord": read_openly(GapRecord),
        "Over": read_openly(Over),
        "ContactsOver": read_openly(ContactsOver),
        "SealedFinding": _sealing(read_openly(SealedFinding), content="Finding"),
        "Finding": read_openly(Finding),
        "Share": share,
        "SealedEdge": _sealing(read_openly(SealedEdge), content="Edge"),
        "Edge": read_openly(Edge),
        "Exposure": read_openly(Exposure),
        "Candidate": read_openly(Candidate),
        "SampleWindow": read_openly(SampleWindow),
        "Standing": read_openly(Standing),
        "KeptDay": read_openly(KeptDay),
        "PublishedAgreement": read_openly(PublishedAgreement),
        "PublishedVersion": read_openly(PublishedVersion),
        "Case": read_openly(Case),
        "SealedVersion": _sealing(read_openly(SealedVersion), content="CaseVersion"),
        "CaseVersion": _with_body(read_openly(CaseVersion), content={"$ref": "#/components/schemas/Case"}),
        "ReportPart": _with_body(read_openly(ReportPart), content=None),
    }


def channels() -> tuple[Channel, ...]:
    """Return what may lie in each topic, in the order of `collector.topics`."""
    told = {
        channel.topic: channel
        for channel in (_flows(), _findings(), _cases(), _agreements(), _dead_letters(), engine_state(), case_state())
    }
    return tuple(told[topic.name] for topic in topics.TOPICS)


def _flows() -> Channel:
    collector = text("Name of the collector that wrote the record. Untrusted.")
    number = text("Sequence number of the event, in decimal; never used twice by one collector.", pattern="^[0-9]+$")
    return Channel(
        topic=topics.FLOWS,
        grouped=("judge",),
        about="What collectors saw, with control records between the events. Records may come again after a crash, "
        "under the same collector, sequence number and event id; readers drop those. Two hours after a day judges "
        "delete what they have judged.",
        messages=(
            Message(
                name="FlowEvent",
                summary="One network flow, or one part of a long one.",
                key=text("`device` of the event."),
                payload=ref("FlowEvent"),
                headers={COLLECTOR: collector, SEQUENCE: number},
            ),
            Message(
                name="Watermark",
                summary="How far a collector has come; to every partition, each 10 s and at the end of a capture.",
                key=NO_KEY,
                payload=ref("Watermark"),
                headers={KIND: always(WATERMARK), COLLECTOR: collector},
            ),
            Message(
                name="GapRecord",
                summary="A collector's spool was full, and events were dropped; to partition 0 only.",
                key=NO_KEY,
                payload=ref("GapRecord"),
                headers={KIND: always(GAP), COLLECTOR: collector},
            ),
        ),
    )


def _findings() -> Channel:
    return Channel(
        topic=topics.FINDINGS,
        grouped=("judge",),
        about="Stage one to stage two: what one device did on one day against one clause, sealed with the key of its "
        "case. A later record of the same `id` holds larger sums and replaces the earlier one. What cannot be opened "
        "is of a case that was forgotten, and is passed over. Judges delete what they have taken in when a day is "
        "closed.",
        messages=(
            Message(
                name="Finding",
                summary="One device-day against one promise.",
                key=text("`agreement` of the finding; empty: no agreement."),
                payload=ref("SealedFinding"),
            ),
            Message(
                name="FindingsOver",
                summary="Nothing is added to these findings any more: of the day nothing of a device is kept then.",
                key=text("`agreement` of the findings; empty: no agreement."),
                payload=ref("Over"),
                headers={KIND: always(OVER)},
            ),
            Message(
                name="CoverageTold",
                summary="How much of the traffic of one input partition could be judged; to partition 0 only.",
                key=text("Number of the input partition, in decimal.", pattern="^[0-9]+$"),
                payload=ref("Share"),
                headers={KIND: always(COVERAGE)},
            ),
            Message(
                name="ContactsTold",
                summary="Whom devices met in one hour in one input partition, as counts; to partition 0 only.",
                key=text(
                    "Input partition, local date, offset of the first contact of that date, hours since 1970 UTC, and "
                    "the number of the part, with strokes between.",
                    pattern=r"^\d+/\d{4}-\d\d-\d\d/\d+/\d+/\d+$",
                ),
                payload=text(COUNTS),
                headers={KIND: always(CONTACTS)},
                content_type=OCTETS,
            ),
            Message(
                name="ContactsOver",
                summary="Nothing is added to the counts of contacts of one day and input partition any more; to "
                "partition 0 only. When all have said so nothing of a device is kept of that day.",
                key=text(
                    "Input partition, local date, and offset of the first contact of that date, with strokes between.",
                    pattern=r"^\d+/\d{4}-\d\d-\d\d/\d+$",
                ),
                payload=ref("ContactsOver"),
                headers={KIND: always(CONTACTS_OVER)},
            ),
            Message(
                name="EdgesTold",
                summary="Which parties the use of one product brings about; a later record replaces the earlier one.",
                key=text("`agreement` of the edges; empty: the suspected edges of all agreements."),
                payload=listed("SealedEdge"),
                headers={
                    KIND: always(EDGES),
                    PIECE: text("Number of the part, in decimal.", pattern="^[0-9]+$"),
                    TELLING: text("Number of the telling, in decimal; later ones are larger.", pattern="^[0-9]+$"),
                    PIECES: text(
                        "In how many records the new edges of the key are told, in decimal.", pattern="^[0-9]+$"
                    ),
                    CLOSING: text(
                        "1: they differ from the ones before by nothing but that days were closed; 0: otherwise.",
                        pattern="^[01]$",
                    ),
                },
            ),
        ),
    )


def _cases() -> Channel:
    return Channel(
        topic=topics.CASES,
        grouped=("dashboard",),
        about="Every version of every case, sealed with its key; the highest version of an id is the truth.",
        messages=(
            Message(
                name="CaseVersion",
                summary="A case opened, changed or was withdrawn.",
                key=text("`id` of the case."),
                payload=ref("SealedVersion"),
            ),
        ),
    )


def _agreements() -> Channel:
    return Channel(
        topic=topics.AGREEMENTS,
        about="The agreements, each with every version that it ever had; judges go by the last good record of each.",
        messages=(
            Message(
                name="PublishedAgreement",
                summary="What the file of an agreement says, and since when (`schoolgate agreements publish`).",
                key=text("`id` of the agreement."),
                payload=ref("PublishedAgreement"),
            ),
        ),
    )


def _dead_letters() -> Channel:
    number = {"pattern": "^[0-9]+$"}
    return Channel(
        topic=topics.DEAD_LETTERS,
        about="Records that could not be used, as they came. Nothing reads them but a person.",
        messages=(
            Message(
                name="DeadLetter",
                summary="A record, or a whole batch of them, that could not be used, and why.",
                key={"type": ["string", "null"], "description": "Key of the original, as it came. Untrusted."},
                payload={
                    "type": "string",
                    "maxLength": KEPT_OCTETS,
                    "description": f"The first {KEPT_OCTETS:,} octets of the original, whatever they are. Untrusted.",
                },
                headers={
                    "reason": {"type": "string", "enum": list(REASONS), "description": "Why it cannot be used."},
                    "sha256": text("SHA-256 of all octets of the original.", pattern="^[0-9a-f]{64}$"),
                    "octets": text("How many octets the original has.", **number),
                    "topic": text("Topic that the original lies in."),
                    "partition": text("Partition that it lies in.", **number),
                    "offset": text(
                        "Its place in the partition; of an `unreadable_batch` that of its last record.", **number
                    ),
                },
                content_type=OCTETS,
            ),
        ),
    )


def _sealing(schema: Schema, *, content: str) -> Schema:
    """Say of the field `sealed` what is sealed in it."""
    sealed = {**schema["properties"]["sealed"], "x-content-schema": {"$ref": f"#/components/schemas/{content}"}}
    return {**schema, "properties": {**schema["properties"], "sealed": sealed}}


def _with_body(schema: Schema, *, content: Schema | None) -> Schema:
    """Say of the field `body` that the text in it is JSON itself."""
    body = {**schema["properties"]["body"], "contentMediaType": JSON}
    if content is not None:
        # Draft 7 of JSON Schema, which AsyncAPI builds on, has no `contentSchema` yet.
        body["x-content-schema"] = content
    return {**schema, "properties": {**schema["properties"], "body": body}}
