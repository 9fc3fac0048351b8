"""How many samples carry the noise of an output, and what SQNR other samples may therefore have.

Where one sample of fifty has nearly all of the noise, the SQNR says how bad that sample is, and
hardly anything about how many of its kind come next.
"""

from __future__ import annotations

import math

import numpy as np

from edgeq.numerics.arrays import AnyArray

#: quantile of the normal distribution for a bound that holds in 95 of 100 cases
_Z = 1.645


class NoiseCarriers:
    """Running sums of the noise of single samples."""

    def __init__(self) -> None:
        self.noise = self.squares = 0.0
        self.samples = 0

    def add(self, reference: AnyArray, other: AnyArray, samples: int = 1) -> None:
        """Add the outputs of one run, of equal shapes.

        samples: how many were fed together; where axis 0 is not theirs, they count as one.
        """
        rows = samples if reference.ndim > 0 and reference.shape[0] == samples else 1
        with np.errstate(invalid="ignore", over="ignore"):
            apart = (np.asarray(reference, np.float64) - np.asarray(other, np.float64)).reshape(rows, -1)
            noise = np.einsum("ij,ij->i", apart, apart)
        if not np.isfinite(noise).all():
            apart = np.where(np.isfinite(apart), apart, 0.0)
            noise = np.einsum("ij,ij->i", apart, apart)
        self.samples += rows
        self.noise += float(noise.sum())
        self.squares += float(noise @ noise)

    def merge(self, other: NoiseCarriers) -> None:
        """Add the sums of other runs."""
        self.samples += other.samples
        self.noise += other.noise
        self.squares += other.squares

    @property
    def effective(self) -> float:
        """(sum n)^2 / sum n^2 of the noise n of each sample; 0: there is no noise.

        As many samples as would have all of the noise if they had the same amount of it (Kish,
        Survey Sampling, 1965).
        """
        return self.noise**2 / self.squares if self.squares > 0 and math.isfinite(self.squares) else 0.0


def uncertainty_db(carriers: float) -> float:
    """dB by which the SQNR of as many other samples may be lower, in 95 of 100 cases.

    Samples that carry the noise come by chance: where k came, the mean number that comes is at most
    U = chi2(0.95, 2 k + 2) / 2 (Garwood, Biometrika 28, 1936), which is U / k times the noise. The
    quantile is that of Wilson and Hilferty (PNAS 17, 1931).

    >>> [round(uncertainty_db(k), 1) for k in (1, 2, 6, 100)]
    [6.7, 5.0, 3.0, 0.7]
    """
    freedom = 2 * carriers + 2
    part = 2 / (9 * freedom)
    return 10 * math.log10(freedom * (1 - part + _Z * math.sqrt(part)) ** 3 / 2 / carriers)
