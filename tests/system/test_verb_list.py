"""A process makes the verb that it was asked for, and all of them where it was asked for none that there is."""

from __future__ import annotations

import subprocess
import sys
from copy import copy
from itertools import chain
from typing import Any

import pytest
import typer

from schoolgate.verb_list import keep_only
from schoolgate.verbs import app
from tests.system.product import ROOT, SAMPLE

LOADED = """
import sys
from contextlib import suppress
from schoolgate.__main__ import main
with suppress(SystemExit):
    main()
sys.stderr.write(" ".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""
DEAR = {"aiokafka", "alembic", "jinja2", "scapy", "sqlalchemy"}
"""Each costs megabytes, and time at every start: for a store, a broker, pages."""


def told(verb: Any) -> list[str]:
    """Return the help of a verb and of those beneath it."""
    return [verb.get_help(typer.Context(verb)), *chain(*map(told, getattr(verb, "commands", {}).values()))]


@pytest.mark.parametrize("verb", ["explain-coverage", "check", "cases", "break-glass"])
def test_a_verb_that_is_made_alone_is_what_it_is_among_all(verb: str) -> None:
    narrowed = copy(app)
    keep_only(verb, app=narrowed)
    alone, whole = (typer.main.get_command(each).commands for each in (narrowed, app))  # type: ignore[attr-defined]
    assert list(alone) == [verb]
    assert told(alone[verb]) == told(whole[verb])


@pytest.mark.parametrize("word", ["--help", "chek", "explain_coverage"])
def test_what_is_no_verb_is_answered_with_all_of_them_known(word: str) -> None:
    narrowed = copy(app)
    keep_only(word, app=narrowed)
    assert narrowed.registered_commands == app.registered_commands
    assert narrowed.registered_groups == app.registered_groups


def test_whoever_watches_a_network_loads_no_store_no_pages_and_no_letters() -> None:
    line = [sys.executable, "-c", "import schoolgate.collect, sys; print(*sys.modules)"]
    done = subprocess.run(line, capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "aiokafka" in loaded
    assert not loaded & (DEAR - {"aiokafka"} | {"smtplib"})


def test_whoever_checks_a_file_loads_no_store_no_broker_and_no_pages() -> None:
    network, agreements = SAMPLE / "network.yaml", SAMPLE / "agreements"
    words = ["check", SAMPLE / "day.pcap.gz", "--agreements", agreements, "--network", network]
    line = [sys.executable, "-c", LOADED, *map(str, words)]
    done = subprocess.run(line, capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stderr.splitlines()[-1].split())
    assert "rules" in loaded
    assert not loaded & DEAR
