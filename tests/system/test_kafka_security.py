"""A broker that checks everybody: each role does its whole job and nothing else, and a refusal costs no event."""

from __future__ import annotations

import asyncio
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from collector.acls import ALLOW, DELETE, LITERAL, TOPIC, WRITE, Acl, Right
from collector.brokers import Connection
from collector.cluster import cluster
from collector.topics import AGREEMENTS, CASE_STATE, CASES, DEAD_LETTERS, ENGINE_STATE, FINDINGS, FLOWS
from rules.spent_records import SpentRecords
from tests.parts.patience import PATIENCE_S
from tests.parts.program import Program
from tests.parts.secure_broker import PASSWORD, Credentials, SecureBroker
from tests.parts.verb_program import VerbProgram
from tests.system.logins import (
    administrator,
    delivered,
    done,
    in_the_capture,
    login,
    read,
    read_in_a_group,
    refused,
    secured,
    write,
    write_in_a_transaction,
)
from tests.system.product import (
    DEAR_LOOK_S,
    check_report,
    command,
    copy_district,
    free_port,
    report_now,
    schoolgate,
    until,
)
from tests.system.topic_reader import records

pytestmark = pytest.mark.kafka

# Four tries more after the first take 7.5 s; the rest is a machine with other things to do.
SOON_S = 60.0
JUDGED_S = 120.0
# The sample day lasts over 15 hours: at this speed about a quarter of a minute.
SLOWLY = 1000


class Running:
    """A verb in the background.

    Args:
        config: its configuration.
        verb: which.
        as_typed: its process has the command line that a user would type.
    """

    def __init__(self, config: Path, verb: str, *, as_typed: bool = False) -> None:
        self.log = config.with_name(f"{verb}-{uuid.uuid4().hex[:8]}.log")
        words = (verb, "--config", config, "--metrics", f"127.0.0.1:{free_port()}")
        self.program = Program(command(*words), log=self.log) if as_typed else VerbProgram(words, log=self.log)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """Start verbs that are ended with the test, whatever becomes of it."""
    started: list[Running] = []

    def begin(config: Path, verb: str, *, as_typed: bool = False) -> Running:
        started.append(Running(config, verb, as_typed=as_typed))
        return started[-1]

    yield begin
    for each in started:
        each.program.kill()


def of(broker: SecureBroker, role: str) -> dict[str, Any]:
    return login(broker, f"schoolgate-{role}")


def devices(report: dict[str, Any]) -> dict[tuple[str, ...], int]:
    """Return the devices of each case."""
    return {
        (case["agreement"] or "", case["rule"], case["clause"], case["subject"]): case["devices"]
        for case in report["cases"]
    }


def wait_for_cases(config: Path, *, broker: SecureBroker, district: Path, judge: Running) -> None:
    """Wait until the judge's store holds the cases of every capture in the topic: none of them twice, nothing missing.

    Each collector brought the same capture under pseudonyms of its own, so that there are so many times the devices.
    """
    in_topic = records(broker.bootstrap, collector=None, login=administrator(broker))
    captures = len({each.headers["collector"] for each in in_topic if "seq" in each.headers})
    once = check_report(district)
    flows, cases = once["coverage"]["flows"] * captures, devices(once)
    expected = {case: count * captures for case, count in cases.items()}
    deadline = time.monotonic() + JUDGED_S
    while True:
        report = report_now(config)
        # Many devices of few give a case that the few do not; that one is no matter here.
        found = {case: count for case, count in devices(report).items() if case in expected}
        if report["coverage"]["flows"] == flows and found == expected:
            return
        assert time.monotonic() < deadline, f"{found} instead of {expected}: {judge.said()}"
        time.sleep(DEAR_LOOK_S)


def test_each_role_does_its_whole_job(
    guarded: SecureBroker, district: Path, sensor: str, start: Callable[..., Running]
) -> None:
    collect = schoolgate(
        "collect", "--config", secured(guarded, district=district, user="schoolgate-collector", sensor=sensor)
    )
    assert collect.returncode == 0, collect.stderr
    assert delivered(guarded, sensor=sensor) == in_the_capture(district, sensor=sensor)
    config = secured(guarded, district=district, user="schoolgate-publisher", sensor=sensor)
    publish = schoolgate("agreements", "publish", "--config", config)
    assert publish.returncode == 0, publish.stderr
    assert {line.split()[0] for line in publish.stdout.splitlines()} == {"new"}
    config = secured(guarded, district=district, user="schoolgate-judge", sensor=sensor)
    judge = start(config, "judge", as_typed=True)
    wait_for_cases(config, broker=guarded, district=district, judge=judge)
    assert "agreements of schoolgate.agreements" in judge.said()
    assert PASSWORD not in Path(f"/proc/{judge.program.pid}/cmdline").read_text(encoding="utf-8")
    judge.program.signal(signal.SIGTERM)
    assert judge.program.wait(limit_s=PATIENCE_S) == 0, judge.said()
    assert PASSWORD not in collect.stderr + collect.stdout + publish.stderr + publish.stdout + judge.said()
    assert done(read(CASES, of(guarded, "dashboard")))
    assert done(read_in_a_group(CASES, "schoolgate-dashboard-web", of(guarded, "dashboard")))


