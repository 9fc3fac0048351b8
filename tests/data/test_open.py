"""Data as a stream: what is fed, in which batches, with which hash, and how much memory that
takes.
"""

from __future__ import annotations

import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.data.arrays.npy import npz_arrays
from edgeq.data.open import Dataset, InputSpec, open_dataset
from edgeq.errors import BadData
from edgeq.metrics.metric import TOP1

IMAGE = (InputSpec("image", "float32", ("N", 3, 4, 4)),)
#: as silero's: the batch is not axis 0 of the state, and sr is a scalar
RECURRENT = (InputSpec("input", "float32", ("B", "T")), InputSpec("state", "float32", (2, "B", 5)), InputSpec("sr", "int64", ()))


def images(count: int = 10, dtype: str = "float32") -> np.ndarray:
    return (np.random.default_rng(0).normal(size=(count, 3, 4, 4)) * 50).astype(dtype)


def fed(data: Dataset, batch: int, start: int = 0, stop: int | None = None) -> np.ndarray:
    return np.concatenate([part.feeds["image"] for part in data.batches(batch, start, stop)])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "deflated"])
def test_npz_feeds_every_row_once_in_order(tmp_path: Path, save: object) -> None:
    x = images()
    save(tmp_path / "d.npz", image=x)  # type: ignore[operator]
    data = open_dataset(tmp_path / "d.npz", IMAGE)
    parts = list(data.batches(4))
    assert [part.samples for part in parts] == [range(0, 4), range(4, 8), range(8, 10)]
    np.testing.assert_array_equal(np.concatenate([part.feeds["image"] for part in parts]), x)
    np.testing.assert_array_equal(fed(data, 4), x)  # a second pass starts anew


def test_shards_have_global_indices_and_join_to_the_whole(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "d.npz", image=images())
    data = open_dataset(tmp_path / "d.npz", IMAGE)
    parts = [*data.batches(3, 0, 4), *data.batches(3, 4)]
    assert [index for part in parts for index in part.samples] == list(range(10))
    np.testing.assert_array_equal(np.concatenate([part.feeds["image"] for part in parts]), images())


def test_an_empty_shard_has_no_batches() -> None:
    assert list(open_dataset({"image": images()}, IMAGE).batches(3, 4, 4)) == []


