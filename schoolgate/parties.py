"""The verbs of `schoolgate parties`: lists of companies and their domains, from whom they are and what they say."""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schoolgate.shell import Exit, say
from schoolgate.verb_list import VerbList

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

app = typer.Typer(
    cls=VerbList,
    name="parties",
    help="Work on party lists: who owns a host, and in what business. Lists of others (AdGuard companiesdb, "
    "Disconnect, Tracker Radar, EasyPrivacy, EasyList, registries of data brokers) are named in a lists file, "
    "`lists.yaml`, with date, licence and hash, and used with `--parties lists.yaml`. See docs/party-lists.md.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def check(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", readable=False, help="Lists files and party files.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Read every list that FILE names, and show what it holds: name, date, licence, domains, what was left out.

    Exits with 2 when a list cannot be used: it is missing, its hash is not the one that was entered, or it is not in
    its format. Hosts of such a list are of unknown kind wherever the file is used; nothing else changes.
    """
    from rules.lists import show
    from rules.parties import read_parties

    with _watched() as progress:
        said = read_parties(files, show=progress)
    today = datetime.now(UTC).date()
    if as_json:
        lists = show.facts_as_json(said.sources, today=today)
        document = {"v": 1, "lists": lists, "problems": [str(problem) for problem in said.warnings]}
        sys.stdout.write(json.dumps(document, indent=1) + "\n")
    else:
        lines = [line for facts in said.sources for line in show.facts_in_words(facts, today=today)]
        own = Counter(party.list_name for party in said.parties)
        lines += [f"{path}: {own[str(path)]:,} parties by the district's own word" for path in files if own[str(path)]]
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    for problem in said.warnings:
        say(str(problem))
    raise typer.Exit(Exit.DONE if all(facts.usable for facts in said.sources) else Exit.WRONG_INPUT)


@app.command()
def who(
    host: Annotated[str, typer.Argument(help="Host name, such as t.adco.example.")],
    parties: Annotated[
        list[Path] | None,
        typer.Option(readable=False, help="Party file or lists file (repeatable; later ones win)."),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Say who owns HOST and in what business, which list decides about it, and what the other lists say.

    The district's own word wins; then a list that knows owner and business, the later over the earlier; then the list
    that comes with Schoolgate. The longest domain that covers the host decides first of all.
    """
    from rules.lists.rows import host_name
    from rules.lists.show import who as look_up
    from rules.lists.show import who_in_words
    from rules.parties import read_parties

    name = host_name(host)
    if name is None:
        what = f"{host!r} is not a host name; write a name such as t.adco.example, without https:// and path"
        raise typer.BadParameter(what, param_hint="HOST")
    with _watched() as progress:
        said = read_parties(parties or (), show=progress)
    for problem in said.warnings:
        say(f"warning: {problem}")
    answer = look_up(name, said=said)
    lines = [json.dumps(answer, indent=1)] if as_json else who_in_words(answer)
    sys.stdout.write("".join(f"{line}\n" for line in lines))


@app.command()
def add(
    path: Annotated[Path, typer.Argument(readable=False, help="File or folder of the list.")],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="adguard-companiesdb: trackers.json, or the folder with it and companies.json. tracker-radar: a "
            "checkout of DuckDuckGo Tracker Radar, what `parties pack` made of it, or domain_map.json (owners only). "
            "disconnect: services.json. easyprivacy, easylist: the filter list, of which lines that block a whole host "
            "count. data-brokers: CSV of a registry (California, Vermont). parties: a party file of your own.",
        ),
    ],
    licence: Annotated[str, typer.Option(help="Under which licence you have it, such as `CC BY-SA 4.0`.")],
    date: Annotated[
        str, typer.Option(metavar="DATE", help="Of which day it is, such as 2026-07-01: as its publisher says.")
    ],
    to: Annotated[Path, typer.Option("--to", readable=False, help="Lists file; made where there is none.")],
    name: Annotated[str | None, typer.Option(help="What cases call it; default: the usual name of its format.")] = None,
    url: Annotated[str | None, typer.Option(help="Where you got it.")] = None,
    attribution: Annotated[str | None, typer.Option(help="Whom the licence asks to name.")] = None,
) -> None:
    """Read the list at PATH, and enter it into a lists file with its SHA-256.

    A row with the same path is replaced: do this after every download. The file is written whole or not at all, and
    comments in it stay. Nothing is downloaded; see docs/party-lists.md for where lists come from and what their
    licences ask.
    """
    from rules.lists.entering import enter, path_within
    from rules.lists.reading import examine

    said = {"licence": licence, "date": date, "name": name, "url": url, "attribution": attribution}
    entry = _entry({"path": path_within(path, catalogue=to), "format": form, "sha256": "0" * 64, **said})
    with _watched() as progress:
        digest, tally = examine(path, form=entry.format, show=progress)
    entry = entry.model_copy(update={"sha256": digest})
    replaced = enter(entry, catalogue=to)
    for problem in tally.problems:
        say(f"warning: {problem}")
    skipped = sum(tally.skipped.values())
    sys.stdout.write(
        f"{to}: {entry.title} of {entry.date} {'entered again' if replaced else 'entered'}: {tally.domains:,} domains, "
        f"{skipped:,} skipped, {tally.broken:,} broken\n"
    )


@app.command()
def pack(
    folder: Annotated[Path, typer.Argument(readable=False, help="A checkout of DuckDuckGo Tracker Radar.")],
    to: Annotated[Path, typer.Option("--to", help="File to write, such as tracker-radar.json.")],
) -> None:
    """Bring the many files of Tracker Radar into one, which every start reads about five times as fast.

    The file holds domain, owner and categories, and is under the licence of the list. Enter it with
    `schoolgate parties add FILE --format tracker-radar`.
    """
    from rules.lists.reading import examine
    from rules.lists.tracker_radar import packed
    from rules.whole_files import replace_file

    with _watched() as progress:
        _digest, tally = examine(folder, form="tracker-radar", show=progress)
    replace_file(to, packed(tally.rows))
    for problem in tally.problems:
        say(f"warning: {problem}")
    sys.stdout.write(f"{to}: {tally.domains:,} domains\n")


def _entry(row: dict[str, Any]) -> Any:
    """Return the row of a lists file that the options make.

    Raises:
        typer.BadParameter: an option cannot stand in a lists file.
    """
    from pydantic import ValidationError

    from rules.lists.catalogue import ListEntry
    from rules.lists.formats import FORMATS

    if row["format"] not in FORMATS:
        raise typer.BadParameter(
            f"there is no format {row['format']!r}; one of {', '.join(FORMATS)}", param_hint="--format"
        )
    try:
        return ListEntry.model_validate({key: value for key, value in row.items() if value is not None})
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        raise typer.BadParameter(detail["msg"], param_hint=f"--{detail['loc'][0]}") from None


@contextmanager
def _watched() -> Iterator[Callable[[int, int], None] | None]:
    """Show how much of a long list was read, where a person is looking."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True).status("reading lists") as status:
        yield lambda files, octets: status.update(f"reading lists: {files:,} files, {octets >> 20:,} MiB")
