"""What a clear-text request says: its host, and what kind of data it carries."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.dissect import http
from collector.dissect.errors import DissectError


def head(line: str, *fields: str) -> http.Request:
    return http.request("\r\n".join([line, *fields, "", ""]).encode("latin-1"))


def test_a_request_names_its_host_without_port_case_or_space() -> None:
    assert head("GET / HTTP/1.1", "Accept: */*", "hOsT: \t School.Example:8080 ").host == "school.example"


def test_a_folded_host_is_put_together() -> None:
    assert head("GET / HTTP/1.1", "Host:", "  school.example", "X: y").host == "school.example"


def test_space_before_the_colon_and_bare_line_feeds_are_tolerated() -> None:
    assert http.request(b"GET / HTTP/1.0\nHost : school.example\n\n").host == "school.example"


@pytest.mark.parametrize("host", ["192.0.2.1", "[2001:db8::1]:80", "%s", "a b.example"])
def test_a_host_that_is_no_name_is_refused(host: str) -> None:
    request = head("GET / HTTP/1.1", f"Host: {host}")
    assert (request.host, request.host_refused) == (None, True)


@pytest.mark.parametrize(
    ("host", "literal"), [("192.0.2.1:8080", True), ("[2001:db8::1]:80", True), ("a..example", False), ("%s", False)]
)
def test_of_hosts_that_are_refused_an_address_is_told_apart(host: str, *, literal: bool) -> None:
    request = head("GET / HTTP/1.1", f"Host: {host}")
    assert (request.host_refused, request.host_literal) == (True, literal)


def test_a_request_without_host_refuses_none() -> None:
    request = head("GET / HTTP/1.0")
    assert (request.host, request.host_refused) == (None, False)


def test_a_target_in_absolute_form_wins_over_the_host_field() -> None:
    line = "GET http://user@School.example:81/a?b HTTP/1.1"
    assert head(line, "Host: proxy.example").host == "school.example"


def test_connect_names_the_far_end_of_the_tunnel() -> None:
    request = head("CONNECT school.example:443 HTTP/1.1", "Host: proxy.example:3128")
    assert (request.method, request.host) == ("CONNECT", "school.example")


@pytest.mark.parametrize(
    ("line", "fields", "carries"),
    [
        ("GET /page HTTP/1.1", [], (False, False, False)),
        ("GET /page? HTTP/1.1", [], (False, False, False)),
        ("GET /page?pupil=1 HTTP/1.1", [], (False, True, False)),
        ("GET / HTTP/1.1", ["COOKIE: a=b"], (True, False, False)),
        ("GET / HTTP/1.1", ["Cookie: "], (False, False, False)),
        ("POST / HTTP/1.1", ["Content-Length: 10"], (False, False, True)),
        ("POST / HTTP/1.1", ["Content-Length: 0"], (False, False, False)),
        ("POST / HTTP/1.1", ["Transfer-Encoding: chunked"], (False, False, True)),
        ("GET / HTTP/1.1", ["Set-Cookie2: a", "X-Cookie: b"], (False, False, False)),
    ],
)
def test_body_cookie_and_query_are_seen(line: str, fields: list[str], carries: tuple[bool, bool, bool]) -> None:
    request = head(line, *fields)
    assert (request.has_cookie, request.has_query, request.has_body) == carries


def test_the_target_is_not_kept() -> None:
    request = head("GET /pupils/jo-doe?grade=3 HTTP/1.1", "Host: school.example", "Cookie: jo=1")
    assert "jo" not in repr(request)


def test_an_offer_to_upgrade_is_seen() -> None:
    assert head("GET / HTTP/1.1", "Upgrade: websocket").upgrade


def test_the_preface_of_http_2_is_known() -> None:
    assert http.request(b"PRI * HTTP/2.0\r\n\r\n").http2


@pytest.mark.parametrize(
    "octets",
    [b"\r\n\r\n", b"GET /\r\n\r\n", b"OPTIONS rtsp://x.example RTSP/1.0\r\n\r\n", b"G\x00T / HTTP/1.1\r\n\r\n", b""],
)
def test_what_is_no_request_is_refused(octets: bytes) -> None:
    with pytest.raises(DissectError):
        http.request(octets)


def test_a_head_ends_behind_its_blank_line_and_not_before() -> None:
    octets = bytearray(b"GET / HTTP/1.1\r\nA: b\r\n\r\nbody")
    assert http.head_end(octets, 0) == len(octets) - 4
    assert http.head_end(octets[:-5], 0) == -1
    assert http.head_end(bytearray(b"GET / HTTP/1.1\n\nbody"), 0) == 16


def test_a_hostile_head_costs_no_more_than_its_length() -> None:
    hostile = [b"GET " + b" " * 60_000 + b"HTTP/1.1 x\r\n\r\n", b"GET / HTTP/1.1\r\n" + b" \r\n" * 20_000 + b"\r\n"]
    hostile.append(b"GET / HTTP/1.1\r\nA: b" + b"\r\n x" * 16_000 + b"\r\n\r\n")
    began = time.perf_counter()
    for octets in hostile:
        try:
            http.request(octets)
        except DissectError:
            continue
    assert time.perf_counter() - began < 1.0


@given(st.binary(max_size=200))
def test_no_octets_raise_anything_but_a_dissect_error(octets: bytes) -> None:
    for start in (b"", b"GET ", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost:"):
        try:
            http.request(start + octets)
        except DissectError:
            continue
