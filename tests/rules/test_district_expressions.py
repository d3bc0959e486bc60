"""What a district's rule may say: the closed set of names, their types, and what an expression may cost."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.district.errors import ExpressionError, NoAnswerError, TooCostlyError
from rules.district.language import Expression, compile_expression, compile_unbounded, flow_of, names_in
from rules.district.tree import TreeError, read_tree
from rules.district.variables import LONGEST_LIST, LONGEST_TEXT, VARIABLES, Value

USUAL: dict[str, Value] = {name: variable.usual for name, variable in VARIABLES.items()}
NUMBERS = f"[{', '.join(map(str, range(60)))}]"


def holds(text: str, **changes: Value) -> bool:
    expression = compile_expression(text, known={})
    values = {**USUAL, **{name.replace("__", "."): value for name, value in changes.items()}}
    return expression.holds(flow_of({name: values[name] for name in expression.names}))


def refusals(text: str, known: dict[str, tuple[str, ...]] | None = None) -> str:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text, known=known or {})
    assert all(fault.what and fault.remedy for fault in caught.value.faults)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "changes", "wanted"),
    [
        ('party.kind == "social" && in_school_hours', {"party__kind": "social"}, True),
        ('party.kind == "social" && in_school_hours', {"party__kind": "social", "in_school_hours": False}, False),
        ("bytes_up > 1000000 || plaintext_data", {"bytes_up": 1_000_001}, True),
        ('host.endsWith(".video.example")', {"host": "a.video.example"}, True),
        ('host.matches("^cdn[0-9]+[.]")', {"host": "cdn12.site.example"}, True),
        ('host.matches("^cdn[0-9]+[.]")', {"host": "cdn.site.example"}, False),
        ('cnames.exists(name, name.endsWith(".adco.example"))', {"cnames": ["x.example", "a.adco.example"]}, True),
        ('cnames.exists_one(name, name.startsWith("a"))', {"cnames": ["a.example", "ab.example"]}, False),
        ('weekday in ["sat", "sun"] || hour < 6', {"hour": 5}, True),
        ('!("research" in agreement.purposes)', {"agreement__purposes": ["instruction"]}, True),
        ("size(cnames) > 1 ? ech : under_13", {"cnames": ["a", "b"], "ech": True}, True),
        ("bytes_down / (bytes_up + 1) >= 4", {}, True),
    ],
)
def test_an_expression_says_of_a_flow_what_it_reads_like(text: str, changes: dict[str, Value], wanted: bool) -> None:
    assert holds(text, **changes) is wanted


@pytest.mark.parametrize("name", VARIABLES)
def test_every_name_can_be_asked_for_by_its_own_type(name: str) -> None:
    comparison = {
        "string": f'{name} != "a word"',
        "int": f"{name} >= 0",
        "bool": name,
        "list(string)": f"size({name}) < 99",
    }
    text = comparison[VARIABLES[name].type]
    if VARIABLES[name].words and VARIABLES[name].type == "string":
        text = f'{name} != "{VARIABLES[name].words[0]}"'
    assert compile_expression(text, known={}).names == {name}


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ('hots == "a"', "`hots` is no name", "did you mean `host`?"),
        ('party.knd == "social"', "`party.knd` is no name", "did you mean `party.kind`?"),
        ('host.endWith("a")', "`endWith` is no name", "did you mean `endsWith`?"),
        ("zzz > 1", "`zzz` is no name", "the names here are host, domain"),
        ('device == "d1"', "`device` is kept from rules", "school, group, hour or weekday"),
        ('src_ip == "192.0.2.1"', "`src_ip` is kept from rules", "school, group"),
        ("dst_port == 443", "`dst_port` is kept from rules", "school, group"),
        ('started_at > "2026"', "`started_at` is kept from rules", "hour or weekday"),
        ("host == 1", "`==` does not go with a text and a whole number", "values of one kind"),
        ('hour < "7"', "`<` does not go with a whole number and a text", "values of one kind"),
        ("under_13 && hour", "`&&` does not go with a yes or no and a whole number", "a yes or no on every side"),
        ("bytes_up", "`when` gives a whole number", "compare it with something"),
        ("host", "`when` gives a text", "compare it"),
        ('host = "a"', "`when` is no CEL from character 6 on", "equality is written =="),
        ("under_13 and ech", "`when` is no CEL", "and is written &&"),
        ("under_13 or ech", "`when` is no CEL", "or is written ||"),
        ("bytes_up > 1MB", "`when` is no CEL", "write for example"),
        (" ", "`when` is no CEL", "write for example"),
        ('weekday == "monday"', "`weekday` is never `monday`", "did you mean `mon`?"),
        ('app in ["tls", "quick"]', "`app` is never `quick`", "did you mean `quic`?"),
        ('"instruct" in agreement.purposes', "is never `instruct`", "did you mean `instruction`?"),
        ('"social" == party.kind || party.kind != "adverts"', "is never `adverts`", "did you mean"),
        ('["tls", 1] == ["tls"]', "mixed kinds", "texts alone"),
        ("dyn(host) == 1", "`dyn` is nothing that a rule may use", "every name has its type"),
        ('cnames[0] == "a"', "`[]` is nothing that a rule may use", "exists"),
        ('{"a": host} == {"a": "b"}', "builds no maps", "use the names as they are"),
        ('timestamp("2026-10-14T00:00:00Z") == timestamp(host)', "`timestamp` is nothing", "hour, weekday"),
    ],
)
def test_what_is_wrong_is_said_with_its_remedy(text: str, what: str, remedy: str) -> None:
    said = refusals(text)
    assert what in said
    assert remedy in said


def test_words_of_the_district_are_looked_at_where_they_are_known() -> None:
    known = {"school": ("lincoln-es",), "group": ("k-5", "staff")}
    assert "`group` is never `k5`; did you mean `k-5`?" in refusals('group == "k5" && school != ""', known)
    assert compile_expression('group == "anything"', known={}).names == {"group"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('host == "' + "a" * 1_000 + '"', "1,010 characters of at most 1,000"),
        ("(" * 400 + "ech" + ")" * 400, "nested too deeply"),
        ("+".join(["1"] * 400) + " > 1", "nested too deeply"),
        ("||".join(["ech"] * 130), "parts of at most 250"),
        (f"{NUMBERS}.all(a, {NUMBERS}.all(b, {NUMBERS}.all(c, a + b + c >= 0)))", "gone over inside another"),
        ("cnames.all(a, cnames.exists(b, a != b))", "gone over inside another"),
        ("cnames.exists(a, [a].exists(b, b == host))", "gone over inside another"),
        (" && ".join(["cnames.all(a, a != host)"] * 5), "goes over lists 5 times"),
        (f"[{', '.join(map(str, range(65)))}].exists(a, a == hour)", "65 entries of at most 64"),
        (f'{NUMBERS}.exists(a, a == hour && host.matches("x[0-9]+y[0-9]+"))', "steps over one flow, at most 10,000"),
        ('host + host + host == "a"', "joins no texts"),
        ('["a"].map(x, x + x).size() > 0', "joins no texts and builds no lists"),
        ('cnames.filter(x, x != "").size() > 0', "joins no texts and builds no lists"),
        ("cnames + cnames == []", "joins no texts and builds no lists"),
        ('host.matches("(a{1,99}){1,99}")', "multiply to 9,801"),
        ('host.matches("' + "." * 99 + '")', "steps over one flow"),
        ('host.matches("' + ".." * 51 + '")', "102 characters of at most 100"),
        (" || ".join(['host.matches("' + "." * 70 + '")'] * 2), "steps over one flow"),
        ('host.matches("(a+")', "is no regular expression"),
        ("host.matches(domain)", "is not written out"),
        ('host.matches("(?i)adco")', "or for capitals"),
        ('host.matches("[\\\\pL]+")', "beyond a to z"),
    ],
)
def test_an_expression_that_could_loop_or_grow_is_refused_before_it_meets_a_flow(text: str, what: str) -> None:
    assert what in refusals(text)


@pytest.mark.parametrize(
    "text",
    [
        'host.matches("(a|aa)+$")',
        'host.matches("((a?)*)*[.]x")',
        'host.matches("[a-z]*[a-z]*[a-z]*[a-z]*[a-z]*[a-z]*x")',
        'cnames.exists(name, name.matches("^(a+)+$"))',
        "cnames.all(name, name != host) && agreement.purposes.all(name, name != host)",
    ],
)
def test_the_worst_flow_costs_an_accepted_expression_little(text: str) -> None:
    expression = compile_expression(text, known={})
    worst: dict[str, Value] = {"host": "a" * LONGEST_TEXT, "cnames": ["a" * LONGEST_TEXT] * LONGEST_LIST}
    worst["agreement.purposes"] = ["a" * LONGEST_TEXT] * LONGEST_LIST
    flow = flow_of({name: worst[name] for name in expression.names})
    began = time.process_time()
    for _ in range(20):
        expression.holds(flow)
    # A pattern that backtracks would take longer than the age of the world; 20 times a millisecond is the rule.
    assert time.process_time() - began < 2.0


def test_a_loop_that_slipped_through_ends_by_the_budget_of_the_library() -> None:
    program, tree = compile_unbounded(f"{NUMBERS}.all(a, {NUMBERS}.all(b, {NUMBERS}.all(c, a + b + c + hour >= 0)))")
    expression = Expression(program, names=names_in(tree))
    with pytest.raises(TooCostlyError, match="10,000 steps"):
        expression.holds(flow_of({"hour": 3}))


@pytest.mark.parametrize(
    "text",
    ["bytes_up / (bytes_up - bytes_up) > 1", "bytes_up + 9223372036854775807 > 1", "bytes_up % (hour - 10) == 1"],
)
def test_arithmetic_that_has_no_result_has_no_answer(text: str) -> None:
    expression = compile_expression(text, known={})
    with pytest.raises(NoAnswerError):
        expression.holds(flow_of({name: USUAL[name] for name in expression.names}))


def test_a_value_of_the_wrong_type_has_no_answer() -> None:
    expression = compile_expression("bytes_up > 1", known={})
    for value in ("text", None, 1 << 70):
        with pytest.raises(NoAnswerError):
            expression.holds(flow_of({"bytes_up": value}))  # type: ignore[dict-item] # that is the point


_PIECES = st.sampled_from(
    [
        "host", "party.kind", "hour", "cnames", "ech", "device", '"a"', "1", "==", "&&", "||", "!", "(", ")", "[", "]",
        ".all(x, ", ".matches(", ".exists(host, ", "+", "?", ":", "{", "}", "in", ",", "null", "dyn(", "1.5", "\x00",
        "\ud800", "é", "//", "\n", "timestamp(", "'", "9" * 30, "b''", "true", ".map(x, ", "-", "size(", "@in",
    ]
)  # fmt: skip


@given(st.one_of(st.text(max_size=80), st.lists(_PIECES, max_size=14).map(" ".join)))
def test_any_text_is_an_expression_or_is_refused_in_words(text: str) -> None:
    with suppress(ExpressionError):
        assert compile_expression(text, known={}).names <= VARIABLES.keys()


@given(st.binary(max_size=200))
def test_octets_that_are_no_compiled_expression_are_refused(octets: bytes) -> None:
    with suppress(TreeError):
        read_tree(octets)


@given(st.integers(min_value=0, max_value=400), st.binary(max_size=3))
def test_a_compiled_expression_that_was_changed_is_read_or_refused(at: int, put: bytes) -> None:
    program, _tree = compile_unbounded('host == "a" && cnames.exists(x, x == party.kind) || bytes_up > 3')
    octets = program.serialize()
    with suppress(TreeError):
        read_tree(octets[:at] + put + octets[at + 1 :])
