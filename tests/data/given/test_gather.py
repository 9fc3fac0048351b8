"""Data as people hold it in Python: every kind is the same data as an .npz of the same samples."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from onnxruntime.quantization import CalibrationDataReader

from edgeq.data.dataset import Dataset
from edgeq.data.given.gather import Data, gathered
from edgeq.data.given.spool import Spool, spooled
from edgeq.data.open import InputSpec, open_dataset
from edgeq.engines.parcel import packed, unpacked
from edgeq.errors import BadData
from edgeq.metrics.metric import Metric

IMAGE = (InputSpec("image", "float32", ("N", 2, 3)),)
TWO = (InputSpec("ids", "int64", ("N", 4)), InputSpec("mask", "int64", ("N", 4)))
X = np.random.default_rng(0).normal(size=(10, 2, 3)).astype(np.float32)
Y = np.arange(10) % 3


class Reader(CalibrationDataReader):  # type: ignore[misc]  # the package has no types
    def __init__(self, size: int) -> None:
        self.feeds = iter([{"image": X[at : at + size]} for at in range(0, 10, size)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.feeds, None)


class Indexed:
    """As a torch Dataset: a length, samples by number, and no error behind the last."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return X[index % 10], int(Y[index % 10])


def opened(data: Data, inputs: tuple[InputSpec, ...] = IMAGE, **words: object) -> Dataset:
    return open_dataset(gathered(data, **words), inputs)  # type: ignore[arg-type]


def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for at in (0, 4, 8):
        yield X[at : at + 4], Y[at : at + 4]


