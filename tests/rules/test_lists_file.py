"""Lists files: which lists count, which of them decides about a host, and what happens to one that cannot be used."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import topics
from collector.documents import DocumentError
from collector.problems import Problem
from rules.checks.wording import listed_as
from rules.judgement import Judgement
from rules.lists.catalogue import ListEntry, is_catalogue
from rules.lists.entering import enter, path_within
from rules.lists.formats import FormatName
from rules.lists.reading import examine
from rules.lists.rows import Weight
from rules.lists.show import who, who_in_words
from rules.parties import BUNDLED_LIST, Kind, Party, PartyTable, Statements, load_parties, read_parties
from rules.rulebook import RulebookFiles, load_rulebook
from rules.stage_two import StageTwo
from tests.parts.case_keys import a_ring

SAMPLE = Path(__file__).resolve().parents[2] / "rules" / "sample"
LISTS = Path(__file__).resolve().parent / "party_lists"
OWN = "schema: schoolgate/parties/1\nparties:\n  - {name: %s, owner: %s, kind: %s, domains: [%s]}\n"
Lists = Callable[..., Path]


def entry(place: Path, form: FormatName, *, catalogue: Path, day: str = "2026-07-01", **more: str) -> ListEntry:
    row = {"path": path_within(place, catalogue=catalogue), "format": form, "licence": "none", "date": day}
    return ListEntry.model_validate({**row, "sha256": examine(place, form=form)[0], **more})


@pytest.fixture
def lists(tmp_path: Path) -> Lists:
    """Writes a lists file with copies of the lists given, in that order."""

    def write(*formats: tuple[str, FormatName]) -> Path:
        catalogue = tmp_path / "lists.yaml"
        for name, form in formats:
            source, place = LISTS / name, tmp_path / name
            if source.is_dir():
                shutil.copytree(source, place, dirs_exist_ok=True)
            elif source.exists():
                shutil.copy(source, place)
            enter(entry(place, form, catalogue=catalogue, name=name), catalogue=catalogue)
        return catalogue

    return write


def decided(table: PartyTable, host: str) -> tuple[str, str, str, str] | None:
    party = table.find(host)
    return None if party is None else (party.kind, party.name, party.owner, party.list_name)


def test_a_list_that_knows_owner_and_business_wins_over_the_bundled_one_and_says_its_date(
    lists: Lists, tmp_path: Path
) -> None:
    (tmp_path / "own.json").write_text(
        '{"categories": {"Advertising": [{"Sentry": {"https://x.example": ["sentry.io"]}}]}}'
    )
    table = load_parties([lists(("own.json", "disconnect"))])
    party = table.find("o1.ingest.sentry.io")
    assert party is not None
    assert (party.kind, party.list_name, party.list_date) == ("advertising", "own.json", date(2026, 7, 1))
    assert listed_as(party) == "listed as advertising in own.json of 2026-07-01"
    # Whatever else a list calls the company, an agreement may mean by its name.
    assert "Functional Software" in party.names


def test_of_two_lists_the_later_decides_and_of_two_domains_the_longer(lists: Lists) -> None:
    table = load_parties([lists(("companiesdb", "adguard-companiesdb"), ("services.json", "disconnect"))])
    assert decided(table, "t.adco.example") == ("advertising", "AdCo", "AdCo", "services.json")
    assert decided(table, "x.chat.adco.example") == ("other", "AdCo Chat", "AdCo Holdings", "companiesdb")
    turned = load_parties([lists(("services.json", "disconnect"))])
    assert decided(turned, "t.adco.example") == ("advertising", "AdCo", "AdCo", "services.json")


def test_the_districts_own_word_wins_wherever_it_stands(lists: Lists, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(OWN % ("AdCo for schools", "AdCo", "education", "adco.example"))
    catalogue = lists(("companiesdb", "adguard-companiesdb"))
    for paths in ([own, catalogue], [catalogue, own]):
        party = load_parties(paths).find("adco.example")
        assert party is not None
        assert (party.kind, party.list_name) == ("education", str(own))
        assert listed_as(party) == "listed as education in the district's own list"
    inside = lists(("own.yaml", "parties"), ("services.json", "disconnect"))
    party = load_parties([inside]).find("adco.example")
    assert party is not None
    assert (party.kind, party.list_date) == ("education", date(2026, 7, 1))


def test_a_registered_data_broker_is_one_only_where_no_better_list_speaks(lists: Lists) -> None:
    table = load_parties([lists(("companiesdb", "adguard-companiesdb"), ("california.csv", "data-brokers"))])
    assert decided(table, "www.acme-data.example") == (
        "data_broker",
        "Acme Data, LLC",
        "Acme Data, LLC",
        "california.csv",
    )
    assert decided(table, "adco.example") == ("advertising", "AdCo Exchange", "AdCo Holdings", "companiesdb")
    # The registry's row covers everything beneath the website, but another list covers this much.
    assert decided(table, "chat.adco.example") == ("other", "AdCo Chat", "AdCo Holdings", "companiesdb")
    alone = load_parties([lists(("california.csv", "data-brokers"))])
    google = alone.find("mail.google.example")
    assert google is None or google.kind != "data_broker"


def test_one_word_of_a_list_is_not_taken_for_everything_that_a_large_company_runs(lists: Lists, tmp_path: Path) -> None:
    table = load_parties([lists(("companiesdb", "adguard-companiesdb"))])
    assert decided(table, "www.google.example") == ("other", "Search", "Search Company", "companiesdb")
    assert decided(table, "x.ads.google.example") == ("advertising", "Search", "Search Company", "companiesdb")
    own = tmp_path / "own.yaml"
    own.write_text(OWN % ("Search", "Search", "advertising", "google.example"))
    assert decided(load_parties([own]), "www.google.example") == ("advertising", "Search", "Search", str(own))


def test_a_host_of_a_filter_list_belongs_to_whom_another_list_names_above_it(lists: Lists) -> None:
    table = load_parties([lists(("easyprivacy.txt", "easyprivacy"), ("companiesdb", "adguard-companiesdb"))])
    assert decided(table, "stats.adco.example") == ("analytics", "AdCo Exchange", "AdCo Holdings", "easyprivacy.txt")
    # Whoever rents a name beneath a delivery network is not the network.
    assert decided(table, "rented.fastedge.example") == (
        "analytics",
        "rented.fastedge.example",
        "rented.fastedge.example",
        "easyprivacy.txt",
    )
    alone = load_parties([lists(("easyprivacy.txt", "easyprivacy"))])
    assert decided(alone, "counter.example") is not None


def test_what_other_lists_call_service_and_owner_is_kept_with_the_party_that_decides(lists: Lists) -> None:
    table = load_parties([lists(("companiesdb", "adguard-companiesdb"), ("services.json", "disconnect"))])
    party = table.find("t.adco.example")
    assert party is not None
    assert (party.owner, party.owners, party.names) == (
        "AdCo",
        ("AdCo", "AdCo Holdings"),
        ("AdCo", "AdCo", "AdCo Holdings", "AdCo Exchange"),
    )


def test_who_owns_a_domain_says_nothing_of_what_it_is(lists: Lists) -> None:
    table = load_parties([lists(("domain_map.json", "tracker-radar"), ("easyprivacy.txt", "easyprivacy"))])
    party = table.find("x.adco.example")
    assert party is not None
    assert (party.owner, party.business_known) == ("AdCo Holdings", False)
    tracker = table.find("stats.adco.example")
    assert tracker is not None
    assert (tracker.kind, tracker.owner, tracker.business_known) == ("analytics", "AdCo Holdings", True)


def test_a_list_that_changed_since_it_was_entered_is_not_used_and_spoils_nothing_else(
    lists: Lists, tmp_path: Path
) -> None:
    catalogue = lists(("companiesdb", "adguard-companiesdb"), ("services.json", "disconnect"))
    with (tmp_path / "services.json").open("a") as file:
        file.write("\n")
    table = load_parties([catalogue])
    assert table.find("friends.example") is None
    assert decided(table, "adco.example") == ("advertising", "AdCo Exchange", "AdCo Holdings", "companiesdb")
    assert [source.usable for source in table.sources] == [True, False]
    told = [str(problem) for problem in table.warnings if problem.path == str(catalogue)]
    assert len(told) == 1
    assert told[0].startswith(
        f"{catalogue}:9: the list services.json is not the one that was entered here (its sha256 is "
    )
    assert told[0].endswith("; get the right one, or enter this one with `schoolgate parties add`")


def replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def entered_under_another_format(path: Path) -> None:
    catalogue = path.parent / "lists.yaml"
    catalogue.write_text(catalogue.read_text().replace("format: disconnect", "format: easylist"))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (Path.unlink, "there is no such file or folder"),
        (replaced_by_a_folder, "this is a folder"),
        (entered_under_another_format, "the list names no host"),
    ],
)
def test_a_list_that_cannot_be_read_makes_its_hosts_unknown(
    lists: Lists, tmp_path: Path, spoil: Callable[[Path], object], why: str
) -> None:
    catalogue = lists(("services.json", "disconnect"), ("domain_map.json", "tracker-radar"))
    spoil(tmp_path / "services.json")
    table = load_parties([catalogue])
    assert table.find("friends.example") is None
    assert table.find("adco.example") is not None
    (problem,) = (problem for problem in table.warnings if problem.path == str(catalogue))
    assert problem.line == 3
    assert problem.what == f"the list services.json cannot be used: {why}; its hosts are of unknown kind"


def test_broken_entries_are_left_out_and_the_first_few_are_told(lists: Lists, tmp_path: Path) -> None:
    rows = "".join(f'  "bad host {number}": {{"entityName": "X"}},\n' for number in range(9))
    (tmp_path / "map.json").write_text("{\n" + rows + '  "adco.example": {"entityName": "AdCo"}\n}\n')
    table = load_parties([lists(("map.json", "tracker-radar"))])
    assert table.find("adco.example") is not None
    assert [(problem.line, problem.what) for problem in table.warnings] == [
        *((line, f"`bad host {line - 2}` is not a host name") for line in (2, 3, 4)),
        (1, "6 more broken entries are left out"),
    ]
    (source,) = table.sources
    assert (source.broken, source.domains) == (9, 1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("date: 2026-07-01", "date: July"), "lists.yaml:6: `July` is not a date; write a date such as 2026-08-01"),
        (("format: disconnect", "format: disconect"), "did you mean `disconnect`?"),
        (("licence: none\n    ", ""), "lists.yaml:3: "),
        (("sha256: ", "sha256: x"), "lists.yaml:7: "),
        (("  - path", "  - nme: x\n    path"), "lists.yaml:3: `nme` is not a key here; did you mean `name`?"),
    ],
)
def test_what_is_wrong_in_a_lists_file_is_told_with_line_and_remedy(
    lists: Lists, change: tuple[str, str], told: str
) -> None:
    catalogue = lists(("services.json", "disconnect"))
    text = catalogue.read_text()
    assert change[0] in text
    catalogue.write_text(text.replace(*change, 1))
    with pytest.raises(DocumentError) as caught:
        load_parties([catalogue])
    assert told in str(caught.value)


def test_two_lists_that_a_case_could_not_tell_apart_are_refused(lists: Lists, tmp_path: Path) -> None:
    catalogue = lists(("california.csv", "data-brokers"), ("vermont.csv", "data-brokers"))
    text = "\n".join(line for line in catalogue.read_text().splitlines() if "name:" not in line)
    catalogue.write_text(text)
    with pytest.raises(DocumentError, match="two lists are called `the registry of data brokers` of 2026-07-01"):
        load_parties([catalogue])
    again = text.replace("vermont.csv", "california.csv")
    (tmp_path / "again.yaml").write_text(again)
    with pytest.raises(DocumentError, match="stands here twice"):
        load_parties([tmp_path / "again.yaml"])


def test_a_lists_file_is_known_by_its_schema_however_it_is_written() -> None:
    assert is_catalogue("# lists\nschema: schoolgate/lists/1\nlists: []\n")
    assert is_catalogue('{"schema": "schoolgate/lists/1", "lists": []}')
    assert not is_catalogue("# schema: schoolgate/lists/1\nschema: schoolgate/parties/1\nparties: []\n")


def test_entering_a_list_keeps_comments_and_other_rows_and_replaces_its_own(lists: Lists, tmp_path: Path) -> None:
    catalogue = lists(("services.json", "disconnect"), ("vermont.csv", "data-brokers"))
    catalogue.write_text("# Kept by the privacy office\n" + catalogue.read_text())
    catalogue.chmod(0o640)
    before = catalogue.read_text()
    (tmp_path / "services.json").write_text((LISTS / "services.json").read_text() + "\n")
    newer = entry(
        tmp_path / "services.json", "disconnect", catalogue=catalogue, day="2026-10-01", url="https://x.example"
    )
    assert enter(newer, catalogue=catalogue)
    after = catalogue.read_text()
    assert after.startswith("# Kept by the privacy office\nschema: schoolgate/lists/1\n")
    assert [line for line in before.splitlines() if "vermont" in line] == [
        line for line in after.splitlines() if "vermont" in line
    ]
    assert not load_parties([catalogue]).warnings
    assert {facts.name: facts.date for facts in load_parties([catalogue]).sources} == {
        # The name was not given again, so the row has none.
        "Disconnect": date(2026, 10, 1),
        "vermont.csv": date(2026, 7, 1),
    }
    assert catalogue.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_a_wrong_file_is_never_written_over(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(OWN % ("AdCo", "AdCo", "advertising", "adco.example"))
    with pytest.raises(DocumentError, match="this is no lists file"):
        enter(entry(LISTS / "services.json", "disconnect", catalogue=own), catalogue=own)
    assert own.read_text() == OWN % ("AdCo", "AdCo", "advertising", "adco.example")


def test_a_change_of_a_lists_file_or_of_a_list_is_noticed(lists: Lists, tmp_path: Path) -> None:
    catalogue = lists(("services.json", "disconnect"))
    files = RulebookFiles(agreements=None, network=tmp_path / "network.yaml", parties=(catalogue,))
    first = files.fingerprint()
    assert files.fingerprint() == first
    (tmp_path / "services.json").write_text("{}")
    second = files.fingerprint()
    assert second != first
    lists(("vermont.csv", "data-brokers"))
    assert len(files.fingerprint()) == len(second) + 1


def test_the_report_and_the_basis_of_verdicts_say_which_lists_counted_on_every_way(
    lists: Lists, tmp_path: Path
) -> None:
    catalogue = lists(("services.json", "disconnect"), ("domain_map.json", "tracker-radar"))
    (tmp_path / "domain_map.json").unlink()
    files = RulebookFiles(agreements=SAMPLE / "agreements", network=SAMPLE / "network.yaml", parties=(catalogue,))
    book = load_rulebook(files)
    (unused,) = map(str, book.parties.warnings)
    assert "domain_map.json cannot be used" in unused
    day = date(2026, 10, 14)
    assert Judgement(book, token_key=lambda _day: b"k" * 32, today=day).report()["errors"] == [unused]
    through_kafka = StageTwo(partition=0, topic=topics.FINDINGS, rulebook=book, today=day, state={}, keys=a_ring())
    assert through_kafka._frame()["errors"] == [unused]
    assert book.basis is not None
    (used,) = (each for each in book.basis.parties if each.date)
    assert (used.name, used.date, used.licence) == ("services.json", "2026-07-01", "none")
    assert used.sha256 == book.parties.sources[0].sha256


def test_who_tells_the_deciding_list_first_and_then_what_the_others_say(lists: Lists) -> None:
    said = read_parties([lists(("companiesdb", "adguard-companiesdb"), ("services.json", "disconnect"))])
    answer = who("t.adco.example", said=said)
    assert [(each["list"], each["kind"], each["category"]) for each in answer["said"]] == [
        ("services.json", "advertising", "Advertising"),
        ("companiesdb", "advertising", "advertising"),
    ]
    others = "adco.example is advertising, AdCo Exchange (its word: advertising)"
    assert list(who_in_words(answer)) == [
        "t.adco.example: AdCo; advertising",
        "  decided by services.json of 2026-07-01: adco.example is advertising, AdCo (its word: Advertising)",
        f"  also listed in companiesdb of 2026-07-01: {others}",
    ]
    assert list(who_in_words(who("nobody.invalid", said=said))) == [
        "nobody.invalid: in no list, so of unknown kind (which never means clean)"
    ]


KINDS: tuple[Kind, ...] = ("advertising", "cdn", "other")
NAMES = st.sampled_from(["example", "b.example", "a.b.example", "c.example", "d.a.b.example"])
PARTIES = st.lists(
    st.builds(
        lambda name, weight, kind, domains: Party(
            name=name,
            owner=name,
            kind=kind,
            domains=tuple(domains),
            list_name=f"list {name}",
            list_date=date(2026, 7, 1),
            weight=weight,
        ),
        st.sampled_from(["A", "B", "C"]),
        st.sampled_from(Weight),
        st.sampled_from(KINDS),
        st.lists(NAMES, min_size=1, max_size=3, unique=True),
    ),
    max_size=8,
)


@given(parties=PARTIES, host=NAMES)
def test_what_is_shown_as_deciding_is_what_decides(parties: list[Party], host: str) -> None:
    said = Statements(parties=tuple(parties), sources=(), warnings=())
    found = said.table().find(host)
    answer = who(host, said=said)
    if found is None:
        assert not answer["said"]
    else:
        assert (answer["said"][0]["list"], answer["said"][0]["kind"]) == (found.list_name, found.kind)


def test_the_bundled_list_is_named_as_such() -> None:
    party = load_parties([]).find("doubleclick.net")
    assert party is not None
    assert (party.list_name, party.weight) == (BUNDLED_LIST, Weight.BUNDLED)
    assert listed_as(party) == "listed as advertising in the list that comes with Schoolgate"


def test_a_warning_of_a_list_reads_like_any_other_problem(lists: Lists, tmp_path: Path) -> None:
    catalogue = lists(("services.json", "disconnect"))
    (tmp_path / "services.json").unlink()
    (problem,) = load_parties([catalogue]).warnings
    assert isinstance(problem, Problem)
    assert str(problem) == (
        f"{catalogue}:3: the list services.json cannot be used: there is no such file or folder; its hosts are of "
        "unknown kind; get the list, or correct its path"
    )
