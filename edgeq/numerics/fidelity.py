"""Sums that compare two streams of arrays in constant memory.

They give SQNR, cosine similarity, largest error and arg-max agreement.
"""

from __future__ import annotations

import math

import numpy as np

from edgeq.numerics.arrays import AnyArray


class ErrorSums:
    """Running float64 sums over pairs of arrays: f of the float model, q of the int8 model.

    The arrays of a pair have equal shapes; `count` is the number of pairs so far. Elements that are
    NaN or infinite in one of the two are left out of the sums; `elements` counts the others, and
    `nonfinite` those left out that are not the same in both.
    """

    def __init__(self) -> None:
        self.count = self.elements = self.nonfinite = 0
        self.signal = self.noise = self.product = self.power = self.largest = 0.0

    def add(self, reference: AnyArray, other: AnyArray) -> None:
        """Add one pair of any shape."""
        f = np.asarray(reference, np.float64).ravel()
        q = np.asarray(other, np.float64).ravel()
        with np.errstate(invalid="ignore", over="ignore"):
            sound = math.isfinite(float(f @ f) + float(q @ q))  # a NaN or an infinity is in the sum
        if not sound:
            finite = np.isfinite(f) & np.isfinite(q)
            same = (f == q) | np.isnan(f) & np.isnan(q)
            self.nonfinite += int((~finite & ~same).sum())
            f, q = f[finite], q[finite]
        difference = f - q
        self.count += 1
        self.elements += f.size
        self.signal += float(f @ f)
        self.noise += float(difference @ difference)
        self.product += float(f @ q)
        self.power += float(q @ q)
        self.largest = max(self.largest, float(np.abs(difference).max(initial=0.0)))

    def merge(self, other: ErrorSums) -> None:
        """Add the sums of other pairs. Floats: the same bits in the same order only."""
        self.count += other.count
        self.elements += other.elements
        self.nonfinite += other.nonfinite
        self.signal += other.signal
        self.noise += other.noise
        self.product += other.product
        self.power += other.power
        self.largest = max(self.largest, other.largest)

    @property
    def sqnr_db(self) -> float:
        """10 log10(sum f^2 / sum (f - q)^2) in dB.

        It is inf when all are equal, -inf when f alone is all zero, and NaN when no element is
        finite in both.
        """
        if self.noise == 0.0:
            return math.nan if self.nonfinite and not self.elements else math.inf
        if self.signal == 0.0 or math.isinf(self.noise):
            return -math.inf
        return 10 * math.log10(self.signal / self.noise)

    @property
    def cosine(self) -> float:
        """sum f q / sqrt(sum f^2 sum q^2); 1 when both are all zero, 0 when only one is."""
        if self.signal == 0.0 and self.power == 0.0:
            return 1.0
        return self.product / math.sqrt(self.signal * self.power) if self.signal > 0.0 and self.power > 0.0 else 0.0


class Agreement:
    """Share of rows whose arg-max is the same in both arrays.

    It exists only for outputs that look like class scores [N, >= 2].
    """

    def __init__(self) -> None:
        self.same = self.tied = self.rows = 0
        self.scores = True

    def add(self, reference: AnyArray, other: AnyArray) -> None:
        """Add one pair; an array that is not floats [N, >= 2] ends the counting for good."""
        if not (self.scores and looks_like_scores(reference) and reference.shape == other.shape):
            self.scores = False
            return
        theirs = other.argmax(-1)
        alike = reference.argmax(-1) == theirs
        best = np.take_along_axis(reference, theirs[:, None], -1)[:, 0] == reference.max(-1)
        self.same += int(alike.sum())
        self.tied += int((best & ~alike).sum())
        self.rows += len(reference)

    def merge(self, other: Agreement) -> None:
        """Add the rows of other pairs."""
        self.scores = self.scores and other.scores
        self.same += other.same
        self.tied += other.tied
        self.rows += other.rows

    @property
    def share(self) -> float | None:
        """Share of rows with equal arg-max, 0..1; None: the output is not class scores."""
        return self.same / self.rows if self.scores and self.rows else None

    @property
    def ties(self) -> float | None:
        """Share of rows whose arg-max differs only because the first array has a tie there.

        0..1, or None when the output is not class scores.
        """
        return self.tied / self.rows if self.scores and self.rows else None


def looks_like_scores(array: AnyArray) -> bool:
    """Whether the array may hold class scores: floats of shape [N, C], C >= 2."""
    return array.ndim == 2 and array.shape[1] >= 2 and np.issubdtype(array.dtype, np.floating)
