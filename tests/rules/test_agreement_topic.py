"""The agreements topic without a broker: what is published, and what broken records may never do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.documents import DocumentError
from rules.agreement_topic import AgreementTopic, TopicRecord
from rules.agreements.load import agreements_in
from rules.editions import BEGINNING
from rules.publication import Change, plan
from rules.published import MAX_VALUE_OCTETS, RefusedRecordError, read_record

NOON = datetime(2026, 10, 14, 17, tzinfo=UTC)


def text(key: str, *, match: str = "", gate: str = "approved") -> str:
    return f"""schema: schoolgate/agreement/1
id: {key}
vendor: {{legal_name: Example Inc.}}
products: [{{name: Example}}]
agreement: {{kind: ndpa_v2, status: active}}
domains: [{{match: {match or key + ".example"}}}]
third_parties: {{list_is: not_provided, unlisted: forbidden}}
purposes: [{{code: instruction, plain: Practice problems chosen by the teacher.}}]
data: {{categories: [{{cat: in_app_performance}}]}}
use_gate: {{status: {gate}}}
"""


def folder(*texts: str) -> dict[str, str]:
    return {f"agreements/{each.split('id: ')[1].split()[0]}.yaml": each for each in texts}


def topic_of(*records: TopicRecord) -> AgreementTopic:
    topic = AgreementTopic()
    topic.take(records)
    return topic


class District:
    """A folder that is published again and again, and the topic that comes of it."""

    def __init__(self) -> None:
        self.log: list[TopicRecord] = []

    @property
    def topic(self) -> AgreementTopic:
        return topic_of(*self.log)

    def plan(self, *texts: str, at: datetime = NOON) -> tuple[Change, ...]:
        files = folder(*texts)
        return plan(files, agreements=agreements_in(files), topic=self.topic, effective=at)

    def publish(self, *texts: str, at: datetime = NOON) -> dict[str, str]:
        changes = self.plan(*texts, at=at)
        for change in changes:
            if change.value is not None:
                self.add(change.key.encode(), change.value)
        return {change.key: change.kind for change in changes}

    def add(self, key: bytes | None, value: bytes | None) -> None:
        self.log.append(TopicRecord(key, value, len(self.log)))

    def compacted(self) -> list[TopicRecord]:
        last = {record.key: record for record in self.log}
        return [record for record in self.log if last[record.key] is record]


def told(topic: AgreementTopic, *moments: datetime) -> list[dict[str, str]]:
    """Id -> gate at each moment."""
    editions = topic.editions
    assert editions is not None
    return [
        {each.id: each.use_gate.status for each in editions.agreements(editions.number(moment))} for moment in moments
    ]


DAY = timedelta(days=1)


def test_the_first_publication_has_always_held_and_twice_is_as_good_as_once() -> None:
    district = District()
    assert district.publish(text("aa"), text("bb")) == {"aa": "new", "bb": "new"}
    assert told(district.topic, BEGINNING) == [{"aa": "approved", "bb": "approved"}]
    assert district.publish(text("aa"), text("bb"), at=NOON + DAY) == {"aa": "unchanged", "bb": "unchanged"}
    assert len(district.log) == 2


def test_a_change_counts_from_its_moment_and_a_file_that_is_gone_is_withdrawn() -> None:
    district = District()
    district.publish(text("aa"), text("bb"))
    assert district.publish(text("aa", gate="paused"), text("cc")) == {"aa": "changed", "bb": "withdrawn", "cc": "new"}
    before = {"aa": "approved", "bb": "approved"}
    assert told(district.topic, NOON - timedelta(microseconds=1), NOON) == [before, {"aa": "paused", "cc": "approved"}]
    assert district.publish(text("aa"), text("bb"), text("cc"), at=NOON + DAY)["bb"] == "new"
    assert told(district.topic, NOON - DAY, NOON, NOON + DAY)[0::2] == [before, {**before, "cc": "approved"}]


def test_versions_of_other_moments_stay_and_one_of_the_same_moment_is_corrected() -> None:
    district = District()
    district.publish(text("aa"))
    district.publish(text("aa", gate="prohibited"), at=NOON + DAY)
    (change,) = district.plan(text("aa", gate="paused"), at=NOON)
    assert change.later == ("2026-10-15T17:00:00.000000Z",)
    district.publish(text("aa", gate="paused"), at=NOON)
    assert [each["aa"] for each in told(district.topic, BEGINNING, NOON, NOON + DAY)] == [
        "approved", "paused", "prohibited"
    ]  # fmt: skip
    district.publish(text("aa", gate="pilot"), at=NOON)
    assert told(district.topic, NOON) == [{"aa": "pilot"}]
    # What says nothing new leaves no version behind.
    district.publish(text("aa"), at=NOON)
    assert len(district.topic.held["aa"].versions) == 2


def test_what_would_contradict_a_version_of_another_time_is_not_published() -> None:
    district = District()
    district.publish(text("aa"), text("bb"))
    district.publish(text("aa", match="new.example"), text("bb"), at=NOON + DAY)
    with pytest.raises(DocumentError, match=r"`new\.example` is claimed by aa and by bb"):
        district.plan(text("aa"), text("bb", match="new.example"), at=NOON)
    # A name may change hands in one publication, though either record alone would contradict the other.
    assert district.publish(text("aa", match="bb.example"), text("bb", match="aa.example"), at=NOON + 2 * DAY) == {
        "aa": "changed", "bb": "changed"
    }  # fmt: skip
    assert topic_of(*district.log).broken == {}
    one_by_one = AgreementTopic()
    for record in district.log:
        one_by_one.take([record])
    assert (one_by_one.held, one_by_one.broken) == (district.topic.held, {})


def record_of(key: str, **changes: object) -> bytes:
    body = text(key)
    version = {"effective": None, "file": f"{key}.yaml", "sha256": sha256(body.encode()).hexdigest(), "text": body}
    return json.dumps({"v": 1, "id": key, "versions": [{**version, **changes}]}).encode()


def hashed(body: str) -> dict[str, object]:
    return {"text": body, "sha256": sha256(body.encode()).hexdigest()}


GOOD = record_of("aa")


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (b"aa", None, "no_value"),
        (b"aa", b"schema: schoolgate/agreement/1", "not_json"),
        (b"aa", b"[]", "not_json"),
        (b"aa", b"\xff", "not_json"),
        pytest.param(b"aa", b" " * (MAX_VALUE_OCTETS + 1), "too_large", id="too-large"),
        (b"aa", b"{}", "wrong_version"),
        (b"aa", GOOD.replace(b'"v": 1', b'"v": 2'), "wrong_version"),
        (b"bb", GOOD, "wrong_key"),
        (None, GOOD, "wrong_key"),
        (b"aa", record_of("aa", sha256="0" * 64), "wrong_agreement"),
        (b"aa", record_of("aa", effective="yesterday"), "wrong_agreement"),
        (b"aa", record_of("aa", effective="2026-10-14T17:00:00"), "wrong_agreement"),
        (b"aa", record_of("aa", **hashed("a: [")), "wrong_agreement"),
        (b"aa", record_of("aa", **hashed(text("aa", gate="maybe"))), "wrong_agreement"),
        (b"aa", record_of("aa", **hashed(text("bb"))), "wrong_agreement"),
        (b"aa", GOOD[:-3] + b'},{"effective":null}]}', "wrong_agreement"),
        (b"cc", record_of("cc", **hashed(text("cc", match="bb.example"))), "conflict"),
    ],
)
def test_a_record_that_cannot_be_used_replaces_nothing_and_is_repaired_by_publishing(
    key: bytes | None, value: bytes | None, reason: str
) -> None:
    district = District()
    district.publish(text("aa"), text("bb"))
    good = district.topic
    district.add(key, value)
    bad = district.topic
    assert bad.held == good.held
    assert [each.reason for each in bad.broken.values()] == [reason]
    told_again = AgreementTopic().take(district.log).refusals
    assert [each.reason for each in told_again] == [reason]
    assert "at offset 2 is not used: " in str(told_again[0])
    again = district.publish(text("aa"), text("bb"))
    assert sorted(again.values()) == sorted(
        ["unchanged"] * (2 - (key in {b"aa", b"bb"})) + ["repaired"] * (key in {b"aa", b"bb"})
    )
    assert district.topic.held == good.held
    if key in {b"aa", b"bb"}:
        assert district.topic.broken == {}


def test_a_record_that_waits_counts_when_a_later_one_makes_it_right() -> None:
    topic = topic_of(TopicRecord(b"aa", record_of("aa"), 0))
    claims_it_too = TopicRecord(b"bb", record_of("bb", **hashed(text("bb", match="aa.example"))), 1)
    assert [each.reason for each in topic.take([claims_it_too]).refusals] == ["conflict"]
    moved = TopicRecord(b"aa", record_of("aa", **hashed(text("aa", match="elsewhere.example"))), 2)
    assert topic.take([moved]).changed
    assert sorted(topic.held) == ["aa", "bb"]
    assert topic.broken == {}


def test_a_history_that_compaction_lost_behind_a_broken_record_begins_anew_from_the_beginning() -> None:
    district = District()
    district.publish(text("aa"), text("bb"))
    district.add(b"aa", b"poison")
    district.log = district.compacted()
    assert sorted(district.topic.held) == ["bb"]
    assert district.publish(text("aa"), text("bb")) == {"aa": "new", "bb": "unchanged"}
    assert told(district.topic, BEGINNING) == [{"aa": "approved", "bb": "approved"}]


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_neither_compaction_nor_portions_change_the_editions(data: st.DataObject) -> None:
    district = District()
    names = ("one.example", "two.example", "three.example")
    for _ in range(data.draw(st.integers(1, 6))):
        keys = data.draw(st.lists(st.sampled_from(["aa", "bb", "cc"]), unique=True, min_size=1))
        matches = data.draw(st.permutations(names))
        texts = [
            text(key, match=matches[place], gate=data.draw(st.sampled_from(["approved", "paused"])))
            for place, key in enumerate(keys)
        ]
        try:
            district.publish(*texts, at=NOON + data.draw(st.integers(0, 5)) * DAY)
        except DocumentError:
            continue  # it would have contradicted a version of another time
    moments = [NOON + days * DAY for days in range(-1, 7)]
    expected = told(district.topic, *moments)
    assert told(topic_of(*district.compacted()), *moments) == expected
    in_portions = AgreementTopic()
    for record in district.log:
        in_portions.take([record])
    assert told(in_portions, *moments) == expected
    assert district.topic.broken == {}


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(
        lambda x: json.dumps({"v": 1, "id": "aa", "versions": x}).encode()
    )
)
def test_no_octets_make_a_reader_stumble(value: bytes) -> None:
    with pytest.raises(RefusedRecordError):
        read_record(b"a-key", value)
