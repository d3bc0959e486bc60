"""Prometheus and Alertmanager for the tests of this folder."""

from __future__ import annotations

import pytest

from tests.parts import prometheus
from tests.parts.cache import PartMissingError
from tests.parts.prometheus import PrometheusParts


@pytest.fixture(scope="session")
def prometheus_parts() -> PrometheusParts:
    """The programs; skips where they cannot be had."""
    try:
        return prometheus.set_up()
    except PartMissingError as missing:
        pytest.skip(str(missing))
