"""The agreement file: the contract's schema and our models say the same, and dates mean what the contract says."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import ValidationError

from collector.documents import DocumentError
from collector.fields import is_host
from collector.yaml_nodes import read_nodes
from rules.agreements.decisions import Waiver
from rules.agreements.load import parse_agreement
from rules.agreements.model import Agreement, Origin
from rules.agreements.schema import json_schema
from rules.agreements.standing import gate_on, in_force, period, status_on

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"
TODAY = date(2026, 10, 13)
ONE_DAY = timedelta(days=1)

# One or more values of every kind; wherever a field stands, most of them are wrong there.
WRONG: tuple[object, ...] = (
    *(None, True, 7, 2.5, -2, [], ["x"], {}),
    *("x", "US", "2026-02-31", "UPPER.example", "a" * 12),
)

TEXT = """\
schema: schoolgate/agreement/1
id: mathtrek
vendor: {legal_name: MathTrek Learning Inc. (invented)}
products:
  - {name: MathTrek, grades: [2, 6]}
agreement: {kind: ndpa_v2, status: active, effective: 2026-08-01, expires: 2029-07-31}
domains:
  - {match: mathtrek.example, role: app}
third_parties: {list_is: complete, unlisted: forbidden, list: []}
purposes:
  - {code: instruction, plain: Practice problems chosen by the teacher.}
