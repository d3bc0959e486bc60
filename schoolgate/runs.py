"""What `schoolgate run` starts, by the source that the configuration names, and which rights are given up before.

What one process does once it runs is `schoolgate.embedded`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from collector.documents import DocumentError, Problem
from collector.sources.errors import TapError
from collector.sources.tap import open_tap
from rules.desk.server import load_desk
from rules.rulebook import load_rulebook
from rules.store import load_driver
from schoolgate.configuration import configuration_at, store_address
from schoolgate.configured import rulebook_files
from schoolgate.configured_channels import configured_channels
from schoolgate.embedded import Embedded
from schoolgate.releasing import prepare_release
from schoolgate.rights import give_up_rights, give_up_system_calls, keep_memory_private
from schoolgate.sensor_source import open_sensor
from schoolgate.shell import Exit, say

if TYPE_CHECKING:
    from pathlib import Path

    from schoolgate.configuration import Configuration


def run_configured(config: Path, *, listen: str | None, stay: bool) -> Exit:
    """Do what `schoolgate run` does, and return how it ends.

    Args:
        config: the configuration file.
        listen: HOST:PORT of the metrics, over the configuration.
        stay: go on serving when everything is judged.
    """
    keep_memory_private()
    settings = configuration_at(config)
    if settings.source is None:
        what, remedy = "`source` is missing", "write source: {interface: eth1} or source: {capture: [day.pcap]}"
        raise DocumentError([Problem(path=str(config), line=1, what=what, remedy=remedy)])
    listen = listen or settings.metrics.listen
    if settings.source.interface is not None:
        follow_interfaces(settings, folder=config.parent, listen=listen)
        return Exit.DONE
    if settings.source.is_sensor:
        follow_sensor(settings, folder=config.parent, listen=listen)
        return Exit.DONE
    channels = configured_channels(settings, folder=config.parent)
    desk = settings.desk if stay else None
    with Embedded(settings, folder=config.parent, listen=listen, channels=channels, desk=desk) as service:
        if stay:
            say(service.desk_words)
        service.run()
        if not service.stopped:
            count = len(service.store.open_cases())
            say(f"{count:,} {'case is' if count == 1 else 'cases are'} open; see `schoolgate cases --config {config}`")
        if not stay:
            service.tell()
        if stay and not service.stopped:
            say(f"all captures are judged; serving {settings.metrics.scheme}://{listen}/metrics until Ctrl-C")
            service.serve()
        return Exit.WRONG_INPUT if service.wrong_lines else Exit.DONE


def follow_interfaces(settings: Configuration, *, folder: Path, listen: str) -> None:
    """Open the interfaces of the configuration, give up every right that only that needed, and judge what passes by.

    Raises:
        TapError: the interfaces cannot be captured.
        EnvironmentFailedError: rights could not be given up.
    """
    named = settings.source.interface if settings.source else None
    interfaces = [named] if isinstance(named, str) else list(named or ())
    load_rulebook(rulebook_files(settings, folder=folder))  # a slip in a file shows before any right is used
    load_driver(store_address(settings.store, folder=folder))
    prepare_release()
    channels = configured_channels(settings, folder=folder)
    load_desk()
    processes = settings.source.processes if settings.source else 1
    with open_tap(interfaces, processes=processes, say=say) as tap:
        give_up_rights(folder)
        tap.start(confine=partial(give_up_system_calls, settings.hardening))
        give_up_system_calls(settings.hardening)
        with Embedded(settings, folder=folder, listen=listen, channels=channels, desk=settings.desk) as service:
            say(service.desk_words)
            say(f"watching {', '.join(interfaces)}; serving {settings.metrics.scheme}://{listen}/metrics until Ctrl-C")
            service.follow(tap)
            if tap.fault:
                raise TapError(tap.fault)
    say("stopped as asked; what was judged is kept")


def follow_sensor(settings: Configuration, *, folder: Path, listen: str) -> None:
    """Judge what the other sensor of the configuration tells, until somebody asks to stop.

    Raises:
        TapError: a port or an interface cannot be had.
        EnvironmentFailedError: rights could not be given up.
    """
    if settings.source is None:
        return
    load_rulebook(rulebook_files(settings, folder=folder))  # a slip in a file shows before any right is used
    load_driver(store_address(settings.store, folder=folder))
    prepare_release()
    channels = configured_channels(settings, folder=folder)
    load_desk()
    with open_sensor(settings.source, folder=folder) as source:
        give_up_system_calls(settings.hardening)
        with Embedded(settings, folder=folder, listen=listen, channels=channels, desk=settings.desk) as service:
            say(service.desk_words)
            say(f"following {source.words}; serving {settings.metrics.scheme}://{listen}/metrics until Ctrl-C")
            service.follow_sensor(source)
    say("stopped as asked; what was judged is kept")
