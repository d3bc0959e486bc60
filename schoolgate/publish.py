"""Agreement files to Kafka: what `schoolgate agreements publish` does. All files are good, or nothing is written."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError, ProducerFenced, UnknownTopicOrPartitionError

from collector import topics
from collector.brokers import BrokerError, connection
from collector.documents import DocumentError, Problem
from collector.segments import load_network
from rules.agreement_log import AgreementLog, AgreementWriter
from rules.agreement_topic import AgreementTopic
from rules.agreements.load import agreements_in, folder_texts
from rules.consumer import StrangeClientError
from rules.publication import WRITTEN, plan
from rules.published import stamp
from schoolgate.configuration import configuration_at
from schoolgate.judge import reach
from schoolgate.shell import EnvironmentFailedError, say

if TYPE_CHECKING:
    from pathlib import Path

    from collector.brokers import Connection
    from rules.publication import Change

# A version takes effect when every judge has read it: an event that begins later is judged by it the first time, and
# not only in a replay. Judges hear of it within seconds; a minute is told to people more easily than seconds are.
LEAD = timedelta(minutes=1)


def publish(config: Path, *, effective: str | None, dry_run: bool) -> None:
    """Do what `schoolgate agreements publish` does.

    Args:
        config: the configuration file.
        effective: from when on the folder holds, as the user wrote it; None: from the next full minute but one.
        dry_run: only say what would change.

    Raises:
        DocumentError: a file is wrong, or `effective` is.
        EnvironmentFailedError: the broker is away or refuses.
    """
    settings = configuration_at(config)
    texts, problems = folder_texts(config.parent / settings.agreements)
    agreements = agreements_in(texts, problems=problems)
    since = _default() if effective is None else _moment(effective, network=config.parent / settings.network)
    broker = connection(settings.kafka, config=config)

    async def do() -> None:
        await reach(broker)
        async with AgreementLog(topics.AGREEMENTS, client=broker.options) as log:
            if dry_run:
                topic = await _read(log)
                changes = plan(texts, agreements=agreements, topic=topic, effective=since)
                _tell(changes, since=_since(topic, effective=since), done=False)
                return
            # First the fence, then the reading: what is read then is what the writing starts from.
            async with AgreementWriter(topics.AGREEMENTS, client=broker.options) as writer:
                topic = await _read(log)
                changes = plan(texts, agreements=agreements, topic=topic, effective=since)
                records = [(each.key.encode(), each.value) for each in changes if each.value is not None]
                if records:
                    await writer.write(records)
        _tell(changes, since=_since(topic, effective=since), done=True)
        if effective is not None and topic.editions is None:
            say("nothing was published before: what is published first counts for all earlier time as well")
        elif since < datetime.now(UTC) and records:
            say("that time has passed: what was judged since keeps its verdict; only later and replayed events change")

    try:
        asyncio.run(do())
    except (BrokerError, StrangeClientError) as error:
        raise EnvironmentFailedError(f"{error}; nothing was published") from error
    except ProducerFenced as error:
        raise EnvironmentFailedError("somebody else publishes right now; nothing was published, try again") from error
    except UnknownTopicOrPartitionError as error:
        raise EnvironmentFailedError(_no_topic(broker)) from error
    except (KafkaError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise EnvironmentFailedError(
            f"the broker does not take agreements ({reason}); nothing was published"
        ) from error


def _no_topic(broker: Connection) -> str:
    user = f" that {broker.user} may know of" if broker.user else ""
    return f"the broker has no topic {topics.AGREEMENTS}{user}; run `schoolgate kafka setup`; nothing was published"


async def _read(log: AgreementLog) -> AgreementTopic:
    topic = AgreementTopic()
    topic.take(await log.to_the_end())
    for refusal in topic.broken.values():
        say(f"{topics.AGREEMENTS}: {refusal}")
    return topic


def _since(topic: AgreementTopic, *, effective: datetime) -> str | None:
    return None if topic.editions is None else stamp(effective)


def _tell(changes: tuple[Change, ...], *, since: str | None, done: bool) -> None:
    """Show what became, or would become, of each agreement: one line on standard output."""
    moment = "from the beginning" if since is None else f"from {since}"
    for change in changes:
        file = f" ({change.path})" if change.path else ""
        sys.stdout.write(f"{change.kind} {change.key}{file}{f', {moment}' if change.kind in WRITTEN else ''}\n")
        for later in change.later:
            say(f"{change.key}: the version published for {later} takes over then")
    count = Counter(change.kind for change in changes if change.kind in WRITTEN)
    told = ", ".join(f"{number} {kind}" for kind, number in sorted(count.items()))
    if told:
        say(f"{'published' if done else 'would publish'}: {told}")
    else:
        say("nothing to publish: the topic holds what the folder holds")


def _default() -> datetime:
    at = datetime.now(UTC) + LEAD
    return at.replace(second=0, microsecond=0) + timedelta(minutes=1)


def _moment(text: str, *, network: Path) -> datetime:
    """Return the moment that a user wrote; without an offset it is local to the district.

    Raises:
        DocumentError: it is none, or the network file, which names the district's time zone, is wrong.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        what, remedy = f"`{text}` is no time", "write 2026-08-01, 2026-08-01T07:30 or 2026-08-01T12:30:00Z"
        raise DocumentError([Problem(path="--effective", line=1, what=what, remedy=remedy)]) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=load_network(network).time_zone)
    return moment.astimezone(UTC)
