"""The life of a case: its steps, what ends it, and what alone opens it again; pure, and in both databases."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.life_cycle import (
    CODES,
    ENDED,
    OUTCOMES,
    REASONS,
    STATUS_AFTER,
    STEPS,
    TAKEN_UP,
    VERIFIED,
    VERIFY_DAYS,
    WITHDRAWN,
    Act,
    Status,
    ending,
    refusal,
    returns,
    standing,
    verifiable_on,
    verified,
)
from rules.service import stored_report
from rules.store import StepRefusedError, Store
from rules.versions import CaseVersion, ReportPart
from tests.rules.first_store import a_case
from tests.rules.told_cases import Hands

ACTS: tuple[Act, ...] = get_args(Act)
SEEN = "2026-10-16T19:44:59.000001Z"
"""Last sighting of `a_case`."""
AFTERWARDS = "2026-10-20T09:00:00.000000Z"
FIXED_AT = datetime(2026, 10, 18, 12, 0, tzinfo=UTC)
KNOWN = ending(a_case("c"), at="2026-10-18T12:00:00.000000Z")


def test_every_status_has_steps_and_every_step_leads_to_one_of_them() -> None:
    assert set(STEPS) == {*get_args(Status), VERIFIED, WITHDRAWN}
    assert {act for steps in STEPS.values() for act in steps} == set(ACTS)
    assert set(STATUS_AFTER.values()) == set(get_args(Status))
    assert ENDED.isdisjoint(TAKEN_UP)
    assert all("noted" in steps for steps in STEPS.values())
    # Nothing is a dead end but what is withdrawn, and what is ended leads back to the beginning.
    assert all("reopened" in STEPS[status] for status in {*ENDED, VERIFIED, "breach"})


@pytest.mark.parametrize("at", STEPS)
@pytest.mark.parametrize("act", ACTS)
def test_what_is_not_in_the_table_is_refused_in_words_and_the_rest_allowed(at: str, act: Act) -> None:
    reason = next(iter(CODES.get(act, {})), None)
    said = refusal(act, at=at, text="Because.", reason=reason)
    if act in STEPS[at]:
        assert said is None
    else:
        assert said is not None
        assert "possible" in said
        assert all(step in said for step in STEPS[at])


def test_a_dispute_has_a_reason_of_the_list_and_an_end_has_one_at_all() -> None:
    assert refusal("disputed", at="asked", text="It is theirs.") is not None
    assert "whim" in str(refusal("disputed", at="asked", reason="whim"))
    assert all(refusal("disputed", at="asked", reason=code) is None for code in REASONS)
    assert all(refusal("closed", at="asked", reason=code) is None for code in OUTCOMES)
    assert refusal("closed", at="asked", text=" ") is not None
    assert refusal("breach", at="asked", text="") is not None
    assert refusal("acknowledged", at="new", reason="wrong_owner") is not None
    assert "once it was not seen for 14 days" in str(refusal("closed", at="fixed", text="It is gone."))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ()),
        ({"severity": "warning", "verdict": "undeclared", "confidence": 0.8, "schools": ["two", "three"]}, ()),
        ({"devices": 81, "flows": 9999, "last_seen": AFTERWARDS}, ()),
        ({"groups": []}, ()),
        ({"agreement_says": "Something else."}, ()),
        ({"devices": 82}, ("twice_exposure",)),
        ({"groups": ["6-8", "k-5"]}, ("new_group",)),
        ({"groups": ["6-8"], "devices": 200}, ("new_group", "twice_exposure")),
    ],
)
@pytest.mark.parametrize("status", ["closed", "declared", "disputed"])
def test_an_ended_case_returns_for_a_new_group_or_twice_the_exposure_and_for_nothing_else(
    changes: dict[str, object], why: tuple[str, ...], status: str
) -> None:
    assert returns(KNOWN, a_case("c", **changes), status=status) == why


@pytest.mark.parametrize("ended_at", range(1, 10))
def test_of_how_many_devices_below_ten_a_case_was_ended_does_not_matter_for_when_it_returns(ended_at: int) -> None:
    known = ending(a_case("c", devices=ended_at), at="2026-10-18T12:00:00.000000Z")
    back = [count for count in range(ended_at, 26) if returns(known, a_case("c", devices=count), status="closed")]
    assert back == [20, 21, 22, 23, 24, 25]


@pytest.mark.parametrize(
    ("last_seen", "back"),
    [(SEEN, False), ("2026-10-18T11:59:59.999999Z", False), ("2026-10-18T12:00:00.000001Z", True), (AFTERWARDS, True),
     ("2027-03-01T00:00:00.000000Z", True)],
)  # fmt: skip
def test_what_was_fixed_returns_when_it_is_seen_after_that_however_late(last_seen: str, *, back: bool) -> None:
    assert returns(KNOWN, a_case("c", last_seen=last_seen), status="fixed") == (("seen_again",) if back else ())


@given(st.integers(0, 60), st.integers(-40, 40), st.integers(-5, 60))
def test_a_fix_is_verified_after_fourteen_days_that_were_watched_and_silent(fixed: int, seen: int, judged: int) -> None:
    start = datetime(2026, 10, 1, 9, tzinfo=UTC)
    known = ending(a_case("c"), at=(start + timedelta(days=fixed)).isoformat())
    last_seen = (start + timedelta(days=seen)).isoformat()
    until = start.date() + timedelta(days=judged)
    silent = judged - max(fixed, seen)
    assert verified(known, last_seen=last_seen, until=until) == (silent >= VERIFY_DAYS)
    assert verifiable_on(known, last_seen=last_seen) == start.date() + timedelta(days=max(fixed, seen) + VERIFY_DAYS)


def test_nothing_is_verified_that_nobody_watched() -> None:
    assert not verified(KNOWN, last_seen=SEEN, until=None)
    assert not verified(None, last_seen=SEEN, until=date(2030, 1, 1))
    assert standing("fixed", supported=True, is_verified=True) == VERIFIED
    assert standing("closed", supported=True, is_verified=True) == "closed"
    assert standing("fixed", supported=False, is_verified=True) == WITHDRAWN


# From here on in a store.


class Desk:
    """A store with one case, and hands that move its clock."""

    def __init__(self, address: str) -> None:
        self.hands = Hands(FIXED_AT)
        self.store = Store(address, clock=self.hands)
        self._version = 0

    def see(self, *, state: str = "open", until: date = date(2026, 10, 18), **changes: object) -> None:
        """Write the next version of the case, in a report that speaks up to a day."""
        self._version += 1
        body = json.dumps(a_case("c", **changes))
        frame = ReportPart(name="frame", version=self._version, body=json.dumps({"last_day": until.isoformat()}))
        self.store.keep([CaseVersion(id="c", version=self._version, state=state, body=body)], parts=[frame])

    def status(self) -> str:
        return self.store.cases()["c"].status

    @property
    def told(self) -> list[tuple[str, list[str]]]:
        """What the log says: kinds, and why something came back."""
        return [(entry.kind, json.loads(entry.entry).get("because", [])) for entry in self.store.log("c")]


@pytest.fixture
def desk(store_address: str) -> Desk:
    one = Desk(store_address)
    one.see()
    return one


def end(desk: Desk, act: Act) -> None:
    desk.store.act("c", act=act, by="officer", text="Because.", reason="wrong_owner" if act == "disputed" else None)


@pytest.mark.parametrize("act", ["closed", "declared", "disputed", "fixed"])
def test_what_does_not_open_an_ended_case_again_stays_visible(desk: Desk, act: Act) -> None:
    end(desk, act)
    known = desk.store.cases()["c"].ending
    assert known is not None
    assert (known.devices, known.groups, known.seen) == (41, ("k-5",), SEEN)
    assert desk.store.open_cases() == []
    desk.see(devices=81, severity="warning", schools=["lincoln-es", "oak-ms"])
    assert desk.status() == act
    assert desk.told[-1] == ("not_reopened", [])
    assert json.loads(desk.store.log("c")[-1].entry)["changed"] == ["severity", "devices", "schools"]
    # Measured by what was known then, not by what came since.
    assert desk.store.cases()["c"].ending == known
    desk.see(devices=82, severity="warning", schools=["lincoln-es", "oak-ms"])
    assert desk.status() == "new"
    assert desk.told[-1] == ("returned", ["twice_exposure"])
    assert desk.store.cases()["c"].ending is None
    desk.store.close()


@pytest.mark.parametrize("act", ["closed", "declared", "disputed", "fixed"])
def test_a_group_that_was_not_known_opens_an_ended_case_again(desk: Desk, act: Act) -> None:
    end(desk, act)
    desk.see(groups=["6-8", "k-5"])
    assert (desk.status(), desk.told[-1]) == ("new", ("returned", ["new_group"]))
    desk.store.close()


def test_a_case_that_is_taken_up_changes_and_is_not_ended_by_it(desk: Desk) -> None:
    acts: tuple[Act, ...] = ("acknowledged", "asked", "breach")
    for number, act in enumerate(acts):
        desk.store.act("c", act=act, by="officer", text="Because.")
        desk.see(devices=1000 * 2**number)
        assert (desk.status(), desk.told[-1]) == (act, ("changed", []))
        assert len(desk.store.open_cases()) == 1
    desk.store.close()


def test_a_fix_is_closed_once_it_is_verified_and_not_before(desk: Desk) -> None:
    end(desk, "fixed")
    for until, refused in ((date(2026, 10, 31), True), (date(2026, 11, 1), False)):
        desk.see(until=until)
        assert desk.store.judged_until() == until
        if refused:
            with pytest.raises(StepRefusedError, match="case c: it is closed once it was not seen for 14 days"):
                end(desk, "closed")
            assert desk.status() == "fixed"
        else:
            end(desk, "closed")
            assert desk.status() == "closed"
    desk.store.close()


@pytest.mark.parametrize("until", [date(2026, 10, 20), date(2027, 3, 1)])
def test_a_fix_that_is_seen_again_returns_by_itself_and_says_so(desk: Desk, until: date) -> None:
    end(desk, "fixed")
    desk.see(until=until)  # the same once more is no sighting
    assert desk.status() == "fixed"
    desk.see(until=until, last_seen=f"{until}T09:00:00.000000Z")
    assert (desk.status(), desk.told[-1]) == ("new", ("returned", ["seen_again"]))
    assert len(desk.store.open_cases()) == 1
    desk.store.close()


def test_what_the_evidence_withdraws_is_told_once_leaves_the_report_and_allows_a_note(desk: Desk) -> None:
    assert [case["id"] for case in stored_report(desk.store)["cases"]] == ["c"]
    for _again in range(3):
        desk.see(state="withdrawn")
    assert [kind for kind, _ in desk.told] == ["opened", "withdrawn"]
    assert stored_report(desk.store)["cases"] == []
    with pytest.raises(StepRefusedError, match="case c: it is `withdrawn`, and `closed` is no step from there"):
        end(desk, "closed")
    desk.store.act("c", act="noted", by="officer", text="Good.")
    desk.see()
    assert desk.told[-1] == ("returned", ["supported_again"])
    desk.store.close()


def test_an_ended_case_that_was_withdrawn_meanwhile_stays_ended(desk: Desk) -> None:
    end(desk, "declared")
    desk.see(state="withdrawn")
    desk.see()
    assert (desk.status(), desk.store.cases()["c"].state) == ("declared", "open")
    assert [kind for kind, _ in desk.told] == ["opened", "declared", "withdrawn", "not_reopened"]
    assert json.loads(desk.store.log("c")[-1].entry)["state"] == "open"
    assert desk.store.open_cases() == []
    desk.store.close()


def test_a_step_that_is_refused_leaves_no_trace(desk: Desk) -> None:
    before = (desk.store.verify(), desk.store.cases())
    for act in set(ACTS) - set(STEPS["new"]):
        with pytest.raises(StepRefusedError):
            end(desk, act)
    assert (desk.store.verify(), desk.store.cases()) == before
    desk.store.close()


def test_whoever_ends_it_again_has_looked_again(desk: Desk) -> None:
    end(desk, "disputed")
    desk.see(devices=80)
    end(desk, "closed")
    desk.see(devices=159)
    assert desk.status() == "closed"
    desk.see(devices=160)
    assert desk.status() == "new"
    desk.store.close()
