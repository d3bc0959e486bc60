"""The Kafka way, measured on a real broker: `make bench-kafka`. docs/benchmarks.md says how to read it.

Every figure comes with a look at what arrived: the number of events delivered, the sums of all findings against those
of the embedded engine over the same events, the number of findings of the rule. A wrong one ends the run.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

from tests.bench.through_kafka.trials import Rig, TrialError
from tests.parts import kafka_jars
from tests.parts.broker import KafkaBroker, quicken
from tests.parts.cache import PartMissingError

# 40 schools of 500 devices, 300 events each in a school day of seven hours, the busy hour at twice the mean.
DISTRICT_EVENTS_PER_S = 480
TRIALS = ("collect", "judge", "rule", "restore", "outage")


def main() -> int:
    """Run the trials and print a line for each."""
    parser = argparse.ArgumentParser(prog="make bench-kafka", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--events", type=int, default=288_000, help="events of the stream (default: ten minutes)")
    parser.add_argument("--sums", type=int, default=1_000_000, help="device-vendor-days to restore")
    parser.add_argument("--peers", type=Path, help="virtual environment of the peers; docs/benchmarks.md")
    parser.add_argument("--only", choices=TRIALS, action="append", help="a trial; may be repeated (default: all)")
    args = parser.parse_args()
    wanted = args.only or TRIALS
    # Asked to end, it ends what it started as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    try:
        jars = quicken(kafka_jars.set_up())
    except PartMissingError as missing:
        print(missing, file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory(prefix="schoolgate-bench-") as folder:
        broker = KafkaBroker(jars, folder=Path(folder) / "broker")
        broker.start()
        try:
            print(f"{broker.name}, {args.events:,} events, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
            rig = Rig(broker, folder=Path(folder), events=args.events)
            rig.collect()
            if "judge" in wanted:
                for processes in (1, 2, 4):
                    rig.judge(processes=processes)
            if "rule" in wanted:
                rig.rule(peers=args.peers)
            if "restore" in wanted:
                rig.restore(sums=args.sums)
            if "outage" in wanted:
                rig.outage(live_per_s=DISTRICT_EVENTS_PER_S)
        except TrialError as wrong:
            print(f"wrong result: {wrong}", file=sys.stderr)
            return 1
        finally:
            broker.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
