"""Reads FlowEvent JSON lines, strictly: out comes an event as the contract has it, or a refusal with a remedy."""

from __future__ import annotations

from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, get_type_hints

import msgspec
from pydantic import TypeAdapter, ValidationError

from collector.documents import DocumentError
from collector.events import FlowEvent
from collector.refused import MAX_PROBLEMS, Refused
from collector.spelling import is_address, is_link, names_host

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic_core import ErrorDetails

# One event has some 600 octets; a line of this size is something else, and reading on would only fill memory.
MAX_LINE_BYTES = 65_536

# What a capture file can say, and what every time zone can tell as a local date.
FIRST_MOMENT: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST_MOMENT: Final = datetime(9998, 12, 31, tzinfo=UTC)
_FIRST_YEAR: Final = FIRST_MOMENT.year
_LAST_YEAR: Final = LAST_MOMENT.year

# No flow part carries more; what does would break the sums of everybody else.
MAX_COUNT: Final = 1 << 48

_ADDRESS: Final = "write it like 192.0.2.7 or 2001:db8::7, or null"

# Names and addresses of a day are few beside its events, and a look at one takes longer than at what is known of it.
MAX_REMEMBERED: Final = 65_536
MAX_REMEMBERED_CHAINS: Final = 4_096  # one may be as long as its line

_FIELDS: Final = frozenset(each.name for each in fields(FlowEvent))
_EVENTS: Final[TypeAdapter[FlowEvent]] = TypeAdapter(FlowEvent)
_NO_OFFSET: Final = timedelta(0)


