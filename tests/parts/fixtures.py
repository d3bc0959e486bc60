"""pytest fixtures of the parts, and the lines by which a run says which broker it used.

Registered once, in the `conftest.py` at the root: `pytest_plugins = ["tests.parts.fixtures"]`.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.parts import kafka_jars as jars_part
from tests.parts import noida as noida_part
from tests.parts.broker import Broker, GivenBroker, KafkaBroker, NoidaBroker, quicken
from tests.parts.cache import PartMissingError
from tests.parts.cluster import KafkaCluster
from tests.parts.kafka_node import KafkaNode
from tests.parts.ready_code import compile_share
from tests.parts.secure_broker import SecureBroker
from tests.parts.topics import remove_topics

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.parts.kafka_jars import KafkaJars

GIVEN = "SCHOOLGATE_TEST_KAFKA"
YOUNGEST = 20_000
"""New objects after which garbage is looked for among them; Python's own number is 700."""
USED = pytest.StashKey[list[str]]()
BROKERS = pytest.StashKey[list[KafkaNode]]()
FILES_WITH_BROKERS = pytest.StashKey[frozenset[Path]]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin the list of what this run used, and make the code ready where this is one of several processes."""
    config.stash[USED] = []
    config.stash[BROKERS] = []
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        compile_share(config, number=int(worker["workerid"].removeprefix("gw")), of=worker["workercount"])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the long tests first, those with brokers before all others: the short ones fill the time beside them."""
    items.sort(key=lambda item: (not _has_broker(item), "system" not in item.path.parts))
    config.stash[FILES_WITH_BROKERS] = frozenset(item.path for item in items if _has_broker(item))


def pytest_collection_finish() -> None:
    """Keep the collector of garbage from what stays to the end, and let it look rarely: it took a twelfth of the work.

    Programs that tests start have Python's own numbers.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNGEST, *gc.get_threshold()[1:])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """End the brokers of this process after the last file that has tests with one: idle, each takes a 40th of a core.

    Such files come first. Whoever asks for a broker all the same gets it started again.
    """
    done = yield
    if nextitem is None or nextitem.path not in item.config.stash[FILES_WITH_BROKERS]:
        for own in item.config.stash[BROKERS]:
            own.kill()
    return done


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the list over where this is one of several processes."""
    handed_over = getattr(session.config, "workeroutput", None)
    if handed_over is not None:
        handed_over["brokers"] = session.config.stash[USED]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the list of another process."""
    # A process that died has handed nothing over.
    node.config.stash[USED] += getattr(node, "workeroutput", {}).get("brokers", [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line which brokers the run used, or why it had none."""
    used: list[str] = terminalreporter.config.stash[USED]
    if used:
        terminalreporter.write_line(f"broker: {'; '.join(sorted(set(used)))}")


def _has_broker(item: pytest.Item) -> bool:
    return item.get_closest_marker("kafka") is not None


def _note(config: pytest.Config, line: str) -> None:
    config.stash[USED].append(line)


@pytest.fixture(scope="session")
def kafka_jars(pytestconfig: pytest.Config) -> KafkaJars:
    """Apache Kafka itself, for tests that a stand-in cannot serve; skips where it cannot be had."""
    try:
        jars = quicken(jars_part.set_up())
    except PartMissingError as missing:
        _note(pytestconfig, str(missing))
        pytest.skip(str(missing))
    _note(pytestconfig, f"Apache Kafka {jars.version}")
    return jars


@pytest.fixture(scope="session")
def noida_binary(pytestconfig: pytest.Config) -> Path:
    """noida-db itself; skips where it cannot be had."""
    try:
        return noida_part.set_up()
    except PartMissingError as missing:
        _note(pytestconfig, str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The broker that a module shares: the given one, else the Apache Kafka of this process, else noida-db.

    Tests use topics of their own and never harm it; one that must kill a broker takes `mortal_broker`, which takes away
    what other tests of its module have made.
    """
    given = os.environ.get(GIVEN)
    if given:
        _note(request.config, f"{given} ({GIVEN})")
        yield GivenBroker(given)
        return
    try:
        jars_part.set_up()
    except PartMissingError as missing:
        own = _stand_in(request.config, tmp_path_factory.mktemp("broker"), instead=str(missing))
        own.start()
        _note(request.config, own.name)
        yield own
        own.close()
    else:
        yield _emptied(request.getfixturevalue("kafka_of_one_process"), config=request.config)


@pytest.fixture(scope="session")
def kafka_of_one_process(
    pytestconfig: pytest.Config, kafka_jars: KafkaJars, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KafkaBroker]:
    """The Apache Kafka behind `broker` and `mortal_broker`: a warm one does a test's work for a third of the cost."""
    own = KafkaBroker(kafka_jars, folder=tmp_path_factory.mktemp("kafka"))
    pytestconfig.stash[BROKERS].append(own)
    try:
        yield own
    finally:
        own.close()


@pytest.fixture
def mortal_broker(pytestconfig: pytest.Config, kafka_of_one_process: KafkaBroker) -> Iterator[KafkaBroker]:
    """An Apache Kafka without a topic, for this test alone, to kill, stall and restart.

    noida-db cannot stand in: killed, it forgets records that it has acknowledged.
    """
    own = _emptied(kafka_of_one_process, config=pytestconfig)
    yield own
    if own.program is not None and own.program.alive:
        own.resume()


@pytest.fixture(scope="module")
def secure_broker(pytestconfig: pytest.Config, secure_kafka_of_one_process: SecureBroker) -> SecureBroker:
    """Apache Kafka with SASL_SSL and ACLs, without a topic and a right, for a module. noida-db cannot stand in here."""
    own = secure_kafka_of_one_process
    _note(pytestconfig, own.name)
    if own.program is None or not own.program.alive:
        own.restart()
    own.empty()
    return own


@pytest.fixture(scope="session")
def secure_kafka_of_one_process(
    pytestconfig: pytest.Config, kafka_jars: KafkaJars, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SecureBroker]:
    """The Apache Kafka behind `secure_broker`: a test that changes a user's password changes it back."""
    own = SecureBroker(kafka_jars, folder=tmp_path_factory.mktemp("secure-broker"))
    pytestconfig.stash[BROKERS].append(own)
    try:
        yield own
    finally:
        own.close()


@pytest.fixture
def kafka_cluster(pytestconfig: pytest.Config, kafka_jars: KafkaJars, tmp_path: Path) -> Iterator[KafkaCluster]:
    """Three nodes of Apache Kafka of this test alone; skips where memory is short."""
    try:
        cluster = KafkaCluster(kafka_jars, folder=tmp_path)
    except PartMissingError as missing:
        _note(pytestconfig, str(missing))
        pytest.skip(str(missing))
    try:
        cluster.start()
        _note(pytestconfig, cluster.name)
        yield cluster
    finally:
        cluster.close()


def _emptied(own: KafkaBroker, *, config: pytest.Config) -> KafkaBroker:
    _note(config, own.name)
    if own.program is None or not own.program.alive:
        own.restart()
    remove_topics(own.bootstrap)
    return own


def _stand_in(config: pytest.Config, folder: Path, *, instead: str) -> NoidaBroker:
    _note(config, instead)
    try:
        return NoidaBroker(noida_part.set_up(), folder=folder)
    except PartMissingError as missing:
        _note(config, str(missing))
        pytest.skip(f"{instead}; {missing}")
