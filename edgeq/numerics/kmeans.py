"""k-means of numbers: the optimum of a summary, improved by Lloyd's iteration over all numbers.

The optimum is found by dynamic programming. Numbers can be sorted, so a cluster is a run of them:
with prefix sums one exact iteration over n numbers costs O(k log n), and no array of size k x n is
held.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.numerics.arrays import F64, Indices

#: points of the summary that the optimum is found for; with more than 64 clusters half as many
#: suffice
SUMMARY = 2048
#: the most of Lloyd's iterations
ITERATIONS = 60


@dataclass(frozen=True, eq=False)
class Sorted:
    """Numbers in ascending order, with prefix sums that are one longer."""

    #: the numbers x, ascending
    values: NDArray[np.floating]
    #: prefix sums of weight
    weight: F64
    #: prefix sums of weight * x
    first: F64
    #: prefix sums of weight * x^2
    second: F64

    def cost(self, start: Indices, stop: Indices) -> F64:
        """The weighted squared error of each run [start, stop) around its mean."""
        mass = self.weight[stop] - self.weight[start]
        moment = self.first[stop] - self.first[start]
        spread = self.second[stop] - self.second[start]
        return np.asarray(np.maximum(spread - moment * moment / np.where(mass > 0, mass, 1.0), 0.0))

    def means(self, edges: Indices) -> tuple[F64, F64]:
        """The mean and the weight of the runs between neighbouring edges."""
        mass = np.diff(self.weight[edges])
        return np.diff(self.first[edges]) / np.where(mass > 0, mass, 1.0), mass


def cluster(values: NDArray[np.floating], weights: F64 | None, count: int) -> F64:
    """At most `count` centroids, ascending; no cluster is empty.

    They make sum weights (value - nearest centroid)^2 small: at its minimum for a summary of the
    numbers, then improved over all of them. values, weights: flat, of one length; None: all weights
    are 1. Source of the recursion: Wang and Song, Ckmeans.1d.dp, R Journal 3/2, 2011.

    >>> cluster(np.array([0.0, 0.1, 5.0, 5.1, 5.2]), None, 2)
    array([0.05, 5.1 ])
    """
    data = sort(values, weights)
    distinct = _distinct(data.values)
    if len(distinct) - 1 <= count:
        return np.asarray(data.values[distinct[:-1]], np.float64)
    edges = _summary(data, distinct, SUMMARY if count <= 64 else SUMMARY // 2)
    chosen = edges[_optimum(_points(data, edges), min(count, len(edges) - 1))]
    centroids, _ = data.means(chosen)
    return lloyd(data, centroids)


def lloyd(data: Sorted, centroids: F64) -> F64:
    """Move centroids to the means of their runs until the runs no longer change.

    A centroid that no number is nearest to moves to where the error is largest.
    """
    edges = np.empty(0, np.intp)
    for _ in range(ITERATIONS):
        new = cluster_edges(data.values, centroids)
        if np.array_equal(new, edges):
            break
        edges = new
        means, mass = data.means(edges)
        centroids = np.where(mass > 0, means, centroids)
        empty = np.flatnonzero(np.diff(edges) == 0)
        if len(empty):
            centroids[empty[0]] = _farthest(data, edges, centroids)
        centroids = np.sort(centroids)
    return centroids


def _farthest(data: Sorted, edges: Indices, centroids: F64) -> float:
    """The number farthest from its centroid in the run with the largest error, one of its ends."""
    worst = int(np.argmax(data.cost(edges[:-1], edges[1:])))
    first, last = float(data.values[edges[worst]]), float(data.values[edges[worst + 1] - 1])
    return first if centroids[worst] - first > last - centroids[worst] else last


def cluster_edges(ordered: NDArray[np.floating], centroids: F64) -> Indices:
    """Edges [k + 1] of the runs of numbers that are nearest to each centroid."""
    inner = np.searchsorted(ordered, (centroids[:-1] + centroids[1:]) / 2)
    return np.concatenate([[0], inner, [len(ordered)]]).astype(np.intp)


def sort(values: NDArray[np.floating], weights: F64 | None) -> Sorted:
    """The numbers with the prefix sums that lloyd needs. weights: see cluster."""
    if weights is None or not np.any(weights > 0):
        ordered = np.sort(values)
        weight = np.arange(len(ordered) + 1, dtype=np.float64)
        numbers = ordered.astype(np.float64)
        return Sorted(ordered, weight, _prefix(numbers), _prefix(np.square(numbers, out=numbers)))
    order = np.argsort(values, kind="stable")
    ordered, mass = values[order], weights[order]
    moment = mass * ordered
    return Sorted(ordered, _prefix(mass), _prefix(moment), _prefix(moment * ordered))


def _prefix(numbers: F64) -> F64:
    sums = np.empty(len(numbers) + 1)
    sums[0] = 0.0
    np.cumsum(numbers, out=sums[1:])
    return sums


def _distinct(ordered: NDArray[np.floating]) -> Indices:
    """Edges of the runs of equal numbers."""
    steps = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    return np.concatenate([[0], steps, [len(ordered)]]).astype(np.intp)


def _summary(data: Sorted, distinct: Indices, size: int) -> Indices:
    """Edges of at most `size` runs: half of them even in rank, half even in range.

    Equal numbers stay together.
    """
    if len(distinct) - 1 <= size:
        return distinct
    count = len(data.values)
    by_rank = np.linspace(0, count, size // 2 + 1).astype(np.intp)
    spread = np.linspace(float(data.values[0]), float(data.values[-1]), size // 2 + 1)[1:-1]
    by_value = np.searchsorted(data.values, spread)
    wanted = np.union1d(by_rank, by_value)
    return np.unique(distinct[np.searchsorted(distinct, wanted)])


def _points(data: Sorted, edges: Indices) -> Sorted:
    """The summary: prefix sums at its edges.

    The second moment includes the spread inside of each run, which no choice of clusters changes.
    """
    return Sorted(data.values[edges[:-1]], data.weight[edges], data.first[edges], data.second[edges])


def _optimum(points: Sorted, count: int) -> Indices:
    """Edges [count + 1] into the points of the partition with the least error."""
    size = len(points.values)
    best = points.cost(np.zeros(size + 1, np.intp), np.arange(size + 1))
    cuts = []
    for _ in range(1, count):
        best, cut = _one_more(points, best)
        cuts.append(cut)
    edges = [size]
    for cut in reversed(cuts):
        edges.append(int(cut[edges[-1]]))
    return np.array([0, *reversed(edges)], np.intp)


def _one_more(points: Sorted, before: F64) -> tuple[F64, Indices]:
    """best[j] = min over i of before[i] + cost(i, j), and the i that attains it.

    That i never falls as j grows, so results at coarse steps bound those at finer ones.
    """
    size = len(before) - 1
    best, cut = np.full(size + 1, np.inf), np.zeros(size + 1, np.intp)
    best[0] = 0.0
    step = 1 << max(size.bit_length(), 1)
    while step:
        ends = np.arange(step, size + 1, 2 * step) if step <= size else np.empty(0, np.intp)
        if len(ends):
            low = cut[ends - step]
            after = ends + step
            high = np.where(after <= size, cut[np.minimum(after, size)], ends - 1)
            high = np.maximum(np.minimum(high, ends - 1), low)
            _search(points, before, best, cut, ends, low, high)
        step >>= 1
    return best, cut


def _search(points: Sorted, before: F64, best: F64, cut: Indices, ends: Indices, low: Indices, high: Indices) -> None:
    """Fill best and cut at `ends`, trying the cuts low..high of each, all in one sweep."""
    lengths = high - low + 1
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.intp)
    tried = np.arange(int(lengths.sum())) - np.repeat(starts - low, lengths)
    error = before[tried] + points.cost(tried, np.repeat(ends, lengths))
    least = np.minimum.reduceat(error, starts)
    hits = np.flatnonzero(error == np.repeat(least, lengths))
    best[ends], cut[ends] = least, tried[hits[np.searchsorted(hits, starts)]]
