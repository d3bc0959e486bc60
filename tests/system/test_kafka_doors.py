"""Whoever is not let in by a secured broker is told why and what to do, ends soon, and loses no event."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from collector.spool import Spool
from tests.parts.secure_broker import PASSWORD, SecureBroker
from tests.parts.verb_program import VerbProgram
from tests.system.logins import at, delivered, in_the_capture, secured
from tests.system.product import configure, free_port, schoolgate
from tests.system.topic_reader import with_kafka

pytestmark = pytest.mark.kafka

# Four tries more after the first take 7.5 s; the rest is a machine with other things to do.
SOON_S = 60.0
DOORS = [
    ("bootstrap", "wrong-password", "refuses user schoolgate-{role}", "correct `kafka.security`"),
    ("bootstrap_expired", PASSWORD, "certificate has expired", "renew it on the broker"),
    ("bootstrap_stranger", PASSWORD, "self-signed certificate", "name its authority under `kafka.security.ca`"),
    ("bootstrap_other_name", PASSWORD, "is not valid for '127.0.0.1'", "write an address under `kafka.bootstrap`"),
    ("bootstrap_plaintext", PASSWORD, "does not speak TLS, and we do", "write its port with TLS"),
]
JUDGE, CHECK, COLLECT = ("judge",), ("kafka", "check"), ("collect",)


@pytest.mark.parametrize(("door", "password", "fault", "remedy"), DOORS)
def test_whoever_is_not_let_in_is_told_why_and_ends_soon(
    guarded: SecureBroker, district: Path, door: str, password: str, fault: str, remedy: str
) -> None:
    address = getattr(guarded, door)
    config = at(address, broker=guarded, district=district, user="schoolgate-judge", password=password)
    assert_told(config, JUDGE, CHECK, fault=fault.format(role="judge"), remedy=remedy, password=password)


def test_a_client_that_speaks_no_tls_is_told_that_the_broker_does(guarded: SecureBroker, district: Path) -> None:
    config = with_kafka(configure(district), sensor="tap", kafka=f'{{bootstrap: ["{guarded.bootstrap}"]}}')
    assert_told(
        config, JUDGE, CHECK, COLLECT, fault="speaks TLS, and we do not", remedy="write protocol: SASL_SSL",
        password=PASSWORD,
    )  # fmt: skip


@pytest.mark.parametrize(("door", "password", "fault", "remedy"), DOORS[3:])
def test_a_refused_collector_keeps_every_event_for_the_next_start(
    guarded: SecureBroker, district: Path, sensor: str, door: str, password: str, fault: str, remedy: str
) -> None:
    config = at(
        getattr(guarded, door), broker=guarded, district=district, user="schoolgate-collector", password=password,
        sensor=sensor,
    )  # fmt: skip
    assert_told(config, COLLECT, fault=fault.format(role="collector"), remedy=remedy, password=password)
    expected = in_the_capture(district, sensor=sensor)
    with Spool(district / "spool.db", max_bytes=1 << 30, origin=0) as spool:
        assert spool.events == len(expected)
    config = secured(guarded, district=district, user="schoolgate-collector", sensor=sensor)
    assert schoolgate("collect", "--config", config).returncode == 0
    assert delivered(guarded, sensor=sensor) == expected


def listening(verb: tuple[str, ...]) -> tuple[str, ...]:
    """Return what lets a verb that serves metrics run beside another."""
    return () if verb == CHECK else ("--metrics", f"127.0.0.1:{free_port()}")


def assert_told(config: Path, *verbs: tuple[str, ...], fault: str, remedy: str, password: str) -> None:
    """Each verb gives up soon, with 3, in words, and without the password; all are tried at once."""
    began = time.monotonic()
    running = [
        VerbProgram(
            (*verb, "--config", config, *listening(verb)), log=config.with_name(f"{'-'.join(verb)}-{began}.log")
        )
        for verb in verbs
    ]
    try:
        codes = [program.wait(limit_s=SOON_S) for program in running]
    finally:
        for program in running:
            program.kill()
    assert time.monotonic() - began < SOON_S
    for program, code in zip(running, codes, strict=True):
        said = program.log.read_text(encoding="utf-8")
        assert code == 3, said
        assert fault in said
        assert remedy in said
        assert said.count("trying again") == 4
        assert "Traceback" not in said
        assert password not in said
