"""The case desk over many cases: milliseconds at the server from a request to its whole answer.

    make bench-desk                                  # 10,000 cases in SQLite
    make bench-desk BENCH_ARGS="--cases 50000"

The store is filled as a case task fills it, each case with sixty days of evidence. Pages are asked for one after the
other over loopback by one signed-in reader. `cpu` is processor time of desk and reader together: on a machine that does
other things, too, it says more than the clock.
"""

from __future__ import annotations

import argparse
import http.client
import http.cookies
import json
import statistics
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from rules.desk.server import DeskServer
from rules.rulebook import RulebookFiles
from rules.settings import Desk
from rules.store import Store
from rules.versions import CaseVersion
from tests.rules.first_store import a_case

SAMPLE = Path(__file__).resolve().parents[2] / "rules" / "sample"
VENDORS = 300
EVIDENCE_DAYS = 60
PAUSE_S = 0.06
SEVERITIES = ("critical", "warning", "warning", "info")


def main() -> int:
    """Fill a store, serve it, ask for pages, and print one table."""
    parser = argparse.ArgumentParser(prog="make bench-desk", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--cases", type=int, default=10_000, help="cases in the store (default 10,000)")
    parser.add_argument("--rounds", type=int, default=30, help="how often each page is asked for (default 30)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="schoolgate-bench-") as folder:
        store = Store(f"sqlite:///{folder}/cases.db")
        fill(store, cases=args.cases)
        files = RulebookFiles(agreements=SAMPLE / "agreements", network=SAMPLE / "network.yaml")
        server = DeskServer(
            store, settings=Desk(listen="127.0.0.1:0"), files=files, folder=Path(folder), version="bench", say=print
        )
        server.start()
        try:
            measure(server, cases=args.cases, rounds=args.rounds)
        finally:
            server.stop()
            store.close()
    return 0


def fill(store: Store, *, cases: int) -> None:
    """Put *cases* cases of `VENDORS` vendors into *store*."""
    days = [
        {"day": f"2026-{8 + n // 28:02}-{1 + n % 28:02}", "devices": 5 + n, "flows": 9, "bytes_up": 1, "bytes_down": 1}
        for n in range(EVIDENCE_DAYS)
    ]
    evidence = json.dumps({"v": 1, "days": days, "days_left_out": 0, "windows": []})
    versions = []
    for number in range(cases):
        case_id = f"{number:024x}"
        body = a_case(
            case_id, agreement=f"vendor-{number % VENDORS}", subject=f"party-{number}.example",
            severity=SEVERITIES[number % 4], devices=sum(day["devices"] for day in days),
        )  # fmt: skip
        versions.append(CaseVersion(id=case_id, version=1, state="open", body=json.dumps(body), evidence=evidence))
    store.keep(versions, parts=())


def measure(server: DeskServer, *, cases: int, rounds: int) -> None:
    """Print how long each page takes."""
    address = urlsplit(server.sign_in_address)
    connection = http.client.HTTPConnection(address.netloc, timeout=60)
    connection.request("GET", address.path)
    answer = connection.getresponse()
    answer.read()
    jar = http.cookies.SimpleCookie(answer.headers["Set-Cookie"])
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in jar.items())
    pages = {
        "list": ("/cases", rounds),
        "list, last page": ("/cases?page=100000", rounds),
        "list, searched and sorted": ("/cases?q=party-77&sort=vendor", rounds),
        "one case": (f"/cases/{cases // 2:024x}", rounds),
        "one case, letter": (f"/cases/{cases // 2:024x}/letter", rounds),
        "vendors": ("/vendors", rounds),
        "system": ("/system", rounds),
    }
    print(f"{cases:,} cases of {VENDORS} vendors, {rounds} rounds; milliseconds from request to whole answer")
    print(f"{'page':30} {'median':>8} {'worst':>8} {'cpu':>8} {'kB':>6}")
    for name, (path, times) in pages.items():
        taken, worked = [], time.process_time()
        for _ in range(times):
            time.sleep(PAUSE_S)  # a reader may ask twenty times a second
            began = time.perf_counter()
            connection.request("GET", path, headers={"Cookie": cookie})
            answer = connection.getresponse()
            octets = len(answer.read())
            taken.append((time.perf_counter() - began) * 1000)
            if answer.status != 200:
                raise RuntimeError(f"{path} was answered with {answer.status}")
        cpu = (time.process_time() - worked) * 1000 / times
        print(f"{name:30} {statistics.median(taken):8.1f} {max(taken):8.1f} {cpu:8.1f} {octets / 1000:6.1f}")


if __name__ == "__main__":
    raise SystemExit(main())
