"""What datagrams of NetFlow version 9 and IPFIX say, honest ones and hostile ones."""

from __future__ import annotations

import struct
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.netflow_pairing import Half
from collector.sensor_records import RecordError
from collector.sources import netflow
from collector.sources.netflow import FlowRow, NetflowDecoder, is_netflow, message_size
from collector.sources.netflow_rows import half_of, row_times
from tests.collector.sensor_lines import (
    AT,
    FIELDS,
    FIELDS_IPFIX,
    PUPIL,
    PUPIL6,
    SERVER,
    UPTIME_MS,
    flow_set,
    ipfix,
    record,
    template,
    v9,
    v9_record,
)

NS = 1_000_000_000
MS = 1_000_000


def rows(*datagrams: bytes) -> list[FlowRow]:
    decoder = NetflowDecoder()
    return [row for datagram in datagrams for row in decoder.read(datagram, exporter="192.0.2.1")]


def half(row: FlowRow) -> Half:
    found = half_of(row, counters=netflow.NetflowCounters())
    assert found is not None
    return found


def v9_half(fields: tuple[tuple[int, int], ...] = FIELDS, **values: Any) -> Half:
    body = record(fields, v9_record(**values))
    [row] = rows(v9(flow_set(0, template(256, fields)), flow_set(256, body)))
    return half(row)


def ipfix_half(values: dict[int, int | str], fields: tuple[tuple[int, int], ...] = FIELDS_IPFIX) -> Half:
    base: dict[int, int | str] = {
        8: PUPIL, 12: SERVER, 7: 40_000, 11: 443, 4: 6, 1: 1_180, 2: 9, 152: (AT - 60) * 1_000, 153: (AT - 58) * 1_000,
    }  # fmt: skip
    body = record(fields, base | values)
    [row] = rows(ipfix(flow_set(2, template(256, fields)), flow_set(256, body)))
    return half(row)


def test_a_record_of_version_9_tells_one_direction() -> None:
    found = v9_half()
    assert (found.source, found.source_port) == (ip_address(PUPIL).packed, 40_000)
    assert (found.target, found.target_port, found.proto) == (ip_address(SERVER).packed, 443, "tcp")
    assert (found.octets, found.packets, found.both, found.certain) == (1_180, 9, False, False)


def test_times_of_version_9_count_from_when_the_exporter_began_to_run() -> None:
    # The header counts whole seconds: the latest moment that it can mean.
    found = v9_half()
    assert (found.started_ns, found.ended_ns) == ((AT - 60) * NS + 999 * MS, (AT - 58) * NS + 999 * MS)


def test_a_clock_that_went_round_in_between_is_understood() -> None:
    body = record(FIELDS, v9_record() | {22: (1 << 32) - 60_000, 21: (1 << 32) - 58_000})
    [row] = rows(v9(flow_set(0, template(256, FIELDS)), flow_set(256, body), uptime_ms=0))
    assert row_times(row)[0] == (AT - 60) * NS + 999 * MS


def test_a_record_of_ipfix_has_its_own_times() -> None:
    found = ipfix_half({})
    assert (found.started_ns, found.ended_ns) == ((AT - 60) * NS, (AT - 58) * NS)