def test_one_rank_more_means_whole_feeds(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x, state = rng.normal(size=(3, 1, 7)).astype("float32"), rng.normal(size=(3, 2, 1, 5)).astype("float32")
    np.savez(tmp_path / "d.npz", input=x, state=state, sr=np.full(3, 16000))
    parts = list(open_dataset(tmp_path / "d.npz", RECURRENT).batches(8))
    assert [part.samples for part in parts] == [range(0, 1), range(1, 2), range(2, 3)]
    assert {name: array.shape for name, array in parts[2].feeds.items()} == {"input": (1, 7), "state": (2, 1, 5), "sr": ()}
    np.testing.assert_array_equal(parts[2].feeds["state"], state[2])


def test_rows_beside_whole_feeds_get_a_batch_axis() -> None:
    data = {"input": np.ones((3, 7), "float32"), "state": np.ones((3, 2, 1, 5), "float32"), "sr": np.full(3, 16000)}
    first = next(open_dataset(data, RECURRENT).batches(8))
    assert {name: array.shape for name, array in first.feeds.items()} == {"input": (1, 7), "state": (2, 1, 5), "sr": ()}


def test_the_models_fixed_batch_wins_and_the_rest_is_counted_as_unused() -> None:
    data = open_dataset({"image": images(10)}, (InputSpec("image", "float32", (4, 3, 4, 4)),))
    assert (data.count, data.unused) == (8, 2)
    assert [part.feeds["image"].shape[0] for part in data.batches(3)] == [4, 4]


def test_samples_takes_the_first_ones_with_their_labels() -> None:
    data = open_dataset({"image": images(), "labels": np.arange(10)}, IMAGE, samples=6)
    assert data.count == 6
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(fed(data, 4), images()[:6])


def test_samples_beyond_the_end_means_all() -> None:
    assert open_dataset({"image": images()}, IMAGE, samples=99).count == 10


def test_shapes_freeze_dynamic_dimensions() -> None:
    free = (InputSpec("image", "float32", ("N", 3, "H", "W")),)
    data = open_dataset({"image": images()}, free, shapes={"image": (2, 3, 4, 4)})
    assert [part.feeds["image"].shape for part in data.batches(8)] == [(2, 3, 4, 4)] * 5


@pytest.mark.parametrize(
    ("have", "want"),
    [
        ("float64", "float32"),
        ("float16", "float32"),
        ("float32", "float16"),
        ("uint8", "float32"),
        ("bool", "float32"),
        ("int16", "int64"),
        ("int32", "int64"),
        ("int64", "int32"),
        ("uint8", "int64"),
        (">f4", "float32"),
    ],
)
def test_types_are_converted_when_every_value_survives(have: str, want: str) -> None:
    values = np.arange(48).reshape(1, 3, 4, 4) % (2 if have == "bool" else 48)
    data = open_dataset({"image": values.astype(have)}, (InputSpec("image", want, ("N", 3, 4, 4)),))
    result = next(data.batches(1)).feeds["image"]
    assert result.dtype == np.dtype(want)
    np.testing.assert_array_equal(result, values.astype(want))


@pytest.mark.parametrize("name", ["x", "data", "input", "images", "arr_0"])
def test_a_single_array_of_an_anonymous_name_feeds_the_only_input(name: str) -> None:
    data = open_dataset({name: images()}, IMAGE)
    np.testing.assert_array_equal(fed(data, 4), images())
    assert name in data.notes[0]


def test_an_npy_file_feeds_the_only_input(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", images())
    np.testing.assert_array_equal(fed(open_dataset(tmp_path / "d.npy", IMAGE), 4), images())


def test_a_surplus_array_is_noted_not_fed() -> None:
    data = open_dataset({"image": images(), "boxes": np.zeros((10, 4))}, IMAGE)
    assert "boxes" in data.notes[0]
    assert list(next(data.batches(1)).feeds) == ["image"]


@pytest.mark.parametrize("name", ["labels", "y"])
def test_labels_come_along_with_a_metric(name: str) -> None:
    data = open_dataset({"image": images(), name: np.arange(10, dtype=np.uint8)}, IMAGE)
    assert data.labels is not None
    assert (data.labels.dtype, data.labels.tolist(), data.metric) == (np.int64, list(range(10)), TOP1)
    assert open_dataset({"image": images()}, IMAGE).metric is None


def test_an_input_called_y_is_an_input() -> None:
    specs = (*IMAGE, InputSpec("y", "int64", ("N",)))
    data = open_dataset({"image": images(), "y": np.arange(10)}, specs)
    assert data.labels is None
    assert next(data.batches(4)).feeds["y"].tolist() == [0, 1, 2, 3]


def test_hash_is_of_what_is_fed_not_of_the_container(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", image=images())
    np.savez_compressed(tmp_path / "b.npz", image=images().astype("float64"), labels=np.arange(10))
    hashes = {open_dataset(source, IMAGE).hash for source in (tmp_path / "a.npz", tmp_path / "b.npz", {"image": images()})}
    assert len(hashes) == 1
    (value,) = hashes
    assert len(value) == 64


def test_hash_depends_on_values_order_names_and_count() -> None:
    x = images()
    changed = x.copy()
    changed[9, 2, 3, 3] += 1
    renamed = (InputSpec("picture", "float32", ("N", 3, 4, 4)),)
    hashes = [open_dataset({"image": values}, IMAGE).hash for values in (x, changed, x[::-1], x[:9])]
    hashes.append(open_dataset({"picture": x}, renamed).hash)
    assert len(set(hashes)) == 5


@settings(max_examples=20)
@given(batch=st.integers(1, 12), cut=st.integers(0, 10))
def test_hash_does_not_depend_on_batches_or_shards(batch: int, cut: int) -> None:
    data = open_dataset({"image": images()}, IMAGE)
    for _ in data.batches(batch, cut):
        pass
    assert data.hash == open_dataset({"image": images()}, IMAGE).hash


def test_hash_after_a_pass_reads_nothing_again(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", image=images())
    data = open_dataset(tmp_path / "d.npz", IMAGE)
    for _ in data.batches(4):
        pass
    (tmp_path / "d.npz").unlink()
    assert len(data.hash) == 64


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_memory_does_not_grow_with_the_number_of_samples(tmp_path: Path, compression: int) -> None:
    spec = (InputSpec("image", "float32", ("N", 64, 64)),)

    def peak(count: int) -> int:
        path = tmp_path / f"{count}.npz"
        row = np.random.default_rng(2).integers(0, 9, (64, 64)).astype("float32")
        with zipfile.ZipFile(path, "w", compression) as archive, archive.open("image.npy", "w") as member:
            np.lib.format.write_array_header_1_0(member, {"descr": "<f4", "fortran_order": False, "shape": (count, 64, 64)})
            for index in range(count):
                member.write((row + index).tobytes())
        data = open_dataset(path, spec)
        tracemalloc.start()
        for _ in data.batches(8):
            pass
        _ = data.hash
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(16)  # what is imported and cached on first use does not count
    small, large = peak(64), peak(512)
    assert large < 1.05 * small + 448 * 100  # the notes on a sample are under 100 bytes, the sample itself has 16,384


def test_a_shard_of_the_front_does_not_read_the_back(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, image=images(200))
    good = path.read_bytes()
    middle = len(good) // 2
    path.write_bytes(good[:middle] + bytes(64) + good[middle + 64 :])
    data = open_dataset(path, IMAGE)
    np.testing.assert_array_equal(fed(data, 8, 0, 50), images(200)[:50])
    with pytest.raises(BadData, match="damaged"):
        fed(data, 8)


def test_rows_from_the_middle_of_a_deflated_member(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "d.npz", image=images(30))
    rows = npz_arrays(tmp_path / "d.npz")["image"].rows(17, 23)
    np.testing.assert_array_equal(np.stack(list(rows)), images(30)[17:23])