@pytest.mark.parametrize(
    ("role", "topic"),
    [
        *[("collector", name) for name in (ENGINE_STATE, FINDINGS, CASE_STATE, CASES, AGREEMENTS, DEAD_LETTERS)],
        *[("judge", name) for name in (FLOWS, AGREEMENTS)],
        *[("publisher", name) for name in (FLOWS, ENGINE_STATE, FINDINGS, CASE_STATE, CASES, DEAD_LETTERS)],
        *[("dashboard", name) for name in (FLOWS, FINDINGS, CASES, AGREEMENTS)],
    ],
)
def test_what_a_role_may_not_write_is_refused(guarded: SecureBroker, role: str, topic: str) -> None:
    # Who may write nowhere is refused before any topic is named.
    refused(write(topic, of(guarded, role)), TopicAuthorizationFailedError, ClusterAuthorizationFailedError)


@pytest.mark.parametrize(
    ("role", "topic"),
    [
        *[("collector", name) for name in (FLOWS, FINDINGS, CASES, AGREEMENTS)],
        ("judge", DEAD_LETTERS),
        *[("publisher", name) for name in (FLOWS, FINDINGS, CASES)],
        *[("dashboard", name) for name in (FLOWS, ENGINE_STATE, FINDINGS, CASE_STATE, DEAD_LETTERS)],
    ],
)
def test_what_a_role_may_not_read_is_refused(guarded: SecureBroker, role: str, topic: str) -> None:
    assert done(fetched(topic, of(guarded, role))) == {TopicAuthorizationFailedError}


async def fetched(topic: str, who: dict[str, Any]) -> set[type[Exception]]:
    """Return what the broker answers to a plain question for records: aiokafka's consumer would ask for ever."""
    from aiokafka.client import AIOKafkaClient  # noqa: PLC0415 -- for this question alone
    from aiokafka.errors import for_code  # noqa: PLC0415
    from aiokafka.protocol.fetch import FetchRequest  # noqa: PLC0415

    client = AIOKafkaClient(**who)
    try:
        await client.bootstrap()
        question = FetchRequest(100, 1, 1 << 20, 0, [(topic, [(0, 0, 1 << 20)])])
        answer = await client.send(client.get_random_node(), question)
        return {for_code(partition[1]) for _, partitions in answer.topics for partition in partitions}
    finally:
        await client.close()


def test_groups_and_transactional_ids_belong_to_their_role(guarded: SecureBroker) -> None:
    for role in ("collector", "publisher", "dashboard"):
        refused(read_in_a_group(CASES, "schoolgate-judge-devices", of(guarded, role)), GroupAuthorizationFailedError)
        refused(
            write_in_a_transaction(FLOWS, "schoolgate-judge-devices-0", of(guarded, role)),
            TransactionalIdAuthorizationFailed,
        )
    refused(read_in_a_group(CASES, "homework", of(guarded, "judge")), GroupAuthorizationFailedError)


def test_a_record_of_900_kb_is_taken_and_a_larger_one_refused_by_the_broker(guarded: SecureBroker) -> None:
    async def send(octets: int) -> None:
        producer = AIOKafkaProducer(**of(guarded, "collector"), max_request_size=8 << 20)
        await producer.start()
        try:
            await producer.send_and_wait(FLOWS, b'"' + b"x" * octets + b'"', key=b"k")
        finally:
            await producer.stop()

    done(send(900_000))
    refused(send(1_100_000), MessageSizeTooLargeError)


WRITES_FLOWS = Right(user="schoolgate-collector", resource=TOPIC, name=FLOWS, pattern=LITERAL, operation=WRITE)
WRITES_FINDINGS = Right(user="schoolgate-judge", resource=TOPIC, name=FINDINGS, pattern=LITERAL, operation=WRITE)
DELETES_FLOWS = Right(user="schoolgate-judge", resource=TOPIC, name=FLOWS, pattern=LITERAL, operation=DELETE)


def give(broker: SecureBroker, right: Right) -> None:
    _change(broker, lambda there: there.allow(right))


def take(broker: SecureBroker, right: Right) -> None:
    _change(broker, lambda there: there.take_away(Acl(right=right, host="*", permission=ALLOW)))


def _change(broker: SecureBroker, change: Callable[[Any], Any]) -> None:
    async def at_once() -> None:
        who = administrator(broker)
        address = who.pop("bootstrap_servers")
        async with cluster(Connection(bootstrap=(address,), user=broker.admin.user, client=who)) as there:
            await change(there)

    asyncio.run(at_once())


