"""Recordings of a lab, in the shapes of four programs: page loads, third parties, redirects, and nothing else."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.problems import DocumentError
from rules.agreements.load import parse_agreement
from rules.exchange.har import Recording, requests_in
from rules.exchange.lab_report import as_data, as_evidence, as_text, party_rows
from rules.exchange.page_loads import LabCounts, count
from rules.lab_evidence import evidence_in
from rules.parties import Party, PartyTable

AGREEMENT = parse_agreement(
    """\
schema: schoolgate/agreement/1
id: mathtrek
vendor: {legal_name: MathTrek Learning Inc. (invented)}
products: [{name: MathTrek}]
agreement: {kind: ndpa_v2, status: active}
domains:
  - {match: app.mathtrek.example}
  - {match: api.mathtrek.example, role: api}
  - {match: www.mathtrek.example, role: marketing_site}
  - {match: mathtrek-media.cdn.example, shared: true}
third_parties:
  list_is: complete
  unlisted: forbidden
  list:
    - {name: HostCo, domains: [hostco.example], relation: subprocessor}
    - {name: VideoSite, relation: referral}
purposes: [{code: instruction, plain: Practice problems chosen by the teacher.}]
data: {categories: [{cat: in_app_performance}]}
use_gate: {status: approved}
""",
    path="mathtrek.yaml",
)
PUPIL = "otto-bremmel-7b"


def entry(url: str, *, after_ms: int, mime: str = "image/gif", **more: Any) -> dict[str, Any]:
    """One entry as a browser writes it, with a pupil's name wherever an entry can carry one."""
    made = {
        "startedDateTime": f"2026-09-01T08:00:{after_ms // 1000:02}.{after_ms % 1000:03}-05:00",
        "time": 12.5,
        "request": {
            "method": "POST", "url": url, "httpVersion": "h2",
            "cookies": [{"name": "sid", "value": PUPIL}],
            "headers": [{"name": "Cookie", "value": PUPIL}, {"name": "Referer", "value": f"https://x.example/{PUPIL}"}],
            "queryString": [{"name": "q", "value": PUPIL}],
            "postData": {"mimeType": "application/json", "text": PUPIL},
            "headersSize": -1, "bodySize": -1,
        },
        "response": {
            "status": 200, "statusText": "OK", "redirectURL": "", "headers": [{"name": "Set-Cookie", "value": PUPIL}],
            "content": {"size": 1, "mimeType": mime, "text": PUPIL}, "headersSize": -1, "bodySize": -1,
        },
        "cache": {}, "timings": {"send": 0, "wait": 1, "receive": 1},
    }  # fmt: skip
    for key in ("status", "redirectURL"):
        if key in more:
            made["response"][key] = more.pop(key)  # type: ignore[index]  # a dictionary of unlike values
    if "dest" in more:
        made["request"]["headers"].append({"name": "Sec-Fetch-Dest", "value": more.pop("dest")})  # type: ignore[index]
    return {**made, **more}


def har(*entries: dict[str, Any], pages: tuple[str, ...] = ()) -> bytes:
    listed = [{"id": page, "startedDateTime": "2026-09-01T08:00:00.000-05:00", "title": PUPIL, "pageTimings": {}}
              for page in pages]  # fmt: skip
    log = {"version": "1.2", "creator": {"name": "x", "version": "1"}, "pages": listed, "entries": entries}
    return json.dumps({"log": log}, indent=1).encode()


def counted(*recordings: bytes) -> LabCounts:
    return count([requests_in(octets, path="lab.har") for octets in recordings], agreement=AGREEMENT)


def html(url: str, *, after_ms: int, **more: Any) -> dict[str, Any]:
    return entry(url, after_ms=after_ms, mime="text/html; charset=utf-8", **more)


