"""What may lie in each topic: messages, keys, headers, as facts. The document of the topics is made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from collector import topics
from collector.control_records import GapRecord
from collector.events import FlowEvent
from rules import kept_sums, stage_one, stage_two
from rules.coverage import Coverage, Tally
from rules.days import DAY_KEYS, SEEN_KEYS, KeptDay
from rules.findings import Case, Finding
from rules.partition_task import BARRIER_KEY
from rules.published import PublishedAgreement, PublishedVersion
from rules.records import COLLECTOR, COVERAGE, GAP, KEPT_OCTETS, KIND, REASONS, SEQUENCE, WATERMARK
from rules.renewal import RENEWED_KEY
from rules.shares import Share
from rules.versions import CaseVersion, ReportPart
from rules.watermarks import Standing, Watermark
from schoolgate.record_schemas import of_sums, read_openly, read_strictly

if TYPE_CHECKING:
    from collections.abc import Mapping

Schema = dict[str, Any]

JSON: Final = "application/json"
OCTETS: Final = "application/octet-stream"
NO_KEY: Final[Schema] = {"type": "null", "description": "Without a key: written to the partitions by number."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One kind of record in a topic."""

    name: str
    """Name in the document, for programs."""
    summary: str
    """One line for people."""
    key: Schema
    """What its key holds."""
    payload: Schema
    """What its value holds."""
    headers: Mapping[str, Schema] = field(default_factory=dict)
    """Header name -> what it holds; all of them are there, and all are text in UTF-8."""
    content_type: str = JSON
    """Media type of the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One topic, as readers and writers see it."""

    topic: str
    """Full name."""
    about: str
    """What it is for, for people."""
    messages: tuple[Message, ...]
    """Every kind of record that may lie there."""
    grouped: tuple[topics.Role, ...] = ()
    """Who reads it in a consumer group; everybody else reads it by partition, from the start."""


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
        "Finding": read_openly(Finding),
        "Share": share,
        "Standing": read_openly(Standing),
        "KeptDay": read_openly(KeptDay),
        "PublishedAgreement": read_openly(PublishedAgreement),
        "PublishedVersion": read_openly(PublishedVersion),
        "Case": read_openly(Case),
        "CaseVersion": _with_body(read_openly(CaseVersion), content={"$ref": "#/components/schemas/Case"}),
        "ReportPart": _with_body(read_openly(ReportPart), content=None),
    }


def channels() -> tuple[Channel, ...]:
    """Return what may lie in each topic, in the order of `collector.topics`."""
    told = {
        channel.topic: channel
        for channel in (_flows(), _findings(), _cases(), _agreements(), _dead_letters(), _engine_state(), _case_state())
    }
    return tuple(told[topic.name] for topic in topics.TOPICS)


def _flows() -> Channel:
    collector = _text("Name of the collector that wrote the record. Untrusted.")
    number = _text("Sequence number of the event, in decimal; never used twice by one collector.", pattern="^[0-9]+$")
    return Channel(
        topic=topics.FLOWS,
        grouped=("judge",),
        about="What collectors saw, with control records between the events. Records may come again after a crash, "
        "under the same collector, sequence number and event id; readers drop those.",
        messages=(
            Message(
                name="FlowEvent",
                summary="One network flow, or one part of a long one.",
                key=_text("`device` of the event."),
                payload=_ref("FlowEvent"),
                headers={COLLECTOR: collector, SEQUENCE: number},
            ),
            Message(
                name="Watermark",
                summary="How far a collector has come; to every partition, each 10 s and at the end of a capture.",
                key=NO_KEY,
                payload=_ref("Watermark"),
                headers={KIND: _always(WATERMARK), COLLECTOR: collector},
            ),
            Message(
                name="GapRecord",
                summary="A collector's spool was full, and events were dropped; to partition 0 only.",
                key=NO_KEY,
                payload=_ref("GapRecord"),
                headers={KIND: _always(GAP), COLLECTOR: collector},
            ),
        ),
    )


def _findings() -> Channel:
    return Channel(
        topic=topics.FINDINGS,
        grouped=("judge",),
        about="Stage one to stage two: what one device did on one day against one clause. A later record of the same "
        "`id` holds larger sums and replaces the earlier one.",
        messages=(
            Message(
                name="Finding",
                summary="One device-day against one promise.",
                key=_text("`agreement` of the finding; empty: no agreement."),
                payload=_ref("Finding"),
            ),
            Message(
                name="CoverageTold",
                summary="How much of the traffic of one input partition could be judged; to partition 0 only.",
                key=_text("Number of the input partition, in decimal.", pattern="^[0-9]+$"),
                payload=_ref("Share"),
                headers={KIND: _always(COVERAGE)},
            ),
        ),
    )


