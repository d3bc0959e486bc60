"""The parts of the desk that need no server: limits, sessions, the list, the chart, the letter."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rules.agreements.explain import explain
from rules.agreements.load import load_agreements
from rules.desk.access_log import AccessLog
from rules.desk.address import desk_address
from rules.desk.chart import HEIGHT, LEFT, WIDTH, chart_of
from rules.desk.letter import letter_about
from rules.desk.limits import SLOTS, Limiter
from rules.desk.listing import PER_PAGE, Choice, Listing, choose
from rules.desk.pages.vendors import plain_parts
from rules.desk.sessions import ABSOLUTE_S, IDLE_S, MOST_MEMBERS, MOST_VISITORS, Sessions
from rules.desk.words import ACTS, LOGGED, QUESTIONS, STATES
from rules.findings import RULES
from rules.life_cycle import STATUS_AFTER, STEPS
from rules.next_steps import BY_STANDING
from rules.settings import Desk
from rules.small_numbers import band
from rules.store import Store
from rules.told import told
from rules.versions import CaseVersion
from tests.rules.first_store import a_case

SAMPLE = Path(__file__).resolve().parents[2] / "rules" / "sample"


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_key_has_a_burst_and_then_one_try_in_each_interval() -> None:
    clock = Clock()
    limiter = Limiter(burst=3, interval_s=10, clock=clock)
    assert [limiter.take("ada") for _ in range(4)] == [0, 0, 0, 10]
    clock.now += 10
    assert [limiter.take("ada") for _ in range(2)] == [0, 10]
    limiter.give_back("ada")
    assert limiter.take("ada") == 0
    limiter.forgive("ada")
    assert [limiter.take("ada") for _ in range(4)] == [0, 0, 0, 10]


def test_however_many_keys_are_tried_the_memory_stays_and_a_full_one_stays_full() -> None:
    limiter = Limiter(burst=1, interval_s=1e9, clock=Clock())
    assert limiter.take("ada") == 0
    for number in range(3 * SLOTS):
        limiter.take(f"name-{number}")
    assert limiter.take("ada") > 0
    assert len(limiter._used_until) == SLOTS


def test_a_session_ends_when_it_is_idle_and_at_the_end_of_a_day() -> None:
    clock = Clock()
    sessions = Sessions(clock=clock)
    cookie, _ = sessions.sign_in("ada", stamp="x", instead_of=None)
    began = clock.now
    while clock.now - began <= ABSOLUTE_S:
        assert sessions.find(cookie) is not None
        clock.now += IDLE_S
    assert sessions.find(cookie) is None
    cookie, _ = sessions.sign_in("ada", stamp="x", instead_of=None)
    clock.now += IDLE_S + 1
    assert sessions.members == 0
    assert sessions.find(cookie) is None


def test_visitors_without_number_sign_nobody_out() -> None:
    sessions = Sessions(clock=Clock())
    cookie, _ = sessions.sign_in("ada", stamp="x", instead_of=None)
    for _ in range(MOST_VISITORS + 10):
        sessions.visit()
    assert sessions.find(cookie) is not None
    assert len(sessions._visitors) == MOST_VISITORS
    for _ in range(MOST_MEMBERS):
        sessions.sign_in("bot", stamp="x", instead_of=None)
    assert sessions.members == MOST_MEMBERS


@pytest.mark.parametrize(
    ("listen", "address", "origin", "host"),
    [
        ("127.0.0.1:8080", None, "http://127.0.0.1:8080", "localhost:8080"),
        ("[::1]:8080", None, "http://[::1]:8080", "[::1]:8080"),
        ("127.0.0.1:1", "https://Desk.district.example:443", "https://desk.district.example", "desk.district.example"),
        ("127.0.0.1:1", "http://desk.example:81", "http://desk.example:81", "desk.example:81"),
    ],
)
def test_the_desk_answers_under_its_own_names_alone(listen: str, address: str | None, origin: str, host: str) -> None:
    found = desk_address(Desk(listen=listen, address=address))
    assert found.origin == origin
    assert host in found.hosts
    assert origin in found.origins
    assert "evil.example" not in found.hosts
    assert found.secure == origin.startswith("https")


def filled(address: str, *, cases: int) -> Store:
    store = Store(address)
    rows = [
        CaseVersion(
            id=f"{n:04}", version=1, state="open",
            body=json.dumps(a_case(f"{n:04}", severity=("critical", "warning", "info")[n % 3], agreement=f"v{n % 7}")),
        )
        for n in range(cases)
    ]  # fmt: skip
    store.keep(rows, parts=())
    return store


def test_the_pages_of_a_list_hold_every_case_once_on_both_databases(store_address: str) -> None:
    store = filled(store_address, cases=60)
    listing = Listing(store)
    pages = [choose(listing.lines(), Choice(page=n), vendors={}) for n in (1, 2, 3, 99)]
    assert [len(page.lines) for page in pages] == [PER_PAGE, PER_PAGE, 10, 10]
    assert len({line.id for page in pages[:3] for line in page.lines}) == 60
    order = [line.severity for page in pages[:3] for line in page.lines]
    assert order == sorted(order, key=("critical", "warning", "info").index)
    store.act("0000", act="closed", by="ada", text="done")
    store.keep([CaseVersion(id="0001", version=2, state="withdrawn", body=json.dumps(a_case("0001")))], parts=())
    assert choose(listing.lines(), Choice(), vendors={}).found == 58
    assert [line.id for line in choose(listing.lines(), Choice(state="closed"), vendors={}).lines] == ["0000"]
    assert [line.id for line in choose(listing.lines(), Choice(state="withdrawn"), vendors={}).lines] == ["0001"]
    called = choose(listing.lines(), Choice(search="Mathe"), vendors={"v3": "MatheTrek (Acme)"})
    assert {line.agreement for line in called.lines} == {"v3"}
    store.close()


def test_sign_ins_are_kept_in_order_and_up_to_a_number_on_both_databases(
    store_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rules.desk.access_log.MOST_KEPT", 3)
    store = Store(store_address)
    log = AccessLog(store)
    for number in range(5):
        log.note("signed_in", who=f"user-{number}", origin="192.0.2.1")
    assert [row.who for row in log.latest(most=9)] == ["user-4", "user-3", "user-2"]
    store.close()


@given(st.dictionaries(st.dates(date(2026, 1, 1), date(2026, 12, 31)), st.integers(1, 10**6), min_size=1, max_size=40))
def test_bars_stay_inside_the_picture_and_tell_bands_alone(days: dict[date, int]) -> None:
    rows = [{"day": day.isoformat(), "devices": count} for day, count in days.items()]
    chart = chart_of({"days": rows, "days_left_out": 0}, devices=sum(days.values()))
    assume(chart is not None)
    assert chart is not None
    assert [bar.devices for bar in chart.bars] == [band(days[bar.day]) for bar in chart.bars]
    for bar in chart.bars:
        assert LEFT - 1 <= bar.x <= bar.x + bar.width <= WIDTH + 1
        assert 0 <= bar.y <= bar.y + bar.height <= HEIGHT
    heights = {bar.devices: bar.height for bar in chart.bars}
    assert len(set(heights.values())) == len(heights)
    assert set(heights) <= {step.words for step in chart.steps}


def test_no_evidence_is_no_chart() -> None:
    assert chart_of(None, devices=0) is None
    assert chart_of({"days": [], "days_left_out": 0}, devices=0) is None


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_letter_with_questions_and_without_pupils(rule: str) -> None:
    view = told(a_case("c1", rule=rule, devices=3, summary="Seen on 3 devices (counted per day) in 1 school."))
    letter = letter_about("c1", view, agreement=None, district="A district", on=date(2026, 10, 19)).text
    assert QUESTIONS[rule][0] in letter
    assert "no finding that anything is wrong" in letter
    for words in ("3 devices", "lincoln-es", "k-5"):
        assert words not in letter


def test_every_way_a_case_can_stand_has_a_name_a_next_step_and_acts_with_names() -> None:
    assert set(STEPS) == set(BY_STANDING) == set(STATES) - {"open", "all"}
    assert set(ACTS) == {*STATUS_AFTER, "noted"} == {act for steps in STEPS.values() for act in steps}
    assert set(ACTS) <= set(LOGGED)


def test_the_officers_guide_says_what_every_button_does() -> None:
    guide = (SAMPLE.parents[1] / "docs" / "guide-officer.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip() for line in guide.splitlines() if line.startswith("| ")}
    assert {name for act, (name, _) in ACTS.items() if act not in {"reopened", "noted"}} <= rows


def test_an_explained_agreement_keeps_every_word_on_the_page() -> None:
    for agreement in load_agreements(SAMPLE / "agreements"):
        page = explain(agreement)
        parts = plain_parts(page)
        shown = " ".join(f"{part.title} {'; '.join(part.points)} {part.sentences}" for part in parts)
        wanted = page.partition("\n")[2].replace("## ", "").replace("\n- ", "\n")
        assert sorted(shown.replace(";", " ").replace(".", " ").split()) == sorted(
            wanted.replace(";", " ").replace(".", " ").split()
        )
