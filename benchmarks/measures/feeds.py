"""Feeds of a benchmark: rows of an .npz, read one by one, so that a tool is never charged for
memory it did not ask for.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Feed = dict[str, Array]


def rows(path: Path, name: str, limit: int | None = None) -> Iterator[Array]:
    """The samples (axis 0) of one array of an .npz, straight from the zip: one row in memory at a
    time.
    """
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
        version = np.lib.format.read_magic(member)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = reader(member)
        if fortran:
            raise ValueError(f"{path}: {name} is stored in Fortran order")
        size = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
        for _ in range(shape[0] if limit is None else min(limit, shape[0])):
            yield np.frombuffer(member.read(size), dtype).reshape(shape[1:])


def feeds(path: Path, input_ranks: dict[str, int], limit: int | None = None, batch: int = 1) -> Iterator[Feed]:
    """Feeds for a model: `batch` samples stacked, or, where an array has one rank more than its
    input, each row a whole feed.
    """
    names = list(input_ranks)
    group: list[tuple[Array, ...]] = []
    for sample in zip(*(rows(path, name, limit) for name in names), strict=True):
        if all(value.ndim == input_ranks[name] for name, value in zip(names, sample, strict=True)):
            yield dict(zip(names, sample, strict=True))
            continue
        group.append(sample)
        if len(group) == batch:
            yield _stack(names, group)
            group = []
    if group:
        yield _stack(names, group)


def _stack(names: list[str], group: list[tuple[Array, ...]]) -> Feed:
    return {name: np.stack(column) for name, column in zip(names, zip(*group, strict=True), strict=True)}
