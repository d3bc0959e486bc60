"""One piece of judging in a process of its own, measured from after its imports: `judge_worker.py PIECE SET`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from collector.refused import Refused
from collector.sources.event_file import EventFile
from collector.sources.octets import OctetSource
from rules.checks.registry import all_checks
from rules.engine import Engine
from rules.intake import read_events
from rules.judgement import Judgement
from rules.rulebook import RulebookFiles, load_rulebook
from tests.bench.through_kafka.cost import Cost, Meter, cpu_s, tell

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from rules.findings import Finding
    from rules.rulebook import Rulebook

EVENTS = "events.jsonl.gz"


def main() -> None:
    """Do the piece that the command line names, and tell what it cost."""
    piece, folder = sys.argv[1], Path(sys.argv[2])
    tell({"floor": floor, "stateless": stateless, "whole": whole}[piece](folder))


def floor(folder: Path) -> Cost:
    """Read every line as JSON and count the names: nobody who reads JSON Lines in Python does less."""
    file = EventFile(OctetSource(folder / EVENTS))
    meter = Meter()
    names: Counter[str | None] = Counter()
    events = 0
    for events, line in enumerate(file, start=1):  # noqa: B007 -- how many there were
        event = json.loads(line)
        if event["app"] != "dns":
            names[event["server_name"]] += event["part"] == 0
    return meter.read(events=events, flows=sum(names.values()))


def stateless(folder: Path) -> Cost:
    """Read every line strictly and judge it by all rules that look at one flow; without attribution."""
    rulebook = rulebook_of(folder)
    file = EventFile(OctetSource(folder / EVENTS))
    refused = Refused()
    engine = Engine(
        register=rulebook.register,
        parties=rulebook.parties,
        network=rulebook.network,
        checks=all_checks(
            rulebook.agreements,
            party_of=rulebook.parties.find,
            country_of=rulebook.locations.country if rulebook.locations else None,
        ),
        token_key=_key,
    )
    meter = Meter()
    events = 0
    for events, event in enumerate(read_events(file, path=file.name, refused=refused), start=1):  # noqa: B007 -- how many there were
        engine.judge(event)
    cost = meter.read(events=events, flows=engine.coverage.total.flows)
    return replace(cost, told={**cost.told, **_sums(engine.drain())})


def whole(folder: Path) -> Cost:
    """Judge and attribute as `schoolgate check` does, and tell how long each of the two takes."""
    rulebook = rulebook_of(folder)
    judgement = Judgement(rulebook, token_key=_key, today=datetime.now(UTC).date())
    file = EventFile(OctetSource(folder / EVENTS))
    refused = Refused()
    meter = Meter()
    began = cpu_s()
    judgement.judge(read_events(file, path=file.name, refused=refused))
    judged = cpu_s()
    judgement.attribute()
    attributed = cpu_s()
    cost = meter.read(
        contacts=len(judgement.contacts),
        lost=judgement.contacts.lost,
        judging_s=judged - began,
        attributing_s=attributed - judged,
    )
    return replace(cost, told={**cost.told, **_sums(judgement.conclude()[0])})


def rulebook_of(folder: Path) -> Rulebook:
    """Return the rulebook of a set of days."""
    location = folder / "locations.mmdb"
    return load_rulebook(
        RulebookFiles(
            agreements=folder / "agreements",
            network=folder / "network.yaml",
            parties=(folder / "parties.yaml",),
            location=location if location.exists() else None,
        )
    )


def _sums(findings: Iterable[Finding]) -> dict[str, int | str]:
    """Return how many findings there are, and a hash by which two runs tell that theirs are the same."""
    told = sorted((each.id, each.flows, each.bytes_up, each.bytes_down) for each in findings)
    return {"findings": len(told), "hash": blake2b(repr(told).encode(), digest_size=8).hexdigest()}


def _key(_day: date) -> bytes:
    return b"a bench"


if __name__ == "__main__":
    main()