@pytest.mark.parametrize(
    ("first", "last", "size", "values"),
    [
        (150, 151, 4, (AT - 60, AT - 58)),
        (154, 155, 8, ((AT - 60 + 2_208_988_800) << 32, (AT - 58 + 2_208_988_800) << 32)),
        (156, 157, 8, ((AT - 60 + 2_208_988_800) << 32, (AT - 58 + 2_208_988_800) << 32)),
        (158, 159, 4, (60_000_000, 58_000_000)),
    ],
    ids=["seconds", "microseconds", "nanoseconds", "before the export"],
)
def test_every_way_of_telling_times_is_read(first: int, last: int, size: int, values: tuple[int, int]) -> None:
    fields = (*(field for field in FIELDS_IPFIX if field[0] not in (152, 153)), (first, size), (last, size))
    found = ipfix_half({first: values[0], last: values[1]}, fields)
    assert (found.started_ns // NS, found.ended_ns // NS) == (AT - 60, AT - 58)


def test_times_by_the_clock_of_an_ipfix_exporter_need_its_start_which_a_record_of_options_may_tell() -> None:
    options = flow_set(3, template(257, ((149, 4), (160, 8)), options=1))
    told = flow_set(257, record(((149, 4), (160, 8)), {160: AT * 1_000 - UPTIME_MS}))
    body = record(FIELDS, v9_record())
    [row] = rows(ipfix(options, told, flow_set(2, template(256, FIELDS)), flow_set(256, body)))
    assert row_times(row) == ((AT - 60) * NS, (AT - 58) * NS)


def test_a_record_of_both_directions_waits_for_no_other() -> None:
    fields = (*FIELDS_IPFIX, (239, 1))
    body = record(fields, {8: PUPIL, 12: SERVER, 7: 40_000, 11: 443, 4: 6, 1: 1_180, 2: 9, 239: 1,
                           152: (AT - 60) * 1_000, 153: (AT - 58) * 1_000})  # fmt: skip
    back = struct.pack(">QI", 5_420, 8)
    told = struct.pack(">HH", 256, len(fields) + 2) + b"".join(struct.pack(">HH", *field) for field in fields)
    told += struct.pack(">HHI", 0x8001, 8, 29_305) + struct.pack(">HHI", 0x8002, 4, 29_305)
    [row] = rows(ipfix(flow_set(2, told), flow_set(256, body + back)))
    found = half(row)
    assert (found.octets, found.octets_back, found.packets_back) == (1_180, 5_420, 8)
    assert (found.both, found.certain) == (True, True)


def test_octets_sent_on_beside_octets_received_are_the_other_direction() -> None:
    found = v9_half((*FIELDS, (23, 4), (24, 4)), e23=5_420, e24=8)
    assert (found.octets, found.octets_back, found.packets_back, found.both) == (1_180, 5_420, 8, True)


def test_octets_sent_on_alone_are_this_direction() -> None:
    fields = (*(field for field in FIELDS if field[0] not in (1, 2)), (23, 4), (24, 4))
    found = v9_half(fields, e23=1_180, e24=9)
    assert (found.octets, found.packets, found.both) == (1_180, 9, False)


@pytest.mark.parametrize(("reason", "end"), [(1, "idle"), (2, "active"), (3, "fin"), (4, "evicted"), (5, "evicted")])
def test_the_exporter_says_why_a_record_was_sent(reason: int, end: str) -> None:
    assert ipfix_half({136: reason}).end == end


@pytest.mark.parametrize(
    ("flags", "last_ago_s", "end"), [(0x1B, 58, "fin"), (0x16, 58, "rst"), (0x1A, 58, "idle"), (0x1A, 2, "active")]
)
def test_where_it_does_not_the_flags_and_the_silence_say_it(flags: int, last_ago_s: int, end: str) -> None:
    assert v9_half(e6=flags, e21=UPTIME_MS - last_ago_s * 1_000).end == end


def test_addresses_of_ipv6_are_read() -> None:
    fields = ((27, 16), (28, 16), *FIELDS[2:])
    found = v9_half(fields, e27=PUPIL6, e28="2001:db8:ffff::20")
    assert found.source == ip_address(PUPIL6).packed


def test_fields_that_nobody_asked_for_are_skipped_those_of_vendors_and_of_any_length_too() -> None:
    told = struct.pack(">HH", 256, len(FIELDS_IPFIX) + 2)
    told += struct.pack(">HHI", 0x8000 | 100, 65_535, 9) + struct.pack(">HH", 371, 65_535)
    told += b"".join(struct.pack(">HH", *field) for field in FIELDS_IPFIX)
    values: dict[int, int | str] = {
        8: PUPIL, 12: SERVER, 7: 40_000, 11: 443, 4: 6, 1: 1_180, 152: (AT - 60) * 1_000, 153: (AT - 58) * 1_000,
    }  # fmt: skip
    body = b"\x03abc" + b"\xff\x01\x00" + bytes(256) + record(FIELDS_IPFIX, values)
    [row] = rows(ipfix(flow_set(2, told), flow_set(256, body)))
    assert half(row).octets == 1_180


def test_padding_behind_the_last_record_is_none() -> None:
    body = record(FIELDS, v9_record()) * 2 + bytes(3)
    assert len(rows(v9(flow_set(0, template(256, FIELDS)), flow_set(256, body)))) == 2


def test_other_protocols_make_no_flow_and_missing_counts_are_counted() -> None:
    counters = netflow.NetflowCounters()
    [row] = rows(v9(flow_set(0, template(256, FIELDS)), flow_set(256, record(FIELDS, v9_record(e4=1)))))
    assert half_of(row, counters=counters) is None
    fields = tuple(field for field in FIELDS if field[0] != 1)
    [row] = rows(v9(flow_set(0, template(256, fields)), flow_set(256, record(fields, v9_record()))))
    assert half_of(row, counters=counters) is None
    assert counters.uncounted == 1


def test_data_before_its_template_is_counted_and_lost() -> None:
    decoder = NetflowDecoder()
    data = flow_set(256, record(FIELDS, v9_record()))
    assert decoder.read(v9(data), exporter="a") == []
    assert decoder.counters.sets_without_template == 1
    decoder.read(v9(flow_set(0, template(256, FIELDS)), sequence=2), exporter="a")
    assert len(decoder.read(v9(data, sequence=3), exporter="a")) == 1
    assert decoder.read(v9(data, sequence=3), exporter="b") == []  # another exporter's template is none of its own
    assert decoder.read(v9(data, sequence=3, source=5), exporter="a") == []


def test_a_template_that_is_sent_anew_replaces_the_old_one_and_one_without_fields_takes_it_back() -> None:
    decoder = NetflowDecoder()
    decoder.read(ipfix(flow_set(2, template(256, FIELDS))), exporter="a")
    decoder.read(ipfix(flow_set(2, template(256, FIELDS_IPFIX))), exporter="a")
    data = flow_set(256, record(FIELDS_IPFIX, {8: PUPIL, 12: SERVER}))
    assert len(decoder.read(ipfix(data), exporter="a")) == 1
    decoder.read(ipfix(flow_set(2, struct.pack(">HH", 256, 0))), exporter="a")
    assert decoder.read(ipfix(data), exporter="a") == []


def test_templates_beyond_the_bound_make_the_least_used_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netflow, "MAX_TEMPLATES", 2)
    decoder = NetflowDecoder()
    data = flow_set(256, record(FIELDS, v9_record()))
    decoder.read(v9(flow_set(0, template(256, FIELDS) + template(257, FIELDS))), exporter="a")
    decoder.read(v9(data, sequence=2), exporter="a")
    decoder.read(v9(flow_set(0, template(258, FIELDS)), sequence=3), exporter="a")
    assert len(decoder.read(v9(data, sequence=4), exporter="a")) == 1
    assert decoder.counters.templates_forgotten == 1


