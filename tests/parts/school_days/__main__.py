"""Write a set of school days into a folder, in the layout of an exam: `python -m tests.parts.school_days --help`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

from tests.parts.school_days.days import school_days
from tests.parts.school_days.exam import write_exam
from tests.parts.school_days.twists import TWISTS, chosen


def main() -> int:
    """Read the command line, write the files, say what was written."""
    parser = ArgumentParser(
        prog="python -m tests.parts.school_days",
        description="Writes synthetic school days with known causes: agreements/, parties.yaml, network.yaml,"
        " events.jsonl.gz, truth.json.",
        epilog="twists:\n" + "\n".join(f"  {name:20} {words}" for name, words in TWISTS.items()),
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed and sizes give the same files")
    parser.add_argument("--devices", type=int, default=250)
    parser.add_argument("--days", type=int, default=5, help="school days, weekends left out")
    parser.add_argument("--vendors", type=int, default=50, help="products with an agreement")
    parser.add_argument("--sites", type=int, default=120, help="sites off the task")
    parser.add_argument("--parties", type=int, default=80, help="third parties that may be embedded")
    parser.add_argument("--twists", default="all", help="names with commas between, or all, or none")
    parser.add_argument("--out", type=Path, required=True, help="the folder; files in it are replaced")
    given = parser.parse_args()
    try:
        made = school_days(
            seed=given.seed,
            devices=given.devices,
            days=given.days,
            vendors=given.vendors,
            sites=given.sites,
            parties=given.parties,
            twists=chosen(given.twists),
        )
    except ValueError as error:
        parser.error(str(error))
    truth = write_exam(made, folder=given.out)
    sys.stdout.write(
        f"{given.out}: {truth['coverage']['flows']} flows, {len(truth['edges'])} edges"
        f" ({sum(edge['sufficient'] for edge in truth['edges'])} sufficient), {len(truth['must'])} must,"
        f" {len(truth['must_not'])} must not\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
