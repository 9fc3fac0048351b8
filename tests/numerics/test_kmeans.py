"""k-means of numbers against a slow optimum, and against the usual starts; of vectors, what must
hold whatever the start.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.numerics.arrays import F64
from edgeq.numerics.codebook import Grain, encode
from edgeq.numerics.kmeans import cluster, cluster_edges, lloyd, sort
from edgeq.numerics.vectors.kmeans import cluster_vectors, nearest_vectors


def error(values: F64, weights: F64, centroids: F64) -> float:
    return float((weights * np.square(values[:, None] - centroids).min(1)).sum())


def slow_optimum(values: F64, weights: F64, count: int) -> float:
    """The least error by trying every last cut of every prefix."""
    order = np.argsort(values)
    v, w = values[order], weights[order]

    def cost(i: int, j: int) -> float:
        part, mass = v[i:j], w[i:j]
        return float((mass * np.square(part - np.average(part, weights=mass))).sum())

    best = [0.0] + [cost(0, j) for j in range(1, len(v) + 1)]
    for _ in range(count - 1):
        best = [0.0] + [min(best[i] + (cost(i, j) if i < j else 0.0) for i in range(j + 1)) for j in range(1, len(v) + 1)]
    return best[-1]


@settings(max_examples=60)
@given(st.integers(1, 24), st.integers(1, 6), st.integers(0, 10**6))
def test_small_problems_are_solved_to_the_optimum(size: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, weights = rng.standard_t(3, size), rng.uniform(0.1, 3, size)
    found = cluster(values, weights, count)
    assert error(values, weights, found) <= slow_optimum(values, weights, count) * (1 + 1e-9) + 1e-12


@pytest.mark.parametrize("count", [2, 8, 16, 64])
def test_no_usual_start_does_better(count: int) -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(size=20_000), rng.standard_t(2, 500)])
    weights = rng.uniform(0.1, 3, len(values))
    data = sort(values, weights)
    middle = (np.arange(count) + 0.5) / count
    starts = [np.quantile(values, middle), values.min() + middle * np.ptp(values), np.sort(rng.choice(values, count, replace=False))]
    others = [error(values, weights, lloyd(data, start)) for start in starts]
    assert error(values, weights, cluster(values, weights, count)) <= min(others) * 1.001


@settings(max_examples=60)
@given(st.integers(1, 300), st.sampled_from([2, 4, 16, 64]), st.integers(0, 10**6))
def test_no_cluster_is_empty(size: int, count: int, seed: int) -> None:
    values = np.round(np.random.default_rng(seed).normal(size=size), 1)
    centroids = cluster(values, None, count)
    assert len(centroids) <= count
    assert np.all(np.diff(cluster_edges(np.sort(values), centroids)) > 0)
    assert len(centroids) == min(count, len(np.unique(values)))


@settings(max_examples=12)
@given(st.integers(1, 600), st.integers(0, 10**6))
def test_error_does_not_rise_with_more_bits(size: int, seed: int) -> None:
    values = np.random.default_rng(seed).standard_t(4, size)
    errors = [error(values, np.ones(size), cluster(values, None, 2**bits)) for bits in range(1, 9)]
    assert all(after <= before * (1 + 1e-9) for before, after in pairwise(errors))


def test_a_move_to_an_empty_place_is_made() -> None:
    """Lloyd from a start whose last centroid nothing is near to."""
    values = np.array([0.0, 0.1, 5.0, 5.1, 9.0])
    assert len(np.unique(lloyd(sort(values, None), np.array([0.0, 5.0, 100.0])))) == 3


def test_the_textbook_matrix_has_four_values() -> None:
    matrix = np.array(
        [
            [-0.3747, 0.0874, 0.3200, -0.4868, 0.4404],
            [-0.0402, 0.2322, -0.2024, -0.4986, 0.1814],
            [0.3102, -0.3942, -0.2030, 0.0883, -0.4741],
        ],
        np.float32,
    )
    centroids = cluster(matrix.reshape(-1), None, 4)
    shared = centroids[np.abs(matrix[..., None] - centroids).argmin(-1)].astype(np.float32)
    assert len(np.unique(shared)) == 4
    book = encode(shared, Grain(), 0, 2)
    assert book is not None
    assert book.bits == 2


def test_the_same_numbers_in_any_order_give_the_same_table() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=5000).astype(np.float32)
    assert np.array_equal(cluster(values, None, 16), cluster(rng.permutation(values), None, 16))


# ------------------------------------------------------------------ vectors


def test_vectors_gain_from_what_neighbours_have_in_common() -> None:
    rng = np.random.default_rng(2)
    base = rng.normal(size=(20_000, 1))
    points = np.concatenate([base, base + 0.1 * rng.normal(size=base.shape)], axis=1)
    pairs = cluster_vectors(points, np.ones(len(points)), 16)
    singles = cluster(points.reshape(-1), None, 4)  # the same 2 bits a number
    apart = float(np.square(points[..., None] - singles).min(-1).sum())
    assert float(np.square(points - pairs[nearest_vectors(points, pairs)]).sum()) < 0.5 * apart


@settings(max_examples=30)
@given(st.integers(1, 200), st.sampled_from([2, 4, 16]), st.integers(0, 10**6))
def test_every_vector_of_the_table_is_used(size: int, count: int, seed: int) -> None:
    points = np.round(np.random.default_rng(seed).normal(size=(size, 2)), 1)
    found = cluster_vectors(points, np.ones(size), count)
    assert 1 <= len(found) <= count
    assert np.array_equal(found, cluster_vectors(points, np.ones(size), count))