class EventError(ValueError):
    """A line is no FlowEvent.

    Args:
        what: what is wrong with it.
        remedy: what to write instead.
    """

    def __init__(self, what: str, *, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")
        self.what = what
        self.remedy = remedy


def _record_decoder() -> msgspec.json.Decoder[Any]:
    """Return a decoder made of FlowEvent itself, so that the contract is stated once."""
    hints = get_type_hints(FlowEvent)
    told = [
        (each.name, hints[each.name]) if each.default is MISSING else (each.name, hints[each.name], each.default)
        for each in fields(FlowEvent)
    ]
    # Nothing in a record refers to another object, so the garbage collector need not look at it.
    made = msgspec.defstruct("FlowRecord", told, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False)
    return msgspec.json.Decoder(made)


_records: Final = _record_decoder()


def read_record(octets: bytes) -> FlowEvent:
    """Return what `read_event` returns, for whoever reads millions: at a sixth of the cost, times not looked at.

    What comes back has every field of a FlowEvent and is none: a struct that pydantic never saw. What this decoder
    does not take is left to `read_event`, so both accept the same events, and refusals have one set of words.

    Raises:
        EventError: it is no FlowEvent of version 1.
    """
    try:
        record: FlowEvent = _records.decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return read_event(octets)
    return record


def read_event(line: bytes) -> FlowEvent:
    """Return the event on one line of JSON.

    Raises:
        EventError: it is no FlowEvent of version 1.
    """
    _check_size(line)
    try:
        event = _EVENTS.validate_json(line)
    except ValidationError as error:
        what, remedy = _explain(error.errors(include_url=False)[0])
        raise EventError(what, remedy=remedy) from None
    _check_values(event)
    return event


def is_countable(event: FlowEvent) -> bool:
    """Return whether every count of *event* is one that a flow can have, so that sums with it stay sums."""
    # Written out: a tuple with its least and its largest number takes twice as long, and every event comes by here.
    return (
        0 <= event.bytes_up <= MAX_COUNT
        and 0 <= event.bytes_down <= MAX_COUNT
        and 0 <= event.packets_up <= MAX_COUNT
        and 0 <= event.packets_down <= MAX_COUNT
        and 0 <= event.plaintext_bytes_up <= MAX_COUNT
        and 0 <= event.part <= MAX_COUNT
    )


def read_events(lines: Iterable[bytes], *, path: str, refused: Refused) -> Iterator[FlowEvent]:
    """Yield the events of a file, in its order; empty lines are skipped, and a line that is no event is set aside.

    They are as `read_record` gives them: every field of a FlowEvent, and not its class.

    Args:
        lines: the file, line by line.
        path: its name, for messages.
        refused: told of every line that is set aside.

    Raises:
        DocumentError: the file holds lines and no event: after its last line, or after its first 20.
    """
    mine = Refused()
    any_event = False
    for number, line in enumerate(lines, start=1):
        if not line or line.isspace():
            continue
        try:
            _check_size(line)
            event = read_record(line)
            _check_values(event)
        except EventError as error:
            for each in (mine, refused):
                each.add(path, line=number, what=error.what, remedy=error.remedy)
            if not any_event and mine.count == MAX_PROBLEMS:
                break
        else:
            any_event = True
            yield event
    if mine.count and not any_event:
        raise DocumentError(mine.problems)


def _check_size(line: bytes) -> None:
    if len(line) > MAX_LINE_BYTES:
        raise EventError(f"the line has more than {MAX_LINE_BYTES:,} octets", remedy="give one FlowEvent a line")


def _check_values(event: FlowEvent) -> None:
    """Look at what no type says: times, counts, names and addresses. What is said of them never quotes them.

    Raises:
        EventError: one is out of bounds, or in another form than the contract's.
    """
    for name, stamp in (("started_at", event.started_at), ("ended_at", event.ended_at)):
        at = moment(stamp)
        if at is None:
            raise EventError(f"`{name}` is no time in UTC", remedy="write it like 2026-10-14T15:00:00.000000Z")
        # Years first: two comparisons of times cost as much as all that is looked up of names.
        if not _FIRST_YEAR <= at.year < _LAST_YEAR and not FIRST_MOMENT <= at <= LAST_MOMENT:
            raise EventError(f"`{name}` lies before 1970 or after 9998", remedy="write when the packet was seen")
    if not is_countable(event):
        raise EventError("a count is negative, or larger than any flow", remedy="write what was counted, 0 or more")
    _check_server(event.server_name, event.dst_ip)
    if event.cnames:
        _check_chain(event.cnames)
    if event.src_ip is not None:
        if not is_address(event.src_ip):
            raise EventError("`src_ip` is no address", remedy=_ADDRESS)
    elif event.src_port is not None:
        raise EventError("`src_port` stands without `src_ip`", remedy="leave it out, or write both for lab work")


# What is refused is not remembered, so that what is remembered is of some size.
@lru_cache(maxsize=MAX_REMEMBERED)
def _check_server(name: str | None, address: str | None) -> None:
    if name is not None and not names_host(name):
        raise EventError("`server_name` is no host name in lower case", remedy="write it like www.club.example")
    if address is not None and not is_address(address):
        raise EventError("`dst_ip` is no address", remedy=_ADDRESS)


@lru_cache(maxsize=MAX_REMEMBERED_CHAINS)
def _check_chain(links: tuple[str, ...]) -> None:
    if not all(map(is_link, links)):
        raise EventError("`cnames` holds what is no name in lower case", remedy="write each like edge.club.example")


def moment(stamp: str) -> datetime | None:
    """Return a time of an event, None: it is no time in UTC."""
    try:
        told = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    # Nearly every time is written like this; asking for its offset would cost as much as reading it.
    return told if stamp[-1] == "Z" or told.utcoffset() == _NO_OFFSET else None


def _explain(error: ErrorDetails) -> tuple[str, str]:
    """Return what is wrong and what to do, in plain words, of the first thing that pydantic found."""
    where = ".".join(str(step) for step in error["loc"])
    kind = error["type"]
    if kind == "json_invalid":
        return "the line is not JSON", "give one FlowEvent a line, as `schoolgate flows` writes it"
    if kind in {"missing", "missing_argument", "missing_keyword_only_argument"}:
        return f"`{where}` is missing", "write it as in FlowEvent version 1"
    if kind in {"unexpected_keyword_argument", "extra_forbidden"}:
        # Who wrote the line wrote this name too: an address may stand in it.
        what = "the line has a field that is none of FlowEvent version 1"
        return what, "leave it out, or use a program that reads its version"
    if where == "v":
        return "`v` is not 1", "use a program that reads this version"
    if not error["loc"] or error["loc"][0] not in _FIELDS:
        return "the line is no JSON object", "give one FlowEvent a line, as `schoolgate flows` writes it"
    return f"`{where}`: {error['msg'][:1].lower()}{error['msg'][1:]}", "write it as in FlowEvent version 1"
