"""schoolgate/flows.py: which command lines are read without the library that reads all others."""

from __future__ import annotations

import pytest

from schoolgate.flows import plain


@pytest.mark.parametrize("captures", [["day.pcap"], ["-"], ["one.pcap", "-", "two.pcapng.gz"]])
def test_captures_alone_are_read_without_it(captures: list[str]) -> None:
    assert plain(["flows", *captures]) == captures


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["flows"],
        ["flows", "--help"],
        ["flows", "day.pcap", "--addresses"],
        ["flows", "--", "-day.pcap"],
        ["flows", "-h"],
        ["check", "day.pcap"],
        ["--version"],
    ],
)
def test_whatever_else_is_said_is_left_to_it(arguments: list[str]) -> None:
    assert not plain(arguments)
