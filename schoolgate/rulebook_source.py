"""Where a judge's rulebook comes from: agreements of the topic, the rest of local files.

While nobody has published anything the agreements are those of the configuration's folder. From the first published set
on the folder means nothing: what the topic holds is never replaced by what happens to lie on one machine.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from collector import topics
from collector.documents import DocumentError
from rules.agreement_topic import AgreementTopic
from rules.rulebook import RulebookWatch, load_rulebook

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.agreement_log import AgreementLog
    from rules.agreement_topic import Refusal, TopicRecord
    from rules.rulebook import Rulebook, RulebookFiles


class RulebookSource:
    """Reads the rulebook, and notices when it changes; a bad file or record never replaces a good one.

    Args:
        files: where the local parts lie.
        say: shows one line to a person.
        refused: counts a record of the topic that is not used.

    Raises:
        DocumentError: network, parties or locations are wrong; with every problem of every file.
    """

    def __init__(self, files: RulebookFiles, *, say: Callable[[str], None], refused: Callable[[Refusal], None]) -> None:
        self._files = files
        self._say = say
        self._refused = refused
        self._topic = AgreementTopic()
        self._fault: DocumentError | None = None
        self._watch = RulebookWatch(files)
        self._local = self._load()
        self._told: frozenset[str] = frozenset()
        self.rulebook = self._local
        """What counts now."""

    @property
    def agreements(self) -> tuple[str, ...]:
        """Ids of every agreement that anything may be judged by."""
        editions = self.rulebook.editions
        return tuple(each.id for each in self.rulebook.agreements) if editions is None else editions.everything()

    def ask(self) -> None:
        """Read the files again at the next look, whether anything changed or not."""
        self._watch.ask()

    async def begin(self, log: AgreementLog) -> None:
        """Read the topic up to its end, and say by what is judged.

        Raises:
            KafkaError: the broker refused.
            TimeoutError: it does not answer.
            DocumentError: the topic holds no agreements, and the files are wrong.
        """
        await self._take(await log.to_the_end())
        if self.rulebook.editions is None and self._fault is not None:
            raise self._fault
        if self.rulebook.editions is None:
            self._say(f"no agreements are published; judging by those in {self._files.agreements}")
        else:
            self._tell_editions("judging by")
        self._tell_warnings()

    async def look(self, log: AgreementLog, *, wait_s: float) -> Rulebook | None:
        """Return a new rulebook when topic or files changed, None: they did not within *wait_s* seconds.

        Raises:
            KafkaError: the broker refused.
        """
        before = self.rulebook
        records = await log.news(wait_s=wait_s)
        if records and await self._take(records):
            self._tell_editions("agreements published:")
            self._tell_warnings()
        try:
            # Long lists take seconds to read; the heartbeats of the consumer groups go on meanwhile.
            local = await asyncio.to_thread(self._watch.look)
        except DocumentError as error:
            for problem in error.problems:
                self._say(str(problem))
            self._say("the changed files have problems; going on with what was read before")
            local = None
        if local is not None:
            self._local = local
            self._compose()
            self._say("agreements, parties and network read again" if self.rulebook.editions is None else
                      "parties and network read again")  # fmt: skip
            self._tell_warnings()
        return None if self.rulebook is before else self.rulebook

    async def _take(self, records: list[TopicRecord]) -> bool:
        """Take records in, and return whether the rulebook changed."""
        # A thousand agreements take a while to read; the heartbeats of the consumer groups go on meanwhile.
        taken = await asyncio.to_thread(self._topic.take, records)
        for refusal in taken.refusals:
            self._refused(refusal)
            self._say(f"{topics.AGREEMENTS}: {refusal}")
        if taken.refusals:
            self._say("what was good before goes on counting; `schoolgate agreements publish` repairs the topic")
        if not taken.changed or self._topic.editions is None:
            return False
        if self.rulebook.editions is None:
            self._watch = RulebookWatch(self._without_agreements())
        self._compose()
        return True

    def _compose(self) -> None:
        editions = self._topic.editions
        self.rulebook = self._local if editions is None else self._local.under(editions)

    def _load(self) -> Rulebook:
        try:
            return load_rulebook(self._files)
        except DocumentError as error:
            self._fault = error
        # Agreement files do not matter where the topic has agreements; whether it has, is known later.
        try:
            return load_rulebook(self._without_agreements())
        except DocumentError:
            raise self._fault from None

    def _without_agreements(self) -> RulebookFiles:
        """Return where everything lies but the agreements; lab evidence stays with the folder of the configuration."""
        return replace(self._files, agreements=None, evidence=self._files.lab_folder)

    def _tell_warnings(self) -> None:
        """Say what was not said before; of what was, once is enough until it goes and comes again."""
        warnings = list(map(str, self.rulebook.warnings))
        for warning in warnings:
            if warning not in self._told:
                self._say(f"warning: {warning}")
        self._told = frozenset(warnings)

    def _tell_editions(self, what: str) -> None:
        editions = self.rulebook.editions
        if editions is not None:
            number = len(editions.everything())
            self._say(f"{what} {number} agreements of {topics.AGREEMENTS}, {len(editions.starts)} editions")
