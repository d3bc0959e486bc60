"""Lets inputs of `collect` and `run` through the release rule: nothing goes from them to spool, judge or broker else.

A file is looked through twice, so that what is released of a name does not depend on who asked for it first, and a
report over a file is that of `check`. What passes by is released as it comes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from collector.destinations import Destinations, prepare
from collector.documents import DocumentError
from collector.periods import Periods
from collector.release_rule import ReleaseRule
from collector.sensitive import load_sensitive
from schoolgate.inputs import EventInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from collector.destinations import Listed
    from collector.events import FlowEvent
    from collector.segments import Network
    from collector.sensitive import Sensitive
    from collector.settings import Privacy
    from schoolgate.inputs import Input
    from schoolgate.listed import ListedFiles

LOOK_EVERY_S = 1.0
"""How often the files with listed names are looked at for changes."""


def prepare_release() -> None:
    """Read what ships with the program and its libraries, while the folders of both can still be read."""
    load_sensitive([])
    prepare()


class Release:
    """The release rule of one process, and what it knows.

    Args:
        privacy: that part of the configuration.
        folder: where relative paths in it start.
        network: the network file.
        listed: the names that somebody answers for.

    Raises:
        DocumentError: a file of sensitive domains is wrong.
    """

    def __init__(self, privacy: Privacy, *, folder: Path, network: Network, listed: Listed) -> None:
        self._sensitive: Sensitive = load_sensitive([folder / path for path in privacy.sensitive])
        self.looks_ahead = privacy.release_after_devices > 1
        """A file is looked through before anything of it leaves; at 1 there is nothing to learn."""
        self.rule = ReleaseRule(
            Destinations(listed, sensitive=self._sensitive),
            periods=Periods(network.time_zone, hours=privacy.pseudonym_hours),
            devices=privacy.release_after_devices,
        )

    def use(self, listed: Listed) -> None:
        """Let other names through from now on."""
        self.rule.use(Destinations(listed, sensitive=self._sensitive))


class ListedWatch:
    """Tells a release rule when the files with listed names changed; for who does not read them for another reason.

    Args:
        files: the files.
        release: is told.
        say: shows one line to a person.
    """

    def __init__(self, files: ListedFiles, *, release: Release, say: Callable[[str], None]) -> None:
        self._files = files
        self._release = release
        self._say = say
        self._looked = time.monotonic()

    def look(self) -> None:
        """Look at the files, once a second at most."""
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY_S:
            return
        self._looked = now
        try:
            listed = self._files.look()
        except DocumentError as error:
            for problem in error.problems:
                self._say(str(problem))
            self._say("the changed agreements or party lists have problems; going on with what was read before")
            return
        if listed is not None:
            self._release.use(listed)
            self._say("the names of agreements and party lists read again")


def _nothing() -> None:
    """Look at nothing: whoever judges notices changed files by itself."""


class ReleasedFile:
    """One file as an input, its events as they may leave.

    Args:
        source: the file.
        ahead: opens the same file once more; it is read to its end before *source* is.
        release: the rule.
        stopped: whether somebody asked to stop.
        look: called between batches.
    """

    def __init__(
        self,
        source: Input,
        *,
        ahead: Callable[[], Input],
        release: Release,
        stopped: Callable[[], bool],
        look: Callable[[], None] = _nothing,
    ) -> None:
        self.name = source.name
        self.sha256 = source.sha256
        self._source = source
        self._ahead = ahead
        self._release = release
        self._stopped = stopped
        self._look = look

    def batches(self) -> Iterator[Sequence[FlowEvent]]:
        """Yield the events; those errors are raised that the file raises."""
        # A file of events was written under keys of its own: one device would count twice, beside a capture of its day.
        self._release.rule.begin(self.sha256 if isinstance(self._source, EventInput) else "")
        if self._release.looks_ahead:
            self._learn()
        for batch in self._source.batches():
            yield self._release.rule.release(batch)
            self._look()

    def use_network(self, network: Network) -> None:
        """Place later flows by this network file."""
        self._source.use_network(network)

    def _learn(self) -> None:
        first = self._ahead()
        try:
            for batch in first.batches():
                self._release.rule.learn(batch)
                if self._stopped():
                    return
        finally:
            first.close()


class Passing(Protocol):
    """What passes by: live interfaces, or what another sensor tells."""

    def batches(self) -> Iterator[Sequence[FlowEvent]]:
        """Yield events at least ten times a second, if need be none."""
        ...

    def use_network(self, network: Network) -> None:
        """Place later flows by this network file."""
        ...

    @property
    def reached_ns(self) -> int:
        """Everything that passed by before this time has been seen, nanoseconds since the epoch."""
        ...


class ReleasedLive:
    """What passes by as an input, its events as they may leave.

    Args:
        source: the input.
        release: the rule.
        look: called between batches.
    """

    def __init__(self, source: Passing, *, release: Release, look: Callable[[], None] = _nothing) -> None:
        self._source = source
        self._release = release
        self._look = look

    def batches(self) -> Iterator[Sequence[FlowEvent]]:
        """Yield the events."""
        for batch in self._source.batches():
            yield self._release.rule.release(batch)
            self._look()

    def use_network(self, network: Network) -> None:
        """Place later flows by this network file."""
        self._source.use_network(network)

    @property
    def reached_ns(self) -> int:
        """Everything that passed by before this time has been seen, nanoseconds since the epoch."""
        return self._source.reached_ns
