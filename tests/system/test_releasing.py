"""What leaves for spool and judge: released events alone, whatever they come from, by the lists as they stand."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from collector.collect import Filler, FillHooks, NetworkFile
from collector.events import FlowEvent
from collector.segments import load_network
from collector.settings import Privacy
from collector.spool import Spool
from collector.watch import new_pseudonyms
from rules.rulebook import RulebookFiles
from schoolgate import releasing
from schoolgate.inputs import Input, open_input
from schoolgate.listed import ListedFiles
from schoolgate.releasing import ListedWatch, Release, ReleasedFile, ReleasedLive
from tests.system.product import schoolgate

SAMPLE = Path(__file__).resolve().parents[2] / "rules" / "sample"
# Names of the sample day in no agreement and no list, and how many devices ask for each.
UNLISTED = {
    "www.factbarn.example": 10,
    "www.dailyprairie.example": 6,
    "www.skyglance.example": 6,
    "scores.cityscores.example": 3,
}


class Town:
    """The sample district, its lists and a spool."""

    def __init__(self, folder: Path, *, devices: int = 5) -> None:
        shutil.copytree(SAMPLE / "agreements", folder / "agreements")
        for name in ("network.yaml", "parties.yaml"):
            shutil.copy(SAMPLE / name, folder)
        self.parties = folder / "parties.yaml"
        self.network = load_network(folder / "network.yaml")
        self.pseudonyms, _ring = new_pseudonyms(self.network, make_key=lambda: os.urandom(32))
        self.listed = ListedFiles(
            RulebookFiles(agreements=folder / "agreements", network=folder / "network.yaml", parties=(self.parties,))
        )
        self.release = Release(
            Privacy(release_after_devices=devices), folder=folder, network=self.network, listed=self.listed.names
        )
        self.said: list[str] = []
        self.spool = Spool(folder / "spool.db", max_bytes=64 << 20, when_full="stop", origin=1)
        self.filler = Filler(
            self.spool,
            stop=threading.Event(),
            network=NetworkFile(folder / "network.yaml"),
            hooks=FillHooks(say=self.said.append, before_append=lambda: None),
        )

    def open(self, path: Path = SAMPLE / "day.pcap.gz") -> Input:
        return open_input(
            str(path),
            sensor="tap",
            network=self.network,
            pseudonyms=self.pseudonyms,
            pace=None,
            show=lambda _file: None,
        )

    def file(self, path: Path = SAMPLE / "day.pcap.gz") -> ReleasedFile:
        return ReleasedFile(self.open(path), ahead=lambda: self.open(path), release=self.release, stopped=lambda: False)

    def events(self) -> list[FlowEvent]:
        """Return the events of the day before the rule."""
        return [event for batch in self.open().batches() for event in batch]

    def spooled(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = []
        while batches := self.spool.oldest():
            found += [json.loads(value) for batch in batches for _key, value in batch.pairs]
            self.spool.acknowledge(batches)
        return found


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    own = Town(tmp_path)
    yield own
    own.spool.close()


class Passing:
    """Events that pass by, in portions."""

    def __init__(self, events: Sequence[FlowEvent]) -> None:
        self._events = events
        self.reached_ns = 0

    def batches(self) -> Iterator[Sequence[FlowEvent]]:
        for at in range(0, len(self._events), 100):
            yield self._events[at : at + 100]

    def use_network(self, _network: object) -> None:
        raise AssertionError("the network file did not change")


def names(events: Sequence[dict[str, object]]) -> Counter[object]:
    return Counter(each["server_name"] for each in events)


def test_the_spool_holds_no_unlisted_name_whole_and_every_octet(town: Town) -> None:
    before = town.events()
    assert town.filler.take(town.file())
    left = town.spooled()
    assert not UNLISTED.keys() & names(left).keys()
    assert {name for name, devices in UNLISTED.items() if name.split(".", 1)[1] in names(left)} == {
        name for name, devices in UNLISTED.items() if devices >= 5
    }
    withheld = [each for each in left if each["withheld"]]
    assert len(withheld) == sum(each.server_name in UNLISTED for each in before)
    assert all(each["dst_ip"] is None and each["cnames"] == [] for each in withheld)
    assert Counter(each.id for each in before) == Counter(each["id"] for each in left)
    for count in ("bytes_up", "bytes_down", "packets_up", "packets_down"):
        assert sum(getattr(each, count) for each in before) == sum(int(str(each[count])) for each in left)


def test_a_file_of_events_is_released_as_its_capture_is(town: Town, tmp_path: Path) -> None:
    lines = schoolgate("flows", SAMPLE / "day.pcap.gz", "--network", SAMPLE / "network.yaml").stdout
    assert all(name in lines for name in UNLISTED)
    (tmp_path / "day.jsonl").write_text(lines, encoding="utf-8")
    assert town.filler.take(town.file())
    by_capture = names(town.spooled())
    assert town.filler.take(town.file(tmp_path / "day.jsonl"))
    assert names(town.spooled()) == by_capture


def test_what_passes_by_is_withheld_until_enough_devices_asked(town: Town) -> None:
    assert town.filler.follow(ReleasedLive(Passing(town.events()), release=town.release))
    told = names(town.spooled())
    assert not UNLISTED.keys() & told.keys()
    assert 0 < told["factbarn.example"] < 11
    assert told["cityscores.example"] == 0
    assert town.release.rule.counters.few_devices > town.release.rule.counters.reduced > 0


def test_a_name_that_is_listed_meanwhile_leaves_whole_and_a_bad_list_changes_nothing(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releasing, "LOOK_EVERY_S", 0.0)
    look = ListedWatch(town.listed, release=town.release, say=town.said.append).look
    events = [each for each in town.events() if each.server_name == "scores.cityscores.example"]
    text = town.parties.read_text(encoding="utf-8")

    def released() -> set[str | None]:
        source = ReleasedLive(Passing(events), release=town.release, look=look)
        return {each.server_name for batch in source.batches() for each in batch}

    assert released() == {None}
    town.parties.write_text(text.replace("schema:", "scheme:", 1), encoding="utf-8")
    look()
    assert released() == {None}
    assert town.said[-1].endswith("going on with what was read before")
    row = "  - {name: CityScores, kind: other, domains: [cityscores.example]}\n"
    town.parties.write_text(text.rstrip("\n") + "\n" + row, encoding="utf-8")
    look()
    assert released() == {"scores.cityscores.example"}
    assert town.said[-1] == "the names of agreements and party lists read again"


def test_a_tap_host_without_agreements_withholds_vendors_and_says_so(tmp_path: Path) -> None:
    files = ListedFiles(RulebookFiles(agreements=tmp_path / "agreements", network=tmp_path / "network.yaml"))
    assert not files.names.vendors
    assert "their names are withheld" in files.warning


def test_looking_ahead_ends_when_somebody_asks_to_stop(town: Town) -> None:
    asked: list[int] = []

    def stopped() -> bool:
        asked.append(1)
        return True

    opened: list[Input] = []

    def ahead() -> Input:
        opened.append(town.open())
        return opened[-1]

    source = ReleasedFile(town.open(), ahead=ahead, release=town.release, stopped=stopped)
    first = next(source.batches())
    assert (len(opened), len(asked)) == (1, 1)
    assert all(each.server_name not in UNLISTED for each in first)
