"""What a judge says of the records that wait, against a real broker."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from collector.topics import FINDINGS, FLOWS
from tests.parts.broker import KafkaBroker
from tests.parts.patience import PATIENCE_S
from tests.parts.verb_program import VerbProgram
from tests.system.product import copy_district, free_port, schoolgate, scrape, until

pytestmark = pytest.mark.kafka

WAITING = 5
# Longer than any wait here: a broker aborts a transaction that lasts longer than its producer said.
PATIENCE_MS = 600_000


def lag(listen: str) -> float | None:
    try:
        found = re.search(r"^schoolgate_judge_lag_records ([0-9.e+]+)$", scrape(listen), re.MULTILINE)
    except OSError:
        return None
    return float(found[1]) if found else None


async def hold_back(bootstrap: str, *, listen: str) -> None:
    """Write records that nobody may read yet, wait until the judge tells of them, and take them back."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, transactional_id="held-back", transaction_timeout_ms=PATIENCE_MS
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        for topic in (FLOWS, FINDINGS):
            for _ in range(WAITING):
                await producer.send_and_wait(topic, b"{}", partition=2)
        await asyncio.to_thread(until, lambda: lag(listen) == 2 * WAITING, what="a lag of both stages")
        await producer.abort_transaction()
    finally:
        await producer.stop()


def test_the_lag_is_what_waits_in_both_stages_and_0_when_all_is_judged(
    tmp_path: Path, mortal_broker: KafkaBroker
) -> None:
    folder = copy_district(tmp_path / "district")
    config = folder / "config.yaml"
    with config.open("a", encoding="utf-8") as file:
        file.write(f"kafka: {{bootstrap: [{mortal_broker.bootstrap}]}}\n")
    assert schoolgate("kafka", "setup", "--config", config).returncode == 0
    # Nothing else lies there: what stage one writes behind a transaction that is open waits as well, and would count.
    listen = f"127.0.0.1:{free_port()}"
    judge = VerbProgram(("judge", "--config", config, "--metrics", listen), log=folder / "judge.log")
    try:
        asyncio.run(hold_back(mortal_broker.bootstrap, listen=listen))
        until(lambda: lag(listen) == 0, what="the lag to go")
    finally:
        judge.stop(limit_s=PATIENCE_S)
