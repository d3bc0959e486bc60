"""A violation reaches people once and soon, with real parts, whichever of them is killed."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from rules.notify.worker import RESEND_S
from rules.versions import CaseVersion
from tests.parts import prometheus as prometheus_part
from tests.parts.cache import PartMissingError
from tests.parts.program import Program
from tests.rules.first_store import a_case
from tests.system.told_district import BY_ALERTMANAGER, OFFICER, District, text_of

SOON_S = 5.0


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> Iterator[District]:
    try:
        parts = prometheus_part.set_up()
    except PartMissingError as missing:
        pytest.skip(str(missing))
    own = District(tmp_path_factory.mktemp("district"), parts=parts)
    yield own
    own.close()


class Running:
    """What runs now, so that one test can kill it and the next finds it again."""

    notifier: Program
    prometheus: Program


def open_case(district: District, case: str, *, agreement: str, state: str = "open", version: int = 1) -> None:
    """Write a case as a judge does."""
    body = json.dumps(a_case(case, agreement=agreement))
    district.store.keep([CaseVersion(id=case, version=version, state=state, body=body)], parts=())


def told_everywhere(district: District, *cases: str) -> None:
    wanted = set(cases)
    district.until(lambda: wanted <= set(district.mailed()), what=f"the mail about {cases}")
    district.until(lambda: wanted <= set(district.posted()), what=f"the webhook's {cases}")
    district.until(lambda: wanted <= district.heard_of(), what=f"the alert about {cases}")


# One story in parts: each test goes on where the one before stopped.


def test_the_first_violation_ever_is_mailed_within_five_seconds(district: District) -> None:
    district.split_day()
    Running.notifier = district.start_notifier()
    Running.prometheus = district.start_prometheus()
    engine = district.start_engine("morning.pcap")
    began = time.time()  # it serves; it has not read a packet that it will have judged by then
    district.until(lambda: bool(district.open_ids()), what="a case")
    told_everywhere(district, *district.open_ids())
    # The officer hears of it from the notifier and from Alertmanager: the first mail of each.
    took = {each["to"][0]: each["at"] - began for each in reversed(district.mail.taken())}
    assert set(took) == {OFFICER, BY_ALERTMANAGER}
    assert max(took.values()) < SOON_S
    engine.kill()


def test_an_engine_killed_while_it_judges_tells_every_case_once_and_ends_none(district: District) -> None:
    before = district.open_ids()
    engine = district.start_engine("morning.pcap", "afternoon.pcap", speed=9000)
    district.until(lambda: bool(district.open_ids() - before), what="a new case")
    engine.kill()
    engine = district.start_engine("morning.pcap", "afternoon.pcap")
    district.until(lambda: len(district.open_ids()) >= 10, what="the cases of the day")
    told_everywhere(district, *district.open_ids())
    engine.kill()
    assert set(district.posted().values()) == {1}
    assert district.resolved() == []


def test_a_mail_says_what_an_officer_needs_and_can_be_told_from_another(district: District) -> None:
    mails = district.mail.mails(to=OFFICER)
    paused = next(mail for mail in mails if "paused or prohibited" in str(mail["Subject"]))
    text = text_of(paused)
    for head in ("What was promised", "What was seen", "How sure", "What cannot be seen", "Next step", "acknowledge"):
        assert head in text
    assert "Critical" in text
    assert len({mail["Message-ID"] for mail in mails}) == len(mails)
    assert all(each["encrypted"] for each in district.mail.taken())


def test_a_case_that_was_acknowledged_stays_quiet_while_a_new_one_of_its_vendor_is_told(district: District) -> None:
    open_case(district, "known", agreement="vendor")
    told_everywhere(district, "known")
    district.store.act("known", act="acknowledged", by="officer", text="")
    district.until(lambda: district.alertmanager.alerts().get("known") == "suppressed", what="the silence")
    open_case(district, "fresh", agreement="vendor")
    told_everywhere(district, "fresh")
    assert frozenset({"fresh"}) in district.by_alertmanager()
    assert district.mailed()["known"] == 1
    assert sum("known" in told for told in district.by_alertmanager()) == 1


def test_a_notifier_killed_leaves_nothing_untold(district: District) -> None:
    Running.notifier.kill()
    open_case(district, "after-notifier", agreement="one")
    Running.notifier = district.start_notifier()
    told_everywhere(district, "after-notifier")


def test_a_mail_server_killed_gets_everything_when_it_is_back(district: District) -> None:
    district.mail.kill()
    open_case(district, "after-mail", agreement="two")
    # The other channels do not wait for it.
    district.until(lambda: "after-mail" in district.posted(), what="the webhook")
    district.until(
        lambda: bool(district.prometheus('schoolgate_pending_notifications{job="schoolgate-desk"} > 0')),
        what="the metric of what is pending",
    )
    district.mail.start()
    told_everywhere(district, "after-mail")


def test_an_alertmanager_killed_forgets_and_is_told_again(district: District) -> None:
    district.alertmanager.kill()
    district.alertmanager.start()
    began = time.monotonic()
    # Nothing has changed and it is not time to tell it again: that it was started anew is noticed.
    district.until(lambda: set(district.alertmanager.alerts()) >= district.open_ids(), what="all alerts")
    assert time.monotonic() - began < RESEND_S / 2
    assert district.alertmanager.alerts()["known"] == "suppressed"
    open_case(district, "after-alertmanager", agreement="three")
    told_everywhere(district, "after-alertmanager")


def test_a_prometheus_killed_changes_nothing(district: District) -> None:
    Running.prometheus.kill()
    open_case(district, "after-prometheus", agreement="four")
    told_everywhere(district, "after-prometheus")
    Running.prometheus = district.start_prometheus()


def test_after_all_this_each_case_was_told_none_ended_and_none_repeated_but_by_alertmanager_once(
    district: District,
) -> None:
    told_everywhere(district, *district.open_ids())
    assert district.resolved() == []
    assert set(district.posted().values()) == {1}
    assert set(district.mailed().values()) == {1}
    assert set(district.message_ids().values()) == {1}
    # One kill of Alertmanager: no mail of its comes more than twice.
    repeated = Counter(district.by_alertmanager())
    assert max(repeated.values()) <= 2, repeated
    assert sum("known" in told for told in district.by_alertmanager()) == 1


def test_a_case_that_is_withdrawn_is_told_as_over_once(district: District) -> None:
    open_case(district, "fresh", agreement="vendor", state="withdrawn", version=2)
    district.until(lambda: "withdrawn" in str(district.mail.mails(to=OFFICER)[-1]["Subject"]), what="the last mail")
    district.until(lambda: "fresh" in district.resolved(), what="the end of the alert")
    assert set(district.resolved()) == {"fresh"}
    assert district.mail.mails(to=OFFICER)[-1]["X-Schoolgate-Case"] == "fresh"
    district.until(
        lambda: bool(district.prometheus('sum(schoolgate_pending_notifications{job="schoolgate-desk"}) == 0')),
        what="nothing pending",
    )


def test_a_case_that_is_reopened_is_quiet_no_more(district: District) -> None:
    before = sum("known" in told for told in district.by_alertmanager())
    district.store.act("known", act="reopened", by="officer", text="The answer was wrong.")
    district.until(lambda: district.alertmanager.alerts()["known"] == "active", what="the end of the silence")
    district.until(
        lambda: sum("known" in told for told in district.by_alertmanager()) > before, what="the alert's mail"
    )
    assert district.alertmanager.silences() == []