def _cases() -> Channel:
    return Channel(
        topic=topics.CASES,
        grouped=("dashboard",),
        about="Every version of every case; the highest version of an id is the truth.",
        messages=(
            Message(
                name="CaseVersion",
                summary="A case opened, changed or was withdrawn.",
                key=_text("`id` of the case."),
                payload=_ref("CaseVersion"),
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
                key=_text("`id` of the agreement."),
                payload=_ref("PublishedAgreement"),
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
                summary="A record that could not be used, and why.",
                key={"type": ["string", "null"], "description": "Key of the original, as it came. Untrusted."},
                payload={
                    "type": "string",
                    "maxLength": KEPT_OCTETS,
                    "description": f"The first {KEPT_OCTETS:,} octets of the original, whatever they are. Untrusted.",
                },
                headers={
                    "reason": {"type": "string", "enum": list(REASONS), "description": "Why it cannot be used."},
                    "sha256": _text("SHA-256 of all octets of the original.", pattern="^[0-9a-f]{64}$"),
                    "octets": _text("How many octets the original has.", **number),
                    "topic": _text("Topic that the original lies in."),
                    "partition": _text("Partition that it lies in.", **number),
                    "offset": _text("Its place in the partition.", **number),
                },
                content_type=OCTETS,
            ),
        ),
    )


def _engine_state() -> Channel:
    return Channel(
        topic=topics.ENGINE_STATE,
        about="State of stage one, partition for partition that of the flows. Private to the judge: it may change "
        "with any release.",
        messages=(
            _kept("KeptFinding", under=kept_sums.FINDING_KEYS, rest="id of the finding", payload=_ref("Finding")),
            _kept("KeptWatermark", under=stage_one.WATERMARK_KEYS, rest="collector", payload=_ref("Standing")),
            Message(
                name="KeptCoverage",
                summary="Kept: the sums of the partition.",
                key=_always(stage_one.COVERAGE_KEY),
                payload=_ref("Share"),
            ),
            Message(
                name="KeptRepeats",
                summary="Kept: the last records of a collector, so that a repeat is known.",
                key=_begins(stage_one.REPEAT_KEYS, rest="slot, a stroke, and the collector"),
                payload=_text("Numbers of 8 octets each, the piece's own first."),
                content_type=OCTETS,
            ),
            _kept("OpenDay", under=DAY_KEYS, rest="local date", payload=_ref("KeptDay")),
            Message(
                name="SeenIds",
                summary="Kept: the ids of the events of an open day, so that a second copy is known.",
                key=_begins(SEEN_KEYS, rest="local date, a stroke, and the number of the piece"),
                payload=_text("Hashes of 8 octets each."),
                content_type=OCTETS,
            ),
            Message(
                name="Renewed",
                summary="Kept: the last day on which what must outlive the retention was written down again.",
                key=_always(RENEWED_KEY),
                payload=_text("A UTC date."),
                content_type="text/plain",
            ),
            _barrier(),
        ),
    )


def _case_state() -> Channel:
    return Channel(
        topic=topics.CASE_STATE,
        about="State of stage two, partition for partition that of the findings. Private to the judge: it may "
        "change with any release.",
        messages=(
            _kept("TakenFinding", under=stage_two.FINDING_KEYS, rest="id of the finding", payload=_ref("Finding")),
            _kept("KeptCase", under=stage_two.CASE_KEYS, rest="id of the case", payload=_ref("CaseVersion")),
            _kept("KeptPart", under=stage_two.PART_KEYS, rest="name of the part", payload=_ref("ReportPart")),
            _kept(
                "TakenCoverage",
                under=stage_two.COVERAGE_KEYS,
                rest="partition, a stroke, and `since`",
                payload=_ref("Share"),
            ),
            Message(
                name="Lost",
                summary="Kept: how many findings found no room.",
                key=_always(stage_two.LOST_KEY),
                payload=_text("In decimal.", pattern="^[0-9]+$"),
                content_type="text/plain",
            ),
            _barrier(),
        ),
    )


def _barrier() -> Message:
    return Message(
        name="Barrier",
        summary="Where a restore may stop. Whoever opens a task writes its own first.",
        key=_always(BARRIER_KEY),
        payload=_text("Who opened the task."),
        content_type="text/plain",
    )


def _kept(name: str, *, under: bytes, rest: str, payload: Schema) -> Message:
    return Message(name=name, summary=f"Kept under the {rest}.", key=_begins(under, rest=rest), payload=payload)


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _text(about: str, **more: str) -> Schema:
    return {"type": "string", "description": about, **more}


def _always(octets: bytes) -> Schema:
    return {"type": "string", "const": octets.decode()}


def _begins(prefix: bytes, *, rest: str) -> Schema:
    return {"type": "string", "pattern": f"^{prefix.decode()}", "description": f"`{prefix.decode()}`, then the {rest}."}


def _with_body(schema: Schema, *, content: Schema | None) -> Schema:
    """Say of the field `body` that the text in it is JSON itself."""
    body = {**schema["properties"]["body"], "contentMediaType": JSON}
    if content is not None:
        # Draft 7 of JSON Schema, which AsyncAPI builds on, has no `contentSchema` yet.
        body["x-content-schema"] = content
    return {**schema, "properties": {**schema["properties"], "body": body}}
