"""Who owns a domain, and which list says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.documents import DocumentError
from collector.hosts import registrable_domain
from rules.parties import BUNDLED_LIST, load_parties

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"
HEAD = "schema: schoolgate/parties/1\nparties:\n"


def party_file(folder: Path, name: str, *rows: str) -> Path:
    path = folder / name
    path.write_text(HEAD + "".join(f"  - {{{row}}}\n" for row in rows))
    return path


def test_the_bundled_list_knows_the_well_known_and_calls_nobody_else_clean() -> None:
    table = load_parties([])
    for host, kind in {
        "ad.doubleclick.net": "advertising",
        "www.google-analytics.com": "analytics",
        "o1.ingest.sentry.io": "crash_reporting",
        "d1.cloudfront.net": "cdn",
        "e1.a.akamaiedge.net": "cdn",
    }.items():
        party = table.find(host)
        assert party is not None
        assert (party.kind, party.list_name) == (kind, BUNDLED_LIST)
    assert table.find("adco.example") is None
    assert table.find("notdoubleclick.net") is None


def test_the_bundled_list_invents_nobody_and_stays_small() -> None:
    domains = [domain for domain, _ in load_parties([])]
    assert not [domain for domain in domains if registrable_domain(domain).endswith((".example", ".test", ".invalid"))]
    assert len(domains) < 200


def test_the_longest_domain_decides(tmp_path: Path) -> None:
    path = party_file(
        tmp_path,
        "own.yaml",
        "name: AdCo, owner: AdCo Holdings, kind: advertising, domains: ['*.adco.example']",
        "name: AdCo Learn, kind: education, domains: [learn.adco.example]",
    )
    table = load_parties([path])
    ads, learn = table.find("t.adco.example"), table.find("a.learn.adco.example")
    assert ads is not None
    assert (ads.name, ads.owner, ads.domains, ads.list_name) == (
        "AdCo",
        "AdCo Holdings",
        ("adco.example",),
        str(path),
    )
    assert learn is not None
    assert (learn.kind, learn.owner) == ("education", "AdCo Learn")


def test_a_later_file_wins_over_an_earlier_one_and_over_the_bundled_list(tmp_path: Path) -> None:
    first = party_file(tmp_path, "1.yaml", "name: A, kind: advertising, domains: [adco.example, sentry.io]")
    second = party_file(tmp_path, "2.yaml", "name: B, kind: hosting, domains: [adco.example]")
    table = load_parties([first, second])
    adco, sentry = table.find("adco.example"), table.find("x.sentry.io")
    assert adco is not None
    assert sentry is not None
    assert (adco.name, sentry.name, sentry.list_name) == ("B", "A", str(first))


def test_every_problem_of_every_list_is_told_at_once(tmp_path: Path) -> None:
    first = party_file(
        tmp_path,
        "1.yaml",
        "name: A, kind: advertising, domains: [adco.example]",
        "name: B, kind: advertisement, domains: [b.example]",
        "name: C, kind: cdn, domains: [co.uk]",
    )
    second = party_file(
        tmp_path,
        "2.yaml",
        "name: A, kind: advertising, domains: [adco.example]",
        "name: B, kind: hosting, domains: ['*.adco.example']",
    )
    with pytest.raises(DocumentError) as caught:
        load_parties([first, second, tmp_path / "absent.yaml"])
    told = str(caught.value).splitlines()
    assert len(told) == 4
    assert "did you mean `advertising`?" in told[0]
    assert told[1].startswith(f"{first}:5: `co.uk` is a public suffix, which no company owns; write the domain of ")
    assert told[2] == (
        f"{second}:4: the domain `*.adco.example` is listed twice (before it under `A`); keep one of the two"
    )
    assert "there is no such file" in told[3]


def test_the_example_and_the_scenarios_are_read() -> None:
    if not SHARED.is_dir():
        pytest.skip("/shared beside the checkout is absent: its party files are not read")
    files = [SHARED / "contracts" / "parties.example.yaml", *sorted(SHARED.glob("scenarios/*/parties.yaml"))]
    party = load_parties(files).find("t.adco.example")
    assert party is not None
    assert party.kind == "advertising"
