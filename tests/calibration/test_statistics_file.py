"""The statistics file: compact, the same bytes every time, and safe to read whoever wrote it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.calibration import statistics_members
from edgeq.calibration.observer import Observer
from edgeq.calibration.statistics_file import Statistics, load_statistics, merge_statistics
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.errors import BadStatistics

HASHES = ("a" * 64, "b" * 64, "c" * 64)


def make(samples: range, tensors: int = 3) -> Statistics:
    result = {}
    for number in range(tensors):
        observer = Observer()
        for sample in samples:
            values = np.random.default_rng([number, sample]).standard_normal(500) * 10.0**number
            observer.update(np.maximum(values, 0) if number % 2 else values, [sample])
        result[f"value/{number}"] = observer.stats()
    return Statistics(*HASHES, result)


def same(one: Statistics, two: Statistics) -> bool:
    hashes = (one.model, one.data, one.settings, one.held_out) == (two.model, two.data, two.settings, two.held_out)
    return hashes and dict(one.tensors) == dict(two.tensors)


def written(statistics: Statistics, folder: Path) -> Path:
    path = folder / "stats.npz"
    path.write_bytes(statistics.to_bytes())
    return path


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    statistics = make(range(4))
    back = load_statistics(written(statistics, tmp_path))
    assert same(statistics, back)
    assert statistics.hash == back.hash
    assert back.samples.tolist() == [0, 1, 2, 3]


def test_save_writes_the_bytes(tmp_path: Path) -> None:
    statistics = make(range(2))
    statistics.save(tmp_path / "s.npz")
    assert statistics.to_bytes() == (tmp_path / "s.npz").read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["s.npz"]


def test_a_model_without_observed_values(tmp_path: Path) -> None:
    for tensors in ({}, {"never": TensorStats()}):
        statistics = Statistics(*HASHES, tensors)
        assert same(statistics, load_statistics(written(statistics, tmp_path)))
        assert statistics.samples.size == 0


def test_only_nonfinite_values_and_counts_beyond_32_bits(tmp_path: Path) -> None:
    observer = Observer()
    observer.update(np.array([np.nan, np.inf], np.float32), [0])
    huge = TensorStats(0, np.array([0]), np.zeros(1, np.float32), np.zeros(1, np.float32), counts=np.array([1 << 40]))
    statistics = Statistics(*HASHES, {"bad": observer.stats(), "huge": huge})
    assert same(statistics, load_statistics(written(statistics, tmp_path)))


def test_bytes_and_hash_depend_on_the_content_alone() -> None:
    one, two = make(range(3)), make(range(3))
    turned = Statistics(*HASHES, dict(reversed(two.tensors.items())))
    assert one.to_bytes() == turned.to_bytes()
    assert one.hash == turned.hash
    assert one.hash != make(range(4)).hash
    assert one.hash != Statistics("x", *HASHES[1:], one.tensors).hash


def test_numpy_can_read_the_file(tmp_path: Path) -> None:
    with np.load(written(make(range(3)), tmp_path)) as arrays:
        assert arrays["samples"].size == 9
        assert "value/2" in json.loads(arrays["header"].tobytes())["tensors"]


def test_shards_in_any_order_merge_to_the_bytes_of_the_whole() -> None:
    shards = [make(range(0, 3)), make(range(3, 4)), make(range(4, 8))]
    expected = make(range(8)).to_bytes()
    for order in permutations(shards):
        assert expected == merge_statistics(order).to_bytes()


def test_a_tensor_that_one_shard_has_not_seen() -> None:
    one, two = make(range(2)), make(range(2, 4), tensors=2)
    merged = merge_statistics([two, one])
    assert merged.tensors["value/2"].samples.tolist() == [0, 1]
    assert merged.tensors["value/1"].samples.tolist() == [0, 1, 2, 3]


def test_merge_refuses_overlaps_and_strangers() -> None:
    with pytest.raises(BadStatistics, match="sample 2"):
        merge_statistics([make(range(3)), make(range(2, 5))])
    for place, kind in enumerate(("model", "data", "settings")):
        hashes = [*HASHES]
        hashes[place] = "d" * 64
        with pytest.raises(BadStatistics, match=f"differ in their {kind}"):
            merge_statistics([make(range(3)), Statistics(*hashes, make(range(3, 5)).tensors)])
    with pytest.raises(BadStatistics, match="nothing to merge"):
        merge_statistics([])


def held_out(samples: range) -> Statistics:
    return replace(make(samples), held_out="every_fifth")


def test_what_was_held_out_is_kept_by_file_and_merge(tmp_path: Path) -> None:
    one, two = held_out(range(3)), held_out(range(5, 8))
    assert load_statistics(written(one, tmp_path)).held_out == "every_fifth"
    assert one.hash != make(range(3)).hash
    merged = merge_statistics([two, one])
    assert merged.held_out == "every_fifth"
    assert merged.to_bytes() == merge_statistics([one, two]).to_bytes()


def test_shards_of_different_rules_do_not_merge() -> None:
    with pytest.raises(BadStatistics, match="left every fifth sample out, others saw all") as caught:
        merge_statistics([held_out(range(3)), make(range(5, 8))])
    assert "`Recipe.hold_out=False`" in caught.value.fix


def test_a_file_that_does_not_say_what_was_held_out_saw_all_samples(tmp_path: Path) -> None:
    """As files were written before samples were held out."""
    assert load_statistics(forged(tmp_path, silent)).held_out == "none"
    for word in ("every_third", ["none"], None):
        with pytest.raises(BadStatistics, match="held out"):
            load_statistics(forged(tmp_path, header(held_out=word)))


@given(st.data())
@settings(max_examples=60)
def test_a_damaged_file_is_refused_or_reads_the_same(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    statistics = make(range(2), tensors=1)
    content = bytearray(statistics.to_bytes())
    if data.draw(st.booleans(), label="truncate"):
        content = content[: data.draw(st.integers(0, len(content) - 1), label="length")]
    else:
        content[data.draw(st.integers(0, len(content) - 1), label="position")] ^= data.draw(st.integers(1, 255), label="flip")
    path = tmp_path_factory.mktemp("damage") / "s.npz"
    path.write_bytes(content)
    try:
        assert same(statistics, load_statistics(path))  # a bit that carries nothing, such as a time stamp
    except BadStatistics as error:
        assert str(path) in error.where


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadStatistics, match="no such statistics file"):
        load_statistics(tmp_path / "none.npz")


def forged(folder: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A well-formed zip whose members were changed."""
    with zipfile.ZipFile(io.BytesIO(make(range(3)).to_bytes())) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    path = folder / "forged.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def npy(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def edit(name: str, place: tuple[int, ...], value: float) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        array = np.load(io.BytesIO(members[name]))
        array[place] = value
        members[name] = npy(array)

    return change


