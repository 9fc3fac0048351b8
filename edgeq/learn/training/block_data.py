"""Inputs and desired outputs of a block, kept in temporary files so that memory stays constant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from types import TracebackType
from typing import Self

import numpy as np
import torch
from torch import Tensor

from edgeq.errors import BadData
from edgeq.numerics.arrays import U8, AnyArray

Arrays = Mapping[str, AnyArray]


@dataclass(frozen=True)
class _Place:
    """Where the array of a sample lies in the file."""

    #: in bytes from the beginning of the file
    offset: int
    shape: tuple[int, ...]
    kind: np.dtype[np.generic]


@dataclass(eq=False)
class StoredSamples:
    """Some values of every sample, appended in order and read through a memory map.

    The file has no name, so that it disappears when it is closed or when the process ends.
    """

    #: for each sample, value name -> where its array lies
    samples: list[dict[str, _Place]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._file = TemporaryFile(prefix="edgeq-")  # noqa: SIM115  (close closes it)
        self._map: U8 | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, which frees its disk space."""
        self._map = None
        self._file.close()

    def append(self, values: Mapping[str, Tensor], count: int = 1) -> None:
        """Add `count` samples, which the values hold one after the other along axis 0.

        Raises BadData when the file cannot be written, for example because the disk is full.
        """
        parts = {name: np.split(value.detach().numpy(), count) if count > 1 else [value.detach().numpy()] for name, value in values.items()}
        for number in range(count):
            self.samples.append({name: self._write(arrays[number]) for name, arrays in parts.items()})

    def _write(self, array: AnyArray) -> _Place:
        offset = self._file.tell()
        try:
            self._file.write(np.ascontiguousarray(array).tobytes())
            self._file.write(bytes(-array.nbytes % 8))  # every array begins at a multiple of 8, which suits all dtypes
        except OSError as error:
            what = f"The inputs of blocks cannot be stored: {error.strerror}."
            raise BadData(what, "temporary files", "Free some space, set TMPDIR to a larger disk, or give fewer --samples.") from error
        self._map = None
        return _Place(offset, array.shape, array.dtype)

    def read(self, places: Sequence[int]) -> dict[str, Tensor]:
        """The samples with these indices, which have one shape, joined along axis 0."""
        if self._map is None:
            self._file.flush()
            self._map = np.memmap(self._file, np.uint8, "r")
            self._file.seek(0, 2)
        found = {name: [self._array(self.samples[at][name]) for at in places] for name in self.samples[0]}
        return {name: torch.from_numpy(arrays[0].copy() if len(arrays) == 1 else np.concatenate(arrays)) for name, arrays in found.items()}

    def _array(self, place: _Place) -> AnyArray:
        assert self._map is not None
        size = int(np.prod(place.shape)) * place.kind.itemsize
        return self._map[place.offset : place.offset + size].view(place.kind).reshape(place.shape)

    def shapes(self, at: int) -> tuple[tuple[int, ...], ...]:
        """The shapes of a sample's values. Samples with equal shapes can be joined."""
        return tuple(place.shape for place in self.samples[at].values())


def runs_of_one_shape(samples: StoredSamples, size: int) -> Iterator[list[int]]:
    """Indices of all samples in order, in runs of at most `size` neighbours of one shape."""
    run: list[int] = []
    for at in range(len(samples.samples)):
        if run and (len(run) == size or samples.shapes(at) != samples.shapes(run[0])):
            yield run
            run = []
        run.append(at)
    if run:
        yield run


def drawn(samples: StoredSamples, size: int, chance: np.random.Generator) -> list[int]:
    """Indices of up to `size` different samples of one shape, which a random sample decides."""
    shape = samples.shapes(int(chance.integers(len(samples.samples))))
    alike = [at for at in range(len(samples.samples)) if samples.shapes(at) == shape]
    return [int(at) for at in chance.choice(alike, min(size, len(alike)), replace=False)]
