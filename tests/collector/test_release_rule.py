"""Names leave the collector whole, as registrable domain, or not at all; events always leave."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from collector import release_rule
from collector.destinations import Destinations, Kind, Listed
from collector.events import FlowEvent
from collector.periods import Periods
from collector.problems import DocumentError
from collector.release_rule import ReleaseRule
from collector.sensitive import SensitiveFile, load_sensitive

LISTED = Listed(
    vendors=frozenset({"mathtrek.example", "samaritans.org"}),
    others=frozenset({"adco.example", "github.io", "childline.org.uk"}),
)
NETWORK_DAY_NS = 1_791_298_800_000_000_000  # 6 October 2026, 15:00 UTC


def event(number: int, name: str | None, *, device: str = "d0", at: str = "2026-10-06T15:00:00") -> FlowEvent:
    return FlowEvent(
        id=f"{number:020x}",
        sensor="tap",
        school="lincoln-es",
        group="k-5",
        device=device,
        dst_ip="192.0.2.7",
        dst_port=443,
        proto="tcp",
        started_at=f"{at}.{number:06d}Z",
        ended_at=f"{at}.{number:06d}Z",
        bytes_up=1000 + number,
        bytes_down=2000,
        packets_up=3,
        packets_down=4,
        server_name=name,
        name_source="none" if name is None else "tls_sni",
        cnames=() if name is None else ("edge.somewhere.example",),
        app="tls",
        tls_version="1.3",
        alpn="h2",
        ech=False,
        plaintext_bytes_up=0,
        end="fin",
    )


def rule(*, devices: int = 3, listed: Listed = LISTED) -> ReleaseRule:
    destinations = Destinations(listed, sensitive=load_sensitive([]))
    return ReleaseRule(destinations, periods=Periods(ZoneInfo("America/Chicago")), devices=devices)


def asked(name: str, *, devices: int, first: int = 0, at: str = "2026-10-06T15:00:00") -> list[FlowEvent]:
    """Return one event for *name* of each of so many devices."""
    return [event(first + n, name, device=f"d{first + n}", at=at) for n in range(devices)]


def test_a_listed_name_leaves_whole_at_once_with_its_address() -> None:
    first = replace(event(0, "app.mathtrek.example"), cnames=())
    assert rule().release([first]) == [first]


def test_an_unlisted_name_leaves_as_registrable_domain_once_enough_devices_asked() -> None:
    left = rule(devices=3).release(asked("emmas.pages.club.example", devices=4))
    assert [each.server_name for each in left] == [None, None, "club.example", "club.example"]
    assert all(each.withheld and each.dst_ip is None and each.cnames == () for each in left)
    assert {each.name_source for each in left} == {"tls_sni"}


def test_names_beneath_one_registrable_domain_count_together_and_one_device_counts_once() -> None:
    events = [event(n, f"h{n}.club.example", device="d0" if n < 5 else f"d{n}") for n in range(7)]
    left = rule(devices=3).release(events)
    assert [each.server_name for each in left] == [None] * 6 + ["club.example"]


UNANSWERED: dict[str, dict[str, Any]] = {
    "nobody answered": {"packets_down": 0, "bytes_down": 0, "tls_version_offered": True},
    "nobody answered in the clear": {"packets_down": 0, "bytes_down": 0, "tls_version": None, "app": "http"},
    "a handshake without payload": {"packets_down": 3, "bytes_down": 180, "tls_version_offered": True},
    "the same over IPv6": {"packets_down": 3, "bytes_down": 240, "tls_version": None},
    "a datagram without an answer": {"proto": "udp", "packets_down": 0, "bytes_down": 0},
    "the client lies in no segment": {"school": None, "group": None},
}


@pytest.mark.parametrize("other", UNANSWERED.values(), ids=UNANSWERED)
@pytest.mark.parametrize("ahead", [True, False])
def test_only_answered_devices_of_a_school_count(other: dict[str, Any], *, ahead: bool) -> None:
    strict = rule(devices=3)
    forged = [replace(each, **other) for each in asked("club.example", devices=20, first=10)]
    events = [*forged, *asked("club.example", devices=2)]
    if ahead:
        strict.learn(events)
    assert {each.server_name for each in strict.release(events)} == {None}
    assert strict.names == 1
    assert strict.release(asked("club.example", devices=1, first=2))[0].server_name == "club.example"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"packets_down": 200, "bytes_down": 10_400}, id="an upload whose server said its TLS version"),
        pytest.param({"packets_down": 2, "bytes_down": 161, "tls_version": None}, id="payload in the clear"),
        pytest.param({"proto": "udp", "packets_down": 1, "bytes_down": 40, "tls_version": None}, id="any datagram"),
    ],
)
def test_a_device_that_was_answered_counts(other: dict[str, Any]) -> None:
    events = [replace(each, **other) for each in asked("club.example", devices=2)]
    assert [each.server_name for each in rule(devices=2).release(events)] == [None, "club.example"]


def test_names_that_nobody_was_answered_for_drive_no_other_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_rule, "MAX_WAITING", 3)
    full = rule(devices=2)
    full.release(asked("club.example", devices=1))
    full.release([replace(event(n, f"site{n}.example"), packets_down=0) for n in range(20)])
    assert [each.server_name for each in full.release(asked("club.example", devices=1, first=1))] == ["club.example"]
    assert full.counters.names_forgotten == 0


def test_at_one_device_a_name_leaves_at_first_sight_whoever_asked() -> None:
    (left,) = rule(devices=1).release([replace(event(0, "club.example"), school=None, packets_down=0)])
    assert left.server_name == "club.example"


def test_nothing_but_name_address_and_chain_of_an_event_changes() -> None:
    (before,) = asked("club.example", devices=1)
    (after,) = rule().release([before])
    assert after == replace(before, server_name=None, withheld=True, dst_ip=None, cnames=())


def test_at_one_device_a_name_leaves_at_first_sight_and_never_whole() -> None:
    (left,) = rule(devices=1).release(asked("www.club.example", devices=1))
    assert (left.server_name, left.withheld) == ("club.example", True)


def test_a_file_that_was_looked_through_releases_the_first_as_well_as_the_last() -> None:
    whole = rule(devices=3)
    events = [*asked("www.club.example", devices=3), *asked("www.rare.example", devices=2, first=10)]
    whole.learn(events)
    left = whole.release(events)
    assert [each.server_name for each in left] == ["club.example"] * 3 + [None] * 2
    assert (whole.counters.reduced, whole.counters.few_devices) == (3, 2)


def test_each_key_has_a_window_of_its_own() -> None:
    each_day = rule(devices=2)
    left = each_day.release(
        [*asked("club.example", devices=2), *asked("club.example", devices=2, at="2026-10-07T15:00:00")]
    )
    assert [each.server_name for each in left] == [None, "club.example", None, "club.example"]


def test_pseudonyms_of_other_keys_are_counted_apart() -> None:
    apart = rule(devices=2)
    apart.release(asked("club.example", devices=1))
    apart.begin("another file")
    assert [each.server_name for each in apart.release(asked("club.example", devices=1, first=1))] == [None]
    apart.begin()
    assert [each.server_name for each in apart.release(asked("club.example", devices=1, first=2))] == ["club.example"]


def test_who_asked_is_forgotten_with_the_key() -> None:
    forgetful = rule(devices=2)
    forgetful.release([*asked("club.example", devices=1), *asked("forum.example", devices=2, first=5)])
    assert forgetful.names == 2
    forgetful.forget_before(NETWORK_DAY_NS + 24 * 3600 * 1_000_000_000)
    assert forgetful.names == 0
    (left,) = forgetful.release(asked("forum.example", devices=1))
    assert left.server_name is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("www.mathtrek.example", "listed"),
        ("pixel.adco.example", "listed"),
        ("www.club.example", "unlisted"),
        ("emmas-ipad.local", "not_public"),
        ("emmas-ipad", "not_public"),
        ("emmas-ipad.lincolnes", "not_public"),
        ("emmas-ipad.home.arpa", "not_public"),
        ("7.2.0.192.in-addr.arpa", "not_public"),
        ("192.0.2.7", "not_public"),
        ("2001:db8::7", "not_public"),
        ("co.uk", "not_public"),
        ("emma smith.club.example", "not_public"),
        ("émma.club.example", "not_public"),
        ("duckduckgo.onion", "not_public"),
        ("chat.thetrevorproject.org", "sensitive"),
        ("suicide-help.club.example", "sensitive"),
        ("gay-teens.example", "sensitive"),
        ("gayle-smith.example", "unlisted"),
        # An agreement wins, a party list does not.
        ("www.samaritans.org", "listed"),
        ("www.childline.org.uk", "sensitive"),
        # Who owns the servers says nothing of whose site it is.
        ("emma-smith.github.io", "unlisted"),
        ("github.io", "listed"),
    ],
)  # fmt: skip
def test_what_may_be_said_of_a_name(name: str, kind: Kind) -> None:
    assert Destinations(LISTED, sensitive=load_sensitive([])).of(name).kind == kind


def test_sensitive_and_internal_names_never_leave_however_many_ask() -> None:
    strict = rule(devices=1)
    names = ["chat.thetrevorproject.org", "emmas-ipad.local", "7.2.0.192.in-addr.arpa"]
    left = [each for name in names for each in strict.release(asked(name, devices=20))]
    assert {(each.server_name, each.dst_ip, each.withheld) for each in left} == {(None, None, True)}
    assert (strict.counters.sensitive, strict.counters.not_public) == (20, 40)


def test_the_chain_of_a_listed_name_leaves_with_registrable_domains_and_without_what_never_leaves() -> None:
    links = ("x7.adco.example", "pupil-4711.cdn.rented.example", "emmas-ipad.local", "www.thetrevorproject.org")
    (left,) = rule().release([replace(event(0, "metrics.mathtrek.example"), cnames=links)])
    assert left.cnames == ("x7.adco.example", "rented.example")
    assert (left.server_name, left.dst_ip, left.withheld) == ("metrics.mathtrek.example", "192.0.2.7", False)


def test_an_unlisted_name_that_leads_to_a_listed_one_is_unlisted() -> None:
    (left,) = rule().release([replace(event(0, "blog.club.example"), cnames=("x7.adco.example",))])
    assert (left.server_name, left.cnames) == (None, ())


def test_a_flow_without_a_name_is_not_withheld() -> None:
    first = event(0, None)
    assert rule().release([first]) == [first]


def test_a_later_flow_of_the_device_to_where_a_withheld_name_was_has_no_address() -> None:
    for name in ("www.samaritans.example", "chat.thetrevorproject.org", "emmas-ipad.local"):
        left = rule().release([event(0, name), event(1, None), event(2, None, device="d1")])
        assert [(each.dst_ip, each.withheld) for each in left] == [(None, True), (None, False), ("192.0.2.7", False)]


def test_so_it_is_when_enough_devices_asked_and_what_leaves_is_the_registrable_domain() -> None:
    counted = rule(devices=1)
    left = counted.release([event(0, "www.club.example"), event(1, None)])
    assert [(each.server_name, each.dst_ip) for each in left] == [("club.example", None), (None, None)]
    assert counted.counters.addresses == 1


def test_a_later_flow_keeps_the_address_of_a_listed_name_and_any_other_address() -> None:
    elsewhere = replace(event(1, None), dst_ip="192.0.2.8")
    left = rule().release([event(0, "app.mathtrek.example"), event(1, None), event(2, "club.example"), elsewhere])
    assert [each.dst_ip for each in left] == ["192.0.2.7", "192.0.2.7", None, "192.0.2.8"]


def test_in_a_file_that_was_looked_through_the_earlier_flow_has_no_address_either() -> None:
    events = [event(0, None), event(1, "club.example")]
    whole = rule()
    whole.learn(events)
    assert [each.dst_ip for each in whole.release(events)] == [None, None]


def test_where_withheld_names_were_is_forgotten_with_the_key() -> None:
    forgetful = rule()
    forgetful.release([event(0, "club.example")])
    forgetful.forget_before(NETWORK_DAY_NS + 24 * 3600 * 1_000_000_000)
    assert [each.dst_ip for each in forgetful.release([event(1, None)])] == ["192.0.2.7"]
    next_day = rule().release([event(0, "club.example"), event(1, None, at="2026-10-07T15:00:00")])
    assert [each.dst_ip for each in next_day] == [None, "192.0.2.7"]


def test_where_too_many_places_would_have_to_be_remembered_no_flow_without_a_name_has_an_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(release_rule, "MAX_UNSAID", 3)
    full = rule()
    full.release(asked("club.example", devices=2))
    stranger = event(9, None, device="d9")
    assert full.release([stranger]) == [stranger]
    full.release(asked("club.example", devices=1, first=2))
    left = full.release([stranger, event(8, "app.mathtrek.example"), event(7, None, at="2026-10-07T15:00:00")])
    assert [each.dst_ip for each in left] == [None, "192.0.2.7", "192.0.2.7"]
    assert full.counters.addresses == 1


def test_a_name_that_was_seen_and_is_no_host_name_leaves_no_address_at_all() -> None:
    refused = replace(event(0, None), withheld=True, name_source="tls_sni")
    strict = rule(devices=1)
    left = strict.release([refused, event(1, None)])
    assert [(each.dst_ip, each.withheld, each.name_source) for each in left] == [
        (None, True, "tls_sni"),
        (None, False, "none"),
    ]
    assert (strict.counters.not_public, strict.counters.addresses) == (1, 1)


@pytest.mark.parametrize("name", [None, "app.mathtrek.example", "club.example", "chat.thetrevorproject.org"])
def test_no_address_and_no_port_of_a_client_leaves_with_any_event(name: str | None) -> None:
    (left,) = rule().release([replace(event(0, name), src_ip="10.20.8.7", src_port=50_000)])
    assert (left.src_ip, left.src_port) == (None, None)
    (left,) = rule().release([replace(event(0, name), src_port=50_000)])
    assert left.src_port is None


def test_what_another_collector_withheld_stays_withheld() -> None:
    other = [replace(each, withheld=True, dst_ip=None, cnames=()) for each in asked("adco.example", devices=1)]
    assert rule().release(other) == other


def test_other_lists_hold_from_now_on_and_who_asked_is_still_known() -> None:
    changed = rule(devices=2)
    changed.release(asked("club.example", devices=1))
    changed.use(Destinations(Listed(), sensitive=load_sensitive([])))
    left = changed.release([*asked("club.example", devices=1, first=1), *asked("app.mathtrek.example", devices=1)])
    assert [each.server_name for each in left] == ["club.example", None]


def test_too_many_waiting_names_forget_the_oldest_one_and_that_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_rule, "MAX_WAITING", 3)
    full = rule(devices=2)
    for number in range(5):
        full.release(asked(f"site{number}.example", devices=1))
    assert (full.names, full.counters.names_forgotten) == (3, 2)
    left = full.release(asked("site0.example", devices=1, first=1) + asked("site4.example", devices=1, first=1))
    assert [each.server_name for each in left] == [None, "site4.example"]


def test_too_many_released_names_release_no_further_one_and_that_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_rule, "MAX_RELEASED", 1)
    full = rule(devices=1)
    left = full.release(asked("one.example", devices=1) + asked("two.example", devices=1))
    assert [each.server_name for each in left] == ["one.example", None]
    assert full.counters.no_room == 1


def test_the_bundled_list_is_of_some_size_and_a_district_adds_to_it(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "schema: schoolgate/sensitive/1\nkinds:\n  crisis: [lakeview-helps.example]\nwords: [mosaique]\n",
        encoding="utf-8",
    )
    assert len(load_sensitive([])) >= 150
    both = load_sensitive([own])
    assert len(both) == len(load_sensitive([])) + 1
    assert both.covers("chat.lakeview-helps.example")
    assert both.sounds("mosaique.example")
    assert both.covers("www.thetrevorproject.org")


def test_a_wrong_file_of_sensitive_domains_is_told_with_its_line(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("schema: schoolgate/sensitive/1\nkinds:\n  helth: [a.example]\n", encoding="utf-8")
    with pytest.raises(DocumentError) as wrong:
        load_sensitive([own])
    assert [(problem.path, problem.line) for problem in wrong.value.problems] == [(str(own), 3)]


def test_every_word_of_the_bundled_list_is_one_that_is_looked_for() -> None:
    everything = load_sensitive([])
    assert all(everything.sounds(f"{word}.example") for word in ("suicid", "lgbt", "hiv"))
    assert not everything.sounds("app.mathtrek.example")
    assert SensitiveFile.model_fields.keys() == {"schema_", "kinds", "words", "whole_words"}
