"""What leaves of single connections, from their frames on: names that were seen leave no other trace."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

import pytest

from collector.events import FlowEvent
from rules.sample import cast, conversations, wire
from rules.sample.chance import Chance
from rules.sample.conversations import Exchange, Manner
from rules.sample.hellos import Wish
from tests.system.test_releasing import Town

MORNING_US = 1_791_295_500_000_000
SERVER = "198.51.100.231"
CRISIS = "chat.thetrevorproject.org"
PUPILS = cast.DEVICES["grade3"]


def visit(name: str, *, of: int = 0, client: str | None = None, at_s: int = 0) -> list[wire.Frame]:
    """Return the frames of a TLS connection that falls silent; *client*: whose address it has, if not the pupil's."""
    pupil = PUPILS[of]
    path = wire.Path(
        client_mac=pupil.mac, gateway_mac=pupil.gateway, vlan=None,
        client=ip_address(client).packed if client else pupil.ipv4,
        server=ip_address(SERVER).packed, client_port=50_001 + of, server_port=443,
    )  # fmt: skip
    return conversations.tls(
        path,
        start_us=MORNING_US + at_s * 1_000_000,
        manner=Manner(wish=Wish(name=name, modern=False, alpn=("h2",)), ending="open"),
        exchanges=[Exchange(after_us=9000, up=900, down=9000)],
        chance=Chance(f"{name}/{of}/{client}"),
    )


def sent_up(frames: Iterable[wire.Frame]) -> list[wire.Frame]:
    return [frame for frame in frames if frame.octets[:6] == PUPILS[0].gateway]


def left(tmp_path: Path, frames: Iterable[wire.Frame]) -> list[FlowEvent]:
    """Return the events that leave of a capture of *frames*."""
    town = Town(tmp_path)
    capture = tmp_path / "frames.pcap"
    capture.write_bytes(wire.capture_file(frames))
    events = [event for batch in town.file(capture).batches() for event in batch]
    town.spool.close()
    return events


@pytest.mark.parametrize("name", [CRISIS, "www.stargazing-club.example"])
def test_a_connection_that_goes_on_after_a_long_silence_has_no_address_where_its_name_was_withheld(
    tmp_path: Path, name: str
) -> None:
    frames = visit(name)
    later = [wire.Frame(at_us=each.at_us + 400_000_000, octets=each.octets, length=each.length) for each in frames[-2:]]
    first, second = left(tmp_path, [*frames, *later])
    assert (first.withheld, first.server_name, first.dst_ip) == (True, None, None)
    assert (second.withheld, second.name_source, second.dst_ip) == (False, "none", None)
    assert first.device == second.device


def test_five_devices_that_were_answered_release_a_name(tmp_path: Path) -> None:
    events = left(tmp_path, [frame for of in range(5) for frame in visit("club.example", of=of, at_s=of)])
    assert {event.server_name for event in events} == {"club.example"}


def test_hellos_with_invented_senders_that_nobody_answers_release_no_name(tmp_path: Path) -> None:
    forged = [frame for of in range(1, 5) for frame in sent_up(visit("club.example", of=of, at_s=of))]
    events = left(tmp_path, [*visit("club.example"), *forged])
    assert [event.server_name for event in events] == [None] * 5


def test_nor_do_those_that_get_a_handshake_and_never_any_payload(tmp_path: Path) -> None:
    forged = []
    for of in range(1, 5):
        talk = visit("club.example", of=of, at_s=of)
        forged += [talk[0], talk[1], *sent_up(talk[2:])]
    events = left(tmp_path, [*visit("club.example"), *forged])
    assert [event.server_name for event in events] == [None] * 5
    assert sum(event.packets_down > 0 for event in events) == 5


def test_clients_outside_of_all_segments_release_no_name(tmp_path: Path) -> None:
    strangers = [
        frame for of in range(1, 7) for frame in visit("club.example", of=of, client=f"203.0.113.{of}", at_s=of)
    ]
    events = left(tmp_path, [*visit("club.example"), *strangers])
    assert [event.server_name for event in events] == [None] * 7
    assert sum(event.school is None for event in events) == 6


@pytest.mark.parametrize(
    "name", ["www.samaritans.org..", "www..samaritans.org", "www.samaritans.org/", "www samaritans.org"]
)
def test_a_name_that_is_spelled_oddly_was_seen_and_leaves_neither_itself_nor_an_address(
    tmp_path: Path, name: str
) -> None:
    (event,) = left(tmp_path, visit(name))
    assert (event.withheld, event.server_name, event.name_source, event.dst_ip) == (True, None, "tls_sni", None)
