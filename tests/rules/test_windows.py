"""Contact windows read as a day of one device: who stood open when, and what adds up."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from rules.contacts import WITHHELD_SITE, Contact
from rules.counted import packed, unpacked
from rules.device_walk import Kinds
from rules.habits import Habit
from rules.windows import HOUR_MS, Counts, count_device_day

DAY = date(2026, 10, 14)
KINDS = Kinds(
    is_noise=lambda domain: domain == "updates.example",
    is_service=lambda domain: domain in {"adco.example", "fastedge.example"},
)
START_MS = 1_791_990_000_000


def day(*flows: tuple[float, str]) -> Counts:
    """Return the counts of one device: seconds after the start, and the site of each flow."""
    contacts = sorted(
        Contact(
            at_ms=START_MS + round(second * 1000), site=site, until_ms=START_MS + round(second * 1000) + 500,
            bytes_up=100, bytes_down=1_000, school="north", group="k-5",
        )
        for second, site in flows
    )  # fmt: skip
    hours: dict[int, Counts] = {}
    count_device_day(contacts, day=DAY, kinds=KINDS, token=len, into=hours)
    total = Counts()
    for counts in hours.values():
        total.add(counts)
    return total


def test_a_party_right_after_a_product_finds_it_open_and_fresh() -> None:
    counts = day((0, "@mathlab"), (0.2, "adco.example"))
    assert [row.active for row in counts.rows] == [(("@mathlab", True),)]
    assert counts.bag["adco.example"] == {"@mathlab": 1}
    assert counts.answered["adco.example"] == {"@mathlab": 1}


def test_what_a_device_does_beside_is_summed_by_party_and_product() -> None:
    beside = (0, "news.example"), (0.2, "adco.example"), (40, "wiki.example")
    counts = day(*beside, (90, "@mathlab"), (90.2, "adco.example"), (150, "@mathlab"), (150.2, "adco.example"))
    # Two contacts of one device, which visited two other sites, one of which the party followed.
    assert counts.habits == {("adco.example", "@mathlab"): Habit(contacts=2, others=2, answered=1, beside=2)}


def test_a_late_beacon_finds_the_product_open_and_no_longer_fresh() -> None:
    assert [row.active for row in day((0, "@mathlab"), (8.5, "adco.example")).rows] == [(("@mathlab", False),)]


def test_after_ten_seconds_nothing_stands_open() -> None:
    counts = day((0, "@mathlab"), (10.5, "adco.example"))
    assert counts.rows == []
    assert (counts.met["adco.example"], counts.alone["adco.example"]) == (1, 1)


def test_every_flow_of_a_product_keeps_it_open() -> None:
    counts = day((0, "@mathlab"), (8, "@mathlab"), (16, "adco.example"))
    assert [row.active for row in counts.rows] == [(("@mathlab", False),)]


def test_a_product_is_visited_anew_after_half_a_minute_without_a_flow() -> None:
    assert day((0, "@mathlab"), (20, "@mathlab"), (51, "@mathlab")).visits == {"@mathlab": 2}


def test_a_visit_out_of_a_busy_device_is_no_quiet_one() -> None:
    counts = day((0, "news.example"), (3, "@mathlab"), (3.2, "adco.example"))
    assert counts.quiet == {"news.example": 1, "@mathlab": 0}
    assert counts.bag["adco.example"] == {"news.example": 1}


def test_all_open_sites_compete() -> None:
    counts = day((0, "@hub"), (3, "@mathlab"), (3.2, "adco.example"))
    assert [row.active for row in counts.rows] == [(("@hub", False), ("@mathlab", True))]


def test_a_service_is_never_a_cause() -> None:
    counts = day((0, "adco.example"), (0.2, "fastedge.example"))
    assert counts.visits == {}
    assert (counts.alone["fastedge.example"], counts.rows) == (1, [])


def test_the_operating_systems_own_flows_do_not_count_at_all() -> None:
    counts = day((0, "updates.example"), (1, "@mathlab"), (1.1, "updates.example"))
    assert counts.quiet == {"@mathlab": 1}
    assert counts.met == {}


def test_flows_of_one_visit_are_one_contact_with_all_their_octets() -> None:
    (row,) = day((0, "@mathlab"), (0.2, "adco.example"), (0.3, "adco.example"), (2.5, "adco.example")).rows
    assert (row.flows, row.bytes_up, row.bytes_down) == (3, 300, 3_000)


def test_where_no_product_stood_open_only_the_number_is_kept() -> None:
    counts = day((0, "news.example"), (0.2, "adco.example"))
    assert counts.rows == []
    assert counts.others["adco.example"] == {(("news.example", True),): 1}


def test_what_follows_nearly_every_site_of_a_device_is_left_out() -> None:
    sites = [f"@tool-{number}" for number in range(7)]
    flows = [(60.0 * place, site) for place, site in enumerate(sites)]
    agent = [(60.0 * place + 0.1, "watcher.example") for place in range(7)]
    counts = day(*flows, *agent)
    assert counts.rows == []
    assert counts.bag == {}
    assert counts.met["watcher.example"] == 7
    # The same party after half of the sites is somebody's embed.
    assert len(day(*flows, *agent[:3]).rows) == 3


FLOWS = st.lists(
    st.tuples(
        st.floats(0, 5_000, allow_nan=False).map(lambda second: round(second, 3)),
        st.sampled_from(["@mathlab", "@hub", "news.example", "adco.example", "fastedge.example", "updates.example"]),
    ),
    max_size=40,
)


@given(FLOWS, st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_show(flows: list[tuple[float, str]], shuffler: st.randoms) -> None:  # type: ignore[valid-type]
    other = list(flows)
    shuffler.shuffle(other)  # type: ignore[attr-defined]
    assert packed(day(*flows)) == packed(day(*other))


@given(FLOWS, FLOWS)
def test_counts_of_two_devices_add_up_in_either_order(
    one: list[tuple[float, str]], two: list[tuple[float, str]]
) -> None:
    forth, back = Counts(), Counts()
    for part in (day(*one), day(*two)):
        forth.add(part)
    for part in (day(*two), day(*one)):
        back.add(part)
    assert packed(forth) == packed(back)


@given(FLOWS)
def test_no_contact_is_lost_or_counted_twice(flows: list[tuple[float, str]]) -> None:
    counts = day(*flows)
    met = sum(counts.met.values())
    assert met == sum(counts.alone.values()) + len(counts.rows) + sum(sum(n.values()) for n in counts.others.values())


def test_a_product_is_used_once_a_device_day_and_in_the_hour_of_its_first_flow() -> None:
    counts = day((0, "@mathlab"), (200, "@mathlab"), (5_000, "@mathlab"), (6_000, "@hub"), (6_001, "news.example"))
    assert counts.used == {("@mathlab", "north", "k-5"): 1, ("@hub", "north", "k-5"): 1}
    hours: dict[int, Counts] = {}
    contacts = [
        Contact(START_MS + HOUR_MS * number, "@mathlab", START_MS + HOUR_MS * number, 1, 1, "north", group)
        for number, group in enumerate(("staff", "k-5"))
    ]
    count_device_day(contacts, day=DAY, kinds=KINDS, token=len, into=hours)
    # A device that changes its segment stands in one group a day, whichever it came to first.
    assert [hours[hour].used for hour in sorted(hours)] == [{("@mathlab", "north", "k-5"): 1}, {}]


def test_a_site_whose_name_was_withheld_is_a_rival_and_ends_the_quiet_and_is_never_a_party() -> None:
    counts = day((0, "@mathlab"), (3, WITHHELD_SITE), (3.2, "adco.example"), (7, "@mathlab"))
    assert [row.active for row in counts.rows] == [((WITHHELD_SITE, True), ("@mathlab", False))]
    assert counts.visits == {"@mathlab": 1, WITHHELD_SITE: 1}
    assert (counts.quiet["@mathlab"], counts.quiet[WITHHELD_SITE]) == (1, 0)
    assert WITHHELD_SITE not in {*counts.met, *counts.bag, *counts.answered}
    assert unpacked(packed(counts)).visits == counts.visits
