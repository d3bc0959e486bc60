"""Under which name an event tells a flow: what was said in it, or the answer that its device was given before."""

from __future__ import annotations

import pytest

from collector.encoding import encode
from collector.names import DnsMemory
from collector.opening_facts import Opening
from tests.collector.test_meter import GATEWAY, NOON_NS, NS, SERVER, TABLET, flow, hello, meter, opened


def learned(*, at_ns: int = NOON_NS, name: str = "www.school.example", chain: tuple[str, ...] = ()) -> DnsMemory:
    names = DnsMemory()
    names.learn(b"m" + TABLET, name=name, chain=chain, addresses=(SERVER,), ttl_s=60, at_ns=at_ns)
    return names


def test_a_flow_that_says_no_name_gets_that_of_the_answer_its_own_device_was_given() -> None:
    names = learned(chain=("edge.cdn.example",))
    event = meter(names=names).event(flow())
    assert (event.server_name, event.name_source, event.cnames) == ("www.school.example", "dns", ("edge.cdn.example",))
    assert meter(names=names).event(flow(mac=GATEWAY)).server_name is None


def test_a_name_that_was_said_wins_and_brings_its_own_chain() -> None:
    event = meter(names=learned(name="other.example", chain=("edge.cdn.example",))).event(flow(opening=hello()))
    assert (event.server_name, event.name_source, event.cnames) == ("www.school.example", "tls_sni", ())
    event = meter(names=learned(chain=("edge.cdn.example",))).event(flow(opening=hello()))
    assert event.cnames == ("edge.cdn.example",)


def refused() -> Opening:
    return opened(name_source="tls_sni", app="tls", tls_version="1.3")


def test_a_name_that_is_no_host_name_was_seen_and_its_server_has_no_address() -> None:
    event = meter().event(flow(opening=refused()))
    assert (event.withheld, event.server_name, event.name_source, event.dst_ip) == (True, None, "tls_sni", None)
    metered = meter()
    metered.write(flow(opening=refused()))
    assert encode(event) == metered.written().rstrip()


def test_in_the_lab_it_has() -> None:
    event = meter(lab=True).event(flow(opening=refused()))
    assert (event.withheld, event.server_name, event.dst_ip) == (True, None, "192.0.2.80")


def test_an_answer_of_the_device_names_that_flow_too() -> None:
    event = meter(names=learned()).event(flow(opening=refused()))
    assert (event.withheld, event.server_name, event.name_source) == (False, "www.school.example", "dns")


@pytest.mark.parametrize("late", [True, False])
def test_every_part_after_it_has_no_address_either(*, late: bool) -> None:
    metered = meter()
    opening = opened() if late else refused()
    first = metered.event(flow(end="active", opening=opening))
    opening.name_source = "tls_sni"
    parts = [metered.event(flow(end=end, part=part, opening=opening)) for part, end in ((1, "active"), (2, "fin"))]
    assert (first.withheld, first.dst_ip) == ((False, "192.0.2.80") if late else (True, None))
    assert {(event.withheld, event.dst_ip) for event in parts} == {(True, None)}


def test_a_look_up_is_never_named_after_the_address_of_its_resolver() -> None:
    event = meter(names=learned()).event(flow(proto="udp", server_port=53, opening=opened(app="dns")))
    assert (event.server_name, event.name_source, event.app) == (None, "none", "dns")


def test_an_answer_that_came_after_the_flow_began_names_nothing() -> None:
    assert meter(names=learned(at_ns=NOON_NS + 2 * NS)).event(flow()).server_name is None


def test_every_part_of_a_long_flow_carries_the_name_of_its_first() -> None:
    names = learned()
    metered = meter(names=names)
    found = [metered.event(flow(end="active"))]
    names.learn(b"m" + TABLET, name="b.example", chain=(), addresses=(SERVER,), ttl_s=60, at_ns=NOON_NS + 200 * NS)
    for part, end in ((1, "active"), (2, "fin")):
        found.append(metered.event(flow(end=end, part=part, started_ns=NOON_NS + 300 * part * NS)))
    assert [(event.server_name, event.name_source) for event in found] == [("www.school.example", "dns")] * 3
    assert len({event.id for event in found}) == 3


def test_a_name_said_late_is_carried_by_the_parts_that_follow() -> None:
    metered = meter()
    opening = opened()
    first = metered.event(flow(end="active", opening=opening))
    opening.server_name, opening.name_source = "late.example", "http_host"
    later = [metered.event(flow(end=end, part=part, opening=opening)) for part, end in ((1, "active"), (2, "idle"))]
    assert (first.server_name, [event.server_name for event in later]) == (None, ["late.example"] * 2)
