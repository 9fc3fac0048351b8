"""Data for a model that takes raw pixels: every sample as pixels on the grid of its input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgeq.data.dataset import Dataset
from edgeq.data.set_toml import holds_integers
from edgeq.data.sources import Source
from edgeq.errors import BadData
from edgeq.numerics.arrays import F32, AnyArray
from edgeq.numerics.grid import QuantParams, dequantize
from edgeq.schema.pixels import OPTION, PixelMap

#: how far a number may lie outside 0..255: half a pixel is rounding
_SLACK = 0.5


@dataclass(frozen=True, eq=False)
class PixelSource:
    """Samples whose inputs in `maps` become scale * (p - zero point) of their pixels p."""

    source: Source
    maps: Mapping[str, PixelMap]
    grids: Mapping[str, QuantParams]
    #: inputs whose integers are pixels; floats, and the other inputs, are stored preprocessed
    raw: frozenset[str]

    @property
    def count(self) -> int:
        """Number of samples."""
        return self.source.count

    def rows(self, start: int, stop: int) -> Iterator[Mapping[str, AnyArray]]:
        """The samples from `start` to `stop`, each by input name."""
        for index, row in enumerate(self.source.rows(start, stop), start):
            yield {name: self._on_grid(name, array, index) if name in self.maps else array for name, array in row.items()}

    def where(self, index: int) -> str:
        """Where a sample comes from, for messages."""
        return self.source.where(index)

    def _on_grid(self, name: str, array: AnyArray, index: int) -> F32:
        raw = name in self.raw and holds_integers(array)
        pixels = array.astype(np.float64) if raw else self.maps[name].pixels(array)
        low, high = float(pixels.min(initial=0.0)), float(pixels.max(initial=0.0))
        fractions = high <= 1 and bool(np.any(np.abs(pixels - np.rint(pixels)) > 1e-3))
        if not (low >= -_SLACK and high <= 255 + _SLACK) or fractions:
            what = f"Input `{name}` does not hold pixels under the stated preprocessing: they would be {low:.4g}..{high:.4g}."
            raise BadData(what, self.where(index), "State scale, mean and std as the data was made: (pixel * scale - mean) / std.")
        return dequantize(np.clip(np.rint(pixels), 0, 255), self.grids[name])


def on_pixels(data: Dataset, maps: Mapping[str, PixelMap], grids: Mapping[str, QuantParams]) -> Dataset:
    """The data as a model with folded preprocessing takes it.

    Integers of inputs that a set.toml describes are pixels; all else was preprocessed.
    """
    if not maps:
        return data
    source = PixelSource(data.source, maps, grids, frozenset(data.how) & frozenset(maps))
    note = f"{OPTION}: {', '.join(maps)} takes raw pixels 0..255"
    return replace(data, source=source, how={name: how for name, how in data.how.items() if name not in maps}, notes=(*data.notes, note))
