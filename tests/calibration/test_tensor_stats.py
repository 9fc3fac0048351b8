"""Laws of the statistics: exact, and the same bits in any order, batching and sharding."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeq.calibration.histogram import BINS, MIN_EXPONENT, coarsen, exponent_for
from edgeq.calibration.observer import BLOCK, Observer
from edgeq.calibration.tensor_stats import TensorStats, flaw, pool
from edgeq.errors import BadStatistics
from edgeq.numerics.arrays import F32

#: everything a float32 can be, with a liking for what hurts: denormals, -0.0, powers of two, the
#: largest values, NaN and infinities
special = [0.0, -0.0, 1e-45, -1e-45, 2.0**-126, 1.0, -1.0, 4096.0, -4096.0, 3e38, -3.4028234663852886e38, np.nan, np.inf, -np.inf]
hurtful = st.sampled_from(special)
floats32 = st.one_of(st.floats(width=32), st.floats(-100, 100, width=32), hurtful)
tensors = st.lists(hnp.arrays(np.float32, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5), elements=floats32), max_size=8)


def observed(samples: dict[int, F32], order: Sequence[int] | None = None) -> TensorStats:
    observer = Observer()
    for index in samples if order is None else order:
        observer.update(samples[index], [index])
    return observer.stats()


def by_hand(samples: dict[int, F32]) -> TensorStats:
    """The definition, value by value, in exact rational arithmetic."""
    finite = {index: [float(v) + 0.0 for v in array.ravel() if np.isfinite(v)] for index, array in samples.items()}
    values = [v for own in finite.values() for v in own]
    exponent = MIN_EXPONENT
    while max((abs(Fraction(v)) for v in values), default=Fraction(0)) >= BINS * Fraction(2) ** exponent:
        exponent += 1
    bins = [Fraction(v) // (Fraction(2) ** exponent) for v in values]
    first = min(bins, default=0)
    counts = np.bincount([b - first for b in bins]) if bins else np.zeros(0)
    keys = sorted(samples)
    low = np.array([min(finite[k], default=np.inf) for k in keys], np.float32)
    high = np.array([max(finite[k], default=-np.inf) for k in keys], np.float32)
    bad = sum(array.size for array in samples.values()) - len(values)
    return TensorStats(bad, np.array(keys, np.int64), low, high, exponent, first, counts.astype(np.int64))


@given(tensors)
def test_statistics_are_those_of_the_definition(arrays: list[F32]) -> None:
    samples = dict(enumerate(arrays))
    stats = observed(samples)
    assert by_hand(samples) == stats
    assert flaw(stats) is None


@given(tensors, st.randoms(use_true_random=False))
def test_order_of_samples_does_not_matter(arrays: list[F32], random: object) -> None:
    samples = dict(enumerate(arrays))
    order = list(samples)
    random.shuffle(order)
    assert observed(samples) == observed(samples, order)


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 7), st.integers(0, 6)), elements=floats32), st.integers(1, 7))
def test_batch_size_does_not_matter(rows: F32, batch: int) -> None:
    observer = Observer()
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        observer.update(part, range(start, start + len(part)))
    assert observed(dict(enumerate(rows))) == observer.stats()


@given(tensors, st.lists(st.integers(0, 2), min_size=8, max_size=8))
def test_merging_shards_in_any_order_gives_the_whole(arrays: list[F32], shard_of: list[int]) -> None:
    samples = dict(enumerate(arrays))
    a, b, c = (observed({i: x for i, x in samples.items() if shard_of[i] == shard}) for shard in range(3))
    whole = observed(samples)
    assert whole == a.merge(b).merge(c)
    assert whole == a.merge(b.merge(c))
    assert whole == c.merge(a).merge(b)
    assert whole == b.merge(TensorStats()).merge(c).merge(a)


@given(tensors, tensors)
def test_pool_is_the_statistics_of_the_joined_tensors(one: list[F32], two: list[F32]) -> None:
    joined = {i: np.concatenate([p[i].ravel() for p in (one, two) if i < len(p)]) for i in range(max(len(one), len(two)))}
    parts = observed(dict(enumerate(one))), observed(dict(enumerate(two)))
    assert observed(joined) == pool(parts)
    assert pool(parts) == pool(parts[::-1])


@given(tensors)
def test_histogram_counts_the_finite_values(arrays: list[F32]) -> None:
    stats = observed(dict(enumerate(arrays)))
    finite = sum(int(np.isfinite(a).sum()) for a in arrays)
    assert finite == stats.count == int(stats.counts.sum())
    assert sum(a.size for a in arrays) - finite == stats.nonfinite


@given(st.integers(-5000, 5000), st.lists(st.integers(0, 9), min_size=1, max_size=50), st.integers(0, 6), st.integers(0, 6))
def test_coarsening_twice_is_coarsening_by_both(first: int, counts: list[int], one: int, two: int) -> None:
    start = np.array(counts, np.int64)
    at_once = coarsen(first, start, one + two)
    stepwise = coarsen(*coarsen(first, start, one), two)
    assert at_once[0] == stepwise[0]
    assert at_once[1].tolist() == stepwise[1].tolist()
    assert sum(counts) == int(at_once[1].sum())


@pytest.mark.parametrize("peak", [1e-45, 2.0**-114, 0.1, 1.0, 6.0, 4096.0, 3e38])
def test_bins_are_as_narrow_as_they_can_be(peak: float) -> None:
    width = 2.0 ** exponent_for(peak)
    assert peak < BINS * width
    assert peak >= BINS * width / 2 or width == 2.0**MIN_EXPONENT


def test_arrays_longer_than_a_block_equal_their_pieces() -> None:
    x = (np.random.default_rng(0).standard_normal(2 * BLOCK + 17) * 1e4).astype(np.float32)
    whole, pieces = Observer(), Observer()
    whole.update(x, [3])
    for start in range(0, x.size, 1000):
        pieces.update(x[start : start + 1000], [3])
    assert whole.stats() == pieces.stats()
    assert x.size == whole.stats().count


def test_a_sample_may_return_after_another() -> None:
    observer = Observer()
    for sample, value in ((0, 1.0), (1, 5.0), (0, -2.0), (0, 3.0)):
        observer.update(np.array([value], np.float32), [sample])
    stats = observer.stats()
    assert stats.samples.tolist() == [0, 1]
    assert stats.sample_low.tolist() == [-2, 5]
    assert stats.sample_high.tolist() == [3, 5]


def test_tiny_negative_values_stay_in_the_bin_below_zero() -> None:
    values = np.array([-1e-45, 1e-45, -0.0, 0.0, 1e30], np.float32)
    stats = observed({0: values})
    assert stats.first == -1
    assert stats.counts[:2].tolist() == [1, 3]


def test_negative_zero_is_zero_in_the_saved_bits() -> None:
    stats = observed({0: np.array([-0.0, 0.0], np.float32), 1: np.array([-0.0], np.float32)})
    assert not np.signbit(stats.sample_low).any()
    assert not np.signbit(stats.sample_high).any()


def test_non_contiguous_and_other_float_types() -> None:
    x = np.arange(-12, 12, dtype=np.float32).reshape(4, 6)
    expected = observed({0: x})
    assert expected == observed({0: np.asfortranarray(x)})
    assert expected == observed({0: x[::-1, ::-1]})
    assert expected == observed({0: x.astype(np.float64)})
    assert expected == observed({0: x.astype(np.float16)})


def test_float64_beyond_float32_counts_as_infinite() -> None:
    stats = observed({0: np.array([1e300, 1.0])})
    assert stats.nonfinite == 1
    assert (stats.low, stats.high) == (1.0, 1.0)


def test_statistics_do_not_alias_the_observer() -> None:
    observer = Observer()
    observer.update(np.ones(3, np.float32), [0])
    before = observer.stats()
    observer.update(np.ones(3, np.float32), [1])
    assert before.count == 3
    assert before.samples.tolist() == [0]


def test_rows_that_do_not_match_the_samples_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match="2 samples for an array of shape"):
        Observer().update(np.zeros((3, 2), np.float32), [0, 1])
    with pytest.raises(ValueError, match="0 samples"):
        Observer().update(np.zeros(3, np.float32), [])


def test_merge_refuses_samples_counted_twice() -> None:
    one, two = observed({3: np.ones(2, np.float32), 4: np.ones(2, np.float32)}), observed({4: np.ones(2, np.float32)})
    with pytest.raises(BadStatistics, match="sample 4"):
        one.merge(two)


def test_never_seen_is_the_neutral_element() -> None:
    stats = observed({0: np.array([1e-30, -2e-30], np.float32)})
    assert stats == TensorStats().merge(stats) == stats.merge(TensorStats())
    assert Observer().stats() == TensorStats() == pool([])
    assert (TensorStats().count, TensorStats().low, TensorStats().high) == (0, 0.0, 0.0)
