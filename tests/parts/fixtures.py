"""pytest fixtures of the parts, and the lines by which a run says which broker it used.

Registered once, in the `conftest.py` at the root: `pytest_plugins = ["tests.parts.fixtures"]`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.parts import kafka_jars as jars_part
from tests.parts import noida as noida_part
from tests.parts.broker import Broker, GivenBroker, KafkaBroker, NoidaBroker, quicken
from tests.parts.cache import PartMissingError
from tests.parts.cluster import KafkaCluster
from tests.parts.secure_broker import SecureBroker
from tests.parts.topics import remove_topics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.parts.kafka_jars import KafkaJars

GIVEN = "SCHOOLGATE_TEST_KAFKA"
USED = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin the list of what this run used."""
    config.stash[USED] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long tests first, those with brokers before all others: the short ones fill the time beside them."""
    items.sort(key=lambda item: (item.get_closest_marker("kafka") is None, "system" not in item.path.parts))


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
def kafka_of_one_process(kafka_jars: KafkaJars, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """The Apache Kafka behind `broker` and `mortal_broker`: a warm one does a test's work for a third of the cost."""
    own = KafkaBroker(kafka_jars, folder=tmp_path_factory.mktemp("kafka"))
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
def secure_broker(
    pytestconfig: pytest.Config, kafka_jars: KafkaJars, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SecureBroker]:
    """Apache Kafka with SASL_SSL and ACLs, shared by a module. noida-db cannot stand in here."""
    own = SecureBroker(kafka_jars, folder=tmp_path_factory.mktemp("secure-broker"))
    own.start()
    _note(pytestconfig, own.name)
    yield own
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
