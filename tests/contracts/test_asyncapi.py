"""The document of the topics: made from the code, valid as AsyncAPI, and true of the records that the code makes."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import msgspec
import pytest
from jsonschema import Draft7Validator

from collector.control_records import GapRecord
from collector.encoding import encode
from collector.topics import AGREEMENTS, CASE_STATE, CASES, DEAD_LETTERS, ENGINE_STATE, FINDINGS, FLOWS, TOPICS
from rules.agreement_topic import AgreementTopic, TopicRecord
from rules.checks.example import agreement_document, among_others, each, event, lessons
from rules.publication import plan
from rules.records import Output, Portion, Record
from rules.rehearsal import world
from rules.rulebook import Rulebook
from rules.stage_one import StageOne
from rules.stage_two import StageTwo
from schoolgate.asyncapi import text
from tests.contracts.topic_document import COMMITTED, TopicDocument
from tests.parts import asyncapi_schema
from tests.parts.cache import PartMissingError
from tests.parts.case_keys import a_ring
from tests.rules.stages_for_tests import Stages, events

NOON = datetime(2026, 10, 14, 18, 0, tzinfo=UTC)
PAUSED = world({"use_gate": {"status": "paused"}})
BOOK = Rulebook(
    agreements=PAUSED.agreements, register=PAUSED.register, parties=PAUSED.parties, network=PAUSED.network,
    locations=None,
)  # fmt: skip
FULL_NAMES = {"findings": FINDINGS, "cases": CASES, "dead-letters": DEAD_LETTERS}
WATERMARK = Record(
    key=None,
    value=b'{"collector":"north-tap","through":"2026-10-14T17:59:00.000000Z","end":false}',
    headers={"kind": b"watermark", "collector": b"north-tap"},
    partition=0,
    offset=90,
    at=NOON,
)
BROKEN = Record(key=b"d9", value=b'{"v": 1, "id', partition=0, offset=91, at=NOON)


@pytest.fixture(scope="module")
def document() -> TopicDocument:
    return TopicDocument()


def flow_records() -> list[Record]:
    """A paused product in use on four devices."""
    made = [event(changes, number=number) for number, changes in enumerate(each(4))]
    headers = {"collector": b"north-tap"}
    return [
        Record(
            key=(told.device or "").encode(), value=encode(told), headers={**headers, "seq": b"%d" % offset},
            partition=0, offset=offset, at=NOON,
        )
        for offset, told in enumerate(made)
    ]  # fmt: skip


def stage_one() -> StageOne:
    return StageOne(partition=0, topic=FLOWS, rulebook=BOOK, state={}, make_key=lambda: bytes(32), keys=a_ring())


def stage_two() -> StageTwo:
    return StageTwo(partition=0, topic=FINDINGS, rulebook=BOOK, today=date(2026, 10, 14), state={}, keys=a_ring())


def check(document: TopicDocument, output: Output) -> str:
    headers = dict(output.headers)
    return document.check(output.value, topic=FULL_NAMES[output.topic], key=output.key, headers=headers)


def checked_state(document: TopicDocument, portion: Portion, *, topic: str) -> set[str]:
    told = {key: body for key, body in portion.state.items() if body is not None}
    assert len(told) == len(portion.state)
    return {document.check(body, topic=topic, key=key, headers={}) for key, body in told.items()}


def test_making_the_document_again_gives_no_difference() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == text(), "run `make asyncapi`"


def test_the_document_is_valid_asyncapi_with_valid_kafka_bindings(document: TopicDocument) -> None:
    try:
        schema = json.loads(asyncapi_schema.set_up().read_bytes())
    except PartMissingError as missing:
        pytest.skip(str(missing))
    validator = Draft7Validator(schema)
    assert [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(document.told)] == []
    spoiled = json.loads(json.dumps(document.told))
    spoiled["channels"][FLOWS]["bindings"]["kafka"]["partitions"] = 0
    assert not validator.is_valid(spoiled)


def test_every_reference_in_the_document_leads_somewhere(document: TopicDocument) -> None:
    pointers = [line.split("'")[1] for line in COMMITTED.read_text(encoding="utf-8").splitlines() if "$ref:" in line]
    assert len(pointers) > 50
    for pointer in pointers:
        place = document.told
        for step in pointer.removeprefix("#/").split("/"):
            place = place[step]


def test_every_topic_is_there_as_setup_makes_it(document: TopicDocument) -> None:
    assert list(document.told["channels"]) == [topic.name for topic in TOPICS]
    for topic in TOPICS:
        binding = document.told["channels"][topic.name]["bindings"]["kafka"]
        told = binding["topicConfiguration"]
        assert binding["partitions"] == topic.partitions
        words = {name: ",".join(value) if isinstance(value, list) else str(value) for name, value in told.items()}
        assert words == topic.settings


def test_every_right_is_an_operation_and_no_operation_is_without_a_right(document: TopicDocument) -> None:
    allowed = {(topic.name, "send", role) for topic in TOPICS for role in topic.writes}
    allowed |= {(topic.name, "receive", role) for topic in TOPICS for role in topic.reads}
    told = {
        (operation["channel"]["$ref"].removeprefix("#/channels/"), operation["action"], operation["tags"][0]["name"])
        for operation in document.told["operations"].values()
    }
    assert told == allowed


def test_every_field_of_every_record_is_described(document: TopicDocument) -> None:
    silent = [
        f"{name}.{field}"
        for name, schema in document.told["components"]["schemas"].items()
        for field, told in schema["properties"].items()
        if "description" not in told
    ]
    assert silent == []


def test_events_watermarks_and_gaps_are_as_the_document_says(document: TopicDocument) -> None:
    found = set()
    gap = msgspec.json.encode(GapRecord(collector="north-tap", first=7, last=9, events=3, octets=1800))
    headers = {"kind": b"gap", "collector": b"north-tap"}
    for record in (
        *flow_records(),
        WATERMARK,
        Record(key=None, value=gap, headers=headers, partition=0, offset=0, at=NOON),
    ):
        assert record.value is not None
        found.add(document.check(record.value, topic=FLOWS, key=record.key, headers=record.headers))
    assert found == {"FlowEvent", "Watermark", "GapRecord"}


def test_findings_coverage_dead_letters_and_state_of_stage_one_are_as_the_document_says(
    document: TopicDocument,
) -> None:
    portion = stage_one().take([*flow_records(), WATERMARK, BROKEN])
    assert {check(document, output) for output in portion.outputs} == {"Finding", "CoverageTold", "DeadLetter"}
    state = checked_state(document, portion, topic=ENGINE_STATE)
    kept = {"KeptFinding", "KeptWatermark", "KeptCoverage", "KeptRepeats", "KeptContacts"}
    assert state == kept | {"OpenDay", "SeenIds", "Renewed"}


def test_cases_and_state_of_stage_two_are_as_the_document_says(document: TopicDocument) -> None:
    outputs = [output for output in stage_one().take(flow_records()).outputs if output.topic == "findings"]
    taken = [
        Record(key=out.key, value=out.value, headers=dict(out.headers), partition=0, offset=offset, at=NOON)
        for offset, out in enumerate(outputs)
    ]
    portion = stage_two().take(taken)
    assert portion.rows
    assert {check(document, output) for output in portion.outputs} == {"CaseVersion"}
    for row in portion.rows:
        document.check_case(row.body)
    state = checked_state(document, portion, topic=CASE_STATE)
    assert state == {"TakenFinding", "KeptCase", "KeptPart", "TakenCoverage"}


def test_contacts_and_edges_are_as_the_document_says(document: TopicDocument) -> None:
    stages = Stages(world({}))
    stages.send(events(among_others(lessons("app.mathlab.example", brings=("t.adco.example",)))))
    stages.settle()
    assert {check(document, output) for output in stages.told} >= {"ContactsTold", "EdgesTold"}
    for tasks, topic, expected in (
        (stages.by_device, ENGINE_STATE, {"KeptContacts", "ToldContacts"}),
        (stages.by_agreement, CASE_STATE, {"TakenContacts", "TakenEdges", "ToldEdges"}),
    ):
        rows = [row for task in tasks for row in task.state.items()]
        assert {document.check(value, topic=topic, key=key, headers={}) for key, value in rows} >= expected


def test_a_published_agreement_and_its_withdrawal_are_as_the_document_says(document: TopicDocument) -> None:
    text = json.dumps(agreement_document({}))
    topic = AgreementTopic()
    (first,) = plan({"mathlab.yaml": text}, agreements=PAUSED.agreements, topic=topic, effective=NOON)
    topic.take([TopicRecord(key=first.key.encode(), value=first.value, offset=0)])
    (gone,) = plan({}, agreements=(), topic=topic, effective=NOON)
    assert (first.kind, gone.kind) == ("new", "withdrawn")
    for change in (first, gone):
        assert change.value is not None
        name = document.check(change.value, topic=AGREEMENTS, key=change.key.encode(), headers={})
        assert name == "PublishedAgreement"


@pytest.mark.parametrize("spoil", [{"proto": "sctp"}, {"bytes_up": "12"}, {"client": "192.0.2.9"}, {"v": 2}])
def test_a_record_that_breaks_the_contract_is_told(document: TopicDocument, spoil: dict[str, object]) -> None:
    record = flow_records()[0]
    value = json.dumps({**json.loads(record.value or b""), **spoil}).encode()
    with pytest.raises(AssertionError):
        document.check(value, topic=FLOWS, key=record.key, headers=record.headers)
