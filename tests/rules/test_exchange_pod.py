"""Privacy Obligations Documents: what POD can say comes back as it went, the rest is named, and no file does harm."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.problems import DocumentError
from rules.agreements.load import parse_agreement
from rules.agreements.model import Agreement
from rules.exchange.drafts import Ready, finish
from rules.exchange.pod_export import as_pod, missing
from rules.exchange.pod_import import pod_drafts
from rules.exchange.pod_terms import expressed, not_expressed
from rules.exchange.xml_tree import MAX_DEPTH, MAX_ELEMENTS, MAX_OCTETS, element_in
from tests.rules.made_agreements import AGREEMENTS

TODAY = date(2026, 9, 1)
STATED: dict[tuple[str, ...], Any] = {
    ("agreement", "kind"): "ndpa_v2",
    ("third_parties", "list_is"): "partial",
    ("third_parties", "unlisted"): "notify",
    ("use_gate", "status"): "paused",
}
# Written for this test after the elements of SIF Infrastructure 3.3; prefix, order and extras as others write them.
FOREIGN = """\
<?xml version="1.0" encoding="UTF-8"?>
<sif:pod xmlns:sif="http://www.sifassociation.org/infrastructure/3.3"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <sif:podStatus>Live</sif:podStatus>
  <sif:podToken>d0b1c2d3-0000-4000-8000-00805f9b34fb</sif:podToken>
  <sif:privacyList>
    <sif:privacy>
      <sif:appIDList><sif:appID>Number Quest</sif:appID><sif:appID>Number Quest Junior</sif:appID></sif:appIDList>
      <sif:endpointList>
        <sif:endpoint><sif:endpointURL>https://API.NumberQuest.example:8443/v1</sif:endpointURL></sif:endpoint>
        <sif:endpoint><sif:endpointURL>numberquest.example</sif:endpointURL></sif:endpoint>
        <sif:endpoint><sif:endpointURL>urn:none</sif:endpointURL></sif:endpoint>
      </sif:endpointList>
      <sif:privacyObligationsDocument>
        <sif:contract>
          <sif:contractURI>https://numberquest.example/dpa.pdf</sif:contractURI>
          <sif:contractName>Data sharing agreement 2026</sif:contractName>
          <sif:dateValidFrom>2026-07-01Z</sif:dateValidFrom>
          <sif:lawList><sif:law><sif:lawName>Privacy Act</sif:lawName></sif:law></sif:lawList>
          <sif:studentDataIPRights>The school keeps all rights.</sif:studentDataIPRights>
        </sif:contract>
        <sif:technicalRequirements>
          <sif:dataAccess><sif:fieldList>
            <sif:field><sif:fieldName>student_name</sif:fieldName><sif:controlrights>R</sif:controlrights></sif:field>
            <sif:field><sif:fieldName>StudentPersonal/PersonInfo/Name</sif:fieldName></sif:field>
          </sif:fieldList></sif:dataAccess>
          <sif:dataDeletion><sif:dataRetention>7</sif:dataRetention><sif:respondInDays>30</sif:respondInDays></sif:dataDeletion>
          <sif:securityTechnologyList><sif:securityTechnology><sif:technologyName>TLS</sif:technologyName></sif:securityTechnology></sif:securityTechnologyList>
        </sif:technicalRequirements>
        <sif:dataProcessor>
          <sif:dataProcessorName>Number Quest Pty Ltd (invented)</sif:dataProcessorName>
          <sif:privacyContactList><sif:contact><sif:emailList><sif:email>privacy@numberquest.example</sif:email></sif:emailList></sif:contact></sif:privacyContactList>
          <sif:purposeList><sif:purpose>Learning</sif:purpose></sif:purposeList>
          <sif:alternatePurposeList><sif:alternatePurpose>Research</sif:alternatePurpose></sif:alternatePurposeList>
          <sif:dataUsageMarketingAllowed>N</sif:dataUsageMarketingAllowed>
          <sif:countryImpactedList>
            <sif:countryImpacted><sif:country>AU</sif:country><sif:usage>Stored here</sif:usage></sif:countryImpacted>
            <sif:countryImpacted><sif:country>SG</sif:country><sif:usage>transit</sif:usage></sif:countryImpacted>
          </sif:countryImpactedList>
        </sif:dataProcessor>
        <sif:dataSubProcessorList>
          <sif:dataSubProcessor><sif:subProcessorName>CloudCo</sif:subProcessorName></sif:dataSubProcessor>
          <sif:dataSubProcessor><sif:subProcessorName xsi:nil="true"/></sif:dataSubProcessor>
        </sif:dataSubProcessorList>
      </sif:privacyObligationsDocument>
    </sif:privacy>
  </sif:privacyList>
