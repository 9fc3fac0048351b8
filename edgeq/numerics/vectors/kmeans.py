"""k-means of short vectors in bounded memory: fitted on a seeded sample, updated once over all."""

from __future__ import annotations

import numpy as np

from edgeq.numerics.arrays import F64, Indices

#: how many vectors the centroids are fitted on, and how many are compared with all centroids at
#: once
SAMPLE, BLOCK = 1 << 16, 1 << 14
ITERATIONS = 30


def cluster_vectors(points: F64, weights: F64, count: int, seed: int = 0) -> F64:
    """At most `count` centroids [k, d] of points [n, d] with weights [n].

    They are fitted on a sample of the points; the last update is over all points, exactly.
    """
    distinct = np.unique(points[: 4 * count], axis=0)
    if len(points) <= 4 * count and len(distinct) <= count:
        return distinct
    chance = np.random.default_rng(seed)
    picked = np.sort(chance.choice(len(points), min(SAMPLE, len(points)), replace=False))
    sample, mass = points[picked], np.maximum(weights[picked], 1e-30)
    centroids = spread(sample, mass, count, chance)
    for _ in range(ITERATIONS):
        new = _update(sample, mass, centroids)
        if np.array_equal(new, centroids):
            break
        centroids = new
    return np.unique(_update(points, weights, centroids), axis=0)


def nearest_vectors(points: F64, centroids: F64) -> Indices:
    """The index of the nearest centroid of each point: [n]."""
    half = np.square(centroids).sum(1) / 2
    found = [(points[start : start + BLOCK] @ centroids.T - half).argmax(1) for start in range(0, len(points), BLOCK)]
    return np.concatenate(found) if found else np.empty(0, np.intp)


def spread(sample: F64, mass: F64, count: int, chance: np.random.Generator) -> F64:
    """First centroids by k-means++ (Arthur and Vassilvitskii, 2007).

    Each is drawn in proportion to weight and squared distance to the centroids before it.
    """
    centroids = [sample[chance.choice(len(sample), p=mass / mass.sum())]]
    distance = np.square(sample - centroids[0]).sum(1)
    while len(centroids) < count:
        share = distance * mass
        if share.sum() <= 0:
            break
        centroids.append(sample[chance.choice(len(sample), p=share / share.sum())])
        distance = np.minimum(distance, np.square(sample - centroids[-1]).sum(1))
    return np.array(centroids)


def _update(points: F64, weights: F64, centroids: F64) -> F64:
    """The weighted mean of the points that are nearest to each centroid.

    A centroid that no point is nearest to moves to a point farthest from its own centroid.
    """
    nearest = nearest_vectors(points, centroids)
    mass = np.bincount(nearest, weights, len(centroids))
    sums = np.stack([np.bincount(nearest, weights * axis, len(centroids)) for axis in points.T], axis=1)
    new = np.where(mass[:, None] > 0, sums / np.where(mass > 0, mass, 1.0)[:, None], centroids)
    empty = np.flatnonzero(mass <= 0)
    if len(empty):
        far = np.argsort(-np.square(points - new[nearest]).sum(1) * weights, kind="stable")[: len(empty)]
        new[empty[: len(far)]] = points[far]
    return new
