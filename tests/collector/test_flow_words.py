"""collector/flow_words.py: compiled code takes its numbers from the .pxd file beside it; both must say the same."""

from __future__ import annotations

import re
from pathlib import Path

from collector import flow_words

DECLARED = Path(flow_words.__file__).with_suffix(".pxd").read_text(encoding="utf-8")


def test_the_constants_of_compiled_code_are_those_of_the_module() -> None:
    defined = {name: int(value) for name, value in re.findall(r"#define FLOW_(\w+) (\d+)", DECLARED)}
    named = dict(re.findall(r'(\w+) "FLOW_(\w+)"', DECLARED))
    spoken = {name: value for name, value in vars(flow_words).items() if name.isupper()}

    assert defined == spoken
    assert named == {name: name for name in spoken}