def test_gaps_in_the_numbers_of_version_9_are_datagrams() -> None:
    decoder = NetflowDecoder()
    for sequence in (7, 8, 11, 12, 10, 13):
        decoder.read(v9(sequence=sequence), exporter="a")
    assert decoder.counters.missing == 2 + 2


def test_an_exporter_that_begins_anew_lost_nothing() -> None:
    decoder = NetflowDecoder()
    for sequence in (4_000_000_000, 4_000_000_001, 1, 2):
        decoder.read(v9(sequence=sequence), exporter="a")
    assert decoder.counters.missing == 0


@pytest.mark.parametrize("numbers", [(0, 2, 4), (2, 4, 6)], ids=["records before it", "records up to its end"])
def test_both_ways_of_numbering_ipfix_show_no_gap_where_there_is_none(numbers: tuple[int, ...]) -> None:
    decoder = NetflowDecoder()
    head, data = flow_set(2, template(256, FIELDS)), flow_set(256, record(FIELDS, v9_record()) * 2)
    for number in numbers:
        decoder.read(ipfix(head, data, sequence=number), exporter="a")
    assert decoder.counters.missing == 0
    decoder.read(ipfix(head, data, sequence=numbers[-1] + 12), exporter="a")
    assert decoder.counters.missing == 10


@pytest.mark.parametrize("where", ["record", "options"])
def test_records_of_a_sample_are_counted_as_such_and_not_scaled(where: str) -> None:
    decoder = NetflowDecoder()
    fields = (*FIELDS, (34, 4)) if where == "record" else FIELDS
    sets = [flow_set(0, template(256, fields))]
    if where == "options":
        scope = struct.pack(">HHHHHHH", 257, 4, 4, 1, 4, 34, 4)
        sets += [flow_set(1, scope), flow_set(257, struct.pack(">II", 1, 1_000))]
    sets.append(flow_set(256, record(fields, v9_record(e34=1_000))))
    [row] = decoder.read(v9(*sets), exporter="a")
    assert decoder.counters.sampled == 1
    assert half(row).octets == 1_180


def test_an_interval_of_one_is_no_sample() -> None:
    decoder = NetflowDecoder()
    fields = (*FIELDS, (34, 4))
    decoder.read(v9(flow_set(0, template(256, fields)), flow_set(256, record(fields, v9_record(e34=1)))), exporter="a")
    assert decoder.counters.sampled == 0


