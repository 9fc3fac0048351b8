"""Sets of files: all or none, the model last, and no file of the user lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeq.errors import BadOutput, InputChanged
from edgeq.io import file_set
from edgeq.io.file_set import FileSet
from edgeq.io.run_files import note_read, run_files
from edgeq.io.writing.put_in_place import put_in_place


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_model_takes_its_place_after_what_was_added_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def noted(temporary: Path, path: Path, *, replaces: bool) -> None:
        order.append(path.name)
        put_in_place(temporary, path, replaces=replaces)

    monkeypatch.setattr(file_set, "put_in_place", noted)
    with FileSet() as files:
        files.add_last(tmp_path / "m.tflite", b"model")
        files.add(tmp_path / "m.h", b"header")
        files.add_text(tmp_path / "m.c", "source")
        written = files.commit()
    assert order == ["m.h", "m.c", "m.tflite"]
    assert written == tuple(tmp_path / name for name in order)
    assert content(tmp_path) == {"m.tflite": b"model", "m.h": b"header", "m.c": b"source"}


def test_without_a_commit_nothing_happens(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), FileSet(force=True) as files:
        files.add(tmp_path / "a", b"new")
        files.add_last(tmp_path / "b", b"new")
        raise ZeroDivisionError
    assert content(tmp_path) == {"a": b"old"}


@pytest.mark.parametrize("taken", ["first", "last"])
def test_a_file_that_another_run_made_meanwhile_stays_and_nothing_is_written(taken: str, tmp_path: Path) -> None:
    with FileSet() as files:
        files.add(tmp_path / "first", b"new")
        files.add_last(tmp_path / "last", b"new")
        (tmp_path / taken).write_bytes(b"another's")
        with pytest.raises(BadOutput, match="exists already"):
            files.commit()
    assert content(tmp_path) == {taken: b"another's"}


def test_a_set_that_loses_a_race_between_two_links_takes_back_what_it_had_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(temporary: Path, path: Path, *, replaces: bool) -> None:
        if path.name == "last":
            path.write_bytes(b"another's")
        put_in_place(temporary, path, replaces=replaces)

    monkeypatch.setattr(file_set, "put_in_place", slow)
    with FileSet() as files, pytest.raises(BadOutput, match="exists already"):
        files.add(tmp_path / "first", b"new")
        files.add_last(tmp_path / "last", b"new")
        files.commit()
    assert content(tmp_path) == {"last": b"another's"}


@pytest.mark.parametrize("how", ["itself", "symbolic link", "hard link"])
def test_what_the_run_has_read_is_never_replaced(how: str, tmp_path: Path) -> None:
    read, out = tmp_path / "sample.npy", tmp_path / "out.onnx"
    read.write_bytes(b"precious")
    if how == "itself":
        out = read
    elif how == "symbolic link":
        out.symlink_to(read)
    else:
        out.hardlink_to(read)
    with run_files(), FileSet(force=True) as files:
        note_read(read)
        with pytest.raises(BadOutput, match="same file as an input"):
            files.add(out, b"new")
    assert read.read_bytes() == b"precious"


def test_a_set_is_not_written_when_an_input_has_changed(tmp_path: Path) -> None:
    read = tmp_path / "data.npz"
    read.write_bytes(b"before")
    with run_files(), FileSet() as files:
        note_read(read)
        files.add(tmp_path / "out", b"new")
        read.write_bytes(b"after.")
        with pytest.raises(InputChanged, match="changed or replaced") as error:
            files.commit()
    assert error.value.where == str(read)
    assert content(tmp_path) == {"data.npz": b"after."}


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, also where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_waits_until_the_set_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hit(temporary: Path, path: Path, *, replaces: bool) -> None:
        signal.raise_signal(signal.SIGINT)
        put_in_place(temporary, path, replaces=replaces)

    monkeypatch.setattr(file_set, "put_in_place", hit)
    with FileSet() as files, pytest.raises(KeyboardInterrupt):
        files.add(tmp_path / "a", b"a")
        files.add_last(tmp_path / "b", b"b")
        files.commit()
    assert content(tmp_path) == {"a": b"a", "b": b"b"}


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with FileSet() as files, pytest.raises(BadOutput, match="No space left"):
        files.add(tmp_path / "a", b"a")
    assert content(tmp_path) == {}
