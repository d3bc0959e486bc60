"""The spool is filled from captures that go on where they were left, and waits rather than loses."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from collector.capture import CaptureInput
from collector.collect import Filler, FillHooks, NetworkFile
from collector.events import FlowEvent
from collector.segments import Network
from collector.spool import Spool
from collector.spooled import Kind
from collector.watch import new_pseudonyms

SAMPLE = Path(__file__).resolve().parents[2] / "rules" / "sample"


class Town:
    """A spool, a network file, and the sample day."""

    def __init__(self, folder: Path, *, max_bytes: int = 64 << 20) -> None:
        self.network_path = Path(shutil.copy(SAMPLE / "network.yaml", folder))
        self.network = NetworkFile(self.network_path)
        self.stop = threading.Event()
        self.said: list[str] = []
        self.spool = Spool(folder / "spool.db", max_bytes=max_bytes, when_full="stop", origin=1)
        hooks = FillHooks(say=self.said.append, before_append=lambda: None)
        self.filler = Filler(self.spool, stop=self.stop, network=self.network, hooks=hooks)
        self.pseudonyms, _ = new_pseudonyms(self.network.network, make_key=lambda: b"k" * 32)

    def capture(self) -> CaptureInput:
        return CaptureInput(
            str(SAMPLE / "day.pcap.gz"),
            sensor="tap",
            network=self.network.network,
            pseudonyms=self.pseudonyms,
            pace=None,
            show=lambda _file: None,
        )

    def spooled(self) -> list[bytes]:
        found: list[bytes] = []
        while batches := self.spool.oldest():
            found += [value for batch in batches for _key, value in batch.pairs]
            self.spool.acknowledge(batches)
        return found


class Cut:
    """A capture that somebody stops after so many batches."""

    def __init__(self, town: Town, *, after: int) -> None:
        self._whole = town.capture()
        self._town = town
        self._after = after
        self.name = self._whole.name
        self.sha256 = self._whole.sha256

    def batches(self) -> Iterator[Sequence[FlowEvent]]:
        events = [event for batch in self._whole.batches() for event in batch]
        for number, at in enumerate(range(0, len(events), 50)):
            if number == self._after:
                self._town.stop.set()
            yield events[at : at + 50]

    def use_network(self, network: Network) -> None:
        self._whole.use_network(network)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    own = Town(tmp_path)
    yield own
    own.spool.close()


def test_a_capture_is_spooled_whole_and_its_end_comes_last(town: Town) -> None:
    assert town.filler.take(town.capture())
    assert town.spool.oldest()[-1].kind is Kind.END
    events = [event for batch in town.capture().batches() for event in batch]
    assert town.spool.events == len(events)


def test_a_capture_that_was_stopped_is_gone_on_with_and_no_event_is_spooled_twice(town: Town) -> None:
    assert not town.filler.take(Cut(town, after=3))
    part = town.spooled()
    assert len(part) == 200
    town.stop.clear()
    assert town.filler.take(town.capture())
    assert "an earlier run stopped after 200 events; going on from there" in town.said[-1]
    rest = town.spooled()
    third = town.capture()
    with third._events.file:  # nobody reads it, so nobody closes it
        assert town.filler.take(third)
    assert "skipped" in town.said[-1]
    assert town.spooled() == []
    events = [event for batch in town.capture().batches() for event in batch]
    assert len({*part, *rest}) == len(part) + len(rest) == len(events)


def test_a_full_spool_makes_the_capture_wait_until_there_is_room(tmp_path: Path) -> None:
    town = Town(tmp_path, max_bytes=300_000)
    filling = threading.Thread(target=town.filler.take, args=(town.capture(),))
    filling.start()
    found: list[bytes] = []
    while filling.is_alive():
        if any("waiting until the broker" in line for line in town.said):
            found += town.spooled()
        filling.join(timeout=0.05)
    found += town.spooled()
    town.spool.close()
    assert len(set(found)) == len(found) == len([e for batch in town.capture().batches() for e in batch])


def test_no_event_of_a_capture_ended_before_what_its_spool_promised(town: Town) -> None:
    town.filler.take(Cut(town, after=10_000))
    promised = 0
    for batch in town.spool.oldest():
        if batch.kind is Kind.EVENTS and batch.through_ns is not None:
            assert batch.through_ns >= promised
            promised = batch.through_ns
    assert town.spool.oldest()[-1].through_ns is not None


def test_a_bad_network_file_never_replaces_a_good_one(town: Town) -> None:
    good = town.network.network
    assert town.network.look() is None
    town.network.ask()
    assert town.network.look() is not None
    town.network_path.write_text("schools: nonsense\n", encoding="utf-8")
    with pytest.raises(ValueError, match="network"):
        town.network.look()
    assert town.network.network.district == good.district
    assert town.network.look() is None
