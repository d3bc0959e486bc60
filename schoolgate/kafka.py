"""Topics and rights on the broker: `schoolgate kafka setup` and `schoolgate kafka check`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Topics and rights on the Kafka broker.", no_args_is_help=True)

Config = Annotated[Path, typer.Option(readable=False, help="Configuration file.")]


@app.command()
def setup(
    config: Config, *, dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False
) -> None:
    """Make the topics and the rights of each role as they should be. Takes nothing away; twice is as good as once."""
    asyncio.run(_setup(config, change=not dry_run))


@app.command()
def check(config: Config) -> None:
    """Say whether the broker lets us in and has topics and rights as they should be; exits with 3 when not."""
    asyncio.run(_check(config))


async def _setup(config: Path, *, change: bool) -> None:
    from collector.brokers import BrokerError, connection
    from collector.topic_setup import topic_setup
    from schoolgate.configuration import configuration_at
    from schoolgate.shell import EnvironmentFailedError, say

    to = connection(configuration_at(config).kafka, config=config)
    try:
        async with topic_setup(to) as broker:
            for difference in await broker.differences():
                if change:
                    await broker.correct(difference)
                sys.stdout.write(f"{'set right' if change else 'would set right'}: {difference.what}\n")
            if not broker.guarded:
                say("this broker checks no rights: anybody who reaches it may read and write everything")
    except BrokerError as error:
        raise EnvironmentFailedError(str(error)) from error


async def _check(config: Path) -> None:
    from collector.brokers import BrokerError, connection
    from collector.topic_setup import topic_setup
    from schoolgate.configuration import configuration_at
    from schoolgate.shell import EnvironmentFailedError, say

    to = connection(configuration_at(config).kafka, config=config)
    try:
        async with topic_setup(to) as broker:
            wrong = await broker.differences()
            if not broker.guarded:
                say("this broker checks no rights: anybody who reaches it may read and write everything")
    except BrokerError as error:
        raise EnvironmentFailedError(str(error)) from error
    for difference in wrong:
        sys.stdout.write(f"{difference.what}\n")
    if wrong:
        raise EnvironmentFailedError(f"{len(wrong)} things are not as they should be; run `schoolgate kafka setup`")
    sys.stdout.write("the broker has topics and rights as they should be\n")
