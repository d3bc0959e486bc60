"""Octets that once did harm, kept as (parser, hex). `make fuzz` prints such a line for each failure it meets.

What is here was found while the worst inputs were looked for, and is shortened; at full length each took many times the
time, or the memory, of its like. tests/fuzz/worst.py holds them longer.
"""

from __future__ import annotations

import pytest

from tests.fuzz.targets import TARGETS

FINDINGS = [
    # Names of which each walked the same chain of compression pointers again: bounded by MAX_POINTERS.
    (
        "dns",
        (
            "00078180000100030000000001610000010001c00c0010000100000001004ec00cc01fc021c023c025c027c029c02bc0"
            "2dc02fc031c033c035c037c039c03bc03dc03fc041c043c045c047c049c04bc04dc04fc051c053c055c057c059c05bc0"
            "5dc05fc061c063c065c067c069c06b000100010000003c000400000000c069000100010000003c000400000000"
        ),
    ),
    # Folded lines, each of which copied all before it.
    ("http", "474554202f20485454502f312e310a413a20620a20780a20780a20780a20780a20780a20780a20780a20780a0a"),
    # Fragments without octets: their number was bounded by octets only.
    (
        "pipeline",
        (
            "0100220200c0a801fe0200c0a801010800450000140007200140110000c000020ac63364140100220200c0a801fe0200"
            "c0a801010800450000140007200240110000c000020ac63364140100220200c0a801fe0200c0a8010108004500001400"
            "07200340110000c000020ac6336414"
        ),
    ),
]


@pytest.mark.parametrize(("name", "octets"), FINDINGS)
def test_octets_that_once_did_harm_do_none_now(name: str, octets: str) -> None:
    TARGETS[name].run(bytes.fromhex(octets))
