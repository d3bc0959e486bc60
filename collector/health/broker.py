"""Whether the broker lets this login work: what `schoolgate kafka check` sees, as lines of the doctor."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from collector.broker_check import BrokerCheck
from collector.brokers import BrokerError, dial
from collector.cluster import cluster
from collector.outcomes import failed, well

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.broker_check import Inspection
    from collector.brokers import Connection
    from collector.outcomes import Outcome
    from collector.topics import Role


def broker(to: Connection, *, role: Role | None) -> Iterator[Outcome]:
    """Yield what is wrong with the broker or with this login, or that all is well.

    Args:
        to: how it is reached.
        role: what the login must be able to work as; None: anything.
    """
    try:
        found = asyncio.run(_inspect(to, role=role))
    except BrokerError as error:
        what, _, remedy = str(error).rpartition("; ")
        yield failed(what or remedy, remedy=remedy if what else "start it, or correct `kafka.bootstrap`")
        return
    except KafkaError as error:
        yield failed(f"the broker does not tell how it is ({error})", remedy="run: schoolgate kafka check")
        return
    yield from (failed(trouble.what, remedy=trouble.remedy) for trouble in found.troubles)
    if not found.troubles:
        release = f"Apache Kafka {found.release.name}" if found.release.name else "the broker"
        can = ", ".join(each.role for each in found.roles if each.can)
        newest = "" if found.newest_flow_s is None else f"; newest record of flows {found.newest_flow_s} s ago"
        yield well(f"{release} lets {found.login or 'everybody'} work as {can}{newest}")


async def _inspect(to: Connection, *, role: Role | None) -> Inspection:
    await dial(to)
    async with cluster(to) as asked:
        return await BrokerCheck(asked, to=to, role=role).inspect()
