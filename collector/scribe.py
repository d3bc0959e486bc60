"""Writes JSON into a bytearray that grows: each function puts one thing at a place and returns the place behind it.

Not compiled: in compiled code the inline functions of scribe.pxd stand in for these, for a line of JSON has some sixty
pieces, and an object for each of them costs more than all else in a line.
"""

from __future__ import annotations


def put_words(paper: bytearray, at: int, words: bytes) -> int:
    """Put *words*, a literal of the program without a zero in it: compiled code knows its length beforehand."""
    return put_octets(paper, at, words)


def put_octets(paper: bytearray, at: int, octets: bytes) -> int:
    """Put *octets* as they are."""
    paper[at : at + len(octets)] = octets
    return at + len(octets)


def put(paper: bytearray, at: int, text: str) -> int:
    """Put *text* as it is."""
    return put_octets(paper, at, text.encode())


def put_quoted(paper: bytearray, at: int, text: str | None) -> int:
    """Put *text* as a JSON string; None: null."""
    if text is None:
        return put(paper, at, "null")
    if any(character < " " or character in '"\\' for character in text):
        return put(paper, at, escaped(text))
    return put(paper, at, f'"{text}"')


def put_number(paper: bytearray, at: int, number: int) -> int:
    """Put a number that is not negative."""
    return put(paper, at, str(number))


def put_digits(paper: bytearray, at: int, number: int, digits: int) -> int:
    """Put the last *digits* decimal digits of a number."""
    return put(paper, at, f"{number % 10**digits:0{digits}d}")


def put_hex(paper: bytearray, at: int, number: int, digits: int) -> int:
    """Put the last *digits* hexadecimal digits of a number of 64 bits."""
    return put(paper, at, f"{number % 16**digits:0{digits}x}")


def escaped(text: str) -> str:
    """Return *text* as a JSON string with its escapes."""
    from json.encoder import encode_basestring  # noqa: PLC0415 -- hardly ever needed, and not needed to start

    return encode_basestring(text)
