"""Clusters of a codebook in numpy: the table of each number, and the mean of each cluster."""

from __future__ import annotations

import numpy as np

from edgeq.numerics.arrays import F32, Indices, Mask
from edgeq.numerics.codebook import Grain


def cluster_means(clusters: Indices, numbers: F32, entries: F32) -> F32:
    """The mean of the numbers in each cluster, float32 [T, k]; empty clusters keep their entry.

    clusters: for each number, the index of its entry, all tables one after the other. entries: the
    current entries, [T, k].
    """
    count = np.bincount(clusters.reshape(-1), minlength=entries.size).reshape(entries.shape)
    total = np.bincount(clusters.reshape(-1), numbers.reshape(-1), minlength=entries.size).reshape(entries.shape)
    return np.where(count > 0, total / np.maximum(count, 1), entries).astype(np.float32)


def table_of_each(shape: tuple[int, ...], grain: Grain, axis: int) -> Indices:
    """For each number of a weight, the index of the table in which it is stored.

    shape: of the weight. axis: of the output channels.
    """
    tables = np.arange(shape[axis]) // (grain.channels or shape[axis])
    return np.broadcast_to(np.expand_dims(tables, [other for other in range(len(shape)) if other != axis]), shape)


def first_zero(entries: F32) -> Mask:
    """True at the first 0 of each table, [T, k]."""
    zero = entries == 0
    return np.asarray(zero & (np.cumsum(zero, axis=-1) == 1))
