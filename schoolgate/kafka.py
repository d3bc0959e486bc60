"""Topics and rights on the broker: `schoolgate kafka setup` and `schoolgate kafka check`."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from collector.topics import USERS, Role
from schoolgate.shell import EnvironmentFailedError, say
from schoolgate.verb_list import VerbList

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.brokers import Connection
    from collector.topics import Topic

# A cluster tells every broker of a new topic within a second, a busy one within several.
KNOWN_LIMIT_S = 30.0
KNOWN_POLL_S = 0.1

app = typer.Typer(cls=VerbList, help="Topics and rights on the Kafka broker.", no_args_is_help=True)

Config = Annotated[Path, typer.Option(readable=False, help="Configuration file; `kafka` in it says where and who.")]
Users = Annotated[
    list[str] | None,
    typer.Option(
        "--user",
        metavar="ROLE=NAME",
        help="User of a role on the broker, in place of schoolgate-ROLE (repeatable, also for one role: "
        "a collector at each school may have its own). Roles: collector, judge, publisher, dashboard.",
    ),
]


@app.command()
def setup(
    config: Config,
    user: Users = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    raise_partitions: Annotated[
        bool, typer.Option("--raise-partitions", help="Also where a device's records of today would be torn apart.")
    ] = False,
) -> None:
    """Make the topics, their settings and the rights of each role as they should be; twice is as good as once.

    Log in as the broker's administrator. One line says each change. Rights that a role's user has on schoolgate's
    topics, groups and transactional ids beyond its role are taken away; other users, other names and records are never
    touched, and users and passwords are made with Kafka's own tools.

    Exits with 3 when something stays wrong that only a person can set right; the line says how.
    """
    asyncio.run(_setup(config, users=users_of(user or []), change=not dry_run, move_keys=raise_partitions))


@app.command()
def check(
    config: Config,
    user: Users = None,
    role: Annotated[Role | None, typer.Option(help="What this login must be able to work as.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Look at the broker as this login sees it: versions, topics, rights, lag of the judges. Changes nothing.

    It says which of collector, judge, publisher and dashboard this login can work as. With an administrator's login it
    compares settings and the rights of every role, too; a plain role sees its own part.

    Exits with 0 when all is well, 3 when something is wrong (each line says what to do), 2 when the configuration is.
    """
    asyncio.run(_check(config, users=users_of(user or []), role=role, as_json=as_json))


def users_of(words: list[str]) -> dict[Role, tuple[str, ...]]:
    """Return the users of each role, from ROLE=NAME each; roles that nobody names keep theirs.

    Raises:
        BadParameter: there is no such role, or this can be no user.
    """
    named: dict[Role, tuple[str, ...]] = {}
    for word in words:
        told, _, name = word.partition("=")
        role = next((each for each in USERS if each == told), None)
        if role is None:
            raise typer.BadParameter(f"`{word}`: write ROLE=NAME, with one of {', '.join(USERS)} as ROLE")
        if not name.strip() or name == "*" or not name.isprintable():
            raise typer.BadParameter(f"`{word}`: give the name of one user; `*` would be everybody")
        named[role] = (*named.get(role, ()), name)
    return {**USERS, **named}


async def _setup(config: Path, *, users: Mapping[Role, tuple[str, ...]], change: bool, move_keys: bool) -> None:
    from collector.brokers import BrokerError, dial_patiently
    from collector.cluster import cluster
    from collector.topic_setup import TopicSetup

    to = _connection(config)
    left = 0
    try:
        await dial_patiently(to, say=say)
        async with cluster(to) as broker:
            topics = TopicSetup(broker, users=users, move_keys=move_keys, topics=topics_of(config))
            for difference in await topics.differences():
                if difference.change is None:
                    left += not difference.harmless
                    sys.stdout.write(f"{difference.what}; {difference.remedy}\n")
                    continue
                if change:
                    await difference.change()
                sys.stdout.write(f"{'set right' if change else 'would set right'}: {difference.what}\n")
            # Whoever is started next shall find what was made.
            deadline = time.monotonic() + KNOWN_LIMIT_S
            while change and not await topics.all_known() and time.monotonic() < deadline:  # noqa: ASYNC110 -- a broker calls nobody
                await asyncio.sleep(KNOWN_POLL_S)
            for remark in topics.remarks:
                say(f"note: {remark}")
            if not topics.guarded:
                say("note: this broker checks no rights: whoever reaches it may read and write everything")
    except BrokerError as error:
        raise EnvironmentFailedError(str(error)) from error
    if left:
        raise EnvironmentFailedError(f"left to a person: {left}; see above")


async def _check(config: Path, *, users: Mapping[Role, tuple[str, ...]], role: Role | None, as_json: bool) -> None:
    from collector.broker_check import BrokerCheck
    from collector.brokers import BrokerError, dial_patiently
    from collector.cluster import cluster
    from schoolgate.kafka_report import as_document, show

    to = _connection(config)
    try:
        await dial_patiently(to, say=say)
        async with cluster(to) as broker:
            found = await BrokerCheck(broker, to=to, users=users, role=role, topics=topics_of(config)).inspect()
    except BrokerError as error:
        if as_json:
            sys.stdout.write(as_document(None, fault=str(error)))
        raise EnvironmentFailedError(str(error)) from error
    if as_json:
        sys.stdout.write(as_document(found, fault=None))
    else:
        show(found)
    if found.troubles:
        raise EnvironmentFailedError(f"{len(found.troubles)} things are not as they should be; see above")


def topics_of(config: Path) -> tuple[Topic, ...]:
    """Return the topics as the district's retention wants them."""
    from collector.topics import kept_for
    from schoolgate.configuration import configuration_at

    privacy = configuration_at(config).privacy
    return kept_for(flow_hours=privacy.flow_retention_hours, finding_days=privacy.finding_retention_days)


def _connection(config: Path) -> Connection:
    from collector.brokers import connection
    from schoolgate.configuration import configuration_at

    return connection(configuration_at(config).kafka, config=config)
