"""The file of a district's own rules, version 1, as models. What `when` means is looked at in `load`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from collector.fields import Listed, Maybe, Record, refusal
from collector.problems import Fault, shown
from rules.agreements.model import AgreementId
from rules.agreements.vocabulary import Clause
from rules.checks.base import USED_DEVICE_DAYS
from rules.findings import DISTRICT_PREFIX
from rules.small_numbers import bands_to

if TYPE_CHECKING:
    from collections.abc import Iterator

# Each one is asked about every flow; a district with more has a policy of another kind.
MAX_RULES: Final = 50
THRESHOLDS: Final = (USED_DEVICE_DAYS, *bands_to(100_000))
"""Numbers of device-days at which a case may open."""

_ID = re.compile(re.escape(DISTRICT_PREFIX) + r"[a-z0-9](?:-?[a-z0-9]){0,47}")


def _rule_id(value: str) -> str:
    if _ID.fullmatch(value) is None:
        remedy = f"write {DISTRICT_PREFIX} and small letters, digits and hyphens, such as {DISTRICT_PREFIX}video"
        raise refusal(f"{shown(value)} is not the id of a district's rule", remedy=remedy)
    return value


def _line(value: str) -> str:
    """Return a text as one line: YAML's folding leaves line ends behind."""
    text = " ".join(value.split())
    if not text.isprintable():
        raise refusal("the text holds characters that cannot be printed", remedy="write it anew in plain letters")
    return text


def _sentence(value: str) -> str:
    text = _line(value)
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _threshold(value: int) -> int:
    """Return a number at which a case may open: copies of one rule with all numbers would spell out a count."""
    if value not in THRESHOLDS:
        above = next((number for number in THRESHOLDS if number > value), THRESHOLDS[-1])
        few = ", ".join(map(str, THRESHOLDS[:6]))
        remedy = f"write {above}: there are {few} and so on, where the bands begin in which people read counts"
        raise refusal(f"a case cannot open at {value:,} device-days", remedy=remedy)
    return value


RuleName = Annotated[str, AfterValidator(_rule_id)]
Title = Annotated[str, Field(min_length=5, max_length=100), AfterValidator(_line)]
Sentence = Annotated[str, Field(min_length=10, max_length=400), AfterValidator(_sentence)]
Given = dict[str, Any]
"""Variable -> its value in an example."""


class Examples(Record):
    """Flows on which the rule is tried when it is read."""

    true: Listed[Given] = Field(min_length=1, max_length=20, examples=[[{"party.kind": "social"}]])
    """Flows that the rule is about, each by the variables in which it differs from a usual flow."""
    false: Listed[Given] = Field(min_length=1, max_length=20, examples=[[{"party.kind": "education"}]])
    """Flows that it must leave alone."""


class RuleRow(Record):
    """One rule of the district."""

    id: RuleName = Field(examples=["district-social-in-class"])
    """Its name in cases and metrics."""
    title: Title = Field(examples=["Social media in lessons"])
    """What a case of it is called."""
    clause: Clause = Field(examples=["6c"])
    """Clause of the standard that it speaks to; a waiver of that clause covers it."""
    severity: Literal["warning", "info"] = Field(examples=["warning"])
    """How pressing a case is. Never critical: that takes a promise in an agreement that is broken for certain."""
    verdict: Literal["undeclared", "contradicted", "conflicting"] = Field(default="undeclared", examples=["undeclared"])
    """What the agreement says of such flows: nothing, the contrary, or two things."""
    when: str = Field(min_length=1, examples=['party.kind == "social"'])
    """A CEL expression over one flow: true where the rule is about it."""
    says: Sentence = Field(examples=["The district's policy 12 keeps social media out of lessons."])
    """One sentence: on which words of the agreement, or of the district's policy, the rule rests."""
    cannot_see: Sentence = Field(examples=["Who used it, and what for, cannot be seen."])
    """One sentence: what a network cannot show about it."""
    at_least_device_days: Maybe[Annotated[int, AfterValidator(_threshold)]] = Field(default=None, examples=[25])
    """Distinct pairs of device and day before a case opens: 3, or where a band begins. Absent: 3, or 10 where the rule
    asks for a school, a group or a time."""
    groups: Maybe[Annotated[Listed[str], Field(min_length=1)]] = Field(default=None, examples=[["k-5"]])
    """Groups in which it counts. Absent: all."""
    agreements: Maybe[Annotated[Listed[AgreementId], Field(min_length=1)]] = Field(
        default=None, examples=[["mathtrek"]]
    )
    """Agreements whose hosts it is about. Absent: all hosts."""
    examples: Examples = Field(examples=[{"true": [{"party.kind": "social"}], "false": [{"party.kind": "education"}]}])
    """At least one flow that it is about, and one that it is not. The rule is refused where one does not hold."""


class RuleFile(Record):
    """The file of a district's own rules, version 1."""

    called: ClassVar[str] = "rule file"

    schema_: Literal["schoolgate/rules/1"] = Field(alias="schema", examples=["schoolgate/rules/1"])
    """Kind and version of this file."""
    rules: Listed[RuleRow] = Field(min_length=1, max_length=MAX_RULES, examples=[[{"id": "district-video"}]])
    """The rules."""

    def faults(self) -> Iterator[Fault]:
        """No two rules share an id."""
        first: dict[str, int] = {}
        for number, row in enumerate(self.rules):
            before = first.setdefault(row.id, number)
            if before != number:
                what = f"the id {shown(row.id)} is used twice (before it by rule {before + 1})"
                yield Fault(at=("rules", number, "id"), what=what, remedy="give one of the two another id")
