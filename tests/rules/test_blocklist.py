"""The host list: third parties of open cases, never a vendor's own name, never anything that is no host name."""

from __future__ import annotations

import json

import pytest

from rules.export.blocklist import as_hosts, as_rpz, blocked_names
from rules.rehearsal import world
from rules.store import CaseRow
from tests.rules.first_store import a_case

AGREEMENTS = world({}).agreements


def row(*, state: str = "open", status: str = "new", **changes: object) -> CaseRow:
    body = json.dumps(a_case("c", **changes)).encode()
    return CaseRow(id="c", version=1, state=state, status=status, body=body)


def names(*rows: CaseRow) -> list[str]:
    return blocked_names(rows, agreements=AGREEMENTS)


def test_the_third_party_of_an_open_case_is_listed_once() -> None:
    assert names(row(), row(rule="prohibited-tracking"), row(subject="a.example")) == ["a.example", "adco.example"]


@pytest.mark.parametrize(
    "left_out",
    [
        row(state="withdrawn"),
        row(status="closed"),
        row(rule="use-paused"),
        row(severity="info"),
        row(verdict="unattributed"),
    ],
)
def test_what_is_no_reason_to_block_is_left_out(left_out: CaseRow) -> None:
    assert names(left_out) == []


@pytest.mark.parametrize("agreement", AGREEMENTS, ids=lambda agreement: agreement.id)
def test_a_name_of_a_vendor_is_never_listed(agreement: object) -> None:
    own = {domain.match.removeprefix("*.") for domain in agreement.domains}  # type: ignore[attr-defined]
    assert own
    assert names(*(row(subject=".".join(name.split(".")[-2:])) for name in own)) == []


@pytest.mark.parametrize(
    "subject",
    ["", "localhost", "a b.example", "x.example\n0.0.0.0 y.example", "x.example;", "-x.example", "x..example",
     "x.example.", "$INCLUDE.example", "*.example", "192.0.2.1", "x" * 64 + ".example", "é.example", "x.example\n"],
)  # fmt: skip
def test_what_is_no_host_name_cannot_break_out_of_its_line(subject: str) -> None:
    assert names(row(subject=subject)) == []


def test_both_forms_say_the_same_names() -> None:
    listed = ["adco.example", "xn--bcher-kva.example"]
    assert [line for line in as_hosts(listed, made_at="now").splitlines() if line[0] != "#"] == [
        "0.0.0.0 adco.example", "0.0.0.0 xn--bcher-kva.example",
    ]  # fmt: skip
    zone = as_rpz(listed, made_at="now", serial=7).splitlines()
    assert zone[2].split()[:4] == ["@", "IN", "SOA", "localhost."]
    assert zone[-2:] == ["xn--bcher-kva.example CNAME .", "*.xn--bcher-kva.example CNAME ."]
