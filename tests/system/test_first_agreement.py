"""What docs/first-agreement.md tells a stranger to write is accepted word for word."""

from __future__ import annotations

import re
from pathlib import Path

from tests.system.product import ROOT, schoolgate


def test_every_file_of_the_guide_is_accepted_as_it_stands(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "first-agreement.md").read_text(encoding="utf-8")
    network, agreement, waiver, _config = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    (tmp_path / "network.yaml").write_text(network, encoding="utf-8")
    plain, waived = tmp_path / "plain.yaml", tmp_path / "waived.yaml"
    plain.write_text(agreement, encoding="utf-8")
    without = re.sub(r"^provenance: .*\n", "", agreement, flags=re.MULTILINE)
    assert without != agreement
    waived.write_text(without + waiver, encoding="utf-8")
    for path in (plain, waived):
        run = schoolgate("agreements", "validate", path, "--network", tmp_path / "network.yaml")
        assert (run.returncode, run.stdout) == (0, "1 agreement: no problem found\n"), run.stderr
