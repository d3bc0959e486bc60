"""Runs one target under atheris, which lets coverage choose the inputs; started by `guided.py` in the pure build.

python -m tests.fuzz.coverage_led TARGET [options of libFuzzer] CORPUS
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["collector"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    run = TARGETS[sys.argv[1]].run
    atheris.Setup([sys.argv[0], *sys.argv[2:]], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