</sif:pod>
"""


def imported(text: str, *, stated: dict[tuple[str, ...], Any] | None = None) -> Ready:
    (draft,) = pod_drafts(text.encode(), path="pod.xml")
    return finish(draft, statements=STATED if stated is None else stated, today=TODAY)


def complaints(octets: bytes) -> str:
    with pytest.raises(DocumentError) as caught:
        pod_drafts(octets, path="pod.xml")
    return str(caught.value)


@settings(max_examples=40, deadline=None)
@given(agreement=AGREEMENTS)
def test_what_pod_can_say_comes_back_as_it_went(agreement: Agreement) -> None:
    stated = {**STATED, ("data", "categories"): [{"cat": "none"}]}
    back = imported(as_pod([agreement], district="Riverbend"), stated=stated)
    went, came = expressed(agreement), expressed(back.agreement)
    if not went["data"].get("categories"):
        assert came["data"].pop("categories") == [{"cat": "none"}]
        went["data"].pop("categories", None)
    assert came == went


@settings(max_examples=40, deadline=None)
@given(agreement=AGREEMENTS)
def test_every_field_is_either_expressed_or_named_as_lost(agreement: Agreement) -> None:
    lost = not_expressed(agreement)
    assert {"agreement.kind", "third_parties.list_is", "third_parties.unlisted", "use_gate.status"} <= set(lost)
    assert "vendor.legal_name" not in lost
    assert "purposes.code" not in lost
    if agreement.prohibited is not None and agreement.prohibited.sale is not None:
        assert "prohibited.sale" in lost
    # The list stands in the file as a comment, which must end where it ends.
    assert element_in(as_pod([agreement, agreement], district=None).encode(), path="x").name == "pods"


def test_a_document_of_others_gives_what_it_states_and_notes_the_rest() -> None:
    ready = imported(FOREIGN)
    agreement = ready.agreement
    assert agreement.id == "number-quest"
    assert [product.name for product in agreement.products] == ["Number Quest", "Number Quest Junior"]
    assert [domain.match for domain in agreement.domains] == ["api.numberquest.example", "numberquest.example"]
    assert (agreement.agreement.effective, agreement.agreement.expires) == (date(2026, 7, 1), None)
    assert agreement.vendor.privacy_contact == "privacy@numberquest.example"
    assert [(row.code, row.plain) for row in agreement.purposes] == [("other", "Stated as: Learning")]
    assert [(row.cat, row.detail) for row in agreement.data.categories] == [
        ("student_name", None), ("other", "StudentPersonal/PersonInfo/Name"),
    ]  # fmt: skip
    assert (agreement.data.stored_in, agreement.data.retention_days_after_request) == (("AU",), 30)
    assert agreement.prohibited is not None
    assert (agreement.prohibited.targeted_ads, agreement.prohibited.sale) == (True, None)
    assert [row.name for row in agreement.third_parties.list or ()] == ["CloudCo"]
    # Nothing was made up: neither owner nor encryption nor a figure whose unit nobody states.
    assert (agreement.data.owner, agreement.data.encrypted_in_transit, agreement.data.retention_days_after_end) == (
        None, None, None,
    )  # fmt: skip
    notes = "\n".join(map(str, ready.draft.notes))
    for told in (
        "pod.xml:12: an `endpointURL` names no host",
        "pod.xml:19: the laws in",
        "studentDataIPRights",
        "technologyName",
        "dataRetention",
        "alternatePurposeList",
        "countryImpacted",
        "has no name",
    ):
        assert told in notes


def test_a_file_says_of_each_section_where_it_comes_from() -> None:
    ready = imported(FOREIGN)
    sources = (ready.agreement.provenance and ready.agreement.provenance.sources) or {}
    assert sources["third_parties"] == (
        "pod.xml, privacy element 1, line 42 (dataSubProcessorList); "
        "stated by the district (--state): third_parties.list_is; "
        "stated by the district (--state): third_parties.unlisted; imported 2026-09-01"
    )
    assert sources["use_gate"] == "stated by the district (--state): use_gate.status; imported 2026-09-01"
    assert parse_agreement(ready.text, path="x").model_dump() == ready.agreement.model_dump()


def test_what_a_document_does_not_say_is_asked_for_at_its_line_and_never_filled_in() -> None:
    with pytest.raises(DocumentError) as caught:
        imported(FOREIGN, stated={})
    told = str(caught.value).splitlines()
    assert [line.split("does not say ")[1].split(",")[0] for line in told] == [
        "`agreement.kind`", "`third_parties.list_is`", "`third_parties.unlisted`", "`use_gate.status`",
    ]  # fmt: skip
    assert told[3] == (
        "pod.xml:7: privacy element 1 does not say `use_gate.status`, which every agreement file must; add it to the "
        "source, or state it yourself: --state 'use_gate.status=approved|pilot|paused|prohibited'"
    )


def test_a_wrong_value_is_told_at_the_line_of_its_element() -> None:
    with pytest.raises(DocumentError) as caught:
        imported(FOREIGN.replace("2026-07-01Z", "July").replace("numberquest.example<", "co.uk<"))
    assert "pod.xml:18: `July` is not a date" in str(caught.value)
    assert "pod.xml:11: `co.uk` is a public suffix" in str(caught.value)


def test_the_export_names_what_the_schema_demands_and_nobody_states() -> None:
    agreement = imported(FOREIGN).agreement
    assert missing(agreement, district=None) == (
        "partyId", "dataProcessor/privacyPolicyURL", "dataSubProcessor/privacyPolicyURL",
    )  # fmt: skip
    text = as_pod([agreement], district="Riverbend & <Sons>")
    assert "<dataControllerName>Riverbend &amp; &lt;Sons&gt;</dataControllerName>" in text
    assert "dateValidTo" not in text


def test_entities_that_multiply_are_refused_before_the_first_one_is_read() -> None:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<?xml version="1.0"?>\n<!DOCTYPE pod [<!ENTITY l0 "lol">{entities}]>\n<pod>&l11;</pod>'
    began = time.perf_counter()
    told = complaints(bomb.encode())
    assert time.perf_counter() - began < 1
    assert "pod.xml:2: the file has a document type (<!DOCTYPE>)" in told


@pytest.mark.parametrize(
    "octets",
    [
        b'<!DOCTYPE pod SYSTEM "http://192.0.2.1/x.dtd"><pod/>',
        b'<!DOCTYPE pod [<!ENTITY x SYSTEM "file:///etc/passwd">]><pod>&x;</pod>',
        b'<!DOCTYPE pod [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]><pod/>',
    ],
)
def test_nothing_is_fetched_from_outside_the_file(octets: bytes) -> None:
    assert "has a document type" in complaints(octets)


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"", "pod.xml:1: this is no well-formed XML (no element found)"),
        (FOREIGN.encode()[:1500], "this is no well-formed XML (no element found)"),
        (b"<pod>\n\0</pod>", "pod.xml:2: this is no well-formed XML"),
        (b"<pod>\n\xff</pod>", "pod.xml:2: this is no well-formed XML"),
        (b'<?xml version="1.0" encoding="klingon"?><pod/>', "the encoding that the file names cannot be read"),
        (b"<pod>" * (MAX_DEPTH + 1), f"nest deeper than {MAX_DEPTH}"),
        (b"<pod>" + b"<x/>" * (MAX_ELEMENTS + 1), f"more than {MAX_ELEMENTS} elements"),
        (b"<pod>" + b"x" * 100_001 + b"</pod>", "the text of `pod` is longer than"),
        (b" " * (MAX_OCTETS + 1), "larger than 32 MiB"),
        (b"<html><body/></html>", "pod.xml:1: the file holds no obligations (its top element is `html`)"),
    ],
)  # fmt: skip
def test_a_bad_file_is_told_with_its_line(octets: bytes, told: str) -> None:
    assert told in complaints(octets)


def test_obligations_that_stand_alone_and_several_in_one_file_are_read() -> None:
    bare = "<privacyObligationsDocument><dataProcessor><dataProcessorName>A</dataProcessorName></dataProcessor>"
    both = f"<pods><pod>{bare}</privacyObligationsDocument></pod><pod><privacy/><privacy/></pod></pods>"
    drafts = pod_drafts(both.encode("utf-16"), path="pod.xml")
    assert [draft.place for draft in drafts] == ["privacy element 1", "privacy element 2", "privacy element 3"]
    assert drafts[0].says["vendor", "legal_name"].value == "A"


names = st.sampled_from(
    ["pod", "privacyList", "privacy", "privacyObligationsDocument", "contract", "dateValidFrom", "dataProcessor",
     "purposeList", "purpose", "endpointList", "endpoint", "endpointURL", "appIDList", "appID", "countryImpactedList",
     "countryImpacted", "country", "usage"]
)  # fmt: skip
trees = st.recursive(
    st.builds(lambda name, text: f"<{name}>{text}</{name}>", names, st.text("a:. //[\n5", max_size=9)),
    lambda inner: st.builds(
        lambda name, members: f"<{name}>{''.join(members)}</{name}>", names, st.lists(inner, max_size=4)
    ),
    max_leaves=15,
)


@settings(max_examples=60, deadline=None)
@given(tree=trees, junk=st.binary(max_size=20), cut=st.integers(0, 200))
def test_no_file_raises_anything_but_its_problems(tree: str, junk: bytes, cut: int) -> None:
    whole = f"<pod><privacy>{tree}</privacy></pod>".encode()
    for octets in (whole, junk, whole[:cut] + junk, whole[:cut] + junk + whole[cut:]):
        with suppress(DocumentError):
            for draft in pod_drafts(octets, path="pod.xml"):
                with suppress(DocumentError):
                    finish(draft, statements=STATED, today=TODAY)
