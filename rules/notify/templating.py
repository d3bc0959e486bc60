"""The mail templates: those of the package, each replaced by the district's own of the same name where it has one.

All are read, compiled and tried once before anything else, so that a slip shows at the start and not with the first
case, and so that a process that gives up its rights needs no file afterwards.
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from jinja2 import FunctionLoader, StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment

from collector.documents import read
from collector.problems import DocumentError, Problem
from rules.notify.docket import Standing
from rules.notify.wording import Place, digest_words, message_words, specimen

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PACKAGED: Final = (
    "case.html", "case.txt", "case_box.html", "case_text.txt", "digest.html", "digest.txt", "digest_subject.txt",
    "page.html", "subject.txt",
)  # fmt: skip
"""Every template; a district's folder holds some of these names and no others."""
CASE: Final = ("subject.txt", "case.txt", "case.html")
"""Subject, text and HTML of a mail about one case."""
DIGEST: Final = ("digest_subject.txt", "digest.txt", "digest.html")
"""Likewise of the weekly mail."""
# What a district's own expressions may raise.
FAULTS: Final = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError)


class TemplateFaultError(Exception):
    """A template cannot be rendered for one message."""


class Templates:
    """Compiled templates.

    Args:
        folder: the district's own; None: it has none.

    Raises:
        DocumentError: a template of the district is wrong, or has a name that nobody asks for.
    """

    def __init__(self, folder: Path | None) -> None:
        sources = {name: (files("rules.notify") / "templates" / name).read_text(encoding="utf-8") for name in PACKAGED}
        own = _own(folder) if folder is not None else {}
        sources |= {name: read(path) for name, path in own.items()}
        self._environment = SandboxedEnvironment(
            loader=FunctionLoader(lambda name: (sources[name], own.get(name, name), lambda: True)),
            autoescape=lambda name: name is not None and name.endswith(".html"),
            undefined=StrictUndefined,
            trim_blocks=True,
            auto_reload=False,
            cache_size=len(PACKAGED),
        )
        self._try(own)

    def render(self, name: str, words: dict[str, Any]) -> str:
        """Return what the template *name* makes of *words*.

        Raises:
            TemplateFaultError: it cannot be rendered.
        """
        try:
            return self._environment.get_template(name).render(words)
        except FAULTS as error:
            raise TemplateFaultError(f"template {name}: {error}") from error

    def _try(self, own: dict[str, str]) -> None:
        place = Place(
            district="A district", zone=ZoneInfo("UTC"), desk="https://desk.example", runbooks="https://x.example"
        )
        standing = Standing(
            case_id="0", seq=1, supported=True, status="new", quiet=None, view=specimen(), seen_at=1, spells=()
        )
        case = message_words("opened", standing, place=place)
        digest = digest_words([standing], at=datetime(2026, 10, 19, tzinfo=UTC), place=place)
        try:
            for name in PACKAGED:
                self._environment.get_template(name)
            for name in CASE:
                self._environment.get_template(name).render(case)
            for name in DIGEST:
                self._environment.get_template(name).render(digest)
        except FAULTS as error:
            raise DocumentError([_problem(error, paths=own.values())]) from error


def _problem(error: Exception, *, paths: Iterable[str]) -> Problem:
    """Return what is wrong in which file of the district; Jinja puts a template's own lines into the traceback."""
    path, line = next(iter(paths), "templates"), 1
    if isinstance(error, TemplateSyntaxError):
        path, line = error.filename or path, error.lineno
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in paths:
            path, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next
    return Problem(path=path, line=line, what=f"the template does not work ({error})", remedy="correct it")


def _own(folder: Path) -> dict[str, str]:
    try:
        found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DocumentError(
            [Problem(path=str(folder), line=1, what=f"the folder of templates cannot be read ({error.strerror})",
                     remedy="give a readable folder under `notify.templates`")]
        ) from None  # fmt: skip
    strange = [path for path in found if path.name not in PACKAGED]
    if strange:
        remedy = f"the names are {', '.join(PACKAGED)}"
        raise DocumentError(
            Problem(path=str(path), line=1, what="no template has this name", remedy=remedy) for path in strange
        )
    return {path.name: str(path) for path in found}
