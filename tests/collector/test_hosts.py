"""Host names: registrable domains, public suffixes, and the longest match."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.hosts import (
    SuffixTable,
    a_labels,
    covers,
    is_public_suffix,
    is_registry_suffix,
    normal_name,
    registrable_domain,
)


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("a.b.mathtrek.example", "mathtrek.example"),
        ("mathtrek.example", "mathtrek.example"),
        ("A.MathTrek.Example.", "mathtrek.example"),
        ("www.school.co.uk", "school.co.uk"),
        ("pupil.github.io", "pupil.github.io"),
        ("example", "example"),
        ("co.uk", "co.uk"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("a..b", "a..b"),
        ("", ""),
    ],
)
def test_the_registrable_domain_is_what_somebody_registered(name: str, domain: str) -> None:
    assert registrable_domain(name) == domain


def test_a_suffix_of_a_company_is_public_but_not_of_a_registry() -> None:
    assert is_public_suffix("github.io")
    assert not is_registry_suffix("github.io")
    assert is_public_suffix("*.co.uk")
    assert is_registry_suffix("co.uk")
    for name in ("mathtrek.example", "192.0.2.7"):
        assert not is_public_suffix(name)
        assert not is_registry_suffix(name)


def test_a_match_covers_itself_and_everything_beneath_it_and_no_lookalike() -> None:
    for match in ("mathtrek.example", "*.mathtrek.example"):
        assert covers(match, "mathtrek.example")
        assert covers(match, "a.b.mathtrek.example")
        assert not covers(match, "notmathtrek.example")
        assert not covers(match, "mathtrek.example.adco.example")


def test_the_longest_match_is_found_first() -> None:
    table: SuffixTable[str] = SuffixTable()
    table.add("mathtrek.example", "short")
    table.add("*.app.mathtrek.example", "long")
    table.add("app.mathtrek.example", "long too")
    assert table.find("x.app.mathtrek.example") == ["long", "long too", "short"]
    assert table.find("app.mathtrek.example") == ["long", "long too", "short"]
    assert table.find("www.mathtrek.example") == ["short"]
    assert table.find("example") == []
    assert table.find("") == []
    assert len(table) == 2


def test_an_empty_table_covers_nothing() -> None:
    table: SuffixTable[int] = SuffixTable()
    assert not table.covers("mathtrek.example")
    table.add("mathtrek.example", 1)
    assert table.covers("a.mathtrek.example")
    assert not table.covers("notmathtrek.example")


_LABELS = st.lists(st.sampled_from(["a", "b", "co", "uk", "example"]), min_size=1, max_size=5).map(".".join)


@given(host=_LABELS, matches=st.lists(_LABELS, max_size=6))
def test_the_table_finds_exactly_what_covers_says(host: str, matches: list[str]) -> None:
    table: SuffixTable[str] = SuffixTable()
    for match in matches:
        table.add(match, match)
    found = table.find(host)
    assert sorted(found) == sorted(match for match in matches if covers(match, host))
    assert [len(match) for match in found] == sorted((len(match) for match in found), reverse=True)
    assert table.covers(host) == bool(found)


@given(st.text(max_size=40))
def test_a_name_from_the_wire_may_be_anything(name: str) -> None:
    assert isinstance(registrable_domain(name), str)
    assert isinstance(is_public_suffix(name), bool)
    assert normal_name(normal_name("mathtrek.example")) == "mathtrek.example"


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("App.MathTrek.Example", "app.mathtrek.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("*.BU\u0308CHER.Example", "*.xn--bcher-kva.example"),
        # The sharp s is a letter of its own since RFC 5891; before, it became `ss`, which is somebody else's name.
        ("stra\u00dfe.example", "xn--strae-oqa.example"),
        ("\u4f8b\u3048\u3002\u30c6\u30b9\u30c8", "xn--r8jz45g.xn--zckzah"),
        ("\ufb01x.example", "fix.example"),
        ("\u00fc" * 60 + ".example", None),
        ("\u00fc." * 130, None),
        ("\ud800.example", None),
    ],
)
def test_a_name_with_other_letters_has_one_form_on_the_wire(name: str, wire: str | None) -> None:
    assert a_labels(name) == wire


@given(st.text(max_size=80))
def test_no_text_raises_and_what_comes_back_is_plain(name: str) -> None:
    wire = a_labels(name)
    assert wire is None or (wire.isascii() and a_labels(wire) == wire)
