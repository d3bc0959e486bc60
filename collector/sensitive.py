"""Which names say something about a person's health, faith, sexuality or despair: they never leave the collector.

The facts are ours (sensitive.yaml); a district adds its own in files of the same form. Asking is pure.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from collector.documents import parse, read
from collector.fields import Host, Listed, Record
from collector.hosts import SuffixTable, normal_name
from collector.problems import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from collector.problems import Problem

BUNDLED_FILE: Final = "schoolgate (bundled sensitive domains)"
"""What messages call the facts that ship with the project."""

Word = Annotated[str, Field(pattern=r"^[a-z0-9]{2,40}$")]


class SensitiveKinds(Record):
    """Domains by what they say about whoever asks for them."""

    crisis: Listed[Host] = ()
    """Help with suicide, violence and abuse."""
    health: Listed[Host] = ()
    """Body, mind, addiction, pregnancy."""
    religion: Listed[Host] = ()
    """Faith, and its absence."""
    sexuality: Listed[Host] = ()
    """Orientation, gender, dating, sexual content."""


class SensitiveFile(Record):
    """A file of sensitive domains, version 1."""

    schema_: Annotated[Literal["schoolgate/sensitive/1"], Field(alias="schema")]
    """Kind and version of this file."""
    kinds: SensitiveKinds = SensitiveKinds()
    """The domains; each covers itself and everything beneath it."""
    words: Listed[Word] = ()
    """Words that tell such a domain wherever they stand in a label."""
    whole_words: Listed[Word] = ()
    """Words that tell one as a whole label, or between hyphens."""

    @property
    def domains(self) -> tuple[str, ...]:
        """All domains."""
        return (*self.kinds.crisis, *self.kinds.health, *self.kinds.religion, *self.kinds.sexuality)


class Sensitive:
    """Tells sensitive names.

    Args:
        said: what the files say.
    """

    def __init__(self, said: Iterable[SensitiveFile]) -> None:
        self._domains: SuffixTable[None] = SuffixTable()
        words: set[str] = set()
        whole: set[str] = set()
        for each in said:
            for domain in each.domains:
                self._domains.add(normal_name(domain), None)
            words.update(each.words)
            whole.update(each.whole_words)
        self._words = tuple(sorted(words))
        self._whole = frozenset(whole)

    def covers(self, host: str) -> bool:
        """Tell whether *host* (lower case, no final dot) is one of the domains, or lies beneath one."""
        return self._domains.covers(host)

    def sounds(self, host: str) -> bool:
        """Tell whether a label of *host* holds one of the words; the last label is the registry's and says nothing."""
        labels = host.split(".")[:-1]
        return any(
            any(word in label for word in self._words) or not self._whole.isdisjoint(label.split("-"))
            for label in labels
        )

    def __len__(self) -> int:
        return len(self._domains)


def load_sensitive(paths: Iterable[Path]) -> Sensitive:
    """Return the bundled facts with those of the district's files at *paths*.

    Raises:
        DocumentError: with every problem of every file.
    """
    problems: list[Problem] = []
    said = [_bundled()]
    for path in paths:
        try:
            said.append(parse(read(path), path=str(path), model=SensitiveFile))
        except DocumentError as error:
            problems.extend(error.problems)
    if problems:
        raise DocumentError(problems)
    return Sensitive(said)


@cache
def _bundled() -> SensitiveFile:
    # Once: a process that has given up its rights may no longer reach the folder in which the program lies.
    text = files("collector").joinpath("sensitive.yaml").read_text(encoding="utf-8")
    return parse(text, path=BUNDLED_FILE, model=SensitiveFile)
