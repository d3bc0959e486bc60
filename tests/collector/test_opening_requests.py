"""How connections of clear-text HTTP open, as conversations: what each side said, and what is known then."""

from __future__ import annotations

import pytest

from collector.names import DnsMemory
from collector.opening import Openings
from collector.opening_facts import DOWN, UP
from tests.collector.opening_talk import Talk, device_key, opened


@pytest.fixture
def openings() -> Openings:
    return Openings(DnsMemory(), device_key=device_key)


def test_a_clean_request_on_any_port_names_its_host_and_more_are_wanted(openings: Openings) -> None:
    talk = Talk(opened(openings, server_port=8_080))
    assert talk.up(b"GET / HTTP/1.1\r\nHost: School.Example:8080\r\n\r\n") == UP
    opening = talk.opening
    assert (opening.server_name, opening.name_source, opening.app) == ("school.example", "http_host", "http")
    assert (opening.plaintext, opening.plaintext_data, opening.tls_version) == (True, False, None)


@pytest.mark.parametrize("step", [1, 7, 65_536])
def test_requests_one_after_another_are_read_until_one_carries_data(openings: Openings, step: int) -> None:
    talk = Talk(opened(openings, server_port=80))
    clean = b"GET /a HTTP/1.1\r\nHost: first.example\r\n\r\n"
    assert talk.up(clean * 3, step=step) == UP
    data_so_far = talk.opening.plaintext_data
    assert data_so_far is False
    assert talk.up(b"GET /a HTTP/1.1\r\nHost: second.example\r\nCookie: a=b\r\n\r\n", step=step) == 0
    assert talk.opening.plaintext_data is True
    assert talk.opening.server_name == "first.example"


@pytest.mark.parametrize(
    "request_head",
    [
        b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"GET /?q=1 HTTP/1.1\r\nHost: a.example\r\n\r\n",
    ],
)
def test_body_and_query_are_data(openings: Openings, request_head: bytes) -> None:
    talk = Talk(opened(openings, server_port=80))
    assert talk.up(request_head) == 0
    assert talk.opening.plaintext_data is True


def test_half_a_request_at_the_end_leaves_open_what_it_carries(openings: Openings) -> None:
    talk = Talk(opened(openings, server_port=80))
    talk.up(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\nGET / HTTP/1.1\r\nHos")
    assert talk.opening.plaintext_data is None


def test_what_follows_an_upgrade_cannot_be_told(openings: Openings) -> None:
    talk = Talk(opened(openings, server_port=80))
    assert talk.up(b"GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n\r\n") == UP
    talk.up(b"\x81\x85\x01\x02\x03\x04hello\r\n\r\n")
    assert (talk.opening.plaintext_data, talk.want, openings.counters.http_malformed) == (None, 0, 0)


def test_octets_among_requests_that_are_none_are_counted(openings: Openings) -> None:
    talk = Talk(opened(openings, server_port=80))
    talk.up(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n\x81\x85\r\n\r\n")
    assert (talk.opening.plaintext_data, talk.want, openings.counters.http_malformed) == (None, 0, 1)


def test_a_gap_between_requests_is_stepped_over_and_clean_can_no_longer_be_said(openings: Openings) -> None:
    clean = b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n"
    talk = Talk(opened(openings, server_port=80))
    talk.up(clean)
    talk.lose(500, up=True)
    for _ in range(40):
        talk.up(clean)
    assert (talk.opening.plaintext_data, talk.want, openings.counters.http_gaps) == (None, UP, 1)
    assert talk.up(b"GET /?pupil=7 HTTP/1.1\r\nHost: a.example\r\n\r\n") == 0
    assert talk.opening.plaintext_data is True


def test_the_rest_of_a_lost_request_is_not_taken_for_one(openings: Openings) -> None:
    talk = Talk(opened(openings, server_port=80))
    talk.up(b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n")
    talk.lose(500, up=True)
    for _ in range(20):
        talk.up(b"x-filler: GET /?q HTTP/1.1\r\n\r\n")
    talk.up(b"GET /b HTTP/1.1\r\nHost: a.example\r\n\r\n")
    assert (talk.opening.plaintext_data, talk.want, openings.counters.http_malformed) == (None, UP, 0)


def test_a_head_without_end_is_given_up_at_its_bound(openings: Openings) -> None:
    talk = Talk(opened(openings, server_port=80))
    assert talk.up(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000, step=1_400) == 0
    assert (talk.opening.app, talk.opening.plaintext_data, openings.counters.http_malformed) == ("http", None, 1)


def test_a_response_tells_http_and_which_side_asks(openings: Openings) -> None:
    talk = Talk(opened(openings, client_port=60_000, server_port=50_000))
    assert talk.up(b"HTTP/1.1 200 OK\r\n\r\n") == DOWN
    assert (talk.opening.app, talk.opening.reversed, talk.opening.plaintext_data) == ("http", True, None)


def test_http_2_in_the_clear_is_http_of_which_nothing_more_is_told(openings: Openings) -> None:
    talk = Talk(opened(openings, server_port=80))
    assert talk.up(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(40)) == 0
    assert (talk.opening.app, talk.opening.plaintext, talk.opening.plaintext_data) == ("http", True, None)
