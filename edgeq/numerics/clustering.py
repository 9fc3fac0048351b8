"""Who finds the first tables of codebooks: k-means of numbers, and of short vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.numerics.arrays import F64
from edgeq.numerics.kmeans import cluster, lloyd, sort
from edgeq.numerics.vectors.kmeans import cluster_vectors

#: numbers [n], their weights [n] or None, the most centroids, centroids to start from or None ->
#: centroids, ascending
NumberSolver = Callable[[NDArray[np.floating], F64 | None, int, F64 | None], F64]
#: vectors [n, d], their weights [n], the most centroids -> centroids [k, d]
VectorSolver = Callable[[F64, F64, int], F64]


@dataclass(frozen=True)
class Clustering:
    """A solver of k-means."""

    numbers: NumberSolver
    vectors: VectorSolver

    def __reduce__(self) -> str | tuple[object, ...]:
        """Workers find edgeq's own solver by its name."""
        return "EXACT" if self is EXACT else super().__reduce__()


def _numbers(values: NDArray[np.floating], weights: F64 | None, count: int, start: F64 | None) -> F64:
    return cluster(values, weights, count) if start is None else lloyd(sort(values, weights), start)


#: numbers by dynamic programming (kmeans.py), vectors from a seeded start (vectors/kmeans.py)
EXACT = Clustering(_numbers, cluster_vectors)
