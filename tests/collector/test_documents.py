"""What a district reads when one of its files is wrong."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from collector.documents import (
    LONGEST_REMEMBERED,
    MAX_OCTETS,
    DocumentError,
    Fault,
    Problem,
    folder_files,
    parse,
    parse_document,
    read,
    recall_document,
)
from collector.fields import Clock, Day, Host, Listed, Maybe, Record
from collector.yaml_nodes import MAX_ALIASES, MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Terms(Record):
    """A part of a small document."""

    kind: Literal["signed", "clicked"] = Field(examples=["signed"])
    first: Maybe[Day] = None
    last: Maybe[Day] = None
    retention_days_after_end: int | None = None

    def faults(self) -> Iterator[Fault]:
        """The first day comes first."""
        if self.first and self.last and self.first > self.last:
            yield Fault(at=("last",), what="`last` is before `first`", remedy="write a later date")


class Row(Record):
    """An entry of a small document."""

    match: Host = Field(examples=["mathtrek.example"])
    shared: Maybe[bool] = None
    opens: Maybe[Clock] = None


class Paper(Record):
    """A small document with every kind of field."""

    called = "paper"

    id: str = Field(examples=["mathtrek"])
    terms: Terms = Field(examples=[{"kind": "signed"}])
    rows: Listed[Row] = Field(min_length=1, examples=[[{"match": "mathtrek.example"}]])
    megabytes: Maybe[float] = None
    words: Maybe[str] = None


GOOD = """\
id: mathtrek
terms: {kind: signed, first: 2026-08-01, last: '2026-11-26'}
rows:
  - {match: mathtrek.example, shared: true, opens: 07:30}
"""


def complaints(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        parse(text, path="paper.yaml", model=Paper)
    lines = str(caught.value).splitlines()
    assert lines == [str(problem) for problem in caught.value.problems]
    return lines


def test_a_right_document_is_read_with_dates_and_times_quoted_or_not() -> None:
    paper = parse(GOOD, path="paper.yaml", model=Paper)
    assert str(paper.terms.first) == "2026-08-01"
    assert str(paper.terms.last) == "2026-11-26"
    assert str(paper.rows[0].opens) == "07:30:00"
    assert paper.rows[0].shared is True
    quoted = parse(GOOD.replace("07:30", '"07:30"'), path="paper.yaml", model=Paper)
    assert quoted == paper


def test_a_text_that_was_read_lately_is_not_read_again_and_is_told_under_its_own_path() -> None:
    text = GOOD + "words: read lately\n"
    first, again = (recall_document(text, path=path, model=Paper) for path in ("one.yaml", "other.yaml"))
    assert again.value is first.value
    assert (first.path, again.path) == ("one.yaml", "other.yaml")
    assert again == parse_document(text, path="other.yaml", model=Paper)
    assert recall_document(text.replace("lately", "later"), path="one.yaml", model=Paper).value.words == "read later"
    large = text + "#" * LONGEST_REMEMBERED
    assert (
        recall_document(large, path="p", model=Paper).value is not recall_document(large, path="p", model=Paper).value
    )


def test_what_is_wrong_in_a_text_is_told_each_time_under_the_path_of_the_file() -> None:
    for path in ("one.yaml", "other.yaml", "one.yaml"):
        with pytest.raises(DocumentError) as caught:
            recall_document(GOOD + "more: 1\n", path=path, model=Paper)
        assert [(problem.path, problem.line) for problem in caught.value.problems] == [(path, 5)]


def test_no_and_on_and_off_stay_text_as_yaml_1_2_says() -> None:
    for word in ("no", "on", "off", "yes", "2026-08-01", "07:30", "0o17", "1_000"):
        assert parse(GOOD + f"words: {word}\n", path="p", model=Paper).words == word


def test_every_problem_is_told_at_once_each_on_one_line_with_line_and_remedy() -> None:
    text = """\
terms:
  kind: singed
  first: 2026-02-31
  retension_days: 5