def test_a_recording_of_developer_tools_has_an_id_for_every_page_load_and_frames_are_no_pages() -> None:
    def page(number: int, at: int) -> list[dict[str, Any]]:
        ref = f"page_{number}"
        return [
            html(f"https://app.mathtrek.example/?u={PUPIL}", after_ms=at, pageref=ref, _resourceType="document"),
            entry("https://pix.adco.example/p", after_ms=at + 300, pageref=ref, _resourceType="image"),
            entry("https://cdn.adco.example/p.js", after_ms=at + 250, pageref=ref, _resourceType="script"),
            html("https://frame.video.example/", after_ms=at + 400, pageref=ref, _resourceType="document"),
        ]

    found = counted(har(*page(1, 0), *page(2, 5000)[:1], pages=("page_1", "page_2")))
    assert (found.pages, found.other_pages, found.unclear) == (2, 0, 0)
    assert {name: (seen.pages, seen.first_after_ms) for name, seen in found.parties.items()} == {
        "adco.example": (1, 250),
        "video.example": (1, 400),
    }
    assert found.parties["adco.example"].kinds == {"image": 1, "script": 1}
    assert found.recorded == date(2026, 9, 1)


def test_a_recording_of_firefox_says_by_header_what_is_a_frame() -> None:
    ref = "page_1"
    found = counted(
        har(
            html("https://app.mathtrek.example/", after_ms=0, pageref=ref, dest="document"),
            html("https://app.mathtrek.example/frame", after_ms=100, pageref=ref, dest="iframe"),
            entry("https://px.trackly.example/b", after_ms=150, mime="", pageref=ref, dest="empty"),
            html("https://app.mathtrek.example/two", after_ms=3000, pageref=ref, dest="document"),
            pages=(ref,),
        )
    )
    assert found.pages == 2
    assert found.parties["trackly.example"].pages == 1


def test_a_recording_of_a_proxy_has_no_pages_and_own_documents_begin_one() -> None:
    found = counted(
        har(
            entry("https://px.early.example/b", after_ms=0),
            html("https://app.mathtrek.example/", after_ms=10),
            entry("https://px.adco.example/b", after_ms=60),
            html("https://api.mathtrek.example/lesson", after_ms=4000),
        )
    )
    assert (found.pages, found.unclear) == (2, 1)
    assert set(found.parties) == {"adco.example"}


def test_where_nothing_tells_a_frame_from_a_page_what_follows_is_nobodys() -> None:
    found = counted(
        har(
            html("https://app.mathtrek.example/", after_ms=0),
            html("https://news.example/", after_ms=2000),
            entry("https://px.adco.example/b", after_ms=2100),
        )
    )
    assert (found.pages, found.unclear, found.parties) == (1, 2, {})


def test_the_main_frame_of_playwright_begins_pages_and_another_frame_does_not() -> None:
    found = counted(
        har(
            html("http://app.mathtrek.example/", after_ms=0, pageref="tab", _frameref="f1", _resourceType="document"),
            html("http://app.mathtrek.example/in", after_ms=9, pageref="tab", _frameref="f2", _resourceType="document"),
            html(
                "http://app.mathtrek.example/2", after_ms=900, pageref="tab", _frameref="f1", _resourceType="document"
            ),
            pages=("tab",),
        )
    )
    assert found.pages == 2


def test_the_document_of_a_frame_is_not_where_the_redirect_of_the_page_led() -> None:
    url, doc = "http://app.mathtrek.example/", {"pageref": "tab", "_resourceType": "document"}
    found = counted(
        har(
            html(url, after_ms=0, _frameref="f1", status=302, redirectURL="/lesson", **doc),
            html(url, after_ms=5, _frameref="f2", **doc),
            html(url, after_ms=9, _frameref="f1", **doc),
            pages=("tab",),
        )
    )
    assert found.pages == 1


def test_a_redirect_from_the_product_to_another_site_is_a_referral_and_no_page_load() -> None:
    found = counted(
        har(
            html("https://app.mathtrek.example/go", after_ms=0, status=302, redirectURL="https://go.hop.example/x"),
            html("https://go.hop.example/x", after_ms=90, status=307, redirectURL="https://www.video.example/w"),
            html("https://www.video.example/w", after_ms=200),
            entry("https://px.adco.example/b", after_ms=260),
        )
    )
    assert (found.pages, found.other_pages) == (0, 1)
    assert found.referrals == {"video.example": 1}
    assert found.parties == {}


