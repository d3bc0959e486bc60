"""A folder of agreement files: read as one, with every problem of every file at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.documents import DocumentError
from rules.agreements.load import load_agreement, load_agreements

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"

TEXT = """\
schema: schoolgate/agreement/1
id: {id}
vendor: {{legal_name: MathTrek Learning Inc. (invented)}}
products: [{{name: MathTrek}}]
agreement: {{kind: ndpa_v2, {terms}}}
domains:
  - {{match: {match}{more}}}
third_parties: {{list_is: complete, unlisted: forbidden, list: []}}
purposes: [{{code: instruction, plain: Practice problems chosen by the teacher.}}]
data: {{categories: [{{cat: in_app_performance}}]}}
use_gate: {{status: approved}}
"""
NOW = "status: active, effective: 2026-08-01, expires: 2029-07-31"
THEN = "status: active, effective: 2023-08-01, expires: 2026-07-31"


def write(
    folder: Path, name: str, *, terms: str = NOW, match: str = "mathtrek.example", more: str = "", id_: str = ""
) -> Path:
    path = folder / name
    path.write_text(TEXT.format(id=id_ or path.stem, terms=terms, match=match, more=more))
    return path


def complaints(folder: Path) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        load_agreements(folder)
    return str(caught.value).splitlines()


def test_every_agreement_of_a_folder_is_read_in_the_order_of_file_names(tmp_path: Path) -> None:
    write(tmp_path, "b.yml", match="b.example", id_="bb")
    write(tmp_path, "a.yaml", match="a.example", id_="aa")
    (tmp_path / ".a.yaml.swp.yaml").write_text("no agreement")
    (tmp_path / "notes.txt").write_text("no agreement")
    (tmp_path / "old").mkdir()
    write(tmp_path / "old", "c.yaml", match="a.example")
    found = load_agreements(tmp_path)
    assert [agreement.id for agreement in found] == ["aa", "bb"]
    assert found[0].origin is not None
    assert found[0].origin.path == str(tmp_path / "a.yaml")
    assert found[0].origin.lines == {"a.example": 7}
    assert found[0] == load_agreement(tmp_path / "a.yaml")


def test_an_empty_or_absent_folder_says_what_to_do(tmp_path: Path) -> None:
    assert complaints(tmp_path) == [
        f"{tmp_path}:1: no agreement file (*.yaml or *.yml) in {tmp_path}; put at least one agreement file there"
    ]
    assert "there is no such folder" in complaints(tmp_path / "absent")[0]


def test_a_folder_named_like_a_file_is_told_and_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").mkdir()
    write(tmp_path, "bb.yaml", match="UPPER.example")
    told = complaints(tmp_path)
    assert "this is a folder" in told[0]
    assert "`UPPER.example` is not a host name" in told[1]


def test_problems_of_all_files_and_between_files_come_together(tmp_path: Path) -> None:
    a = write(tmp_path, "a.yaml", id_="math-one")
    b = write(tmp_path, "b.yaml", id_="math-one", match="'*.mathtrek.example'")
    c = write(tmp_path, "cc.yaml", terms="status: activ")
    assert complaints(tmp_path) == [
        f"{b}:2: the id `math-one` is already used in {a}:2; give each agreement its own id",
        (
            f"{b}:7: `mathtrek.example` is also claimed in {a}:7 for the same time; keep it in one file, or let the "
            "periods (`effective`, `expires`) not overlap"
        ),
        f"{c}:5: `status` in `agreement` is `activ`; did you mean `active`? It may be one of draft, active, terminated",
    ]


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        (NOW, THEN, False),
        (NOW, "status: active, expires: 2026-07-31", False),
        (NOW, "status: active, expires: 2026-08-01", True),
        (NOW, "status: active", True),
        (NOW, "status: draft, effective: 2026-08-01", False),
        (NOW, "status: terminated", False),
        (NOW, "status: terminated, terminated_on: 2026-07-31, expires: 2030-01-01", False),
        (NOW, "status: terminated, terminated_on: 2026-08-01, expires: 2030-01-01", True),
    ],
)
def test_two_agreements_may_share_a_name_only_in_periods_that_do_not_overlap(
    tmp_path: Path, *, one: str, other: str, conflict: bool
) -> None:
    write(tmp_path, "aa.yaml", terms=one)
    write(tmp_path, "bb.yaml", terms=other)
    if conflict:
        assert len(complaints(tmp_path)) == 1
    else:
        assert len(load_agreements(tmp_path)) == 2


def test_a_shared_host_and_a_name_beneath_another_may_be_claimed_by_several(tmp_path: Path) -> None:
    write(tmp_path, "aa.yaml", match="media.cdn.example", more=", shared: true")
    write(tmp_path, "bb.yaml", match="media.cdn.example", more=", shared: true")
    write(tmp_path, "cc.yaml", match="mathtrek.example")
    write(tmp_path, "dd.yaml", match="app.mathtrek.example")
    assert len(load_agreements(tmp_path)) == 4


def test_the_example_and_the_scenarios_are_read() -> None:
    if not SHARED.is_dir():
        pytest.skip("/shared beside the checkout is absent: its agreements are not read")
    assert load_agreement(SHARED / "contracts" / "agreement.example.yaml").id == "mathtrek"
    for folder in SHARED.glob("scenarios/*/agreements"):
        assert len(load_agreements(folder)) == len(list(folder.iterdir()))
