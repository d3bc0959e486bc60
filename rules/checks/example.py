"""The little world in which every check's examples play: one school day, one product, one catalogued rival.

All names are invented, all addresses are documentation addresses. The example agreement keeps every promise, so each
example says in one line what it changes.
"""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final

from collector.events import FlowEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

ABSENT: Final = object()
"""Value of a change that takes a field out."""

SCHOOL_DAY: Final = "2026-10-14"
"""A Wednesday; school is from 07:30 to 16:00 in a zone five hours behind UTC on that day."""

NETWORK: Final[Mapping[str, object]] = {
    "schema": "schoolgate/network/1",
    "district": "Example Unified (invented)",
    "time_zone": "America/Chicago",
    "schools": [
        {
            "id": "north-es",
            "name": "North Elementary",
            "segments": [
                {"cidr": "192.0.2.0/26", "group": "k-5", "under_13": True},
                {"cidr": "192.0.2.64/26", "group": "6-8"},
                {"cidr": "192.0.2.128/26", "group": "staff", "role": "staff"},
            ],
        }
    ],
    "calendar": {
        "school_day": {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "07:30", "to": "16:00"},
        "holidays": ["2026-10-12"],
    },
}

PARTIES: Final[Mapping[str, object]] = {
    "schema": "schoolgate/parties/1",
    "parties": [
        {"name": "Fractions", "owner": "Fractions Inc.", "kind": "education", "domains": ["fractions.example"]},
        {"name": "FastEdge", "owner": "FastEdge", "kind": "cdn", "domains": ["fastedge.example"]},
        {
            "name": "AdCo",
            "owner": "AdCo Holdings",
            "kind": "advertising",
            "domains": ["adco.example", "adco-group.example"],
        },
        {"name": "AdLearn", "owner": "AdCo Holdings", "kind": "education", "domains": ["learning-adco.example"]},
        {"name": "DataCo", "owner": "DataCo", "kind": "data_broker", "domains": ["databroker.example"]},
        {
            "name": "StatCo",
            "owner": "StatCo Ltd",
            "kind": "analytics",
            "domains": ["statco.example", "statco-cdn.example"],
        },
        {"name": "ReplayCo", "owner": "StatCo Ltd", "kind": "session_replay", "domains": ["replayco.example"]},
        {"name": "CrashCo", "owner": "CrashCo", "kind": "crash_reporting", "domains": ["crashco.example"]},
        {"name": "SignOn", "owner": "SignOn", "kind": "identity", "domains": ["signon.example"]},
        {"name": "Updates", "owner": "SystemCo", "kind": "operating_system", "domains": ["updates.example"]},
        {"name": "Mathlab", "owner": "Mathlab Inc.", "kind": "education", "domains": ["mathlab-pages.example"]},
        {"name": "News", "owner": "News Ltd", "kind": "other", "domains": ["news.example"]},
    ],
}

AGREEMENT: Final[Mapping[str, object]] = {
    "schema": "schoolgate/agreement/1",
    "id": "mathlab",
    "vendor": {"legal_name": "Mathlab Inc."},
    "products": [{"name": "Mathlab", "under_13": True, "personalized": True, "uses_algorithms": True}],
    "agreement": {"kind": "ndpa_v2", "status": "active", "effective": "2026-08-01", "expires": "2027-07-31"},
    "domains": [
        {"match": "mathlab.example", "role": "app"},
        {"match": "www.mathlab.example", "role": "marketing_site"},
        {"match": "mathlab.sharededge.example", "role": "content", "shared": True},
    ],
    "third_parties": {
        "list_is": "complete",
        "unlisted": "forbidden",
        "list": [{"name": "HostCo", "domains": ["hostco.example"], "relation": "subprocessor"}],
    },
    "purposes": [
        {"code": "instruction", "plain": "Practice problems chosen by the teacher."},
        {"code": "assessment", "plain": "A short test at the end of a unit."},
    ],
    "prohibited": {"targeted_ads": True, "sale": True, "non_educational_profiles": True, "third_party_tracking": True},
    "data": {
        "categories": [{"cat": "in_app_performance"}],
        "stored_in": ["US"],
        "encrypted_in_transit": True,
        "retention_days_after_end": 60,
        "access": ["class teacher"],
    },
    "reviews": {
        "curriculum": {"status": "approved", "independent": True},
        "pedagogy": {"status": "approved", "independent": True, "population": "grades 2 to 6"},
        "assessment": {"status": "approved", "independent": True, "covers": ["validity", "usefulness"]},
        "algorithms": {"status": "approved", "independent": True},
    },
    "use_gate": {"status": "approved"},
    "expected": {"hours": "school_day", "upload_mb_per_device_day": 5},
}

