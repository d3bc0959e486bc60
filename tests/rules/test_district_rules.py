"""The files of a district's own rules: what is taken, what is refused, and that all problems are told at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from collector.documents import DocumentError
from rules.district.load import load_district_rules, rules_in
from rules.district.show import checked, names
from rules.district.variables import KEPT_BACK, VARIABLES
from rules.rulebook import Rulebook, RulebookFiles, RulebookWatch, load_rulebook
from rules.small_numbers import band
from schoolgate.district_rules import EXAMPLE

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "rules" / "sample"

GOOD = """\
schema: schoolgate/rules/1
rules:
  - id: district-social-in-lessons
    title: Social media in lessons
    clause: 6c
    severity: warning
    when: >
      party.kind == "social"
      && in_school_hours
    says: Policy 12 of the district keeps social media out of lessons
    cannot_see: Who used it, and what for, cannot be seen.
    groups: [k-5, 6-8]
    examples:
      true:
        - {party.kind: social, hour: 10}
      false:
        - {party.kind: social, in_school_hours: false}
        - {party.kind: social, group: staff}
        - {}
"""


def changed(*changes: tuple[str, str]) -> str:
    text = GOOD
    for before, after in changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


def problems(text: str, known: dict[str, tuple[str, ...]] | None = None) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        rules_in(text, path="district-rules.yaml", known=known or {})
    return [str(problem) for problem in caught.value.problems]


def test_a_good_file_gives_its_rules_with_whole_sentences() -> None:
    (rule,) = rules_in(GOOD, path="district-rules.yaml", known={})
    assert rule.id == "district-social-in-lessons"
    assert rule.row.says == "Policy 12 of the district keeps social media out of lessons."
    assert (rule.row.verdict, rule.at_least_device_days, rule.line) == ("undeclared", 10, 7)
    assert rule.names == {"party.kind", "in_school_hours"}


def test_copies_of_a_rule_with_every_number_that_is_taken_tell_no_more_than_bands() -> None:
    anywhere = GOOD.replace("{party.kind: social, group: staff}", "{party.kind: education}")
    taken = []
    for number in range(1, 500):
        text = anywhere.replace("groups: [k-5, 6-8]", f"at_least_device_days: {number}")
        try:
            (rule,) = rules_in(text, path="district-rules.yaml", known={})
        except DocumentError:
            continue
        taken.append(rule.at_least_device_days)
    assert taken == [3, 10, 25, 50, 100, 200, 400]
    assert {band(number) for number in range(3, 10)} == {"fewer than 10"}
    assert all(band(number) != band(number - 1) for number in taken[1:])


def test_what_is_shown_of_a_rule_has_its_words_and_its_examples() -> None:
    shown = checked(rules_in(GOOD, path="district-rules.yaml", known={}))
    assert "district-rules.yaml:7: district-social-in-lessons: Social media in lessons" in shown
    assert 'when party.kind == "social" && in_school_hours' in shown
    assert "true  for party.kind: social, hour: 10" in shown
    assert "false for a usual flow" in shown
    assert shown.endswith("1 rule is good.")


def test_the_list_of_names_has_every_one_and_none_that_points_at_somebody() -> None:
    listed = [line.split()[0] for line in names().splitlines()]
    assert listed == list(VARIABLES)
    assert KEPT_BACK.isdisjoint(listed)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("district-social-in-lessons", "social"), ":3: `social` is not the id of a district's rule"),
        (("clause: 6c", "clause: 6z"), ":5: `clause`"),
        (("severity: warning", "severity: critical"), ":6: `severity`"),
        (("    severity: warning\n", ""), ":3: `severity` is missing"),
        (('party.kind == "social"', 'party.knd == "social"'), ":7: `party.knd` is no name that a rule knows; did you"),
        (("&& in_school_hours", "&& hour"), ":7: `&&` does not go with a yes or no and a whole number"),
        (("groups: [k-5, 6-8]", "groups: []"), ":12: "),
        (("groups: [k-5, 6-8]", "at_least_device_days: 2"), ":12: a case cannot open at 2 device-days; write 3:"),
        (
            ("groups: [k-5, 6-8]", "at_least_device_days: 7"),
            ":12: a case cannot open at 7 device-days; write 10:",
        ),
        (("groups: [k-5, 6-8]", "at_least_device_days: 10000000"), ":12: a case cannot open at 10,000,000 device-days"),
        (("title:", "at_least_device_days: 3\n    title:"), ":4: this rule asks for `groups`, and opens a case at 3"),
        (("groups: [k-5, 6-8]", "verdict: declared"), ":12: "),
        (("groups: [k-5, 6-8]", "wen: 1"), ":12: `wen` is not a key here; did you mean `when`?"),
        (("{party.kind: social, hour: 10}", "{party.kind: social, hour: ten}"), ":15: `hour` is `ten` in this example"),
        (("{party.kind: social, hour: 10}", "{party.kind: sociel}"), ":15: `party.kind` is never `sociel`; did you"),
        (("{party.kind: social, hour: 10}", "{device: d1}"), ":15: `device` is kept from rules"),
        (("{party.kind: social, hour: 10}", "{hours: 10}"), ":15: `hours` is no name that a rule knows; did you mean"),
        (("{party.kind: social, hour: 10}", "{party.kind: analytics}"), ":15: this example is false for"),
        (("{party.kind: social, group: staff}", "{party.kind: social, group: k-5}"), ":18: this example is true for"),
        (("&& in_school_hours", "&& bytes_up / (hour - 10) > 1"), ":15: `when` has no answer for this example (divi"),
    ],
)
def test_each_slip_is_told_with_its_line_and_a_remedy(change: tuple[str, str], told: str) -> None:
    said = problems(changed(change))
    assert any(line.startswith(f"district-rules.yaml{told}") for line in said), said
    assert all(";" in line for line in said)


@pytest.mark.parametrize("word", ["true", "false"])
def test_a_rule_without_an_example_of_either_kind_is_refused(word: str) -> None:
    rows = {"true": "        - {party.kind: social, hour: 10}\n", "false": GOOD.partition("      false:\n")[2]}
    said = problems(changed((f"      {word}:\n{rows[word]}", f"      {word}: []\n")))
    assert any(f"`{word}` in `rules.examples` is an empty list" in line for line in said), said


def test_a_rule_that_is_always_true_is_refused_by_its_examples() -> None:
    said = problems(changed(('party.kind == "social"\n      && in_school_hours', "true")))
    assert len(said) == 2, said
    assert all("this example is true" in line for line in said)


def test_every_problem_of_every_rule_and_file_is_told_at_once(tmp_path: Path) -> None:
    second = GOOD.partition("rules:\n")[2].replace('"social"', "social").replace("district-social", "district-other")
    (tmp_path / "one.yaml").write_text(changed(("hour: 10", "hour: x")) + second)
    (tmp_path / "two.yaml").write_text(changed(("in_school_hours\n    says", "in_schol_hours\n    says")))
    with pytest.raises(DocumentError) as caught:
        load_district_rules([tmp_path / "one.yaml", tmp_path / "two.yaml", tmp_path / "three.yaml"])
    told = [(Path(problem.path).name, problem.line) for problem in caught.value.problems]
    assert told == [("one.yaml", 15), ("one.yaml", 24), ("three.yaml", 1), ("two.yaml", 7)]


def test_two_equal_ids_are_refused_in_one_file_and_across_files(tmp_path: Path) -> None:
    twice = GOOD + GOOD.partition("rules:\n")[2]
    assert any("is used twice" in line and ":20:" in line for line in problems(twice))
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text(GOOD)
    with pytest.raises(DocumentError, match=r"two\.yaml:7: .*is used a second time \(first in .*one\.yaml:7\)"):
        load_district_rules([tmp_path / "one.yaml", tmp_path / "two.yaml"])


def test_too_many_rules_in_all_files_are_refused(tmp_path: Path) -> None:
    rows = GOOD.partition("rules:\n")[2]
    for name in ("one", "two"):
        many = "".join(rows.replace("district-social", f"district-{name}{number}") for number in range(26))
        (tmp_path / f"{name}.yaml").write_text(f"schema: schoolgate/rules/1\nrules:\n{many}")
    with pytest.raises(DocumentError, match="more than 50 rules"):
        load_district_rules([tmp_path / "one.yaml", tmp_path / "two.yaml"])


def test_groups_and_agreements_of_no_such_district_are_refused_where_the_district_is_known() -> None:
    known = {"group": ("k-5", "staff"), "agreement.id": ("mathtrek",)}
    said = problems(changed(("groups: [k-5, 6-8]", "agreements: [mathtrack]\n    groups: [k5]")), known)
    assert "district-rules.yaml:12: `mathtrack` is none of the agreements of this district; did you mean" in said[0]
    assert "district-rules.yaml:13: `k5` is none of the groups of this district; did you mean `k-5`?" in said[1]


def files(folder: Path, text: str) -> RulebookFiles:
    path = folder / "district-rules.yaml"
    path.write_text(text)
    return RulebookFiles(agreements=SAMPLE / "agreements", network=SAMPLE / "network.yaml", rules=(path,))


def test_a_rulebook_knows_which_schools_groups_and_agreements_a_rule_may_name(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="is none of the groups of this district"):
        load_rulebook(files(tmp_path, changed(("groups: [k-5, 6-8]", "groups: [no-such-group]"))))
    with pytest.raises(DocumentError, match=r"`agreement\.id` is never `no-such-vendor`"):
        load_rulebook(files(tmp_path, changed(("&& in_school_hours", '&& agreement.id == "no-such-vendor"'))))
    where = files(tmp_path, GOOD)
    where.rules[0].unlink()
    with pytest.raises(DocumentError, match=r"district-rules\.yaml:1: there is no such file"):
        load_rulebook(where)


def test_a_changed_file_is_read_again_and_a_bad_one_never_replaces_a_good_one(tmp_path: Path) -> None:
    free = changed(("    groups: [k-5, 6-8]\n", ""), ("        - {party.kind: social, group: staff}\n", ""))
    where = files(tmp_path, free)
    watch, rulebook = RulebookWatch(where), load_rulebook(where)
    assert [rule.id for rule in rulebook.rules] == ["district-social-in-lessons"]
    assert watch.look() is None
    where.rules[0].write_text(free.replace("hour: 10", "hour: ten o'clock"))
    with pytest.raises(DocumentError, match="`hour`"):
        watch.look()
    assert watch.look() is None  # told once
    where.rules[0].write_text(free.replace("district-social-in-lessons", "district-another"))
    fresh = watch.look()
    assert isinstance(fresh, Rulebook)
    assert [rule.id for rule in fresh.rules] == ["district-another"]
    assert load_rulebook(RulebookFiles(agreements=where.agreements, network=where.network)).rules == ()


def test_the_file_of_the_documentation_is_good() -> None:
    text = (ROOT / "docs" / "district-rules.md").read_text(encoding="utf-8")
    (example,) = [part.partition("```")[0] for part in text.split("```yaml\n")[1:] if "schoolgate/rules/1" in part]
    assert len(rules_in(example, path="docs/district-rules.md", known={})) >= 2
    for name in VARIABLES:
        assert f"`{name}`" in text, name


_WORDS = st.sampled_from(
    [
        "schema",
        "schoolgate/rules/1",
        "rules",
        "id",
        "district-x",
        "when",
        "examples",
        "true",
        "false",
        "title",
        "6c",
        "clause",
    ]
)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | _WORDS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(GOOD.splitlines()), max_size=25).map("\n".join)))
def test_any_text_gives_rules_or_problems_and_nothing_else(text: str) -> None:
    try:
        found = rules_in(text, path="any.yaml", known={})
    except DocumentError as error:
        found = []
        told = [str(problem) for problem in error.problems]
        assert told, "a refusal names what is wrong"
        assert all(line.startswith("any.yaml:") and "\n" not in line for line in told)
    assert all(rule.id.startswith("district-") for rule in found)


@given(st.dictionaries(st.sampled_from(list(YAML(typ="safe").load(GOOD)["rules"][0])), _VALUES, max_size=4))
def test_any_values_in_a_rule_give_rules_or_problems_and_nothing_else(changes: dict[str, Any]) -> None:
    document = YAML(typ="safe").load(GOOD)
    document["rules"][0] = _with_text_keys(document["rules"][0]) | changes
    try:
        found = rules_in(json.dumps(document), path="any.yaml", known={})
    except DocumentError as error:
        found = []
        told = [str(problem) for problem in error.problems]
        assert told, "a refusal names what is wrong"
    assert len(found) in {0, 1}


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            str(key).lower() if isinstance(key, bool) else key: _with_text_keys(each) for key, each in value.items()
        }
    return value


def test_the_file_that_the_help_shows_is_good() -> None:
    shown = EXAMPLE.partition("\b\n")[2].partition("\n\n")[0]
    (rule,) = rules_in(shown, path="--help", known={})
    assert rule.id == "district-social-in-lessons"
