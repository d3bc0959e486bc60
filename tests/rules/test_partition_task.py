"""What a partition's task makes of a broker that has just come back."""

from __future__ import annotations

import pytest
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import CoordinatorNotAvailableError

from rules.partition_task import brokers_known


async def test_a_broker_that_knows_of_no_broker_is_tried_again_and_ends_nobody() -> None:
    # Never bootstrapped, it knows of none, as after an answer that names none.
    client = AIOKafkaClient(bootstrap_servers="192.0.2.1:9092")
    with pytest.raises(CoordinatorNotAvailableError, match="no broker yet"), brokers_known():
        await client.coordinator_lookup(CoordinationType.TRANSACTION, "schoolgate-judge-devices-0")
    await client.close()