def test_the_way_to_the_product_is_not_its_doing_and_what_it_bounces_through_is() -> None:
    def hop(url: str, after_ms: int, to: str) -> dict[str, Any]:
        return html(url, after_ms=after_ms, status=302, redirectURL=to, pageref="page_1")

    found = counted(
        har(
            hop("https://portal.example/", 0, "https://app.mathtrek.example/in"),
            hop("https://app.mathtrek.example/in", 50, "https://id.login.example/"),
            hop("https://id.login.example/", 80, "https://app.mathtrek.example/"),
            html("https://app.mathtrek.example/", after_ms=120, pageref="page_1"),
            pages=("page_1",),
        )
    )
    assert found.pages == 1
    assert {name: seen.first_after_ms for name, seen in found.parties.items()} == {"login.example": 30}
    assert found.referrals == {}


def test_a_marketing_site_and_a_shared_host_are_not_the_product_in_use_and_no_third_party() -> None:
    found = counted(
        har(
            html("https://www.mathtrek.example/", after_ms=0, pageref="a", dest="document"),
            entry("https://px.adco.example/b", after_ms=10, pageref="a"),
            html("https://mathtrek-media.cdn.example/", after_ms=20, pageref="b", dest="document"),
            html("https://app.mathtrek.example/", after_ms=30, pageref="c", dest="document"),
            entry("https://mathtrek-media.cdn.example/v", after_ms=40, pageref="c"),
            entry("https://stats.mathtrek.example/v", after_ms=50, pageref="c"),
            entry("https://other.cdn.example/v", after_ms=60, pageref="c"),
        )
    )
    assert (found.pages, found.other_pages) == (1, 2)
    assert set(found.parties) == {"cdn.example"}


def test_addresses_data_and_extensions_are_left_out_and_counted() -> None:
    found = counted(
        har(
            html("https://app.mathtrek.example/", after_ms=0),
            *(
                entry(url, after_ms=5)
                for url in ("data:image/gif;base64,AAAA", "chrome-extension://abc/x.js", "http://192.0.2.7/x",
                            "https://[2001:db8::1]/x", "about:blank", "file:///etc/hosts", "https://localhost/x")
            ),
        )
    )  # fmt: skip
    assert (found.pages, found.skipped, found.parties) == (1, 7, {})


def test_a_name_with_other_letters_is_the_one_that_the_network_shows() -> None:
    found = counted(
        har(
            html("https://app.mathtrek.example/", after_ms=0),
            entry("https://b\u00fccher.example/b", after_ms=300),
            entry("https://XN--BCHER-KVA.example/c", after_ms=400),
        )
    )
    assert set(found.parties) == {"xn--bcher-kva.example"}


def test_recordings_add_up() -> None:
    one = har(html("https://app.mathtrek.example/", after_ms=0), entry("https://px.adco.example/b", after_ms=700))
    two = har(html("https://app.mathtrek.example/", after_ms=0), entry("https://px.adco.example/b", after_ms=30))
    found = counted(one, two)
    assert (found.pages, found.parties["adco.example"].pages) == (2, 2)
    assert found.parties["adco.example"].first_after_ms == 30


def test_nothing_that_a_request_carried_is_printed_or_kept() -> None:
    found = counted(
        har(
            html(f"https://app.mathtrek.example/{PUPIL}?u={PUPIL}", after_ms=0),
            entry(f"https://{PUPIL}@px.adco.example/{PUPIL}", after_ms=9),
            entry("https://a.hostco.example/", after_ms=11),
            html("https://app.mathtrek.example/go", after_ms=90, status=302,
                 redirectURL=f"https://video.example/{PUPIL}"),
        )
    )  # fmt: skip
    party = Party(name="AdCo", owner="AdCo Holdings", kind="advertising", domains=("adco.example",), list_name="t")
    rows = party_rows(found, agreement=AGREEMENT, parties=PartyTable([party]))
    out = [
        as_text(found, rows, agreement=AGREEMENT),
        json.dumps(as_data(found, rows, agreement=AGREEMENT, har=["0" * 64])),
        as_evidence(found, agreement=AGREEMENT, har=["0" * 64]),
    ]
    assert not any(PUPIL in one for one in out)
    assert "adco.example (AdCo Holdings, advertising): 1 of 1 page loads" in out[0]
    assert [(row.domain, row.declared) for row in rows] == [
        ("adco.example", "not_declared"), ("hostco.example", "declared"),
    ]  # fmt: skip
    kept = evidence_in(out[2], path="mathtrek.yaml")
    assert (kept.pages, kept.says("adco.example"), kept.referrals["video.example"].pages) == (1, "confirms", 1)


