"""Samples in arrays in memory, opened with the same checks as a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgeq.data.checks import match_names
from edgeq.data.labels import any_labels, check_labels
from edgeq.data.sources import OpenedSource, common_length
from edgeq.errors import BadData
from edgeq.graph.signature import InputSpec
from edgeq.numerics.arrays import AnyArray


@dataclass(frozen=True, eq=False)
class MemorySource:
    """Samples in memory."""

    #: array per model input; axis 0 is the sample
    arrays: Mapping[str, AnyArray]
    #: number of samples
    count: int

    def rows(self, start: int, stop: int) -> Iterator[Mapping[str, AnyArray]]:
        for index in range(start, stop):
            yield {name: np.asarray(array[index]) for name, array in self.arrays.items()}

    def where(self, index: int) -> str:
        return f"sample {index} of the arrays in memory"


def open_memory(data: Mapping[str, AnyArray], inputs: Sequence[InputSpec], *, classes: bool = True) -> OpenedSource:
    """Open arrays in memory with the same checks as a file (open_arrays). Raises BadData."""
    arrays = {str(name): _as_array(values, str(name)) for name, values in data.items()}
    where = "the arrays in memory"
    match = match_names(list(arrays), inputs, where)
    shapes = {name: arrays[key].shape for name, key in match.keys.items()}
    count = common_length(shapes, where)
    check = check_labels if classes else any_labels
    labels = None if match.labels is None else check(arrays[match.labels], count, f"array `{match.labels}`")
    return OpenedSource(MemorySource({name: arrays[key] for name, key in match.keys.items()}, count), labels, match.notes)


def _as_array(values: AnyArray, name: str) -> AnyArray:
    try:
        array = np.asarray(values)
    except ValueError as problem:
        raise BadData(
            f"The values are not an array: {problem}", f"array `{name}`", "Give rows of one shape, or a folder of .npy files."
        ) from None
    return array