rows:
  - match: https://mathtrek.example/
    shared: maybe
  - {}
megabytes: five
"""
    assert complaints(text) == [
        "paper.yaml:1: `id` is missing; add `id: mathtrek`",
        "paper.yaml:2: `kind` in `terms` is `singed`; did you mean `signed`? It may be one of signed, clicked",
        "paper.yaml:3: `2026-02-31` is not a date; write a date such as 2026-08-01",
        "paper.yaml:4: `retension_days` is not a key here; did you mean `retention_days_after_end`?",
        (
            "paper.yaml:6: `https://mathtrek.example/` is not a host name; write a name such as mathtrek.example "
            "in lower case, without https://, path, port or final dot"
        ),
        (
            "paper.yaml:7: `shared` in entry 1 of `rows` is `maybe`; write true or false, or leave the key out if the "
            "paper does not say"
        ),
        "paper.yaml:8: `match` is missing in entry 2 of `rows`; add `match: mathtrek.example`",
        "paper.yaml:9: `megabytes` is `five`; write a number such as 5 or 2.5, without quotes or unit",
    ]


def test_a_fault_between_two_fields_is_told_on_the_line_of_the_second() -> None:
    text = "id: mathtrek\nterms:\n  kind: signed\n  first: 2026-08-02\n  last: 2026-08-01\nrows: [{match: a.example}]\n"
    assert complaints(text) == ["paper.yaml:5: `last` is before `first`; write a later date"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("words: 5", "`words` is `5`, which YAML reads as a number; put it in quotes"),
        ("words: true", "`words` is `true`, which YAML reads as yes or no; put it in quotes"),
        ("words:", "`words` is empty; write a value"),
        ("words: [a]", "`words` is a list where text belongs; write text"),
        ("megabytes: .inf", "`megabytes` is `.inf`; write a number"),
        ("kind: signed", "`kind` is not a key here; it belongs under `terms`"),
        ("zzz: 1", "`zzz` is not a key here; leave it out; the keys here are id, terms, rows, megabytes, words"),
    ],
)
def test_a_wrong_line_is_answered_in_plain_words(line: str, complaint: str) -> None:
    (told,) = complaints(f"{GOOD}{line}\n")
    assert told.startswith(f"paper.yaml:5: {complaint}")


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("rows:", "`rows` is empty; write a value such as `[{match: mathtrek.example}]`"),
        ("rows: []", "`rows` is an empty list; write at least 1 entry"),
        ("rows: {match: a.example}", "`rows` is a group of named fields; write a list"),
        ("rows: [a.example]", "entry 1 of `rows` is `a.example`; write named fields beneath it"),
        ("rows: [{match: a.example, opens: 25:00}]", "`25:00` is not a time of day; write a time such as"),
        ("rows: [{match: a.example, shared: }]", "`shared` in entry 1 of `rows` is nothing; write true or false"),
    ],
)
def test_a_wrong_list_is_answered_in_plain_words(rows: str, complaint: str) -> None:
    told = complaints(f"id: a\nterms: {{kind: signed}}\n{rows}\n")
    assert told[0].startswith(f"paper.yaml:3: {complaint}")


def test_a_wrong_entry_does_not_make_the_list_count_as_empty() -> None:
    assert len(complaints("id: a\nterms: {kind: signed}\nrows: [{match: UPPER.example}]\n")) == 1


def test_a_key_written_twice_is_told_beside_the_other_problems() -> None:
    told = complaints(GOOD + "id: again\nmegabytes: no\n")
    assert told == [
        "paper.yaml:5: the key `id` is written a second time (first on line 1); keep one of the two",
        "paper.yaml:6: `megabytes` is `no`; write a number such as 5 or 2.5, without quotes or unit",
    ]


def test_every_line_indented_with_a_tab_is_told_and_spaces_are_the_remedy() -> None:
    assert complaints("id: a\nterms:\n\tkind: signed\n\tfirst: 2026-08-01\n") == [
        "paper.yaml:3: the line is indented with a tab; use spaces",
        "paper.yaml:4: the line is indented with a tab; use spaces",
    ]
    assert complaints("id:\ta\n") == ["paper.yaml:1: there is a tab between key and value; use spaces"]


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "---\n...\n"])
def test_an_empty_file_says_how_to_begin(text: str) -> None:
    (told,) = complaints(text)
    assert told.startswith("paper.yaml:1: the file is empty; begin with a line `schema: ...`")


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words\n", "5\n"])
def test_a_file_without_named_fields_is_refused(text: str) -> None:
    (told,) = complaints(text)
    assert told.startswith("paper.yaml:1: the file does not hold named fields")


def test_a_second_document_is_refused_on_its_line() -> None:
    (told,) = complaints(GOOD + "---\nid: b\n")
    assert told == "paper.yaml:5: a second document begins here; keep one document in a file, without `---`"


def test_broken_yaml_names_the_line_and_no_class_of_ours() -> None:
    (told,) = complaints("id: a\nterms: {kind: signed\nrows: []\n")
    assert told.startswith("paper.yaml:3: this is not valid YAML")
    assert "Error" not in told


def test_tags_are_refused() -> None:
    (told,) = complaints("id: !!python/object/apply:os.system [ls]\n")
    assert told.startswith("paper.yaml:1: the tag ")
    assert told.endswith("leave the tag out")


def test_a_few_aliases_are_read_and_a_bomb_of_them_is_refused() -> None:
    shared = GOOD + "words: &w plain\n"
    assert parse(shared.replace("id: mathtrek\n", "") + "id: *w\n", path="p", model=Paper).id == "plain"
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)
    )
    assert "more than 100000 values" in complaints(bomb)[0]
    assert "more than 64 aliases" in complaints("a: &a x\nb: [" + "*a, " * (MAX_ALIASES + 1) + "]\n")[0]
    assert "names nothing above it" in complaints("a: &a [*a]\n")[0]


def test_deep_nesting_is_refused_long_before_the_stack_ends() -> None:
    (told,) = complaints("id: " + "[" * 100_000)
    assert told == f"paper.yaml:1: the file nests more than {MAX_DEPTH} deep; check the indentation"


def test_whatever_the_file_holds_a_problem_stays_one_line() -> None:
    (told,) = complaints(GOOD + '"a\\nb\\e[31m": 1\n')
    assert "\\u000a" in told
    assert "\x1b" not in told


def test_a_document_knows_the_line_of_each_value() -> None:
    document = parse_document(GOOD, path="paper.yaml", model=Paper)
    assert document.line_of("rows", 0, "match") == 4
    assert document.line_of("terms", "last") == 2
    problem = document.problem(Fault(at=("rows", 0), what="this", remedy="do that"))
    assert str(problem) == "paper.yaml:4: this; do that"


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "paper.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert parse(read(path), path=str(path), model=Paper).id == "mathtrek"


def test_files_that_cannot_be_read_say_why_and_what_to_do(tmp_path: Path) -> None:
    latin, large = tmp_path / "latin.yaml", tmp_path / "large.yaml"
    latin.write_bytes("id: a\nwords: Caf\u00e9\n".encode("latin-1"))
    large.write_bytes(b"#" * (MAX_OCTETS + 1))
    wanted = {
        tmp_path / "absent.yaml": ":1: there is no such file; check the name and the folder",
        tmp_path: ":1: this is a folder; name a file in it",
        latin: ":2: the file is not UTF-8 text; save it as UTF-8",
        large: ":1: the file is larger than 1024 KiB; split it, or check that it is the right file",
    }
    for path, complaint in wanted.items():
        with pytest.raises(DocumentError) as caught:
            read(path)
        assert str(caught.value) == f"{path}{complaint}"


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "secret.yaml"
    path.write_text("id: a\n")
    path.chmod(0)
    root = os.geteuid() == 0
    if root:  # root reads every file: look at it as somebody else
        os.seteuid(65_534)
    try:
        with pytest.raises(DocumentError, match="may not read the file; give read permission"):
            read(path)
    finally:
        if root:
            os.seteuid(0)


def test_a_folder_gives_its_files_sorted_without_hidden_ones_and_an_empty_one_says_what_it_wants(
    tmp_path: Path,
) -> None:
    with pytest.raises(DocumentError, match=r"no agreement file \(\*\.yaml or \*\.yml\) in .*; put at least one"):
        folder_files(tmp_path, endings=(".yaml", ".yml"), what="agreement file")
    for name in ("b.yml", "a.yaml", ".hidden.yaml", "c.txt"):
        (tmp_path / name).write_text("")
    found = folder_files(tmp_path, endings=(".yaml", ".yml"), what="agreement file")
    assert [path.name for path in found] == ["a.yaml", "b.yml"]
    with pytest.raises(DocumentError, match="there is no such folder"):
        folder_files(tmp_path / "absent", endings=(".yaml",), what="agreement file")
    with pytest.raises(DocumentError, match="this is not a folder"):
        folder_files(tmp_path / "a.yaml", endings=(".yaml",), what="agreement file")


_PIECES = st.sampled_from(
    [
        *GOOD.splitlines(keepends=True),
        *("&a ", "*a", "!!int ", "? ", "| \n", "{", "[", "]", "}", ": ", "- ", "'", "<<: ", "1e999"),
        *('"\\U00110000"', '"\\ud800"', "\t", "\x00", "\ufeff"),
        *("%YAML 1.1\n", "%YAML 99999999999.1\n", "---\n", "...\n"),
    ]
)


def _problems(text: str) -> tuple[Problem, ...]:
    try:
        parse(text, path="paper.yaml", model=Paper)
    except DocumentError as error:
        return error.problems
    return ()


@given(st.one_of(st.text(max_size=200), st.lists(_PIECES, max_size=30).map("".join)))
def test_no_text_raises_anything_but_a_document_error(text: str) -> None:
    for problem in _problems(text):
        assert len(str(problem).splitlines()) == 1
        assert 1 <= problem.line <= text.count("\n") + 2


ANY_NAME = "write a name such as mathtrek.example in lower case, without https://, path, port or final dot"


@pytest.mark.parametrize(
    "name",
    [
        "xn--bcher-kva.example", "*.xn--bcher-kva.example", "app.xn--bcher-kva.example", "shop.xn--p1ai",
        "r3---sn-4g5e6nez.edge.example", "_dmarc.a-b.example",
    ],
)  # fmt: skip
def test_a_host_name_may_have_hyphens_side_by_side_as_a_labels_do(name: str) -> None:
    assert parse(GOOD.replace("mathtrek.example", f'"{name}"'), path="p", model=Paper).rows[0].match == name


@pytest.mark.parametrize(
    "name", ["-xn.example", "xn-.example", "xn--.example", "a..example", "XN--BCHER-KVA.example", "xn--bcher-kva"]
)
def test_hyphens_at_the_ends_of_a_label_capitals_and_single_labels_are_no_host_name(name: str) -> None:
    told = complaints(GOOD.replace("mathtrek.example", name))
    assert told == [f"paper.yaml:4: `{name}` is not a host name; {ANY_NAME}"]


@pytest.mark.parametrize("name", ["b\u00fccher.example", "B\u00dcCHER.Example"])
def test_a_name_with_other_letters_is_told_as_it_stands_on_the_wire(name: str) -> None:
    remedy = "write xn--bcher-kva.example, the same name as it stands on the wire"
    told = complaints(GOOD.replace("mathtrek.example", name))
    assert told == [f"paper.yaml:4: `{name}` is not a host name; {remedy}"]


def test_other_letters_in_what_is_no_name_at_all_get_the_general_remedy() -> None:
    (told,) = complaints(GOOD.replace("mathtrek.example", "https://b\u00fccher.example/"))
    assert told.endswith(f" is not a host name; {ANY_NAME}")
