"""No output carries a school-side address, or anything by which a device of one day is found again on the next."""

from __future__ import annotations

import gzip
import json
import re
import sqlite3
import struct
from ipaddress import ip_address
from pathlib import Path

from collector.segments import load_network
from rules.counted import unpacked
from rules.store import Store
from tests.system.product import CAPTURE, SAMPLE, copy_district, schoolgate

ADDRESS = re.compile(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b|\b[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){2,7}", re.IGNORECASE)


def school_side(text: str) -> set[str]:
    """Return the addresses in *text* that lie in a segment of the sample district, or on its staff VLAN."""
    network = load_network(SAMPLE / "network.yaml")
    found = set()
    for word in set(ADDRESS.findall(text)):
        try:
            address = ip_address(word)
        except ValueError:  # a time of day looks a little like IPv6
            continue
        if network.locate(address.packed) is not None or word.startswith("10.50."):
            found.add(word)
    return found


def macs() -> set[bytes]:
    """Return the source MAC address of every frame of the sample day."""
    day = gzip.decompress(CAPTURE.read_bytes())
    found, at = set(), 24
    while at < len(day):
        caught = struct.unpack_from("<I", day, at + 8)[0]
        found.add(day[at + 22 : at + 28])
        at += 16 + caught
    return found


def test_events_carry_no_school_side_address_port_or_mac() -> None:
    run = schoolgate("flows", CAPTURE, "--network", SAMPLE / "network.yaml")
    assert school_side(run.stdout) == set()
    first = json.loads(run.stdout.splitlines()[0])
    assert not {"src_ip", "src_port"} & set(first)
    for mac in macs():
        assert mac.hex() not in run.stdout
        assert mac.hex(":") not in run.stdout


def test_the_same_device_has_another_pseudonym_in_every_run() -> None:
    runs = [schoolgate("flows", CAPTURE, "--network", SAMPLE / "network.yaml").stdout.splitlines() for _ in range(2)]
    names = [{json.loads(line)["device"] for line in lines} for lines in runs]
    assert len(names[0]) == len(names[1]) > 30
    assert not names[0] & names[1]


def test_everything_but_the_pseudonyms_is_the_same_in_every_run() -> None:
    runs = [schoolgate("flows", CAPTURE, "--network", SAMPLE / "network.yaml").stdout for _ in range(2)]
    without = [re.sub(r'"device":"[0-9a-f]{16}"', "", run) for run in runs]
    assert without[0] == without[1]


def test_store_log_and_report_hold_no_address_no_mac_and_no_pseudonym(tmp_path: Path) -> None:
    folder = copy_district(tmp_path)
    run = schoolgate("run", "--config", folder / "config.yaml")
    report = schoolgate("cases", "--config", folder / "config.yaml", "--json")
    store = Store(f"sqlite:///{folder / 'cases.db'}")
    rows = [body.decode() for body in store.findings()] + [repr(case) for case in store.cases().values()]
    state = store.states("")
    store.close()
    with sqlite3.connect(folder / "cases.db") as database:
        rows += [
            value.decode("latin-1") if isinstance(value, bytes) else str(value)
            for table in ("findings", "cases", "inputs")
            for row in database.execute(f"SELECT * FROM {table}")  # noqa: S608 -- our own table names
            for value in row
        ]
    database.close()
    # The contacts of a day that is over are counts by now: whose they were is gone with the key.
    assert not [name for name in state if name.startswith("contacts/")]
    counted = [unpacked(body) for name, body in state.items() if name.startswith("counted/")]
    assert sum(len(counts.rows) for counts in counted) > 30
    plain = [body.decode() for name, body in state.items() if not name.startswith("counted/")]
    everything = "\n".join([*rows, *plain, repr(counted)]) + run.stderr + report.stdout
    assert school_side(everything) == set()
    for mac in macs():
        assert mac.hex() not in everything
    assert '"device":"' in everything  # a token over day, device and agreement, which joins nothing


def test_lab_events_say_so_and_check_takes_their_addresses_away(tmp_path: Path) -> None:
    folder = copy_district(tmp_path)
    lab = schoolgate("flows", CAPTURE, "--addresses")
    first = json.loads(lab.stdout.splitlines()[0])
    assert first["device"] is None
    assert first["src_ip"]
    events = folder / "events.jsonl"
    events.write_text(lab.stdout, encoding="utf-8")
    words = (
        "--agreements",
        folder / "agreements",
        "--network",
        folder / "network.yaml",
        "--parties",
        folder / "parties.yaml",
    )
    report = json.loads(schoolgate("check", events, *words, "--json").stdout)
    assert len(school_side(lab.stdout)) > 30
    assert school_side(json.dumps(report)) == set()
    rules = {case["rule"] for case in report["cases"]}
    assert {"use-paused", "plaintext-transport", "under-13-not-covered"} <= rules
