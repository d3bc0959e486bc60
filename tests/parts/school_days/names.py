"""Invented names. The same words serve vendors, sites and parties, so that no name tells what it stands for."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

_FIRST = """
    amber basalt bramble brisk calico cobble copse coral dapple drift dune ember fathom feather fennel ferrous
    flint fresco gable glade gossamer granary hazel heron hollow indigo ivory jasper jetty juniper kelp kindle
    larch lattice lichen linden loam lumen mallow marrow mica mosaic nettle nimble nook oaken ochre opal
    orchid osprey paddle pebble pewter pippin plover plume prairie quarry quartz quiver raft raven reed ripple
    rowan saffron sage sedge shale sienna sorrel spindle spruce starling sumac tallow tansy teal thicket
    thistle timber topaz umber velvet vesper wander wattle wicker willow wren yarrow zephyr
""".split()  # noqa: SIM905 -- a list of two hundred literals is no better to read
_SECOND = """
    anvil arc barn beam bell bend bird bloom bow brook cairn cart cast chart cove craft crest dale deck den
    dial dock door fall fern field fold ford forge frame gate glass grain grove hall hatch helm hill hive horn
    key kiln knot lamp lane latch leaf ledge lens lift light line lock loft loom lot mast mill mint moor nest
    oak pad path peak pier pine plot pond post prow quill rack ridge ring root row sail seed shed shelf spark
    spire spoke spool stem stile stone tide tower track trail vale vault wake ward wave well wharf wing wood
    works yard
""".split()  # noqa: SIM905 -- a list of two hundred literals is no better to read


def names(rng: Random) -> Iterator[str]:
    """Yield names of two words in an order of *rng*'s choosing, each once; there are some 11,000."""
    both = [first + second for first, second in product(_FIRST, _SECOND)]
    rng.shuffle(both)
    yield from both