def test_a_live_exporter_whose_clock_is_off_is_not_believed() -> None:
    decoder = NetflowDecoder()
    whole = v9(flow_set(0, template(256, FIELDS)), flow_set(256, record(FIELDS, v9_record())))
    assert decoder.read(whole, exporter="a", now_ns=(AT + 7_200) * NS) == []
    assert decoder.counters.off_clock == 1
    assert len(decoder.read(whole, exporter="a", now_ns=(AT + 60) * NS)) == 1


@pytest.mark.parametrize(
    "values",
    [{21: UPTIME_MS - 60_000, 22: UPTIME_MS - 58_000}, {1: 1 << 49, 21: UPTIME_MS, 22: UPTIME_MS}],
    ids=["ends before it begins", "more octets than any flow"],
)
def test_a_record_that_cannot_be_is_refused(values: dict[int, int | str]) -> None:
    fields = tuple((element, 8 if element == 1 else size) for element, size in FIELDS)
    [row] = rows(v9(flow_set(0, template(256, fields)), flow_set(256, record(fields, v9_record() | values))))
    with pytest.raises(RecordError):
        half_of(row, counters=netflow.NetflowCounters())


HOSTILE = {
    "nothing": b"",
    "version 5": struct.pack(">HH", 5, 1) + bytes(44),
    "a header cut short": v9()[:12],
    "a set longer than its datagram": v9(struct.pack(">HH", 256, 400)),
    "a set shorter than its header": v9(struct.pack(">HH", 256, 3)),
    "a message longer than it is": ipfix() + b"",
    "a template of nothing": v9(flow_set(0, template(256, ((8, 0),)))),
    "a template cut short": v9(flow_set(0, struct.pack(">HH", 256, 3))),
    "a template of a thousand fields": v9(flow_set(0, template(256, ((8, 4),) * 1_000))),
}
HOSTILE["a message longer than it is"] = ipfix()[:2] + struct.pack(">H", 400) + ipfix()[4:]


@pytest.mark.parametrize("datagram", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_datagram_is_refused_and_counted(datagram: bytes) -> None:
    decoder = NetflowDecoder()
    with pytest.raises(RecordError):
        decoder.read(datagram, exporter="a")
    assert decoder.counters.malformed == 1


def test_a_record_that_says_it_is_longer_than_its_set_is_refused() -> None:
    told = flow_set(2, template(256, ((371, 65_535), *FIELDS)))
    with pytest.raises(RecordError):
        rows(ipfix(told, flow_set(256, b"\xff\xff\xff" + record(FIELDS, v9_record()))))


@pytest.mark.parametrize("make", [v9, ipfix])
def test_messages_in_a_file_are_told_apart(make: Any) -> None:
    first = make(flow_set(0 if make is v9 else 2, template(256, FIELDS)), flow_set(256, record(FIELDS, v9_record())))
    second = make(flow_set(256, record(FIELDS, v9_record())), sequence=2)
    assert is_netflow(first)
    assert message_size(first + second) == len(first)
    assert message_size(first[:3]) is None


def test_captures_are_no_netflow() -> None:
    for head in (b"\xd4\xc3\xb2\xa1", b"\x0a\x0d\x0d\x0a", b"\xa1\xb2\xc3\xd4", bytes(4)):
        assert not is_netflow(head + bytes(40))


_pieces = st.lists(
    st.one_of(
        st.binary(max_size=60).map(lambda body: flow_set(256, body)),
        st.binary(max_size=40).map(lambda body: flow_set(0, body)),
        st.binary(max_size=40).map(lambda body: flow_set(2, body)),
        st.binary(max_size=40).map(lambda body: flow_set(1, body)),
        st.just(flow_set(0, template(256, FIELDS))),
        st.just(flow_set(2, template(256, ((371, 65_535), *FIELDS)))),
        st.just(flow_set(256, record(FIELDS, v9_record()))),
        st.binary(max_size=30),
    ),
    max_size=6,
)


@given(datagrams=st.lists(_pieces, max_size=4), make=st.sampled_from([v9, ipfix]))
def test_no_datagram_raises_anything_else(datagrams: list[list[bytes]], make: Any) -> None:
    decoder = NetflowDecoder()
    for pieces in datagrams:
        with suppress(RecordError):
            message_size(make(*pieces))
        with suppress(RecordError):
            for row in decoder.read(make(*pieces), exporter="a"):
                with suppress(RecordError):
                    half_of(row, counters=decoder.counters)


@given(octets=st.binary(max_size=120))
def test_no_octets_raise_anything_else(octets: bytes) -> None:
    for datagram in (octets, b"\x00\x09" + octets, b"\x00\x0a" + octets):
        is_netflow(datagram)
        with suppress(RecordError):
            message_size(datagram)
        with suppress(RecordError):
            rows(datagram)