def test_a_party_that_the_list_names_without_a_domain_is_declared_vaguely() -> None:
    found = counted(
        har(html("https://app.mathtrek.example/", after_ms=0), entry("https://v.video.example/", after_ms=9))
    )
    party = Party(name="videosite", owner="videosite", kind="other", domains=("video.example",), list_name="t")
    assert [row.declared for row in party_rows(found, agreement=AGREEMENT, parties=PartyTable([party]))] == [
        "declared_vaguely"
    ]


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"", "lab.har:1: the file is empty"),
        (b"PK\x03\x04", "lab.har:1: this is no JSON, or it is cut off"),
        (har(html("https://app.mathtrek.example/", after_ms=0))[:-60], "it is cut off"),
        (b"[]", "lab.har:1: this is no HAR recording (Expected `object`, got `array`)"),
        (b'{"log": {"version": "1.2"}}', "this is no HAR recording (Object missing required field `entries`"),
        ('{"log": {"entries": []}}'.encode("utf-16"), "lab.har:1: the file is not UTF-8 text"),
        (b'{"log":' * 100_000, "nests deeper than any recording"),
        (b'{"log": {"entries": [\n\n{"startedDateTime": "soon", "request": {"url": "https://a.example/"}}]}}',
         "lab.har:3: entry 1 of the recording cannot be read (a time or an address is malformed)"),
        (b'{"log": {"entries": [\n{"startedDateTime": "2026-09-01T08:00:00Z"}]}}',
         "lab.har:2: entry 1 of the recording cannot be read (Object missing required field `request`)"),
        (b'{"log": {"entries": [' + b",".join([b"\n{}"] * 50) + b"]}}", "lab.har:21: 30 more entries cannot be read"),
    ],
)  # fmt: skip
def test_a_bad_recording_is_told_with_its_line(octets: bytes, told: str) -> None:
    with pytest.raises(DocumentError) as caught:
        requests_in(octets, path="lab.har")
    assert told in str(caught.value)


def test_a_byte_order_mark_is_no_fault() -> None:
    octets = b"\xef\xbb\xbf" + har(html("https://app.mathtrek.example/", after_ms=0))
    assert len(requests_in(octets, path="lab.har").requests) == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
    | st.sampled_from(["https://app.mathtrek.example/", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["url", "headers", "name", "value", "status", "redirectURL", "content", "mimeType", "request",
                         "response", "startedDateTime", "pageref", "_frameref", "_resourceType"]),
        inner, max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(entries=st.lists(json_values, max_size=4), dates=st.lists(st.datetimes(timezones=st.timezones()), max_size=3))
def test_no_recording_raises_anything_but_its_problems(entries: list[Any], dates: list[Any]) -> None:
    whole = [html("https://app.mathtrek.example/", after_ms=0, startedDateTime=one.isoformat()) for one in dates]
    octets = json.dumps({"log": {"entries": [*whole, *entries]}}).encode("utf-8", "surrogatepass")
    with suppress(DocumentError):
        assert counted(octets).pages >= len(whole)


@settings(max_examples=80, deadline=None)
@given(octets=st.binary(max_size=60), cut=st.integers(0, 400))
def test_no_octets_raise_anything_but_problems(octets: bytes, cut: int) -> None:
    whole = har(html("https://app.mathtrek.example/", after_ms=0))
    for one in (octets, whole[:cut] + octets, whole[:cut] + octets + whole[cut:]):
        with suppress(DocumentError):
            assert isinstance(requests_in(one, path="lab.har"), Recording)
