"""Plain pages of HTML: readable from a file, without scripts or anything from elsewhere, every value escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from collector.problems import on_one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_STYLE: Final = """
body { font: 1rem/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; padding: .3rem 0; }
th, td { border: 1px solid #767676; padding: .3rem .5rem; text-align: left; vertical-align: top;
  overflow-wrap: anywhere; }
th { background: #f0f0f0; } code { overflow-wrap: anywhere; }
@media print { body { margin: 0; max-width: none; } tr { break-inside: avoid; } }
"""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def text(value: object) -> str:
    """Return *value* escaped, with every character made visible that would steer a reader."""
    return escape(on_one_line("not stated" if value is None else str(value)))


def page(title: str, parts: Iterable[str]) -> bytes:
    """Return a whole page: *title* as text, *parts* as HTML."""
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{text(title)}</h1>\n" + "\n".join(parts) + "\n</main>\n</body>\n</html>\n"
    ).encode()


def section(title: str, *parts: str) -> str:
    """Return a heading and what stands beneath it."""
    return f"<h2>{text(title)}</h2>\n" + "\n".join(parts)


def paragraphs(sentences: Iterable[object]) -> str:
    """Return each sentence as a paragraph."""
    return "\n".join(f"<p>{text(sentence)}</p>" for sentence in sentences)


def facts(rows: Iterable[tuple[str, object]], *, caption: str) -> str:
    """Return a table of names and values."""
    body = "\n".join(f'<tr><th scope="row">{text(name)}</th><td>{text(value)}</td></tr>' for name, value in rows)
    return f"<table>\n<caption>{text(caption)}</caption>\n{body}\n</table>"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str) -> str:
    """Return a table with a head."""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in heads)
    body = "\n".join(f"<tr>{''.join(f'<td>{text(value)}</td>' for value in row)}</tr>" for row in rows)
    return f"<table>\n<caption>{text(caption)}</caption>\n<tr>{head}</tr>\n{body}\n</table>"


def link(target: str, words: object) -> str:
    """Return a link to another file of the same archive."""
    return f'<p><a href="{escape(target)}">{text(words)}</a></p>'
