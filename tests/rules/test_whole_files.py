"""Files of people: whole or not at all, never over another without being told, and as open as they were."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from collector.problems import DocumentError
from rules.whole_files import refuse_existing, replace_file, write_files

if TYPE_CHECKING:
    from pathlib import Path


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_file_can_be_read_by_others_and_its_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "evidence" / "mathtrek.yaml"
    write_files({path: "schema: b\u00fccher\n"}, overwrite=False)
    assert path.read_text(encoding="utf-8") == "schema: b\u00fccher\n"
    assert mode(path) == 0o644
    assert [each.name for each in path.parent.iterdir()] == ["mathtrek.yaml"]


def test_nothing_is_written_where_one_of_several_files_is_there(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("by hand")
    (tmp_path / "c.yaml").symlink_to(tmp_path / "nowhere")
    names = ("a.yaml", "b.yaml", "c.yaml")
    with pytest.raises(DocumentError) as caught:
        write_files({tmp_path / name: "made" for name in names}, overwrite=False)
    assert [problem.path for problem in caught.value.problems] == [str(tmp_path / name) for name in names[1:]]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["b.yaml", "c.yaml"]
    assert (tmp_path / "b.yaml").read_text() == "by hand"
    refuse_existing([tmp_path / "a.yaml"])


@pytest.mark.parametrize("permissions", [0o600, 0o640, 0o664])
def test_a_file_that_is_replaced_keeps_its_permissions_and_owner(tmp_path: Path, permissions: int) -> None:
    path = tmp_path / "lists.yaml"
    path.write_text("old")
    path.chmod(permissions)
    owner = (12345, 12345) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    os.chown(path, *owner)
    replace_file(path, b"new")
    assert (path.read_bytes(), mode(path)) == (b"new", permissions)
    assert (path.stat().st_uid, path.stat().st_gid) == owner
    write_files({path: "newer"}, overwrite=True)
    assert (path.read_bytes(), mode(path)) == (b"newer", permissions)


def test_behind_a_symbolic_link_the_file_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    real, link = tmp_path / "kept" / "lists.yaml", tmp_path / "lists.yaml"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    for write in (replace_file, lambda path, octets: write_files({path: octets.decode()}, overwrite=True)):
        write(link, b"new")
        assert link.is_symlink()
        assert (real.read_bytes(), mode(real)) == (b"new", 0o640)
        real.write_text("old")
    link.unlink()
    link.symlink_to(tmp_path / "kept" / "made.yaml")
    replace_file(link, b"new")
    assert (tmp_path / "kept" / "made.yaml").read_bytes() == b"new"


def test_what_cannot_be_written_stays_as_it_was_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "lists.yaml").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path / "lists.yaml", tmp_path / "absent" / "lists.yaml", tmp_path / "loop"):
        with pytest.raises(OSError, match=str(path.parent)):
            replace_file(path, b"new")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["lists.yaml", "loop"]


def test_whoever_reads_while_a_file_is_replaced_sees_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "lists.yaml"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        replace_file(path, b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"