data: {categories: [{cat: in_app_performance}], retention_days_after_end: null}
use_gate: {status: approved}
provenance: {waivers: [{clause: 6d, reason: Removal promised., until: 2026-12-31, by: privacy office}]}
"""


def agreement(old: str = "", new: str = "") -> Agreement:
    assert old in TEXT
    return parse_agreement(TEXT.replace(old, new) if old else TEXT, path="mathtrek.yaml")


def complaints(old: str, new: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        agreement(old, new)
    return str(caught.value).splitlines()


def test_what_is_absent_is_none_and_what_is_empty_is_empty() -> None:
    found = agreement()
    assert found.prohibited is None
    assert found.improvement is None
    assert found.third_parties.list == ()
    assert found.products[0].under_13 is None
    assert (
        agreement("complete, unlisted: forbidden, list: []", "complete, unlisted: forbidden").third_parties.list is None
    )


def test_an_agreement_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        agreement().id = "other"  # type: ignore[misc] # that is the point


def test_the_version_follows_the_file_and_not_the_path() -> None:
    one = agreement()
    assert one.origin is not None
    assert one.origin.lines == {"mathtrek.example": 8}
    assert one.version == parse_agreement(TEXT, path="other.yaml").version
    assert one.version != parse_agreement(TEXT + "# seen\n", path="mathtrek.yaml").version
    bare = Agreement.model_validate(one.model_dump(by_alias=True, exclude_unset=True))
    assert bare.origin is None
    assert len(bare.version) == 64
    assert bare.read_from(Origin(path="x", sha256="0", lines={})).version == "0"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "expires: 2029-07-31",
            "expires: 2026-07-31",
            ":6: `expires` (2026-07-31) is before `effective` (2026-08-01); ",
        ),
        ("[2, 6]", "[6, 2]", ":5: `grades` runs from 6 down to 2; write the lowest grade first"),
        ("[2, 6]", "[2]", ":5: `grades` in entry 1 of `products` has 1 of at least 2 entries; "),
        ("[2, 6]", "[2, 13]", ":5: entry 2 of `products.grades` is `13`; write a number not above 12"),
        (
            "mathtrek.example, role",
            "github.io, role",
            ":8: `github.io` is a public suffix, under which anybody may have",
        ),
        ("mathtrek.example, role", "co.uk, role", ":8: `co.uk` is a public suffix"),
        (
            "status: approved}",
            "status: paused, from: 2026-10-02, until: 2026-10-01}",
            ":13: `until` (2026-10-01) is before",
        ),
        ("clause: 6d", "clause: 6h", ":14: `clause` is `6h`, which is no clause; write one of R0, R1, R2"),
        ("reason: Removal promised.", "reason: ' '", ":14: `reason` of the waiver is blank; "),
        ("reason: Removal promised., ", "", ":14: `reason` is missing in entry 1 of `provenance.waivers`; "),
        ("id: mathtrek", "id: MathTrek", ":2: `MathTrek` is not an agreement id; write 2 to 63 small letters"),
        (
            "Practice problems chosen by the teacher.",
            "Maths.",
            ":11: `plain` in entry 1 of `purposes` is `Maths.`, which ",
        ),
        ("list: []", "list: [{name: A, relation: referral, domains: [com.au]}]", ":9: `com.au` is a public suffix"),
        ("list: []", "list: [{name: A, relation: referral, countries: [us]}]", ":9: `us` is not a code of two capital"),
        ("retention_days_after_end: null", "owner: null", ":12: `owner` in `data` is nothing; write one of student_or"),
    ],
)
def test_a_wrong_field_is_answered_with_line_and_remedy(old: str, new: str, complaint: str) -> None:
    (told,) = complaints(old, new)
    assert told.startswith("mathtrek.yaml" + complaint)


def test_a_host_claimed_twice_in_one_file_is_refused_however_it_is_written() -> None:
    (told,) = complaints("role: app}", "role: app}\n  - {match: '*.mathtrek.example'}")
    assert told == (
        "mathtrek.yaml:9: `*.mathtrek.example` is listed twice in `domains` (as `mathtrek.example` before; `*.x` means "
        "the same as `x`); keep one of the two"
    )


def test_a_third_party_may_live_under_a_suffix_of_a_company() -> None:
    row = "list: [{name: CloudFront, relation: subprocessor, domains: [cloudfront.net]}]"
    assert agreement("list: []", row).third_parties.list is not None


def test_the_first_and_the_last_day_count() -> None:
    found = agreement()
    assert status_on(found, date(2026, 7, 31)) == "not_yet"
    assert in_force(found, date(2026, 8, 1))
    assert in_force(found, date(2029, 7, 31))
    assert status_on(found, date(2029, 8, 1)) == "expired"


def test_a_draft_and_a_termination_without_a_date_are_in_force_on_no_day() -> None:
    assert status_on(agreement("status: active", "status: draft"), TODAY) == "draft"
    assert status_on(agreement("status: active", "status: terminated"), TODAY) == "terminated"


def test_the_day_of_termination_still_counts() -> None:
    ended = agreement("status: active", "status: terminated, terminated_on: 2026-10-13")
    assert in_force(ended, TODAY)
    assert status_on(ended, TODAY + ONE_DAY) == "terminated"
    assert period(ended) == (date(2026, 8, 1), TODAY)
    late = agreement("status: active", "status: terminated, terminated_on: 2030-01-01")
    assert status_on(late, date(2030, 6, 1)) == "expired"


def test_an_absent_date_is_an_open_end() -> None:
    found = agreement(", effective: 2026-08-01, expires: 2029-07-31", "")
    assert in_force(found, date(1990, 1, 1))
    assert period(found) == (date.min, date.max)


@pytest.mark.parametrize(
    ("gate", "before", "within", "after"),
    [
        ("approved", None, "approved", "paused"),
        ("pilot", None, "pilot", "paused"),
        ("paused", None, "paused", "approved"),
        ("prohibited", None, "prohibited", "approved"),
    ],
)
def test_the_gate_holds_from_its_first_to_its_last_day(gate: str, before: str, within: str, after: str) -> None:
    first, last = date(2026, 10, 1), date(2026, 10, 31)
    found = agreement("{status: approved}", f"{{status: {gate}, from: {first}, until: {last}}}")
    assert gate_on(found, first - ONE_DAY) == before
    assert gate_on(found, first) == gate_on(found, last) == within
    assert gate_on(found, last + ONE_DAY) == after
    assert gate_on(agreement("{status: approved}", f"{{status: {gate}}}"), date.max) == within


def _verdicts(schema: dict[str, Any], documents: list[object]) -> list[bool]:
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    return [validator.is_valid(document) for document in documents]


def _plain(text: str) -> Any:
    return read_nodes(text, path="x")[0].plain()


def _spoilt(document: Any) -> list[object]:
    """Return copies of *document*, each with one value dropped or replaced by something of another kind."""
    copies: list[object] = []

    def visit(node: Any) -> None:
        places: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node)))
        for place in places:
            kept = node[place]
            for wrong in WRONG:
                node[place] = wrong
                copies.append(json.loads(json.dumps(document)))
            node[place] = kept
            if isinstance(node, dict):
                del node[place]
                copies.append(json.loads(json.dumps(document)))
                node["not_a_key"] = kept
                copies.append(json.loads(json.dumps(document)))
                del node["not_a_key"]
                node[place] = kept
            if isinstance(kept, dict | list):
                visit(kept)

    visit(document)
    return copies


def test_our_schema_takes_and_refuses_what_the_contract_takes_and_refuses() -> None:
    if not SHARED.is_dir():
        pytest.skip("/shared beside the checkout is absent: no contract schema to compare with")
    contract = json.loads((SHARED / "contracts" / "agreement.schema.json").read_text())
    example = _plain((SHARED / "contracts" / "agreement.example.yaml").read_text())
    files = sorted(SHARED.glob("scenarios/*/agreements/*.yaml"))
    documents = [example, *(_plain(file.read_text()) for file in files), *_spoilt(example)]
    wanted = _verdicts(contract, documents)
    assert wanted.count(True) > len(files)
    assert wanted.count(False) > 1000
    assert _verdicts(json_schema(), documents) == wanted


def test_the_models_refuse_what_the_contract_refuses() -> None:
    if not SHARED.is_dir():
        pytest.skip("/shared beside the checkout is absent: no contract schema to compare with")
    contract = json.loads((SHARED / "contracts" / "agreement.schema.json").read_text())
    documents = _spoilt(_plain((SHARED / "contracts" / "agreement.example.yaml").read_text()))
    for document, wanted in zip(documents, _verdicts(contract, documents), strict=True):
        kinds = _complaints_about(document)
        # What the schema takes we refuse only where fields contradict each other.
        assert "faults" in kinds if wanted and kinds else wanted != bool(kinds), document


def test_every_name_that_the_contract_takes_we_take_and_a_labels_besides() -> None:
    if not SHARED.is_dir():
        pytest.skip("/shared beside the checkout is absent: no contract schema to compare with")
    contract = json.loads((SHARED / "contracts" / "agreement.schema.json").read_text())
    narrow = re.compile(contract["$defs"]["host"]["pattern"])
    letters = ("a", "7", "_", "-", ".", "*.", "xn--")
    names = ["".join(parts) for length in range(1, 7) for parts in product(letters, repeat=length)]
    taken = [name for name in names if narrow.match(name)]
    assert len(taken) > 1000
    assert all(is_host(name) for name in taken)
    assert [name for name in ("xn--a-7a.xn--aa", "*.xn--7a.aa") if is_host(name)] == ["xn--a-7a.xn--aa", "*.xn--7a.aa"]


def test_a_waiver_may_name_a_domain_with_other_letters_as_the_wire_has_it() -> None:
    waiver = {"clause": "6d", "reason": "Removal promised.", "until": "2026-12-31", "by": "privacy office"}
    assert Waiver.model_validate({**waiver, "domain": "xn--bcher-kva.example"}).domain == "xn--bcher-kva.example"
    with pytest.raises(ValidationError, match=r"write xn--bcher-kva\.example, the same name as it stands on the wire"):
        Waiver.model_validate({**waiver, "domain": "b\u00fccher.example"})


def _complaints_about(document: object) -> set[str]:
    try:
        Agreement.model_validate(document)
    except ValidationError as error:
        return {detail["type"] for detail in error.errors()}
    return set()


def test_every_field_of_the_schema_has_a_description() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == "urn:schoolgate:agreement:1"
    Draft202012Validator.check_schema(schema)
    for section in (schema, *schema["$defs"].values()):
        for name, field in section["properties"].items():
            described = field if "description" in field else schema["$defs"].get(field.get("$ref", "")[8:], {})
            assert described.get("description", "").endswith((".", "?")), name
