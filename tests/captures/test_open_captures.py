"""The 178 third-party captures with truth: every core name, nothing wrong, nothing extra, every octet."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from collector.capture import CaptureLines
from collector.sources.octets import CaptureError, OctetSource

CAPTURES = Path(__file__).resolve().parents[3] / "shared" / "captures"

pytestmark = pytest.mark.skipif(not CAPTURES.is_dir(), reason="../shared/captures is not here")


def scorer() -> ModuleType:
    """Return the program that scores flow events against the truth."""
    spec = importlib.util.spec_from_file_location("exam", CAPTURES / "exam.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines_of(path: Path) -> bytes:
    """Return what `schoolgate flows --addresses` writes for a capture; nothing for what is none."""
    try:
        source = CaptureLines(OctetSource(path), sensor="capture", network=None, pseudonyms=None)
        return b"".join(source.batches())
    except CaptureError:
        return b""


@pytest.fixture(scope="module")
def scored() -> tuple[Counter[str], list[Any]]:
    """The totals over all captures, and the names that are wrong or extra."""
    exam = scorer()
    total: Counter[str] = Counter()
    blamed = []
    for truth in sorted(CAPTURES.glob("*.truth.json")):
        name = truth.name.removesuffix(".truth.json")
        capture = next(path for path in CAPTURES.glob(f"{name}.pcap*"))
        events, junk = exam.events(lines_of(capture), {})
        assert junk == 0
        counts, details, octets = exam.score(json.loads(truth.read_text(encoding="utf-8")), events, "sum")
        total.update(counts)
        total["files"] += 1
        blamed += [(name, *detail) for detail in details if not detail[0].startswith("missed")]
        blamed += [
            (name, "octets", key)
            for key, flow, seen in octets
            if (seen["u"], seen["d"]) != (flow["up"]["ip"], flow["down"]["ip"])
        ]
    return total, blamed


def test_every_core_name_is_found(scored: tuple[Counter[str], list[Any]]) -> None:
    total, _ = scored
    assert total["files"] == 178
    assert total["core_found"] == total["core_expected"] == 710


def test_at_least_a_hundred_stretch_names_are_found(scored: tuple[Counter[str], list[Any]]) -> None:
    total, _ = scored
    assert total["stretch_expected"] == 124
    assert total["stretch_found"] >= 100


def test_no_name_is_wrong_or_extra_and_no_octet_is_lost(scored: tuple[Counter[str], list[Any]]) -> None:
    total, blamed = scored
    assert blamed == []
    assert total["bytes_ip"] == total["bytes_flows"] == 1628
    assert total["dns_unverified"] == 0
