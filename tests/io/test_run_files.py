"""What a run reads: kept apart from what it writes, and held against changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgeq.errors import BadOutput, InputChanged
from edgeq.io import stamps
from edgeq.io.run_files import (
    check_not_read,
    check_unchanged,
    files_read,
    links_are_followed,
    note_named,
    note_outputs,
    note_read,
    run_files,
    watched,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.npz"
    path.write_bytes(b"before")
    return path


def test_outside_of_a_record_nothing_is_kept(file: Path) -> None:
    note_read(file)
    check_not_read(file)
    check_unchanged()
    assert files_read() == ()


def test_records_nest(file: Path, tmp_path: Path) -> None:
    with run_files() as outer:
        with run_files() as inner:
            note_read(file)
        assert outer.paths == inner.paths == files_read() == (file,)
        assert files_read(tmp_path / "model.onnx", None) == (file, tmp_path / "model.onnx")
    assert files_read() == ()


def test_an_output_is_refused_as_soon_as_it_is_read(file: Path, tmp_path: Path) -> None:
    """Before the work, where the output was named before."""
    link = tmp_path / "out"
    link.hardlink_to(file)
    with run_files():
        note_outputs([link])
        with pytest.raises(BadOutput, match="same file as an input") as error:
            note_read(file)
    assert str(link) in error.value.where
    assert str(file) in error.value.where


def test_a_file_of_the_input_that_is_never_read_is_kept_too(file: Path) -> None:
    with run_files(), pytest.raises(BadOutput, match="same file as an input"):
        note_named([file])
        note_outputs([file])


@pytest.mark.parametrize("how", ["same size and time", "other size", "replaced", "removed"])
@pytest.mark.parametrize("large", [False, True], ids=["with digest", "without"])
def test_a_change_is_noticed(how: str, large: bool, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if large:
        monkeypatch.setattr(stamps, "_DIGEST_UP_TO", 0)
    if large and how == "same size and time":
        pytest.skip("of a large file the digest is not taken")
    was = file.stat()
    with run_files():
        note_read(file)
        if how == "removed":
            file.unlink()
        elif how == "replaced":
            other = file.with_name("other")
            other.write_bytes(b"beFORE")
            other.replace(file)
        else:
            file.write_bytes(b"after!" if how == "same size and time" else b"longer than before")
        if how == "same size and time":
            os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
        with pytest.raises(InputChanged, match="changed or replaced"):
            check_unchanged()


def test_a_new_time_stamp_alone_is_no_change(file: Path) -> None:
    with run_files():
        note_read(file)
        file.touch()
        file.chmod(0o600)
        check_unchanged()


def test_a_watched_function_gives_no_result_when_its_input_changed(file: Path) -> None:
    @watched
    def length(path: Path, more: bytes) -> int:
        note_read(path)
        found = len(path.read_bytes())
        path.write_bytes(b"before" + more)
        return found

    assert length(file, b"") == 6
    with pytest.raises(InputChanged):
        length(file, b"more")


def test_links_are_followed_where_the_outermost_record_says_so() -> None:
    assert not links_are_followed()
    with run_files(follow_links=True):
        with run_files():
            assert links_are_followed()
        with run_files(follow_links=False):
            assert not links_are_followed()
