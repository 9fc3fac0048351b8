"""Every kind of data that does not fit or is damaged: BadData with what, where and fix, never a
traceback or a full memory.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from edgeq.data.open import InputSpec, open_dataset
from edgeq.errors import BadData

IMAGE = (InputSpec("image", "float32", ("N", 3, 4, 4)),)
TWO = (InputSpec("left", "float32", ("N", 4)), InputSpec("right", "float32", ("N", 4)))


def refusal(data: object, specs: tuple[InputSpec, ...] = IMAGE, **options: object) -> BadData:
    """The BadData of opening `data` and reading all of it."""
    with pytest.raises(BadData) as caught:
        for _ in open_dataset(data, specs, **options).batches(4):  # type: ignore[arg-type]
            pass
    assert caught.value.what.endswith(".") or ":" in caught.value.what
    assert caught.value.where
    assert caught.value.fix.endswith((".", "?"))
    return caught.value


def images(count: int = 10) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 3, 4, 4)).astype("float32")


def npy(header: bytes, body: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def npz(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def as_npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


# names


def test_wrong_input_name_offers_the_nearest() -> None:
    error = refusal({"imag": images()})
    assert "`image`" in error.what
    assert "Rename `imag` to `image`" in error.fix
    assert "The model's inputs: image" in error.fix


def test_missing_input_of_several() -> None:
    error = refusal({"left": np.zeros((2, 4))}, TWO)
    assert "`right`" in error.what
    assert "left, right" in error.fix


def test_an_anonymous_name_does_not_feed_one_of_several_inputs() -> None:
    assert "`left`" in refusal({"x": np.zeros((2, 4))}, TWO).what


def test_labels_alone_are_no_data() -> None:
    assert "`image`" in refusal({"labels": np.arange(4)}).what


def test_npz_without_arrays(tmp_path: Path) -> None:
    assert "nothing" in refusal(npz(tmp_path / "d.npz", {})).fix


# shapes


def test_wrong_rank_shows_both_shapes() -> None:
    error = refusal({"image": images()[:, 0]})
    assert "[4, 4]" in error.what
    assert "[N, 3, 4, 4]" in error.what


def test_wrong_shape() -> None:
    assert "[3, 4, 5]" in refusal({"image": np.zeros((2, 3, 4, 5))}).what


def test_channels_last_for_channels_first_says_how_to_transpose() -> None:
    error = refusal({"image": np.moveaxis(images(), 1, 3)})
    assert "x.transpose(0, 3, 1, 2)" in error.fix


def test_whole_feed_of_wrong_shape() -> None:
    assert "[2, 3, 5, 4]" in refusal({"image": np.zeros((3, 2, 3, 5, 4))}).what


def test_array_without_sample_axis() -> None:
    specs = (InputSpec("sr", "int64", ()),)
    assert "no sample axis" in refusal({"sr": np.array(16000)}, specs).what


def test_arrays_of_different_lengths() -> None:
    error = refusal({"left": np.zeros((3, 4)), "right": np.zeros((2, 4))}, TWO)
    assert "left 3" in error.what
    assert "right 2" in error.what


def test_empty_sample() -> None:
    specs = (InputSpec("image", "float32", ("N", "L")),)
    assert "empty" in refusal({"image": np.zeros((3, 0))}, specs).what


def test_no_samples() -> None:
    assert "no samples" in refusal({"image": images(0)}).what


def test_fewer_samples_than_the_models_batch() -> None:
    assert "4 samples at once" in refusal({"image": images(3)}, (InputSpec("image", "float32", (4, 3, 4, 4)),)).what


def test_inputs_with_different_fixed_batches() -> None:
    specs = (InputSpec("left", "float32", (2, 4)), InputSpec("right", "float32", (3, 4)))
    error = refusal({"left": np.zeros((6, 4)), "right": np.zeros((6, 4))}, specs)
    assert "left 2, right 3" in error.what
    assert "whole feeds" in error.fix


def test_frozen_shape_against_the_model() -> None:
    assert "[N, 3, 4, 4]" in refusal({"image": images()}, shapes={"image": (1, 3, 8, 8)}).what


def test_frozen_shape_against_the_data() -> None:
    free = (InputSpec("image", "float32", ("N", 3, "H", "W")),)
    assert "[1, 3, 8, 8]" in refusal({"image": images()}, free, shapes={"image": (1, 3, 8, 8)}).what


def test_frozen_shape_of_no_input() -> None:
    assert "`image`" in refusal({"image": images()}, shapes={"imagee": (1, 3, 4, 4)}).fix


def test_frozen_dimension_below_one() -> None:
    assert "at least 1" in refusal({"image": images()}, shapes={"image": (-1, 3, 4, 4)}).what


def test_shard_outside_the_data() -> None:
    data = open_dataset({"image": images()}, IMAGE)
    with pytest.raises(BadData, match=r"5\.\.11"):
        next(data.batches(4, 5, 11))


def test_shard_that_cuts_a_fixed_batch() -> None:
    data = open_dataset({"image": images(8)}, (InputSpec("image", "float32", (4, 3, 4, 4)),))
    with pytest.raises(BadData, match="multiples of 4"):
        next(data.batches(4, 2, 8))


def test_zero_samples_asked_for() -> None:
    assert refusal({"image": images()}, samples=0).where == "`Recipe.samples`"


# values


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (np.full((2, 4), 1.0), "int64"),
        (np.full((2, 4), 2**40), "int32"),
        (np.full((2, 4), 2**24 + 1), "float32"),
        (np.full((2, 4), 2**63 - 1), "float32"),
        (np.full((2, 4), -1), "uint8"),
        (np.full((2, 4), 2), "bool"),
        (np.full((2, 4), 1e300), "float32"),
        (np.full((2, 4), 1e6, "float32"), "float16"),
    ],
)
def test_a_type_that_would_lose_values(values: np.ndarray, wanted: str) -> None:
    error = refusal({"ids": values}, (InputSpec("ids", wanted, ("N", 4)),))
    assert str(values.dtype) in error.what
    assert wanted in error.what


@pytest.mark.parametrize("wanted", ["object", "no_such_type", "complex64"])
def test_a_model_input_that_is_no_number(wanted: str) -> None:
    assert wanted in refusal({"text": np.zeros((2, 4))}, (InputSpec("text", wanted, ("N", 4)),)).what


@pytest.mark.parametrize(("value", "what"), [(np.nan, "1 NaN and 0 infinite"), (np.inf, "0 NaN and 1"), (-np.inf, "0 NaN and 1")])
def test_nan_and_inf_name_the_sample(tmp_path: Path, value: float, what: str) -> None:
    x = images()
    x[7, 1, 2, 3] = value
    np.savez(tmp_path / "d.npz", image=x)
    error = refusal(tmp_path / "d.npz")
    assert what in error.what
    assert error.where.endswith("sample 7")


def test_text_arrays() -> None:
    assert "not a number" in refusal({"image": np.array(["a", "b"])}).what


def test_ragged_lists() -> None:
    assert "not an array" in refusal({"image": [[1, 2], [3]]}).what


@pytest.mark.parametrize("labels", [np.arange(9), np.arange(20).reshape(10, 2), np.linspace(0, 1, 10)])
def test_labels_of_wrong_length_or_kind(labels: np.ndarray) -> None:
    assert "labels" in refusal({"image": images(), "labels": labels}).what


# files


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", image=np.array([{}, []], object))
    assert "pickle" in refusal(tmp_path / "d.npz").what


def test_structured_arrays_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", image=np.zeros(3, [("a", "f4")]))
    assert "not a number" in refusal(tmp_path / "d.npz").what


def test_column_major_arrays_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", image=np.asfortranarray(images()))
    assert "ascontiguousarray" in refusal(tmp_path / "d.npz").fix


def test_not_a_zip(tmp_path: Path) -> None:
    (tmp_path / "d.npz").write_bytes(b"hello")
    assert "damaged" in refusal(tmp_path / "d.npz").what


def test_zip_cut_off(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", image=images())
    whole = (tmp_path / "d.npz").read_bytes()
    (tmp_path / "d.npz").write_bytes(whole[: len(whole) // 2])
    assert "damaged" in refusal(tmp_path / "d.npz").what


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "deflated"])
def test_flipped_bytes_are_found_by_the_checksum(tmp_path: Path, save: object) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (200, 3, 4, 4)).astype("uint8")  # any byte is a valid pixel
    save(tmp_path / "d.npz", image=pixels)  # type: ignore[operator]
    data = bytearray((tmp_path / "d.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "d.npz").write_bytes(data)
    assert "damaged" in refusal(tmp_path / "d.npz").what


def test_member_that_is_no_array(tmp_path: Path) -> None:
    assert "numpy's format" in refusal(npz(tmp_path / "d.npz", {"image.npy": b"no array"})).what


@pytest.mark.parametrize(
    "header", [b"{}", b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}", b"__import__('os')", b"(" * 5000, b"\xff\xfe"]
)
def test_header_that_lies_or_makes_no_sense(tmp_path: Path, header: bytes) -> None:
    refusal(npz(tmp_path / "d.npz", {"image.npy": npy(header)}))


def test_header_of_a_huge_declared_length(tmp_path: Path) -> None:
    huge = b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1)
    assert "header of 4294967295 bytes" in refusal(npz(tmp_path / "d.npz", {"image.npy": huge})).what


@pytest.mark.parametrize("extra", [-16, 16])
def test_declared_shape_against_actual_size(tmp_path: Path, extra: int) -> None:
    content = as_npy(images())
    content = content[:extra] if extra < 0 else content + bytes(extra)
    assert "declares shape (10, 3, 4, 4)" in refusal(npz(tmp_path / "d.npz", {"image.npy": content})).what


def test_zip_bomb_one_huge_sample_is_refused_unread(tmp_path: Path) -> None:
    size = 1 << 31
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, %d)}" % size
    path = npz(tmp_path / "d.npz", {"image.npy": npy(header, bytes(1000))})
    forged = path.read_bytes()
    declared, lie = struct.pack("<I", len(npy(header, bytes(1000)))), struct.pack("<I", len(npy(header)) + size)
    path.write_bytes(forged.replace(declared, lie))
    error = refusal(path, (InputSpec("image", "float32", ("N", 1, "L")),))
    assert str(size) in error.what


def test_zip_that_declares_more_than_it_has(tmp_path: Path) -> None:
    full, half = as_npy(images(200)), as_npy(images(200))[: len(as_npy(images(200))) // 2]
    path = npz(tmp_path / "d.npz", {"image.npy": half})
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", len(half)), struct.pack("<I", len(full))))
    refusal(path)


def test_array_twice_in_the_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("image.npy", as_npy(images()))
        archive.writestr("image.npy", as_npy(images()))
    assert "twice" in refusal(tmp_path / "d.npz").what


def test_missing_file(tmp_path: Path) -> None:
    assert "no file" in refusal(tmp_path / "nowhere.npz").what


def test_unknown_shipped_set_offers_the_nearest() -> None:
    error = refusal("digit")
    assert "'digit'" in error.what
    assert "Did you mean 'digits'?" in error.fix


def test_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "d.txt").write_text("1 2 3")
    assert "neither" in refusal(tmp_path / "d.txt").what


def test_npy_file_for_several_inputs(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.zeros((2, 4)))
    assert "`left`" in refusal(tmp_path / "d.npy", TWO).what
