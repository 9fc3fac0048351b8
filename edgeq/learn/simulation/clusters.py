"""Which table and which entry a number is stored as, and the mean of what is stored as one. numpy
only.
"""

from __future__ import annotations

import numpy as np

from edgeq.numerics.arrays import F32, Indices, Mask
from edgeq.numerics.codebook import Grain


def cluster_means(clusters: Indices, numbers: F32, entries: F32) -> F32:
    """The mean of the numbers in each cluster, shaped like entries [T, k]; those of empty clusters
    stay. clusters: place of each number.
    """
    count = np.bincount(clusters.reshape(-1), minlength=entries.size).reshape(entries.shape)
    total = np.bincount(clusters.reshape(-1), numbers.reshape(-1), minlength=entries.size).reshape(entries.shape)
    return np.where(count > 0, total / np.maximum(count, 1), entries).astype(np.float32)


def table_of_each(shape: tuple[int, ...], grain: Grain, axis: int) -> Indices:
    """The number of the table that each number of a weight of this shape is stored in. axis: of the
    output channels.
    """
    tables = np.arange(shape[axis]) // (grain.channels or shape[axis])
    return np.broadcast_to(np.expand_dims(tables, [other for other in range(len(shape)) if other != axis]), shape)


def first_zero(entries: F32) -> Mask:
    """Where the first 0 of each table [T, k] stands."""
    zero = entries == 0
    return np.asarray(zero & (np.cumsum(zero, axis=-1) == 1))
