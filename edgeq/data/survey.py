"""Survey a data set: the digest and the value range of every sample.

Every pass over the data adds the samples that it is the first to see. A sample takes 34 bytes, and
16 more per input.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F64, U8, AnyArray, Mask

#: whether each of some samples was seen, their digests, smallest and largest values, constancy
Seen = tuple[Mask, U8, F64, F64, Mask]


@dataclass(frozen=True, eq=False)
class Survey:
    """What passes over a data set have seen; row i belongs to sample i."""

    #: names of the inputs, in the order of the columns
    names: tuple[str, ...]
    #: [samples]: whether a pass has seen the sample
    seen: Mask
    #: uint8 [samples, 32]: sha256 of the sample's feeds
    digests: U8
    #: float64 [samples, inputs]: smallest value
    low: F64
    #: float64 [samples, inputs]: largest value
    high: F64
    #: [samples]: whether every input with several elements has the same value in all of them
    constant: Mask
    #: the survey of the data that this is a part of, and the indices there: what a pass over the
    #: part sees is recorded there, too
    whole: tuple[Survey, tuple[int, ...]] | None = None

    def __setstate__(self, state: dict[str, object]) -> None:
        """A copy elsewhere records into arrays of its own: those that came may be mapped files."""
        self.__dict__.update({name: np.array(value) if isinstance(value, np.ndarray) else value for name, value in state.items()})

    @classmethod
    def empty(cls, count: int, names: tuple[str, ...]) -> Survey:
        """A survey of `count` samples, none of which has been seen."""
        limits = (count, len(names))
        digests = np.zeros((count, 32), np.uint8)
        return cls(names, np.zeros(count, np.bool_), digests, np.zeros(limits), np.zeros(limits), np.zeros(count, np.bool_))

    def part(self, kept: Sequence[int]) -> Survey:
        """The survey of some of the samples, by their indices, with what has been seen of them."""
        rows = list(kept)
        seen = (self.seen[rows], self.digests[rows], self.low[rows], self.high[rows], self.constant[rows])
        return Survey(self.names, *seen, whole=(self, tuple(kept)))

    def record(self, index: int, feeds: Mapping[str, AnyArray]) -> None:
        """Record one sample; recording it again changes nothing."""
        if self.seen[index]:
            return
        digest = hashlib.sha256()
        for column, name in enumerate(self.names):
            array = feeds[name]
            if array.size and array.dtype.kind != "O":  # text has no range, and nothing has none either
                self.low[index, column], self.high[index, column] = float(array.min()), float(array.max())
        wide = [column for column, name in enumerate(self.names) if feeds[name].size > 1 and feeds[name].dtype.kind != "O"]
        self.constant[index] = bool(wide) and bool((self.low[index, wide] == self.high[index, wide]).all())
        for name in sorted(self.names):
            array = np.asarray(feeds[name], order="C")
            digest.update(f"{name}\0{array.dtype.name}\0{array.shape}\0".encode())
            if array.dtype.kind == "O":
                digest.update(json.dumps([str(text) for text in array.reshape(-1).tolist()]).encode())
            elif array.size:
                digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).reshape(-1).view(np.uint8).data)
        self.digests[index] = np.frombuffer(digest.digest(), np.uint8)
        self.seen[index] = True
        if self.whole is not None:
            survey, kept = self.whole
            survey._take(kept[index], self, index)

    def seen_of(self, samples: range) -> Seen:
        """What has been seen of neighbouring samples."""
        here = slice(samples.start, samples.stop)
        return self.seen[here], self.digests[here], self.low[here], self.high[here], self.constant[here]

    def take(self, samples: range, found: Seen) -> None:
        """Record what a survey of the same data has seen elsewhere of neighbouring samples."""
        rows = np.flatnonzero(found[0] & ~self.seen[samples.start : samples.stop])
        seen, digests, low, high, constant = found
        self.digests[rows + samples.start], self.constant[rows + samples.start] = digests[rows], constant[rows]
        self.low[rows + samples.start], self.high[rows + samples.start] = low[rows], high[rows]
        self.seen[rows + samples.start] = seen[rows]
        if self.whole is not None:
            survey, kept = self.whole
            for row in rows.tolist():
                survey._take(kept[row + samples.start], self, row + samples.start)

    def _take(self, index: int, part: Survey, row: int) -> None:
        """Record the sample that a part has seen as its own sample `row`."""
        for mine, theirs in ((self.low, part.low), (self.high, part.high), (self.digests, part.digests), (self.constant, part.constant)):
            mine[index] = theirs[row]
        self.seen[index] = True

    def unseen(self) -> Iterator[tuple[int, int]]:
        """Yield ranges (start, stop) of samples that have not been recorded yet."""
        edges = np.flatnonzero(np.diff(np.concatenate([[True], self.seen, [True]]).astype(np.int8)))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            yield int(start), int(stop)