def test_a_collector_whose_right_is_taken_away_ends_and_the_next_start_delivers_the_rest(
    guarded: SecureBroker, district: Path, sensor: str, start: Callable[..., Running]
) -> None:
    expected = in_the_capture(district, sensor=sensor)
    config = secured(guarded, district=district, user="schoolgate-collector", sensor=sensor)
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("speed: 0", f"speed: {SLOWLY}"), encoding="utf-8")
    collect = start(config, "collect")
    until(lambda: bool(delivered(guarded, sensor=sensor)), what="events at the broker")
    take(guarded, WRITES_FLOWS)
    try:
        assert collect.program.wait(limit_s=SOON_S) == 3, collect.said()
    finally:
        give(guarded, WRITES_FLOWS)
    assert "does not let schoolgate-collector write to schoolgate.flows" in collect.said()
    assert "run `schoolgate kafka setup`" in collect.said()
    assert collect.said().count("trying again") == 4
    assert "Traceback" not in collect.said()
    config.write_text(text, encoding="utf-8")
    run = schoolgate("collect", "--config", config)
    assert run.returncode == 0, run.stderr
    assert delivered(guarded, sensor=sensor) == expected


def test_a_collector_whose_password_was_changed_delivers_the_rest_with_the_new_one(
    guarded: SecureBroker, district: Path, sensor: str, start: Callable[..., Running]
) -> None:
    expected = in_the_capture(district, sensor=sensor)
    former = "former-" + PASSWORD
    guarded.add_user(Credentials(user="schoolgate-collector", password=former))
    config = secured(guarded, district=district, user="schoolgate-collector", sensor=sensor, password=former)
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("speed: 0", f"speed: {SLOWLY}"), encoding="utf-8")
    try:
        collect = start(config, "collect")
        until(lambda: bool(delivered(guarded, sensor=sensor)), what="events at the broker")
    finally:
        guarded.add_user(Credentials(user="schoolgate-collector", password=PASSWORD))
    # Connections that are open stay open; a broker that comes back asks everybody again.
    guarded.restart()
    assert collect.program.wait(limit_s=SOON_S) == 3, collect.said()
    assert "refuses user schoolgate-collector" in collect.said()
    config.write_text(text, encoding="utf-8")
    (district / "password").write_text(PASSWORD, encoding="utf-8")
    run = schoolgate("collect", "--config", config)
    assert run.returncode == 0, run.stderr
    assert delivered(guarded, sensor=sensor) == expected


async def deletions(topic: str, who: dict[str, Any]) -> tuple[int, list[str]]:
    """Have what was judged of a topic deleted, twice, which is nothing yet; return how often it failed, and words."""
    failed, said = [], list[str]()
    spent = SpentRecords(topic, client=who, say=said.append, undeleted=lambda: failed.append(1))
    spent.note(0, before=0)
    for _ in range(2):
        spent.go()
        while spent.busy:  # noqa: ASYNC110 -- a broker calls nobody
            await asyncio.sleep(0.02)
        spent.again()
    return len(failed), said


def test_a_judge_without_the_right_to_delete_says_so_once_and_asks_again(guarded: SecureBroker, district: Path) -> None:
    judge = of(guarded, "judge")
    for topic in (FLOWS, FINDINGS):
        assert done(deletions(topic, judge)) == (0, [])
    take(guarded, DELETES_FLOWS)
    try:
        failed, (line,) = done(deletions(FLOWS, judge))
        check = schoolgate("kafka", "check", "--config", secured(guarded, district=district, user="schoolgate-judge"))
    finally:
        give(guarded, DELETES_FLOWS)
    assert failed == 2
    assert line.startswith(f"{FLOWS}: this judge may not delete what it has judged of days that are over")
    assert "delete topic schoolgate.flows" in check.stdout
    for role, topic in (("judge", CASES), ("judge", ENGINE_STATE), ("collector", FLOWS), ("dashboard", CASES)):
        assert done(deletions(topic, of(guarded, role)))[0] == 2


def test_a_judge_whose_right_is_taken_away_ends_and_the_next_one_judges_everything(
    guarded: SecureBroker, district: Path, sensor: str, start: Callable[..., Running]
) -> None:
    config = secured(guarded, district=district, user="schoolgate-judge", sensor=sensor)
    judge = start(config, "judge")
    until(lambda: "schoolgate.flows: partitions [" in judge.said(), what="the judge to join")
    take(guarded, WRITES_FINDINGS)
    try:
        collector = copy_district(district / "collector")
        collect = secured(guarded, district=collector, user="schoolgate-collector", sensor=sensor)
        assert schoolgate("collect", "--config", collect).returncode == 0
        assert judge.program.wait(limit_s=SOON_S) == 3, judge.said()
    finally:
        give(guarded, WRITES_FINDINGS)
    assert "the broker does not let this judge work" in judge.said()
    assert FINDINGS in judge.said()
    assert "Traceback" not in judge.said()
    heir = start(config, "judge")
    wait_for_cases(config, broker=guarded, district=district, judge=heir)
    heir.program.signal(signal.SIGTERM)
    assert heir.program.wait(limit_s=PATIENCE_S) == 0, heir.said()
