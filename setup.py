"""Builds the hot modules as C extensions from the very files that run without them.

The C types stand in a .pxd file beside each module. A build that fails fails the installation: there is no silent slow
way. SCHOOLGATE_PURE=1 builds nothing, for machines without a compiler; `schoolgate_build_info` says which one runs.
"""

from __future__ import annotations

import os

from setuptools import Extension, setup  # type: ignore[import-untyped] # its stubs are not worth a dependency

COMPILED_MODULES = (
    "collector.frames",
    "collector.dissect.frame",
    "collector.dissect.links",
    "collector.dissect.tunnels",
    "collector.dissect.headers",
    "collector.dissect.hostname",
    "collector.dissect.http",
    "collector.dissect.tls",
    "collector.dissect.kinds",
    "collector.dissect.quic",
    "collector.flow",
    "collector.flow_slots",
    "collector.flow_ledger",
    "collector.flows",
    "collector.holdings",
    "collector.reassembly",
    "collector.streams",
    "collector.resolvers",
    "collector.opening_facts",
    "collector.flow_opener",
    "collector.opening_tcp",
    "collector.opening_quic",
    "collector.dissect.dns",
    "collector.names",
    "collector.devices",
    "collector.draft",
    "collector.pseudonyms",
    "collector.site_addresses",
    "collector.meter",
    "collector.opening_dns",
    "collector.opening",
    "collector.sources.records",
    "collector.sources.ring",
    "rules.record_batches",
)

# Facts that can be part of no circle of objects: there is one or more of each for every flow, and to keep them in the
# lists of the collector of garbage, and to go through them, would cost more than to fill them. It can only be said of
# a whole module: what a .pxd file says of one class is lost, for the class itself stands in the .py file.
CIRCLELESS_MODULES = frozenset(
    {
        "collector.dissect.dns",
        "collector.dissect.http",
        "collector.dissect.quic",
        "collector.dissect.tls",
        "collector.devices",
        "collector.flow",
        "collector.names",
        "collector.opening_dns",
        "collector.opening_facts",
        "collector.opening_quic",
        "collector.opening_tcp",
        "collector.streams",
    }
)

DIRECTIVES = {
    "language_level": 3,
    # Types come from the .pxd files alone: `int` in the source means the number, not the Python object.
    "annotation_typing": False,
    # Octets of strangers are indexed here: the check costs nothing that could be measured and stays on.
    "boundscheck": True,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "nonecheck": False,
}

if os.environ.get("SCHOOLGATE_PURE") != "1":  # a pure build needs no Cython
    from Cython.Compiler.Options import get_directive_defaults

    # Without a default it could not be given to a whole module. Here, for processes that translate import this file.
    get_directive_defaults().setdefault("no_gc", False)


def extensions() -> list[Extension]:
    """Return the extension modules to build: none where SCHOOLGATE_PURE=1 says so."""
    if os.environ.get("SCHOOLGATE_PURE") == "1":
        return []
    from Cython.Build import cythonize  # noqa: PLC0415 -- a pure build needs no Cython

    made: list[Extension] = []
    for circleless in (True, False):
        sources = [
            Extension(name, [name.replace(".", "/") + ".py"], extra_compile_args=["-O2", "-g0"])
            for name in COMPILED_MODULES
            if (name in CIRCLELESS_MODULES) == circleless
        ]
        directives = DIRECTIVES | {"no_gc": circleless}
        made += cythonize(sources, build_dir="build", compiler_directives=directives, nthreads=os.cpu_count() or 1)  # type: ignore[no-untyped-call]
    return made


if __name__ == "__main__":  # Cython translates in processes of its own, which import this file
    setup(ext_modules=extensions(), options={"build_ext": {"parallel": os.cpu_count() or 1}})
