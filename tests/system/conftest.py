"""What the tests of the whole product stand on: a copy of the sample district, and real brokers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.broker import KafkaBroker
from tests.parts.secure_broker import SecureBroker
from tests.system.desk_visitor import Desked, Visitor, desk, signed_in
from tests.system.judged_district import JudgedDistrict
from tests.system.logins import as_administrator
from tests.system.product import copy_district, schoolgate


@pytest.fixture
def district(tmp_path: Path) -> Path:
    """A copy of the sample district, with a configuration file."""
    return copy_district(tmp_path)


@pytest.fixture
def judging(tmp_path: Path, mortal_broker: KafkaBroker) -> Iterator[JudgedDistrict]:
    """The sample district with a broker of its own; its judges end with the test."""
    district = JudgedDistrict(tmp_path / "district", mortal_broker)
    yield district
    district.close()


@pytest.fixture(scope="module")
def guarded(secure_broker: SecureBroker, tmp_path_factory: pytest.TempPathFactory) -> SecureBroker:
    """A secured broker for a module, set up, with a user for each role."""
    folder = copy_district(tmp_path_factory.mktemp("guarded"))
    run = schoolgate("kafka", "setup", "--config", as_administrator(secure_broker, district=folder))
    assert run.returncode == 0, run.stderr
    return secure_broker


@pytest.fixture
def sensor() -> str:
    """A collector that no other test has."""
    return f"tap-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def shared_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desked]:
    """One desk that all tests of a module read; those that change a case have one of their own."""
    with desk(tmp_path_factory.mktemp("desk")) as one:
        yield one


@pytest.fixture(scope="module")
def ada(shared_desk: Desked) -> Visitor:
    """An officer who only reads."""
    return signed_in(shared_desk, "ada")


@pytest.fixture
def own_desk(tmp_path: Path) -> Iterator[Desked]:
    """A desk that a test may change."""
    with desk(tmp_path) as one:
        yield one
