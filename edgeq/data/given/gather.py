"""Take data as people hold it in Python, and make of it what can be opened again and again.

>>> import numpy as np
>>> from edgeq.graph.signature import InputSpec
>>> from edgeq.data.open import open_dataset
>>> data = gathered(({"x": np.full(3, index, np.float32)} for index in range(5)))
>>> open_dataset(data, (InputSpec("x", "float32", ("N", 3)),)).count
5
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from edgeq.data.given.items import as_array
from edgeq.data.given.source import Spooled
from edgeq.data.given.spool import spooled
from edgeq.data.sources import DataSource
from edgeq.errors import BadData
from edgeq.numerics.arrays import AnyArray


class Reader(Protocol):
    """onnxruntime's CalibrationDataReader: feeds, one after the other, and None at the end."""

    def get_next(self) -> Any: ...


class Indexed(Protocol):
    """Samples by their number, such as a torch Dataset."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


#: data as people hold it: what gathered takes
Data = DataSource | Mapping[str, object] | Iterable[object] | Reader | Indexed
#: makes a sample, or a batch of them, of what the data yields
Preprocess = Callable[[Any], object]


def gathered(data: Data, preprocess: Preprocess | None = None, most: int | None = None) -> DataSource:
    """The data in a form that can be read several times, in constant memory.

    data: a path or the name of a set, as it is. An array, tensor or memory map, or a mapping of
    them; axis 0 is the sample. An iterable (also a generator, a torch DataLoader or a dataset of
    Hugging Face), a torch Dataset or an onnxruntime CalibrationDataReader of items, each of them an
    array, a tuple of the inputs in the model's order, or a mapping by input name. An item whose
    arrays have the ranks of the model's inputs is a batch, with one rank less a sample; behind the
    arrays of a tuple, or by the name labels, y or label, class labels may follow. Items are read
    once and kept in a temporary file that has no name.

    preprocess: called with each item, or with each sample of an array, or with a mapping of the
    arrays of one sample; what it returns is the item. most: items that are enough; None: all.

    Raises BadData; what the data's or preprocess' own code raises is not changed.
    """
    if isinstance(data, str | Path) or _is_given(data):
        if preprocess is not None:
            what = "`preprocess` takes what Python data yields, but the data is a path."
            raise BadData(what, str(data), "Give an iterable of samples, or state the preprocessing in the folder's set.toml.")
        return cast(DataSource, data)
    arrays = _arrays(data)
    if arrays is None:
        return Spooled(spooled(data, preprocess, most))
    return arrays if preprocess is None else Spooled(spooled(_samples(arrays, named=isinstance(data, Mapping)), preprocess, most))


def gathered_or_none(data: Data | None, preprocess: Preprocess | None, most: int | None = None) -> DataSource | None:
    """As gathered; None where there is no data."""
    return None if data is None else gathered(data, preprocess, most)


def _is_given(data: object) -> bool:
    return callable(getattr(data, "opened", None))


def _arrays(data: Data) -> Mapping[str, AnyArray] | None:
    """The arrays by name, where the data is one array or a mapping of arrays."""
    if isinstance(data, Mapping):
        return {str(name): _tensor(value, str(name)) for name, value in data.items()}
    return {"x": as_array(data, "data")} if hasattr(data, "shape") and hasattr(data, "dtype") else None


def _tensor(value: object, name: str) -> AnyArray:
    """Values of a mapping; what is neither tensor nor array is checked when it is opened."""
    return as_array(value, f"array `{name}`") if hasattr(value, "detach") else cast(AnyArray, value)


def _samples(arrays: Mapping[str, AnyArray], *, named: bool) -> Iterator[object]:
    """The samples of arrays along axis 0: as mappings, or as rows of the only array."""
    columns = {name: np.asarray(array) for name, array in arrays.items()}
    for index in range(min((len(column) for column in columns.values() if column.ndim), default=0)):
        row = {name: column[index] for name, column in columns.items()}
        yield row if named else next(iter(row.values()))