KINDS: dict[str, Callable[[], Data]] = {
    "array": lambda: X,
    "mapping": lambda: {"image": X},
    "list of samples": lambda: list(X),
    "generator of samples": lambda: (row for row in X),
    "generator of mappings": lambda: ({"image": row, "id": index} for index, row in enumerate(X)),
    "tuples of one": lambda: ((row,) for row in X),
    "batches": lambda: (X[at : at + 4] for at in range(0, 10, 4)),
    "batches and labels": batches,
    "lists of batch and labels": lambda: (list(pair) for pair in batches()),
    "samples with a batch axis": lambda: (row[None] for row in X),
    "reader": lambda: Reader(1),
    "reader of batches": lambda: Reader(4),
    "indexed": Indexed,
    "rows of numbers": lambda: X.tolist(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_the_same_data_as_an_npz(kind: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", image=X)
    found = opened(KINDS[kind]())
    assert found.count == 10
    assert found.hash == open_dataset(tmp_path / "d.npz", IMAGE).hash
    assert found.hash == opened(KINDS[kind]()).hash


class Columns:
    """As a data set of Hugging Face: rows by number, each a mapping of columns to plain lists."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> dict[str, object]:
        if not 0 <= index < 10:
            raise IndexError(index)
        return {"id": f"row {index}", "image": X[index].tolist(), "label": int(Y[index])}


def test_rows_of_columns_feed_the_inputs_of_their_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "same.npz", image=X)
    wanted = opened(str(tmp_path / "same.npz"))
    assert opened(Columns()).hash == wanted.hash


@pytest.mark.parametrize("kind", ["tensor", "data set", "loader", "loader of batches"])
def test_what_torch_has_is_the_same_data_as_an_array(kind: str) -> None:
    torch = pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")
    from torch.utils.data import DataLoader, TensorDataset

    whole = TensorDataset(torch.from_numpy(X.copy()), torch.from_numpy(Y.copy()))
    kinds = {
        "tensor": lambda: torch.from_numpy(X.copy()),
        "data set": lambda: whole,
        "loader": lambda: DataLoader(whole, batch_size=1),
        "loader of batches": lambda: DataLoader(whole, batch_size=4),
    }
    found, wanted = opened(kinds[kind]()), opened(X)
    for ours, theirs in zip(found.batches(1), wanted.batches(1), strict=True):
        assert np.array_equal(ours.feeds["image"], theirs.feeds["image"])
    if kind != "tensor":
        assert found.labels is not None and np.array_equal(found.labels, Y)


@pytest.mark.parametrize("kind", ["batches and labels", "lists of batch and labels", "indexed"])
def test_what_comes_behind_the_inputs_are_labels(kind: str) -> None:
    labels = opened(KINDS[kind]()).labels
    assert labels is not None
    np.testing.assert_array_equal(labels, Y)


@pytest.mark.parametrize("name", ["labels", "y", "label"])
def test_labels_have_a_name_in_mappings(name: str) -> None:
    labels = opened([{"image": row, name: int(y)} for row, y in zip(X, Y, strict=True)]).labels
    assert labels is not None
    np.testing.assert_array_equal(labels, Y)


def test_a_memory_map_is_not_read_as_a_whole(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4_000, 2, 3_000), np.float32))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    wide = (InputSpec("image", "float32", ("N", 2, 3_000)),)
    tracemalloc.start()
    assert sum(len(batch.samples) for batch in opened(mapped, wide).batches(8)) == 4_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6  # the file has 96 MB


def test_an_iterable_is_read_once_and_its_items_are_not_kept_in_memory() -> None:
    asked: list[int] = []

    def samples() -> Iterator[np.ndarray]:
        for index in range(500):
            asked.append(index)
            yield np.full((2, 10_000), index, np.float32)

    tracemalloc.start()
    data = opened(samples(), (InputSpec("image", "float32", ("N", 2, 10_000)),))
    seen = [float(row[0, 0]) for _ in range(2) for batch in data.batches(4) for row in batch.feeds["image"]]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert asked == list(range(500))
    assert seen == [*range(500), *range(500)]
    assert peak < 5e6  # the samples have 40 MB


def test_items_of_the_same_shapes_share_what_is_known_of_them() -> None:
    shapes = [(2, 3)] * 50 + [(4, 3), (2, 3)]
    arrays = [np.full(shape, place, np.float32) for place, shape in enumerate(shapes)]
    spool = spooled(({"image": array, "labels": place} for place, array in enumerate(arrays)), None, None)
    assert len({id(one) for one in spool.items}) == 3
    parcel = packed(spool)
    elsewhere = unpacked(parcel.body, lambda digest: np.frombuffer(parcel.blobs[digest], np.uint8))
    for there in (spool, elsewhere):
        assert isinstance(there, Spool)
        for place, array in enumerate(arrays):
            assert np.array_equal(there.read(place, "image"), array)
            assert there.read(place, "labels") == place


def test_no_more_items_are_asked_for_than_wanted() -> None:
    asked: list[int] = []

    def samples() -> Iterator[np.ndarray]:
        for index in range(10):
            asked.append(index)
            yield X[index]

    assert open_dataset(gathered(samples(), most=3), IMAGE, samples=3).count == 3
    assert asked == [0, 1, 2]


def test_the_file_is_closed_with_its_last_reader() -> None:
    data = gathered(iter(X))
    file = data.spool.file  # type: ignore[union-attr]
    assert isinstance(file.name, int)  # no name in a folder: a killed run leaves nothing
    del data
    gc.collect()
    assert file.closed


@pytest.mark.parametrize(
    "data",
    [lambda: X * 2 + 1, lambda: iter(X * 2 + 1), lambda: {"image": X * 2 + 1}],
    ids=["array", "iterable", "mapping"],
)
def test_preprocess_makes_the_items(data: Callable[[], Data]) -> None:
    def halved(item: object) -> object:
        return {"image": (item["image"] - 1) / 2} if isinstance(item, dict) else (item - 1) / 2  # type: ignore[operator]

    found = np.concatenate([batch.feeds["image"] for batch in opened(data(), preprocess=halved).batches(4)])
    np.testing.assert_allclose(found, X, atol=1e-6)


def test_tuples_feed_the_inputs_in_their_order() -> None:
    ids, mask = np.arange(12).reshape(3, 4), np.ones((3, 4), np.int64)
    (batch,) = opened(zip(ids, mask, strict=True), TWO).batches(3)
    np.testing.assert_array_equal(batch.feeds["ids"], ids)
    np.testing.assert_array_equal(batch.feeds["mask"], mask)


def test_a_feed_whose_inputs_share_no_axis_of_samples_is_one_sample() -> None:
    inputs = (InputSpec("x", "float32", ("B", "T")), InputSpec("state", "float32", (2, "B", 5)), InputSpec("sr", "int64", ()))
    feeds = [{"x": np.ones((1, 7), np.float32), "state": np.ones((2, 1, 5), np.float32), "sr": 16000} for _ in range(3)]
    parts = list(opened(feeds, inputs).batches(8))
    assert [part.feeds["state"].shape for part in parts] == [(2, 1, 5)] * 3


def test_samples_may_differ_in_their_dynamic_sizes() -> None:
    text = (InputSpec("ids", "int64", ("N", "T")),)
    found = opened([np.arange(3), np.arange(5), np.arange(5)], text)
    assert [batch.feeds["ids"].shape for batch in found.batches(8)] == [(1, 3), (2, 5)]


@pytest.mark.parametrize(
    ("data", "inputs", "what"),
    [
        (lambda: iter([]), IMAGE, "There are no samples"),
        (lambda: [(X[0], X[0], X[0])], IMAGE, "An item has 3 arrays"),
        (lambda: [(X[0], 1), (X[0],)], IMAGE, "no array at place 1"),
        (lambda: [{"image": X[0]}, {"picture": X[0]}], IMAGE, "no array `image`"),
        (lambda: [{"picture": X[0]}, {"picture": X[0]}], TWO, "No array for the model's input `ids`"),
        (lambda: [object()], IMAGE, "Python objects"),
        (lambda: [None], IMAGE, "Python objects"),
        (lambda: 7, IMAGE, "cannot be read"),
        (lambda: [(X[0], 0.5)], IMAGE, "The labels are float64"),
        (lambda: [[[1.0, 2.0], [3.0]]], IMAGE, "not an array"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(data: Callable[[], Data], inputs: tuple[InputSpec, ...], what: str) -> None:
    with pytest.raises(BadData, match=what):
        opened(data(), inputs)


def test_preprocess_is_refused_for_a_path() -> None:
    with pytest.raises(BadData, match="the data is a path"):
        gathered("digits", lambda item: item)


def test_what_the_users_code_raises_is_not_changed() -> None:
    def broken() -> Iterator[np.ndarray]:
        yield X[0]
        raise RuntimeError("my own disk is gone")

    with pytest.raises(RuntimeError, match="my own disk is gone"):
        gathered(broken())


def test_one_label_behind_a_batch_of_one_is_that_sample_s_label_for_a_metric_of_one_s_own() -> None:
    """Class numbers are told like this, and labels of any shape must not end in an exception."""
    items = [(X[at : at + 1], Y[at]) for at in range(len(X))]
    for metric in (None, Metric("own", lambda *_: 0.0)):
        labels = open_dataset(gathered(items), IMAGE, metric=metric).labels
        assert labels is not None
        np.testing.assert_array_equal(labels, Y)


def test_no_labels_behind_samples_are_counted() -> None:
    with pytest.raises(BadData, match=f"There are 0 labels for {len(X)} samples"):
        opened([(X, Y[:0])])
