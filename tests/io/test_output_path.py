"""Output paths that are refused before any work: names, kinds of files, links, and room."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from edgeq.errors import BadOutput
from edgeq.io.output_path import check_output, check_space


@pytest.mark.parametrize("kind", ["fifo", "socket", "folder", "folder behind a link"])
def test_only_a_regular_file_is_replaced(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    path, before = Path("out.onnx"), Path("elsewhere")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(str(path))
    elif kind == "folder":
        path.mkdir()
    else:
        before.mkdir()
        path.symlink_to(before)
    mode = path.lstat().st_mode
    with pytest.raises(BadOutput, match=r"a device or a pipe|is a folder"):
        check_output(path, force=True)
    assert path.lstat().st_mode == mode


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_not_replaced(there: bool, tmp_path: Path) -> None:
    if there:
        (tmp_path / "target.onnx").touch()
    (tmp_path / "out.onnx").symlink_to(tmp_path / "target.onnx")
    with pytest.raises(BadOutput, match="is a link") as error:
        check_output(tmp_path / "out.onnx", force=True)
    assert str(tmp_path / "target.onnx") in error.value.fix


def test_the_longest_name_that_the_folder_takes_is_taken(tmp_path: Path) -> None:
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    name = "ä" * (longest // 2) + "x" * (longest % 2)
    check_output(tmp_path / name)
    with pytest.raises(BadOutput, match=f"more than the {longest} bytes"):
        check_output(tmp_path / ("x" + name))


def test_room_is_asked_for_before_the_work(tmp_path: Path) -> None:
    check_space([tmp_path / "new" / "folder" / "out.onnx"], 1)
    with pytest.raises(BadOutput, match="There is no room"):
        check_space([tmp_path / "new" / "folder" / "out.onnx"], 1 << 62)


@pytest.mark.parametrize("path", ["", ".", "/"])
def test_a_path_without_a_name_is_refused(path: str) -> None:
    with pytest.raises(BadOutput, match="is a folder"):
        check_output(path, force=True)
