"""What agreements and party lists tell the collector: names, and under which of them others have names of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.destinations import Destinations
from collector.sensitive import load_sensitive
from rules.parties import DELIVERY, load_parties
from rules.rehearsal import world
from schoolgate.listed import listed_names

if TYPE_CHECKING:
    from pathlib import Path

SITES = (
    "emma-jones-diary.s3.amazonaws.com",
    "suicide-help-line.s3.eu-west-1.amazonaws.com",
    "emma-jones.westeurope.cloudapp.azure.com",
    "emma-jones.firebaseio.com",
    "suicide-help-line.azurewebsites.net",
    "suicide-help-line.cdn.cloudflare.com",
    "emma-jones.web.core.windows.net",
    "emma-jones.freetls.fastly.net",
)


def test_the_bundled_list_lets_no_name_of_a_personal_site_leave_whole() -> None:
    destinations = Destinations(listed_names([], parties=load_parties(())), sensitive=load_sensitive([]))
    assert {site: destinations.of(site).kind for site in SITES if destinations.of(site).kind == "listed"} == {}
    assert destinations.of("cdn.jsdelivr.net").kind == "listed"
    assert destinations.of("stats.g.doubleclick.net").kind == "listed"


def test_every_party_is_told_once_and_by_its_business() -> None:
    parties = load_parties(())
    told = listed_names([], parties=parties)
    for domain, party in parties:
        kinds = [name for name in ("others", "delivery", "hosting") if domain in getattr(told, name)]
        assert kinds == (
            [{"cdn": "delivery", "hosting": "hosting"}[party.kind]] if party.kind in DELIVERY else ["others"]
        )


def test_what_an_agreement_names_stays_as_the_agreement_names_it_whatever_a_list_calls_its_business(
    tmp_path: Path,
) -> None:
    rulebook = world()
    named = listed_names(rulebook.agreements, parties=load_parties(())).others
    assert named
    host = min(name for name in named if name.endswith(".example"))
    path = tmp_path / "parties.yaml"
    row = f"{{name: HostCo, kind: cdn, domains: [{host}, other.{host}]}}"
    path.write_text(f"schema: schoolgate/parties/1\nparties:\n  - {row}\n")
    told = listed_names(rulebook.agreements, parties=load_parties([path]))
    assert host in told.others
    assert told.delivery & {host, f"other.{host}"} == {f"other.{host}"}