EVENT: Final[Mapping[str, object]] = {
    "id": "0",
    "sensor": "example",
    "school": "north-es",
    "group": "6-8",
    "device": "d1",
    "dst_ip": "198.51.100.7",
    "dst_port": 443,
    "proto": "tcp",
    "started_at": f"{SCHOOL_DAY}T15:00:00.000000Z",
    "ended_at": f"{SCHOOL_DAY}T15:00:02.000000Z",
    "bytes_up": 2000,
    "bytes_down": 9000,
    "packets_up": 8,
    "packets_down": 12,
    "server_name": "app.mathlab.example",
    "name_source": "tls_sni",
    "app": "tls",
    "tls_version": "1.3",
    "alpn": "h2",
    "ech": False,
    "plaintext_bytes_up": 0,
    "end": "fin",
}

COUNTRIES: Final[Mapping[str, str]] = {"198.51.100.7": "US", "203.0.113.9": "BR"}
"""Where the example's servers stand."""


def agreement_document(changes: Mapping[str, object]) -> dict[str, object]:
    """Return the example agreement with *changes* (dotted path -> value; `ABSENT` takes the field out)."""
    document = copy.deepcopy(dict(AGREEMENT))
    for path, value in changes.items():
        *way, last = path.split(".")
        section = document
        for step in way:
            inner = section.setdefault(step, {})
            if not isinstance(inner, dict):
                raise TypeError(f"`{step}` in `{path}` is no section of the example agreement")
            section = inner
        if value is ABSENT:
            section.pop(last, None)
        else:
            section[last] = value
    return document


def event(changes: Mapping[str, object], *, number: int) -> FlowEvent:
    """Return the example event with *changes*, under an id made of *number*."""
    fields = {**EVENT, "id": f"example-{number}", **changes}
    return FlowEvent(**fields)  # type: ignore[arg-type]  # fields of an example are plain data; a wrong one shows at once


def each(devices: int, **changes: object) -> tuple[Mapping[str, object], ...]:
    """Return one flow of each of so many devices, all with the same changes."""
    return tuple({"device": f"d{number}", **changes} for number in range(devices))


def at(clock: str, *, day: str = SCHOOL_DAY) -> dict[str, object]:
    """Return the times of a two-second flow that starts at this UTC clock time, for example `15:04`."""
    return {"started_at": f"{day}T{clock}:00.000000Z", "ended_at": f"{day}T{clock}:02.000000Z"}


LESSON_DAYS: Final = ("2026-10-13", SCHOOL_DAY, "2026-10-15")
LESSON_HOURS: Final = (14, 16, 18)
"""Hours, UTC, in which the class of an example opens things: two of them in the morning."""
LESSON_DEVICES: Final = 4


def lessons(
    host: str, *, brings: tuple[str, ...] = (), after_ms: int = 200, from_minute: int = 0
) -> tuple[Mapping[str, object], ...]:
    """Return one flow to *host* of each device of a class, in three lessons on each of three days.

    Args:
        host: what the class opens, one device a minute, each out of quiet.
        brings: hosts to which a flow of the same device follows.
        after_ms: so much later.
        from_minute: minute of the hour at which the first device begins; up to 55.
    """
    return tuple(
        {"server_name": name, "device": f"d{device}-{day}", **moment(day, hour=hour, minute=minute, after_ms=delay)}
        for day in LESSON_DAYS
        for hour in LESSON_HOURS
        for device, minute in enumerate(range(from_minute, from_minute + LESSON_DEVICES))
        for name, delay in ((host, 0), *((each, after_ms) for each in brings))
    )


def beside(events: tuple[Mapping[str, object], ...]) -> tuple[Mapping[str, object], ...]:
    """Return the same flows a tenth of a second later: whoever opens two pages opens them almost at once."""
    return tuple({**event, **_moved(event, by=timedelta(milliseconds=100))} for event in events)


def among_others(*parts: tuple[Mapping[str, object], ...]) -> tuple[Mapping[str, object], ...]:
    """Return *parts* together with lessons on another site, which brings nobody: a cause needs something to compare."""
    return tuple(chain(*parts, lessons("www.weather.example", from_minute=50)))


def moment(day: str, *, hour: int, minute: int, after_ms: int = 0) -> dict[str, object]:
    """Return the times of a two-second flow that starts so many milliseconds after this minute, UTC."""
    start = datetime.fromisoformat(f"{day}T{hour:02}:{minute:02}:00+00:00") + timedelta(milliseconds=after_ms)
    return {"started_at": _stamp(start), "ended_at": _stamp(start + timedelta(seconds=2))}


def _moved(event: Mapping[str, object], *, by: timedelta) -> dict[str, object]:
    keys = ("started_at", "ended_at")
    return {key: _stamp(datetime.fromisoformat(str(event[key])) + by) for key in keys}


def _stamp(when: datetime) -> str:
    return when.isoformat(timespec="microseconds").replace("+00:00", "Z")