def header(**entries: object) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        old = json.loads(np.load(io.BytesIO(members["header.npy"])).tobytes())
        members["header.npy"] = npy(np.frombuffer(json.dumps({**old, **entries}).encode(), np.uint8))

    return change


def silent(members: dict[str, bytes]) -> None:
    """The header of a file from before samples were held out."""
    old = json.loads(np.load(io.BytesIO(members["header.npy"])).tobytes())
    del old["held_out"]
    members["header.npy"] = npy(np.frombuffer(json.dumps(old).encode(), np.uint8))


def replaced(name: str, content: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda members: members.update({name: content})


FORGERIES: dict[str, Callable[[dict[str, bytes]], None]] = {
    "a pickle": replaced("counts.npy", npy(np.array([{"evil": 1}], dtype=object))),
    "a shape of many terabytes": replaced("samples.npy", npy(np.zeros(1, np.int64)).replace(b"(1,), }        ", b"(999999999999,)}")),
    "nested json": replaced("header.npy", npy(np.frombuffer(b"[" * 100_000, np.uint8))),
    "json that is no object": replaced("header.npy", npy(np.frombuffer(b"[]", np.uint8))),
    "more bytes than the shape says": replaced("counts.npy", npy(np.zeros(1 << 10, np.uint8)) + bytes(64)),
    "a member missing": lambda members: members.pop("index.npy") and None,
    "another format": header(format=2),
    "other bins": header(bits=3),
    "names twice": header(tensors=["v", "v", "w"]),
    "names that are no strings": header(tensors=[1, 2, 3]),
    "a name too few": header(tensors=["v"]),
    "a hash that is no string": header(model=None),
    "negative length": edit("index.npy", (0, 0), -3),
    "length beyond the arrays": edit("index.npy", (0, 4), 1 << 60),
    "negative count of nonfinite values": edit("index.npy", (0, 1), -1),
    "another exponent": edit("index.npy", (0, 2), 5),
    "an absurd exponent": edit("index.npy", (0, 2), 1 << 40),
    "another first bin": edit("index.npy", (0, 3), 1 << 50),
    "samples out of order": edit("samples.npy", (0,), 9),
    "a negative sample": edit("samples.npy", (0,), -1),
    "NaN range": edit("sample_low.npy", (0,), np.nan),
    "a range inside out": edit("sample_low.npy", (0,), 1e30),
    "empty end bin": edit("counts.npy", (0,), 0),
    "too few dimensions": replaced("index.npy", npy(np.zeros(15, np.int64))),
    "fortran order": replaced("index.npy", npy(np.asfortranarray(np.zeros((3, 5), np.int64)))),
    "big endian": replaced("samples.npy", npy(np.zeros(9, ">i8"))),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadStatistics, match="damaged"):
        load_statistics(forged(tmp_path, FORGERIES[name]))


def test_the_file_that_the_forgeries_start_from_is_good(tmp_path: Path) -> None:
    assert same(make(range(3)), load_statistics(forged(tmp_path, header())))


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics_members, "MAX_BYTES", 1 << 20)
    path = forged(tmp_path, replaced("unused.npy", bytes(1 << 20)))
    assert path.stat().st_size < 1 << 17
    with pytest.raises(BadStatistics, match="unpacks to more than"):
        load_statistics(path)
