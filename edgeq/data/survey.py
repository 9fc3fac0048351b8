"""What every pass over the data notes of each sample: a digest and the value range. About 50 bytes
a sample and input.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F64, U8, AnyArray, Mask


@dataclass(frozen=True, eq=False)
class Survey:
    """A notebook that passes over a data set fill; row i belongs to sample i.

    digests: uint8 [samples, 32], sha256 of the sample's feeds. low, high: float64 [samples,
    inputs]. seen: bool [samples]. constant: bool [samples], every input that has several elements
    has the same value in all of them.
    """

    names: tuple[str, ...]
    seen: Mask
    digests: U8
    low: F64
    high: F64
    constant: Mask

    @classmethod
    def empty(cls, count: int, names: tuple[str, ...]) -> Survey:
        """A notebook for `count` samples of which none was seen."""
        limits = (count, len(names))
        digests = np.zeros((count, 32), np.uint8)
        return cls(names, np.zeros(count, np.bool_), digests, np.zeros(limits), np.zeros(limits), np.zeros(count, np.bool_))

    def record(self, index: int, feeds: Mapping[str, AnyArray]) -> None:
        """Note one sample; a second time changes nothing."""
        if self.seen[index]:
            return
        digest = hashlib.sha256()
        for column, name in enumerate(self.names):
            array = feeds[name]
            self.low[index, column], self.high[index, column] = float(array.min()), float(array.max())
        wide = [column for column, name in enumerate(self.names) if feeds[name].size > 1]
        self.constant[index] = bool(wide) and bool((self.low[index, wide] == self.high[index, wide]).all())
        for name in sorted(self.names):
            array = np.asarray(feeds[name], order="C")
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            digest.update(f"{name}\0{array.dtype.name}\0{array.shape}\0".encode())
            digest.update(little.data)
        self.digests[index] = np.frombuffer(digest.digest(), np.uint8)
        self.seen[index] = True

    def unseen(self) -> Iterator[tuple[int, int]]:
        """Ranges start, stop of samples that were not noted yet."""
        edges = np.flatnonzero(np.diff(np.concatenate([[True], self.seen, [True]]).astype(np.int8)))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            yield int(start), int(stop)
