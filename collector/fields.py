"""The kinds of field that the district's files are made of. A record is strict, frozen, and refuses unknown keys."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    SecretStr,
    Strict,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from collector.hosts import a_labels
from collector.problems import Fault, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


class Record(BaseModel):
    """A group of named fields in a file of the district."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    called: ClassVar[str] = "file"
    """What a message calls the document whose top this record is."""

    def faults(self) -> Iterator[Fault]:
        """Yield what is wrong between the fields of this record, though each is right by itself."""
        yield from ()

    @model_validator(mode="after")
    def _refuse_faults(self) -> Self:
        found = tuple(self.faults())
        if found:
            raise _error(found)
        return self


class _NeverNull:
    """Takes null out of what a file may say: an optional key is written with a value, or left out."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema: CoreSchema = handler(source)
        return schema["schema"] if schema["type"] == "nullable" else schema


# None means that the key is absent: the file does not say. An explicit null is refused.
Maybe = Annotated[T | None, _NeverNull()]

# Lists become tuples, so that facts stay frozen all the way down.
Listed = Annotated[tuple[T, ...], Strict(False)]  # noqa: FBT003 -- the name of the class says what is false


def refusal(what: str, *, remedy: str) -> PydanticCustomError:
    """Return the error that a field raises about its own value."""
    return _error((Fault(at=(), what=what, remedy=remedy),))


def _error(faults: tuple[Fault, ...]) -> PydanticCustomError:
    said = "; ".join(f"{fault.what}; {fault.remedy}" for fault in faults)
    return PydanticCustomError("faults", "{said}", {"said": said, "faults": faults})


def _day(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    # The pattern comes first: fromisoformat also takes week dates and dates without hyphens.
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise refusal(f"{shown(value)} is not a date", remedy="write a date such as 2026-08-01")


Day = Annotated[date, BeforeValidator(_day)]


def _clock(value: object) -> time:
    if isinstance(value, time):
        return value
    found = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", value) if isinstance(value, str) else None
    if found is None:
        raise refusal(f"{shown(value)} is not a time of day", remedy='write a time such as "07:30"')
    return time(int(found[1]), int(found[2]))


Clock = Annotated[time, BeforeValidator(_clock), WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2}$"})]

# All that the contract's own pattern takes (agreement.schema.json, $defs/host), and hyphens side by side, as A-labels
# (`xn--`, RFC 5891 section 4.2.3.1) and names of delivery networks have them. A wildcard stands only at the front.
HOST_PATTERN = r"^(\*\.)?([a-z0-9_](-*[a-z0-9_])*\.)+[a-z0-9-]{2,}$"

_HOST: Final = re.compile(HOST_PATTERN.removesuffix("$"))


def is_host(text: str) -> bool:
    """Tell whether *text* is a host name as files of the district have it: lower case, A-labels, perhaps with `*.`."""
    return _HOST.fullmatch(text) is not None


def host_remedy(text: str, *, example: str) -> str:
    """Return what to write instead of *text*, which is no host name: its A-labels where that is all it lacks."""
    wire = None if text.isascii() else a_labels(text)
    if wire is not None and is_host(wire):
        return f"write {wire}, the same name as it stands on the wire"
    return f"write a name such as {example} in lower case, without https://, path, port or final dot"


def _host(value: str) -> str:
    if not is_host(value):
        raise refusal(f"{shown(value)} is not a host name", remedy=host_remedy(value, example="mathtrek.example"))
    return value


Host = Annotated[str, AfterValidator(_host), WithJsonSchema({"type": "string", "pattern": HOST_PATTERN})]


class SecretFile(Record):
    """A secret that stands in a file of its own."""

    file: str
    """Path of the file; relative paths start at the configuration file."""


def _secret(value: object) -> object:
    # Told here and not by the library: its words, and those about keys, would show what was written.
    if isinstance(value, str):
        return SecretStr(value)
    if isinstance(value, SecretStr | SecretFile):
        return value
    if isinstance(value, dict) and set(value) == {"file"} and isinstance(value["file"], str):
        return SecretFile(file=value["file"])
    raise refusal("what stands here is no secret", remedy='write it in quotes, or better {file: "PATH OF A FILE"}')


Secret = Annotated[SecretStr | SecretFile, BeforeValidator(_secret)]
"""Never shown, in no message and no traceback: what prints it prints stars."""
