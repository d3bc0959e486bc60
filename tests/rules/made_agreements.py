"""Valid agreements of every shape, for properties that must hold for all of them."""

from __future__ import annotations

from typing import Any, get_args

from hypothesis import strategies as st

from rules.agreements import vocabulary as words
from rules.agreements.model import Agreement

_TEXT = st.text(min_size=1, max_size=30)
_NAME = _TEXT.filter(lambda text: bool(text.strip()))
_PLAIN = st.text(min_size=10, max_size=40)
_DAY = st.dates().map(lambda day: day.isoformat())
_LABEL = st.from_regex(r"[a-z0-9][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)
_HOST = st.builds(lambda star, label: f"{star}{label}.example", st.sampled_from(["", "*.", "app."]), _LABEL)
_CODE = st.from_regex(r"[A-Z]{2}", fullmatch=True)


def _one_of(literal: Any) -> st.SearchStrategy[str]:
    return st.sampled_from(get_args(literal))


def _rows(row: st.SearchStrategy[Any], *, least: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(row, min_size=least, max_size=3)


_THIRD_PARTY = st.fixed_dictionaries(
    {"name": _NAME, "relation": _one_of(words.Relation)},
    optional={"domains": _rows(_HOST), "purpose": _TEXT, "data": _rows(_one_of(words.Category)),
              "written_terms": st.booleans(), "responsible": _one_of(words.Responsible), "countries": _rows(_CODE)},
)  # fmt: skip
_DATA = st.fixed_dictionaries(
    {"categories": _rows(st.fixed_dictionaries(
        {"cat": _one_of(words.Category)}, optional={"need": _one_of(words.Need), "detail": _TEXT,
                                                    "under_13": st.booleans()}))},
    optional={"owner": _one_of(words.Owner), "stored_in": _rows(_CODE), "encrypted_in_transit": st.booleans(),
              "encrypted_at_rest": st.booleans(), "retention_days_after_request": st.none() | st.integers(-1, 4000),
              "retention_days_after_end": st.none() | st.integers(0, 4000), "access": _rows(_TEXT),
              "storage_plain": _TEXT},
)  # fmt: skip


def _valid(values: dict[str, Any]) -> bool:
    try:
        Agreement.model_validate(values)
    except ValueError:
        return False
    return True


VALUES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "schema": st.just("schoolgate/agreement/1"),
        "id": st.from_regex(r"[a-z0-9][a-z0-9-]{1,20}", fullmatch=True),
        "vendor": st.fixed_dictionaries({"legal_name": _NAME}, optional={
            "parent_company": _TEXT, "privacy_contact": _TEXT | st.emails(), "security_contact": _TEXT | st.emails()}),
        "products": _rows(st.fixed_dictionaries({"name": _NAME}, optional={
            "under_13": st.booleans(), "personalized": st.booleans(), "uses_algorithms": st.booleans()}), least=1),
        "agreement": st.fixed_dictionaries(
            {"kind": _one_of(words.Kind), "status": _one_of(words.TermsStatus)},
            optional={"effective": _DAY, "expires": _DAY, "terminated_on": _DAY, "document": _TEXT,
                      "state_terms": _rows(_CODE), "breach_notice_hours": st.integers(0, 200)}),
        "domains": _rows(st.fixed_dictionaries({"match": _HOST}, optional={
            "role": _one_of(words.DomainRole), "shared": st.booleans()}), least=1),
        "third_parties": st.fixed_dictionaries(
            {"list_is": _one_of(words.ListIs), "unlisted": _one_of(words.Unlisted)}, optional={
                "list": _rows(_THIRD_PARTY)}),
        "purposes": _rows(st.fixed_dictionaries({"code": _one_of(words.PurposeCode), "plain": _PLAIN}), least=1),
        "data": _DATA,
        "use_gate": st.fixed_dictionaries({"status": _one_of(words.GateStatus)}),
    },
    optional={
        "prohibited": st.fixed_dictionaries({}, optional={
            "targeted_ads": st.booleans(), "sale": st.booleans(), "third_party_tracking": st.booleans()}),
        "improvement": _rows(st.fixed_dictionaries({"activity": _one_of(words.Activity), "plain": _PLAIN}, optional={
            "deidentified": st.booleans()})),
        "provenance": st.fixed_dictionaries({}, optional={"sources": st.dictionaries(_TEXT, _TEXT, max_size=2)}),
    },
).filter(_valid)  # fmt: skip
"""What agreement files say, as plain values."""

AGREEMENTS: st.SearchStrategy[Agreement] = VALUES.map(Agreement.model_validate)
"""Valid agreements."""
