"""What a look at the broker showed, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collector.broker_check import Inspection

# Wide enough for every table here: whoever reads a pipe gets whole names.
PIPE_WIDTH = 160


def as_document(found: Inspection | None, *, fault: str | None) -> str:
    """Return one JSON document: the inspection, or why there is none."""
    document: dict[str, Any] = {"v": 1, "reachable": found is not None}
    if found is None:
        document["troubles"] = [{"what": fault, "remedy": None}]
    else:
        document |= asdict(found)
        document["well"] = not found.troubles
    return json.dumps(document, indent=2) + "\n"


def show(found: Inspection) -> None:
    """Print everything as tables."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=PIPE_WIDTH)
    release = f"Apache Kafka {found.release.name}" if found.release.name else "a broker of unknown release"
    login = f"user {found.login}" if found.login else "no login"
    console.print(f"{release}, cluster {found.cluster}, {login}")
    console.print(_brokers(found))
    console.print(_roles(found))
    console.print(_topics(found))
    if found.groups:
        console.print(_groups(found))
        console.print("lag counts records, and up to a few marks that transactions leave at the end of a partition")
    if found.newest_flow_s is not None:
        console.print(f"newest record of flows: stamped by the broker {found.newest_flow_s} s ago by this host's clock")
    for note in found.notes:
        console.print(f"note: {note}", soft_wrap=True)
    for trouble in found.troubles:
        console.print(f"wrong: {trouble.what}; {trouble.remedy}", soft_wrap=True)
    if not found.troubles:
        console.print("all is well")


def _brokers(found: Inspection) -> Table:
    table = _table("broker", "log-in")
    for broker in found.brokers:
        table.add_row(broker.address, "failed" if broker.login_ms is None else f"{broker.login_ms} ms")
    return table


def _roles(found: Inspection) -> Table:
    table = _table("this login as", "can", "may not, and would have to")
    for role in found.roles:
        table.add_row(role.role, "yes" if role.can else "no", ", ".join(role.missing))
    return table


def _topics(found: Inspection) -> Table:
    table = _table("topic", "partitions", "copies", "this login may")
    for topic in found.topics:
        there = (str(topic.partitions), str(topic.copies)) if topic.partitions else ("none", "")
        table.add_row(topic.name, *(there if topic.seen else ("not seen", "")), ", ".join(topic.may))
    return table


def _groups(found: Inspection) -> Table:
    table = _table("group", "state", "members", "lag", "of each partition that has some")
    for group in found.groups:
        parts = ", ".join(f"{each.partition}: {each.lag:,}" for each in group.partitions if each.lag)
        table.add_row(group.group, group.state, "\n".join(group.members) or "none", f"{group.lag:,}", parts)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
