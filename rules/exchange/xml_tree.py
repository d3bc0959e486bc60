"""Reads XML of strangers into plain elements with lines: no document type, so no entity is ever expanded or fetched.

Expat itself is asked, without a tree builder: that gives lines, and every bound is kept while the text is read.

Source: XML 1.0, https://www.w3.org/TR/xml/; https://docs.python.org/3/library/xml.html#xml-security.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

from collector.problems import DocumentError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

# An obligations document of one contract has some 20 KB; a registry's export of a thousand fits.
MAX_OCTETS: Final = 32 << 20
# The deepest element that is mapped lies 13 deep.
MAX_DEPTH: Final = 40
MAX_ELEMENTS: Final = 100_000
MAX_TEXT: Final = 100_000
_NIL: Final = "http://www.w3.org/2001/XMLSchema-instance nil"


@dataclass(slots=True, kw_only=True)
class Element:
    """One element, without its namespace and attributes."""

    name: str
    """Local name."""
    line: int
    """Line on which it begins."""
    text: str = ""
    """Its own text, white space collapsed."""
    children: list[Element] = field(default_factory=list)
    """In their order."""
    nil: bool = False
    """Said to have no value (`xsi:nil`)."""

    def find(self, *names: str) -> Element | None:
        """Return the first element that *names* lead to, or None."""
        node: Element | None = self
        for name in names:
            if node is None:
                return None
            node = next((child for child in node.children if child.name == name), None)
        return node

    def all(self, *names: str) -> list[Element]:
        """Return every element that *names* lead to."""
        nodes = [self]
        for name in names:
            nodes = [child for node in nodes for child in node.children if child.name == name]
        return nodes

    def below(self, name: str) -> Iterator[Element]:
        """Yield every element of that *name* beneath this one, those within such a one left out."""
        waiting = list(reversed(self.children))
        while waiting:
            node = waiting.pop()
            if node.name == name:
                yield node
            else:
                waiting.extend(reversed(node.children))


class _StopError(Exception):
    """A bound is reached, or something that is not wanted has begun."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what, self.remedy = what, remedy
        super().__init__(what)


@dataclass(slots=True, kw_only=True)
class _Open:
    """An element that has not ended yet."""

    element: Element
    texts: list[str] = field(default_factory=list)
    length: int = 0


class _Reader:
    """Takes what expat reports. Depth is a list of ours and not the stack."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.EntityDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.top: Element | None = None
        self._open: list[_Open] = []
        self._elements = 0

    def _doctype(self, *_what: object) -> None:
        what = "the file has a document type (<!DOCTYPE>), which could define entities that grow or fetch"
        raise _StopError(what, "take that declaration out; an obligations document needs none")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise _StopError(f"the file has more than {MAX_ELEMENTS} elements", "split it")
        if len(self._open) >= MAX_DEPTH:
            raise _StopError(f"elements nest deeper than {MAX_DEPTH}", "check that it is an obligations document")
        element = Element(
            name=name.rsplit(" ", 1)[-1],
            line=self.parser.CurrentLineNumber,
            nil=attributes.get(_NIL, "").strip() in {"true", "1"},
        )
        if self._open:
            self._open[-1].element.children.append(element)
        else:
            self.top = element
        self._open.append(_Open(element=element))

    def _end(self, _name: str) -> None:
        done = self._open.pop()
        done.element.text = " ".join("".join(done.texts).split())

    def _characters(self, text: str) -> None:
        node = self._open[-1]
        node.texts.append(text)
        node.length += len(text)
        if node.length > MAX_TEXT:
            raise _StopError(f"the text of `{node.element.name}` is longer than {MAX_TEXT} characters", "shorten it")


def element_in(octets: bytes, *, path: str) -> Element:
    """Return the top element of an XML document; *path* names it in messages.

    Raises:
        DocumentError: it is no XML, has a document type, or is larger or deeper than anything that is read here.
    """
    if len(octets) > MAX_OCTETS:
        problem = Problem(path=path, line=1, what=f"the file is larger than {MAX_OCTETS >> 20} MiB", remedy="split it")
        raise DocumentError([problem])
    reader = _Reader()
    try:
        reader.parser.Parse(octets, True)  # noqa: FBT003 -- the signature of the standard library: this is all of it
    except _StopError as stop:
        line = reader.parser.CurrentLineNumber
        raise DocumentError([Problem(path=path, line=line, what=stop.what, remedy=stop.remedy)]) from None
    except expat.ExpatError as error:
        what = f"this is no well-formed XML ({expat.ErrorString(error.code)})"
        remedy = "export it again; it may be cut off or edited by hand"
        raise DocumentError([Problem(path=path, line=max(error.lineno, 1), what=what, remedy=remedy)]) from None
    except (LookupError, ValueError) as error:
        what = f"the encoding that the file names cannot be read ({error})"
        raise DocumentError([Problem(path=path, line=1, what=what, remedy="save it as UTF-8")]) from None
    if reader.top is None:  # pragma: no cover -- expat refuses a document without an element
        raise DocumentError([Problem(path=path, line=1, what="the file is empty", remedy="export it again")])
    return reader.top
