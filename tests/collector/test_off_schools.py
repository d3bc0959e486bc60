"""A school that is switched off: nothing of it reaches the spool, whatever the events come from."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collector.capture import CaptureInput
from collector.collect import Filler, FillHooks, NetworkFile
from collector.documents import DocumentError
from collector.encoding import encode
from collector.segments import load_network
from collector.spool import Spool
from collector.watch import new_pseudonyms
from schoolgate.inputs import open_input

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collector.events import FlowEvent
    from collector.segments import Network

SAMPLE = Path(__file__).resolve().parents[2] / "rules" / "sample"
OFF, ON = "meadow-es", "lakeview-ms"


class Followed:
    """Live interfaces, or another sensor, that give the events of the sample day."""

    reached_ns = 0

    def __init__(self, events: Sequence[FlowEvent]) -> None:
        self._events = events

    def batches(self) -> Iterator[Sequence[FlowEvent]]:
        yield self._events

    def use_network(self, network: Network) -> None:
        """Place later flows by this network file."""


@pytest.fixture(scope="module")
def day() -> list[FlowEvent]:
    """The events of the sample day, all schools."""
    return [event for batch in sample_day(load_network(SAMPLE / "network.yaml")).batches() for event in batch]


def sample_day(network: Network) -> CaptureInput:
    pseudonyms, _ = new_pseudonyms(network, make_key=lambda: b"k" * 32)
    return CaptureInput(
        str(SAMPLE / "day.pcap.gz"), sensor="tap", network=network, pseudonyms=pseudonyms, pace=None,
        show=lambda _file: None,
    )  # fmt: skip


def schools_in(spool: Spool) -> set[str | None]:
    found: set[str | None] = set()
    while batches := spool.oldest():
        found |= {json.loads(value)["school"] for batch in batches for _key, value in batch.pairs}
        spool.acknowledge(batches)
    return found


def test_nothing_of_it_is_spooled_from_a_capture_a_file_of_events_or_anything_live(
    tmp_path: Path, day: list[FlowEvent]
) -> None:
    path = Path(shutil.copy(SAMPLE / "network.yaml", tmp_path))
    network = NetworkFile(path, off_schools=[OFF])
    lines = tmp_path / "events.jsonl"
    lines.write_bytes(b"".join(encode(event) + b"\n" for event in day))
    pseudonyms, _ = new_pseudonyms(network.network, make_key=lambda: b"k" * 32)
    assert {event.school for event in day} == {OFF, ON, None}
    with Spool(tmp_path / "spool.db", max_bytes=64 << 20, origin=1) as spool:
        hooks = FillHooks(say=lambda _line: None, before_append=lambda: None)
        filler = Filler(spool, stop=threading.Event(), network=network, hooks=hooks)
        assert filler.take(sample_day(network.network))
        assert schools_in(spool) == {ON, None}
        assert filler.take(
            open_input(str(lines), sensor="tap", network=network.network, pseudonyms=pseudonyms, pace=None,
                       show=lambda _file: None)
        )  # fmt: skip
        assert schools_in(spool) == {ON, None}
        assert filler.follow(Followed(day))
        assert schools_in(spool) == {ON, None}
        # It stays off when the network file is read again.
        network.ask()
        assert network.look() is not None
        assert filler.follow(Followed(day))
        assert schools_in(spool) == {ON, None}


def test_a_school_that_is_not_in_the_network_file_cannot_be_switched_off() -> None:
    with pytest.raises(DocumentError) as caught:
        load_network(SAMPLE / "network.yaml", off_schools=["meadow"])
    assert "no school here has this id; the ids are lakeview-ms, meadow-es" in str(caught.value.problems[0])
