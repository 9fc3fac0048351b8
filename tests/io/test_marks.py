"""Marks: a side file says to which model file it belongs."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from pathlib import Path

import pytest

from edgeq.io.marks import SIDE_FILES, mark_of, marked_for, stale_beside


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("ending", SIDE_FILES)
def test_a_side_file_of_another_model_is_named(ending: str, tmp_path: Path) -> None:
    model, beside = tmp_path / "m.int8.tflite", tmp_path / f"m.int8{ending}"
    model.write_bytes(b"old")
    beside.write_bytes(b"\0\xff" * 1000 + mark_of(digest(b"old")).encode() + b"\0")
    assert stale_beside(model) == ()
    model.write_bytes(b"new")
    assert stale_beside(model) == (beside,)
    model.unlink()
    assert stale_beside(model) == ()


def test_files_without_a_mark_are_nobodys(tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(b"model")
    (tmp_path / "m.c").write_text("int main(void) { return 0; }")
    (tmp_path / "m.h").touch()
    (tmp_path / "m.ort").mkdir()
    os.mkfifo(tmp_path / "m.plan.json")
    assert stale_beside(model) == ()


def test_a_file_of_the_model_in_the_other_form_is_not_stale(tmp_path: Path) -> None:
    lite, model, plan = tmp_path / "m.tflite", tmp_path / "m.onnx", tmp_path / "m.plan.json"
    lite.write_bytes(b"lite")
    model.write_bytes(b"model")
    plan.write_text(mark_of(digest(b"lite")))
    assert stale_beside(model) == stale_beside(lite) == ()
    plan.write_text(mark_of(digest(b"model")))
    assert stale_beside(model) == stale_beside(lite) == ()
    lite.write_bytes(b"replaced")
    model.write_bytes(b"replaced too")
    assert stale_beside(model) == stale_beside(lite) == (plan,)


def test_a_model_is_no_side_file_of_its_own(tmp_path: Path) -> None:
    model = tmp_path / "m.ort"
    model.write_bytes(mark_of(digest(b"m.onnx")).encode())
    assert stale_beside(model) == ()


def test_the_comment_of_a_zip_file_is_found() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("in_x.npy", b"")
        archive.comment = mark_of(digest(b"m")).encode()
    assert mark_of(digest(b"m")).encode() in buffer.getvalue()


def test_no_file_has_no_mark(tmp_path: Path) -> None:
    assert marked_for(tmp_path / "nothing") is None
