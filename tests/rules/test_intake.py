"""Event lines: strict, and a refusal says which line and what to do."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from collector.dissect.dns import message
from collector.documents import DocumentError, Problem
from collector.events import FlowEvent
from collector.lab import without_addresses
from collector.refused import MAX_PROBLEMS, Refused
from collector.watch import new_pseudonyms
from rules.checks.example import event
from rules.intake import MAX_LINE_BYTES, EventError, read_event, read_events, read_record
from rules.rehearsal import world


def line(*without: str, **changes: Any) -> bytes:
    """Return the example event as a line, changed."""
    told = {**asdict(event({}, number=0)), **changes}
    return json.dumps({name: value for name, value in told.items() if name not in without}).encode()


def test_an_event_comes_through_as_it_was_written() -> None:
    written = event({"cnames": ("a.example", "b.example"), "district": "riverbend"}, number=0)
    assert read_event(json.dumps(asdict(written)).encode()) == written


def test_fields_that_may_be_absent_may_be_absent() -> None:
    came = read_event(line("district", "src_ip", "src_port", "withheld", "plaintext_data", "cnames", "part"))
    assert (came.district, came.plaintext_data, came.withheld, came.part) == (None, None, False, 0)


@pytest.mark.parametrize(
    ("octets", "what"),
    [
        (b"not json", "the line is not JSON"),
        (b"[1, 2]", "the line is no JSON object"),
        (line("id"), "`id` is missing"),
        (line(v=2), "`v` is not 1"),
        (line(colour="red"), "the line has a field that is none of FlowEvent version 1"),
        (line(bytes_up="12"), "`bytes_up`: input should be a valid integer"),
        (line(app="smtp"), "`app`: input should be"),
        (line(started_at="yesterday"), "`started_at` is no time in UTC"),
        (line(started_at="2026-10-14T15:00:00.000000"), "`started_at` is no time in UTC"),
        (line(ended_at="2026-10-14T15:00:00.000000-05:00"), "`ended_at` is no time in UTC"),
        (line(started_at="0001-01-01T00:00:00Z"), "`started_at` lies before 1970 or after 9998"),
        (line(ended_at="9999-12-31T23:59:59Z"), "`ended_at` lies before 1970 or after 9998"),
        (line(bytes_up=-1), "a count is negative, or larger than any flow"),
        (line(packets_down=1 << 60), "a count is negative, or larger than any flow"),
        (line(part=-1), "a count is negative, or larger than any flow"),
        (line(server_name="WWW.Club.example"), "`server_name` is no host name in lower case"),
        (line(server_name="www.club.example."), "`server_name` is no host name in lower case"),
        (line(server_name="emma smith.example"), "`server_name` is no host name in lower case"),
        (line(server_name="192.0.2.7"), "`server_name` is no host name in lower case"),
        (line(server_name=""), "`server_name` is no host name in lower case"),
        (line(cnames=["edge.club.example", "EDGE.club.example"]), "`cnames` holds what is no name in lower case"),
        (line(cnames=["edge.club.example."]), "`cnames` holds what is no name in lower case"),
        (line(cnames=["emma smith.example"]), "`cnames` holds what is no name in lower case"),
        (line(src_ip="192.0.2.7%emma"), "`src_ip` is no address"),
        (line(src_ip="fe80::7%emma"), "`src_ip` is no address"),
        (line(src_ip=""), "`src_ip` is no address"),
        (line(src_ip="192.0.2.007"), "`src_ip` is no address"),
        (line(dst_ip="2001:db8::7%emma"), "`dst_ip` is no address"),
        (line(dst_ip=""), "`dst_ip` is no address"),
        (line(src_port=51_234), "`src_port` stands without `src_ip`"),
        (b'{"id": "' + b"x" * MAX_LINE_BYTES, "the line has more than 65,536 octets"),
    ],
)
def test_a_wrong_line_is_refused_in_plain_words(octets: bytes, what: str) -> None:
    with pytest.raises(EventError) as refusal:
        read_event(octets)
    assert refusal.value.what.startswith(what)
    assert refusal.value.remedy
    # A file is read quickly, and refused in the same words.
    refused = Refused()
    came = list(read_events([line(id="a"), octets], path="day.jsonl", refused=refused))
    assert [one.id for one in came] == ["a"]
    told = Problem(path="day.jsonl", line=2, what=f"{refusal.value.what}; set aside", remedy=refusal.value.remedy)
    assert (refused.problems, refused.count) == ([told], 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"server_name": "Emma.club.example"},
        {"server_name": "emma smith"},
        {"cnames": ["emma\n"]},
        {"src_ip": "198.51.100.9%emma"},
        {"dst_ip": "emma"},
        {"started_at": "emma"},
        {"app": "emma"},
        {"bytes_up": "emma"},
        {"cnames": [{"emma": "emma"}]},
        {"198.51.100.9 emma": 1},
        {"v": {"emma": 1}},
    ],
)
def test_what_is_said_of_a_line_quotes_nothing_that_stands_in_it(changes: dict[str, object]) -> None:
    refused = Refused()
    assert [one.id for one in read_events([line(id="a"), line(**changes)], path="d", refused=refused)] == ["a"]
    (words,) = refused.words
    assert "emma" not in words.lower()
    assert "198.51.100.9" not in words


@pytest.mark.parametrize(
    "changes",
    [
        {"server_name": None, "cnames": []},
        {"server_name": "xn--mnchen-3ya.example", "cnames": ["_edge.club-1.example", "a.b.example"]},
        # A chain may lead anywhere; the wire's other octets come as three digits (RFC 1035, 5.1), the root as "".
        {"cnames": ["emma\\032smith.example", "edge.7", ""]},
        {"dst_ip": None},
        {"dst_ip": "2001:db8::7"},
        {"src_ip": "2001:db8::8", "src_port": None},
        {"src_ip": "192.0.2.8", "src_port": 51_234},
    ],
)
def test_names_and_addresses_as_the_contract_has_them_come_through(changes: dict[str, object]) -> None:
    (came,) = read_events([line(**changes)], path="day.jsonl", refused=Refused())
    told = {name: getattr(came, name) for name in changes}
    assert {name: list(value) if isinstance(value, tuple) else value for name, value in told.items()} == changes


@given(wire=st.lists(st.binary(min_size=1, max_size=20), max_size=4))
def test_every_link_that_a_dns_answer_can_hold_comes_through_a_file(wire: list[bytes]) -> None:
    target = b"".join(bytes([len(label)]) + label for label in wire) + b"\0"
    answer = b"\0\1\x81\x80\0\1\0\1\0\0\0\0\1a\0\0\1\0\1\xc0\x0c\0\5\0\1\0\0\0\7" + len(target).to_bytes(2) + target
    (record,) = message(answer).records
    assert record.target is not None
    (came,) = read_events([line(cnames=[record.target])], path="day.jsonl", refused=Refused())
    assert came.cnames == (record.target,)


def test_a_wrong_line_is_set_aside_and_the_others_come_through() -> None:
    refused = Refused()
    lines = [line(id="a"), b"\n", b"{", line(id="b"), line("id"), line(id="c")]
    came = read_events(lines, path="day.jsonl", refused=refused)
    assert [one.id for one in came] == ["a", "b", "c"]
    assert [problem.line for problem in refused.problems] == [3, 5]
    assert refused.words[0].startswith("day.jsonl:3: the line is not JSON; set aside; ")


def test_of_many_wrong_lines_all_are_counted_and_the_first_named() -> None:
    refused = Refused()
    came = list(read_events([line(), *[b"{"] * 1_000, line()], path="day.jsonl", refused=refused))
    assert (len(came), refused.count, len(refused.problems)) == (2, 1_000, MAX_PROBLEMS)
    assert refused.words[-1] == "1,000 records were set aside in all; the first 20 are named"


def test_a_file_of_another_kind_is_given_up_soon() -> None:
    endless = iter(lambda: b"{", None)
    with pytest.raises(DocumentError) as error:
        list(read_events(endless, path="core", refused=Refused()))
    assert len(error.value.problems) == MAX_PROBLEMS


def test_a_file_without_a_single_event_is_no_file_of_events() -> None:
    with pytest.raises(DocumentError) as error:
        list(read_events([b"{", b"", b"[]"], path="core", refused=Refused()))
    assert [problem.line for problem in error.value.problems] == [1, 3]


@given(octets=st.binary(max_size=200))
def test_no_octets_raise_anything_but_a_refusal(octets: bytes) -> None:
    with pytest.raises(EventError):
        read_event(octets)


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=9)


@given(value=SCALARS | st.lists(SCALARS, max_size=3), name=st.sampled_from(sorted(asdict(event({}, number=0)))))
def test_any_value_in_any_field_is_read_or_refused(value: object, name: str) -> None:
    try:
        read_event(line(**{name: value}))
    except EventError as refusal:
        assert refusal.remedy  # noqa: PT017 -- a value that fits is as good as one that is refused


FIELDS = [each.name for each in fields(FlowEvent)]
MUTATIONS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(2**70), max_value=2**70),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.lists(st.one_of(st.text(max_size=4), st.integers()), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@given(name=st.one_of(st.sampled_from(FIELDS), st.text(max_size=6)), value=MUTATIONS)
def test_the_quick_reader_takes_no_event_that_the_strict_one_refuses_and_reads_the_same_in_it(
    name: str, value: object
) -> None:
    octets = line(**{name: value})
    try:
        expected = asdict(TypeAdapter(FlowEvent).validate_json(octets))
    except ValidationError:
        with pytest.raises(EventError):
            read_record(octets)
    else:
        record = read_record(octets)
        assert {field: getattr(record, field) for field in FIELDS} == expected


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"v": 1}',
        b"\xff",
        line()[:-1],
        line() + b"x",
        line().replace(b'"example"', b'"\xff"'),
    ],
)
def test_what_is_no_event_is_refused_by_the_quick_reader_too(octets: bytes) -> None:
    with pytest.raises(EventError):
        read_record(octets)


@given(name=st.sampled_from(FIELDS), value=MUTATIONS)
def test_a_file_gives_the_events_that_the_strict_reader_gives_and_no_others(name: str, value: object) -> None:
    octets = line(**{name: value})
    try:
        expected = asdict(read_event(octets))
    except EventError:
        with pytest.raises(DocumentError):
            list(read_events([octets], path="day.jsonl", refused=Refused()))
    else:
        (came,) = read_events([octets], path="day.jsonl", refused=Refused())
        assert {field: getattr(came, field) for field in FIELDS} == expected


def test_a_lab_event_of_a_file_loses_its_addresses_like_any_other() -> None:
    network = world().network
    pseudonyms, _ring = new_pseudonyms(network, make_key=lambda: b"k" * 32)
    octets = line(src_ip="192.0.2.7", src_port=50_000, school=None, group=None, device=None)
    (came,) = read_events([octets], path="lab.jsonl", refused=Refused())
    quick = without_addresses(came, network=network, pseudonyms=pseudonyms)
    assert quick == without_addresses(read_event(octets), network=network, pseudonyms=pseudonyms)
    assert (quick.src_ip, quick.src_port) == (None, None)
    assert quick.device is not None
