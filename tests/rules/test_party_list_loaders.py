"""Each list of others, in the form in which its publisher writes it, with invented names."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.problems import DocumentError, Problem
from rules.lists import companiesdb, disconnect, tracker_radar
from rules.lists import pieces as reading
from rules.lists.companiesdb import COMPANIES, TRACKERS
from rules.lists.formats import FORMATS, FormatName
from rules.lists.reading import examine
from rules.lists.rows import Piece, Tally, Weight, host_name
from rules.lists.tracker_radar import packed
from rules.party_file import Kind

ROOT = Path(__file__).resolve().parents[2]
LISTS = Path(__file__).resolve().parent / "party_lists"


def by_domain(tally: Tally) -> dict[str, tuple[str, str, str, Weight]]:
    return {domain: (row.kind, row.name, row.owner, row.weight) for row in tally.rows for domain in row.domains}


def told(tally: Tally) -> list[str]:
    return [str(problem).replace(f"{LISTS}/", "") for problem in tally.problems]


def examined(path: Path, form: FormatName) -> Tally:
    return examine(path, form=form)[1]


def test_companiesdb_says_tracker_company_and_category() -> None:
    tally = examined(LISTS / "companiesdb", "adguard-companiesdb")
    assert by_domain(tally) == {
        "adco.example": ("advertising", "AdCo Exchange", "AdCo Holdings", Weight.LISTED),
        "adco-cdn.example": ("advertising", "AdCo Exchange", "AdCo Holdings", Weight.LISTED),
        "chat.adco.example": ("other", "AdCo Chat", "AdCo Holdings", Weight.OTHER),
        "counter.example": ("analytics", "Counter", "", Weight.LISTED),
        "fastedge.example": ("cdn", "FastEdge", "FastEdge Inc.", Weight.LISTED),
        "nobody.example": ("other", "nobody.example", "", Weight.OWNER),
        "novel.example": ("other", "Novel", "novel", Weight.OWNER),
        "google.example": ("advertising", "Search", "Search Company", Weight.LISTED),
        "ads.google.example": ("advertising", "Search", "Search Company", Weight.LISTED),
    }
    assert tally.unknown == {"newly_invented": 1}
    assert tally.skipped == {"a public suffix, which no company owns": 1}
    assert tally.broken == 2
    assert [line.partition(";")[0] for line in told(tally)] == [
        "companiesdb/trackers.json:30: `broken host` is not a host name",
        "companiesdb/trackers.json:31: a domain of a tracker that is not in the list",
    ]


def test_without_the_companies_their_ids_still_tell_whose_trackers_belong_together() -> None:
    rows = by_domain(examined(LISTS / "companiesdb" / "trackers.json", "adguard-companiesdb"))
    assert rows["adco.example"][2] == rows["chat.adco.example"][2] == "adco_holdings"


def test_disconnect_says_category_and_company_and_who_records_visitors() -> None:
    tally = examined(LISTS / "services.json", "disconnect")
    assert by_domain(tally) == {
        # Advertising and content: what it sells decides.
        "adco.example": ("advertising", "AdCo", "AdCo", Weight.LISTED),
        "adco-cdn.example": ("advertising", "AdCo", "AdCo", Weight.LISTED),
        # A social network is one, whatever else it does.
        "friends.example": ("social", "Friends", "Friends", Weight.LISTED),
        "paths.example": ("advertising", "Paths", "Paths", Weight.LISTED),
        "watcher.example": ("session_replay", "Watcher", "Watcher", Weight.LISTED),
        "polite.example": ("analytics", "Polite", "Polite", Weight.LISTED),
        "video.example": ("other", "AdCo", "AdCo", Weight.OTHER),
        # How somebody works is not in what business he is.
        "printer.example": ("other", "Printer", "Printer", Weight.OTHER),
        "mind.example": ("other", "Mind", "Mind", Weight.OWNER),
    }
    assert tally.unknown == {"Telepathy": 1}
    assert tally.skipped == {"a rule about addresses": 1}
    assert tally.broken == 0


def test_tracker_radar_says_owner_and_the_least_accusing_of_several_categories() -> None:
    tally = examined(LISTS / "radar", "tracker-radar")
    assert by_domain(tally) == {
        "adco.example": ("advertising", "AdCo Holdings", "AdCo Holdings", Weight.LISTED),
        "fastedge.example": ("cdn", "FastEdge Inc.", "FastEdge Inc.", Weight.LISTED),
        "watcher.example": ("session_replay", "", "", Weight.HOST),
        "quiet.example": ("other", "Quiet Ltd", "Quiet Ltd", Weight.OWNER),
        "adco-labs.example": ("other", "AdCo Holdings", "AdCo Holdings", Weight.OWNER),
    }
    assert tally.unknown == {"Telepathy": 1}
    assert tally.skipped == {"an address, not a name": 1, "neither owner nor category": 1}
    assert len(told(tally)) == tally.broken == 1
    assert told(tally)[0].startswith("radar/domains/US/broken.example.json:1: the file is not JSON")


def test_a_checkout_packed_into_one_file_says_the_same(tmp_path: Path) -> None:
    tally = examined(LISTS / "radar", "tracker-radar")
    (tmp_path / "packed.json").write_bytes(packed(tally.rows))
    again = examined(tmp_path / "packed.json", "tracker-radar")
    assert (again.rows, again.broken) == (tally.rows, 0)


def test_the_map_of_tracker_radar_says_owners_only() -> None:
    tally = examined(LISTS / "domain_map.json", "tracker-radar")
    assert by_domain(tally) == {"adco.example": ("other", "AdCo Holdings", "AdCo Holdings", Weight.OWNER)}
    assert told(tally)[0].startswith("domain_map.json:7: a domain without the name of its owner; ")


@pytest.mark.parametrize(("form", "kind"), [("easyprivacy", "analytics"), ("easylist", "advertising")])
def test_of_a_filter_list_only_lines_that_block_a_whole_host_count(form: FormatName, kind: str) -> None:
    tally = examined(LISTS / "easyprivacy.txt", form)
    hosts = ("counter.example", "stats.adco.example", "rented.fastedge.example")
    assert by_domain(tally) == dict.fromkeys(hosts, (kind, "", "", Weight.HOST))
    assert tally.skipped == {
        "a host in some circumstances only": 2,
        "a host that the list excepts elsewhere": 1,
        "a rule about addresses": 4,
        "a rule about elements of pages": 2,
        "an address, not a name": 1,
        "an exception for some addresses": 1,
    }
    assert tally.broken == 0


def test_a_registry_names_websites_and_its_columns_are_found_by_their_headings() -> None:
    tally = examined(LISTS / "california.csv", "data-brokers")
    assert by_domain(tally) == {
        "acme-data.example": ("data_broker", "Acme Data, LLC", "Acme Data, LLC", Weight.REGISTRY),
        "google.example": ("data_broker", "Search Company", "Search Company", Weight.REGISTRY),
        "adco.example": ("data_broker", "AdCo Holdings", "AdCo Holdings", Weight.REGISTRY),
        "adco-data.example": ("data_broker", "AdCo Holdings", "AdCo Holdings", Weight.REGISTRY),
    }
    assert tally.skipped == {"a website that is a guest on somebody else's domain": 1, "no website": 1}
    assert [line.partition(";")[0] for line in told(tally)] == [
        "california.csv:7: a website that is no address",
        "california.csv:9: a row with too few columns",
    ]


def test_whoever_is_no_longer_registered_is_left_out() -> None:
    tally = examined(LISTS / "vermont.csv", "data-brokers")
    assert set(by_domain(tally)) == {"acme-data.example", "still.example"}
    assert tally.skipped == {"no longer registered": 1}


def test_a_registry_saved_by_a_spreadsheet_on_windows_is_read(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_bytes("Name,Website\r\nSociété de Données,donnees.example\r\n".encode("cp1252"))
    assert by_domain(examined(tmp_path / "r.csv", "data-brokers"))["donnees.example"][1] == "Société de Données"


@pytest.mark.parametrize("kinds", [companiesdb.KINDS, disconnect.KINDS, tracker_radar.KINDS])
def test_the_documentation_has_every_word_of_every_table(kinds: Mapping[str, Kind]) -> None:
    lines = (ROOT / "docs" / "party-lists.md").read_text().lower().splitlines()
    for word, kind in kinds.items():
        assert any(
            word.lower() in line.split("|")[1] and line.rstrip(" |").endswith(kind) for line in lines if "|" in line
        )


@pytest.mark.parametrize("form", get_args(FormatName))
@pytest.mark.parametrize("octets", [b"", b"{}", b"[]", b"\0" * 100, b"[" * 100_000, b'{"a":' * 100_000, b"1e999"])
def test_a_file_in_another_format_is_refused_whole(form: FormatName, octets: bytes, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(octets)
    with pytest.raises(DocumentError) as caught:
        examine(tmp_path / "list", form=form)
    assert str(caught.value).startswith(f"{tmp_path / 'list'}:1: ")


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place, what in {
        tmp_path / "pipe": "this is no file",
        Path("/dev/zero"): "this is no file",
        tmp_path / "absent": "there is no such file or folder",
        tmp_path: "this is a folder",
        tmp_path / "a\0b": "it cannot be read",
    }.items():
        with pytest.raises(DocumentError, match=what):
            examine(place, form="disconnect")


def test_a_list_is_bounded_in_octets_and_files_and_domains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(reading.MAX_FILE_OCTETS + 1)
    with pytest.raises(DocumentError, match="larger than 32 MiB"):
        examine(tmp_path / "large", form="easylist")
    monkeypatch.setattr("rules.lists.pieces.MAX_FILES", 3)
    with pytest.raises(DocumentError, match="more than 3 files"):
        examine(LISTS / "radar", form="tracker-radar")
    monkeypatch.setattr("rules.lists.rows.MOST_DOMAINS", 2)
    with pytest.raises(DocumentError, match="more than 2 domains"):
        examine(LISTS / "easyprivacy.txt", form="easylist")


def test_the_hash_of_a_folder_tells_any_change_of_a_name_or_an_octet(tmp_path: Path) -> None:
    (tmp_path / "domains").mkdir()
    first, second = tmp_path / "domains" / "a.json", tmp_path / "domains" / "b.json"
    rows = [f'{{"domain": "{name}.example", "owner": {{"name": "A"}}}}' for name in "ab"]
    hashes = set()
    for contents in (rows, rows[::-1], [rows[0], rows[0]]):
        first.write_text(contents[0])
        second.write_text(contents[1])
        hashes.add(examine(tmp_path, form="tracker-radar")[0])
    second.rename(tmp_path / "domains" / "c.json")
    hashes.add(examine(tmp_path, form="tracker-radar")[0])
    (tmp_path / "domains" / "readme.md").write_text("not part of the list")
    hashes.add(examine(tmp_path, form="tracker-radar")[0])
    assert len(hashes) == 4


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Adco.Example.", "adco.example"),
        ("*.adco.example", "adco.example"),
        (".adco.example", "adco.example"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("adco", None),
        ("ad co.example", None),
        ("adco.example/path", None),
        ("https://adco.example", None),
        ("a" * 300 + ".example", None),
        ("\u00fc" * 100 + ".example", None),
        ("192.0.2.1", None),
        ("2001:db8::1", None),
        ("", None),
    ],
)
def test_a_host_is_taken_as_lists_write_it(text: str, name: str | None) -> None:
    assert host_name(text) == name


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["adco.example", "true"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["categories", "trackers", "trackerDomains", "companies", "categoryId", "companyId", "name", "domain",
             "owner", "properties", "displayName", "Advertising", "adco.example", "4", "session-replay"]
        )
        | st.text(max_size=5),
        inner,
        max_size=6,
    ),
    max_leaves=30,
)  # fmt: skip
LINES = st.lists(
    st.sampled_from(
        ["||adco.example^", "@@||adco.example^", "name,website", "A,https://adco.example", '"', "[::1", "a,http://[",
         "!", "schema: schoolgate/parties/1", "parties:"]
    )
    | st.text(max_size=40),
    max_size=12,
).map("\n".join)  # fmt: skip
OCTETS = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda value: json.dumps(value).encode(errors="surrogatepass")),
    LINES.map(lambda text: text.encode(errors="surrogatepass")),
)


@pytest.mark.parametrize("form", get_args(FormatName))
@given(octets=OCTETS, more=OCTETS)
def test_any_octets_give_rows_or_a_clear_refusal(form: FormatName, octets: bytes, more: bytes) -> None:
    tally = Tally("list")

    def files() -> Iterator[Piece]:
        names = {"adguard-companiesdb": (COMPANIES, TRACKERS), "tracker-radar": ("domains/a.json", "b.json")}
        for name, content in zip(names.get(form, ("list",)), (octets, more), strict=False):
            yield Piece(name=name, path=f"list/{name}", octets=content)

    refused: tuple[Problem, ...] = ()
    try:
        FORMATS[form].load(files(), tally=tally)
    except DocumentError as error:
        refused = error.problems
    assert all(problem.line >= 1 and problem.what and problem.remedy for problem in refused)
    for row in tally.rows:
        assert row.domains
        assert all(host_name(domain) == domain for domain in row.domains)
        assert (row.name + row.owner + row.category).isprintable() or form == "parties"
    assert tally.broken >= len(tally.problems)
