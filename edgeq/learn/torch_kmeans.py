"""Codebooks' first tables by the package fast-pytorch-kmeans, on the GPU if torch has one.

The package is Lloyd's iteration in torch (github.com/DeMoriarty/fast_pytorch_kmeans, MIT). It knows
no weights: every number counts alike, so only the refitting that follows sees what inputs do.
"""

from __future__ import annotations

import numpy as np
import torch
from fast_pytorch_kmeans import KMeans
from numpy.typing import NDArray

from edgeq.learn.deterministic import deterministic
from edgeq.numerics.arrays import F64
from edgeq.numerics.clustering import Clustering
from edgeq.numerics.vectors.kmeans import spread

#: the package holds some arrays of centroids times points: with this many numbers each, 0.5 GB; of
#: more points a seeded sample is taken
LARGEST = 1 << 26
#: the most iterations; the package ends sooner where no centroid moves
ITERATIONS = 100
SEED = 0


def clustering() -> Clustering:
    """The package as a solver. Same numbers, same centroids: starts are drawn with a fixed seed."""
    return Clustering(_numbers, lambda points, _, count: _fitted(points, count, None))


def _numbers(values: NDArray[np.floating], weights: F64 | None, count: int, start: F64 | None) -> F64:  # noqa: ARG001  (a NumberSolver)
    first = None if start is None else np.unique(start)[:, None]
    return np.sort(_fitted(np.asarray(values, np.float64)[:, None], count, first)[:, 0])


def _fitted(points: F64, count: int, start: F64 | None) -> F64:
    """At most `count` centroids [k, d] of points [n, d], each of them the mean of some points.

    start: [k, d], where they begin; None: k-means++.
    """
    chance = np.random.default_rng(SEED)
    most = max(LARGEST // count, count)
    if len(points) > most:
        points = points[np.sort(chance.choice(len(points), most, replace=False))]
    few = np.unique(points[: 4 * count], axis=0)
    if len(points) <= 4 * count and len(few) <= count:
        return few
    first = spread(points, np.ones(len(points)), count, chance) if start is None else start
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with deterministic():
        tensor = torch.from_numpy(np.ascontiguousarray(points)).to(device)
        solver = KMeans(n_clusters=len(first), max_iter=ITERATIONS, tol=0.0)  # the tolerance has the unit of the points, squared
        nearest = solver.fit_predict(tensor, torch.from_numpy(np.ascontiguousarray(first)).to(device))
    used = np.unique(nearest.cpu().numpy())  # the package moves a centroid that no point is nearest to onto 0
    return np.asarray(solver.centroids.cpu().numpy()[used], np.float64)
