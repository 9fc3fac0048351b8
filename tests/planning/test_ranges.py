"""Every range rule against a slow, obvious reference, and the laws that hold for all of them."""

from __future__ import annotations

import math
from importlib import import_module
from itertools import product
from pkgutil import iter_modules
from typing import get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

import edgeq.planning.ranges
from edgeq.calibration.histogram import BINS, around_zero, without_zero_spike
from edgeq.calibration.observer import Observer
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.numerics.grid import grid_for_range, next_power_of_two
from edgeq.planning.ranges.choose import choose_range
from edgeq.planning.ranges.kl import TIE, asymmetric_window, divergence, symmetric_threshold
from edgeq.planning.ranges.mse import HistogramSide, best_ends, halved_where_better
from edgeq.planning.ranges.rule import Range, RangeRequest
from edgeq.schema.recipe import Recipe
from edgeq.schema.rules import RULES, Rule
from edgeq.testing import check_rule, rule_laws

Floats = NDArray[np.floating]


def observe(*samples: Floats) -> TensorStats:
    observer = Observer()
    for index, sample in enumerate(samples):
        observer.update(np.asarray(sample), [index])
    return observer.stats()


def chosen(rule: Rule, stats: TensorStats, *, symmetric: bool = False, percentile: float = 99.99, ema: float = 0.9) -> tuple[float, float]:
    return choose_range(stats, Recipe(rule=rule, percentile=percentile, ema=ema), levels=256, symmetric=symmetric)


# --- laws of all rules
# --------------------------------------------------------------------------------------------------

magnitudes = st.sampled_from([1e-45, 1e-30, 1e-3, 1.0, 6.0, 1e4, 3e38])
shapes = st.sampled_from(["any", "never negative", "never positive"])


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 40)), elements=st.floats(-1, 1, width=32)),
    magnitudes,
    shapes,
    st.sampled_from(RULES),
)
@settings(max_examples=75)  # eight ranges each
def test_ranges_hold_zero_and_stay_inside_the_data(rows: Floats, magnitude: float, shape: str, rule: str) -> None:
    values = {"any": rows, "never negative": np.abs(rows), "never positive": -np.abs(rows)}[shape] * np.float32(magnitude)
    check_rule(chosen_by(rule), observe(*values))


@pytest.mark.parametrize("rule", RULES)
def test_rules_keep_the_laws(rule: str) -> None:
    """On outliers, one-sided and constant numbers, the smallest and the largest floats, nothing at
    all.
    """
    check_rule(chosen_by(rule))


def chosen_by(rule: str) -> rule_laws.Rule:
    return lambda stats, /, *, levels, symmetric: choose_range(stats, Recipe(rule=rule), levels=levels, symmetric=symmetric)


def test_unknown_rule_is_a_programming_error() -> None:
    recipe = Recipe.model_construct(**dict(Recipe()) | {"rule": "magic"})
    with pytest.raises(ValueError, match="magic"):
        choose_range(TensorStats(), recipe, levels=256, symmetric=False)


@pytest.mark.parametrize("rule", RULES)
def test_every_word_of_the_recipe_is_a_rule_of_its_own_file(rule: str) -> None:
    choose = import_module(f"edgeq.planning.ranges.{rule}").choose
    assert list(get_type_hints(choose).values()) == [TensorStats, RangeRequest, Range]
    assert choose.__module__ == f"edgeq.planning.ranges.{rule}"


def test_every_file_of_a_rule_is_a_word_of_the_recipe() -> None:
    files = {module.name for module in iter_modules(edgeq.planning.ranges.__path__)}
    assert files == {*RULES, "choose", "rule"}


# --- minmax, mean_minmax, ema
# --------------------------------------------------------------------------------------------------


def test_minmax_is_absolute() -> None:
    assert chosen("minmax", observe(np.array([10.0, 1.0]), np.array([-4.0, 2.0]))) == (-4.0, 10.0)
    assert chosen("minmax", observe(np.array([10.0, 1.0]))) == (0.0, 10.0)


def test_mean_minmax_is_the_mean_over_samples() -> None:
    stats = observe(np.array([-1.0, 10.0]), np.array([-3.0, 5.0]), np.array([np.nan]))
    assert chosen("mean_minmax", stats) == (-2.0, 7.5)


def test_ema_uses_its_momentum() -> None:
    """onnxruntime's moving average ignores its constant: 4.2 for these samples, whatever the
    constant (reference/peers.md, B3).
    """
    samples = [np.array([float(v)]) for v in (10, 10, 5, 3, 2, 1)]
    expected = 10.0
    for value in (10, 5, 3, 2, 1):
        expected = 0.5 * expected + 0.5 * value
    assert (0.0, expected) == chosen("ema", observe(*samples), ema=0.5)
    assert chosen("ema", observe(*samples), ema=0.0) == (0.0, 1.0)


@given(st.permutations(range(5)), st.integers(1, 4))
def test_ema_goes_by_sample_index_not_by_arrival(order: list[int], cut: int) -> None:
    values = [4.0, -2.0, 9.0, 1.0, 3.0]
    shards = [Observer(), Observer()]
    for place, sample in enumerate(order):
        shards[place < cut].update(np.array([values[sample]]), [sample])
    stats = shards[0].stats().merge(shards[1].stats())
    assert chosen("ema", observe(*(np.array([v]) for v in values))) == chosen("ema", stats)


# --- percentile
# --------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.sampled_from([60.0, 90.0, 99.0, 99.99, 100.0]), st.booleans())
@settings(max_examples=80)
def test_percentile_keeps_the_share_to_a_bin(seed: int, share: float, symmetric: bool) -> None:
    rng = np.random.default_rng(seed)
    values = (rng.standard_normal(5000) + rng.choice([-9.0, -1.0, 0.0, 9.0])).astype(np.float32)
    stats = observe(values)
    low, high = chosen("percentile", stats, symmetric=symmetric, percentile=share)
    if symmetric:
        low, high = -max(-low, high), max(-low, high)
    wider = (values >= low - stats.width) & (values <= high + stats.width)
    narrower = (values > low + stats.width) & (values < high - stats.width)
    assert wider.mean() >= share / 100 - 1e-9
    if values.min() < 0 < values.max() and not symmetric:
        return  # an end that cannot pass zero keeps more than its share
    assert narrower.mean() <= share / 100


def test_percentile_splits_the_rest_over_both_ends() -> None:
    values = np.random.default_rng(0).laplace(size=200_000)
    stats = observe(values)
    low, high = chosen("percentile", stats, percentile=99.0)
    exact = np.quantile(values, [0.005, 0.995])
    assert exact[0] == pytest.approx(low, abs=stats.width)
    assert exact[1] == pytest.approx(high, abs=stats.width)


def test_percentile_cuts_relu_outputs_at_the_top_alone() -> None:
    values = np.maximum(np.random.default_rng(0).standard_normal(200_000), 0)
    stats = observe(values)
    low, high = chosen("percentile", stats, percentile=99.0)
    assert low == 0.0
    assert np.quantile(values, 0.99) == pytest.approx(high, abs=stats.width)


def test_percentile_100_is_minmax() -> None:
    stats = observe(np.random.default_rng(0).standard_normal(1000))
    assert chosen("minmax", stats) == chosen("percentile", stats, percentile=100.0)


# --- kl
# --------------------------------------------------------------------------------------------------


def kl_of_window(counts: list[int], start: int, stop: int, codes: int) -> float:
    """The definition in edgeq/planning/ranges/kl.py, one bin at a time."""
    window = counts[start:stop]
    p = [float(c) for c in window]
    p[0] += sum(counts[:start])
    p[-1] += sum(counts[stop:])
    if sum(window) == 0:
        return math.inf
    mass, filled = [0] * codes, [0] * codes
    for j, count in enumerate(window):
        mass[j * codes // len(window)] += count
        filled[j * codes // len(window)] += p[j] > 0
    sum_p, sum_q, total = sum(p), sum(window), 0.0
    for j, pj in enumerate(p):
        if pj > 0:
            code = j * codes // len(window)
            qj = mass[code] / filled[code]
            if qj == 0:
                return math.inf
            total += pj / sum_p * math.log((pj / sum_p) / (qj / sum_q))
    return total


def widest_best(curve: list[tuple[float, int]]) -> int:
    least = min(value for value, _ in curve)
    return max(key for value, key in curve if value <= least + TIE)


def random_histogram(seed: int) -> tuple[list[int], int]:
    """Counts and how many bins are below zero: smooth, heavy-tailed, sparse, spiked, one-sided or
    two-sided.
    """
    rng = np.random.default_rng(seed)
    bins, kind = int(rng.integers(20, 90)), int(rng.integers(4))
    below = int(rng.choice([0, rng.integers(1, bins), bins]))
    distance = np.abs(np.arange(bins) - below) + 1.0
    weights = [np.exp(-((distance / bins * 4) ** 2)), distance**-2.0, rng.random(bins) < 0.3, rng.random(bins)][kind]
    counts = rng.poisson(weights * rng.choice([3, 1000]))
    if rng.random() < 0.5 and below < bins:
        counts[below] = 5000
    counts[0 if below == bins else -1] += 1
    return counts.tolist(), below


def test_kl_curve_equals_the_reference_on_200_random_histograms() -> None:
    for seed in range(200):
        counts, below = random_histogram(seed)
        codes = int(np.random.default_rng(seed).choice([2, 7, 16]))
        windows = [(a, b) for a, b in product((0, below // 2), range(1, len(counts) + 1)) if b - a >= codes]
        starts, stops = np.array(windows, np.int64).T
        fast = divergence(np.array(counts), starts, stops, codes)
        slow = [kl_of_window(counts, a, b, codes) for a, b in windows]
        np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-12, err_msg=f"seed {seed}")


@pytest.mark.parametrize("levels", [8, 16])
def test_kl_symmetric_threshold_equals_the_reference_on_200_random_histograms(levels: int) -> None:
    codes = levels - 1
    for seed in range(200):
        counts, below = random_histogram(seed)
        side = max(below, len(counts) - below)
        whole = [0] * (side - below) + counts + [0] * (side - len(counts) + below)
        curve = [(kl_of_window(whole, side - t, side + t, codes), t) for t in range(1, side + 1) if 2 * t >= codes]
        assert widest_best(curve) == symmetric_threshold(np.array(counts), below, levels), f"seed {seed}"


@pytest.mark.parametrize("levels", [8, 16])
def test_kl_one_sided_threshold_equals_the_reference_on_200_random_histograms(levels: int) -> None:
    for seed in range(200):
        counts, _ = random_histogram(seed)
        bins = len(counts)
        top = widest_best([(kl_of_window(counts, 0, t, levels), t) for t in range(levels, bins + 1)])
        assert asymmetric_window(np.array(counts), 0, levels) == (0, top), f"seed {seed}"
        depth = widest_best([(kl_of_window(counts, bins - t, bins, levels), t) for t in range(levels, bins + 1)])
        assert asymmetric_window(np.array(counts), bins, levels) == (bins - depth, bins), f"seed {seed}"


def test_kl_equals_the_reference_at_full_size() -> None:
    stats = observe(np.append(np.abs(np.random.default_rng(1).laplace(size=50_000)), 24.0))
    below, counts = around_zero(stats.first, stats.counts)
    halved = np.append(counts, np.zeros(counts.size % 2, np.int64)).reshape(-1, 2).sum(axis=1)  # 2048..4096 bins to 1024..2048
    plain = without_zero_spike(below, halved).tolist()
    threshold = widest_best([(kl_of_window(plain, 0, t, 256), t) for t in range(256, len(plain) + 1)])
    assert chosen("kl", stats) == (0.0, threshold * 2 * stats.width)


def test_kl_window_of_two_sided_data_cannot_be_bettered_by_one_end() -> None:
    for seed in range(200):
        counts, below = random_histogram(seed)
        if not 0 < below < len(counts):
            continue
        start, stop = asymmetric_window(np.array(counts), below, 8)
        found = kl_of_window(counts, start, stop, 8)
        others = [(start, b) for b in range(below, len(counts) + 1)] + [(a, stop) for a in range(below + 1)]
        assert found <= min(kl_of_window(counts, a, b, 8) for a, b in others if b - a >= 8) + TIE, f"seed {seed}"


def test_kl_removes_an_outlier() -> None:
    """onnxruntime's entropy default keeps it: it looks at one candidate only (reference/peers.md,
    B1).
    """
    stats = observe(np.append(np.random.default_rng(0).standard_normal(100_000), 40.0))
    low, high = chosen("kl", stats)
    assert -5.5 < low < -3.0
    assert 3.0 < high < 5.5
    assert 3.0 < chosen("kl", stats, symmetric=True)[1] < 5.5


@pytest.mark.parametrize("rule", ["kl", "mse"])
def test_the_zeros_of_relu_do_not_decide(rule: str) -> None:
    positive = np.abs(np.random.default_rng(0).standard_normal(100_000))
    plain = choose_range(observe(positive), Recipe(rule=rule), levels=256, symmetric=False)
    with_zeros = choose_range(observe(positive, np.zeros(900_000)), Recipe(rule=rule), levels=256, symmetric=False)
    assert plain[1] == pytest.approx(with_zeros[1], rel=0.02)


def test_zero_spike_is_cut_to_its_neighbours() -> None:
    counts = np.array([5, 900, 7, 3], np.int64)
    assert without_zero_spike(1, counts).tolist() == [5, 7, 7, 3]
    assert without_zero_spike(4, counts).tolist() == [5, 900, 7, 3]
    assert without_zero_spike(2, np.array([5, 900, 5, 3])).tolist() == [5, 900, 5, 3]
    assert without_zero_spike(0, np.array([9])).tolist() == [0]


# --- mse
# --------------------------------------------------------------------------------------------------


def expected_error(counts: list[int], below: int, low: int, high: int, levels: int) -> float:
    """The formula in edgeq/planning/ranges/mse.py for [-low, high] in bins, one bin at a time."""
    error = sum(counts) * ((low + high) / (levels - 1)) ** 2 / 12
    for index, count in enumerate(counts):
        centre = index - below + 0.5
        error += count * max(centre - high, -low - centre, 0.0) ** 2
    return error


@given(st.integers(0, 10_000), st.sampled_from([4, 16, 256]))
@settings(max_examples=40)
def test_mse_ends_equal_an_exhaustive_search(seed: int, levels: int) -> None:
    counts, below = random_histogram(seed)
    above = len(counts) - below
    array = np.array(counts)
    low, high = best_ends(HistogramSide(array[:below][::-1], below), HistogramSide(array[below:], above), levels)
    best = min(expected_error(counts, below, a, b, levels) for a in range(below + 1) for b in range(above + 1))
    assert best == pytest.approx(expected_error(counts, below, round(low), round(high), levels), rel=1e-9)


@pytest.mark.parametrize("kind", ["normal", "laplace", "skewed", "outlier", "student"])
def test_mse_refines_to_the_best_of_all_bin_edges(kind: str) -> None:
    rng = np.random.default_rng(0)
    normal = rng.standard_normal(20_000)
    made = {"normal": normal, "laplace": rng.laplace(size=20_000), "skewed": normal * 3 / (1 + np.exp(-normal * 3))}
    made |= {"outlier": np.append(normal, 40.0), "student": rng.standard_t(3, 20_000)}
    stats = observe(made[kind])
    below, counts = around_zero(stats.first, stats.counts)
    lower, upper = HistogramSide(counts[:below][::-1], -stats.low / stats.width), HistogramSide(counts[below:], stats.high / stats.width)
    span = lower.ends[:, None] + upper.ends
    error = lower.clipped[:, None] + upper.clipped + counts.sum() * (span / 255) ** 2 / 12
    low, high = best_ends(lower, upper, 256)
    found = error[np.searchsorted(lower.ends, low), np.searchsorted(upper.ends, high)]
    assert found <= error.min() * (1 + 1e-6)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("positive", [False, True])
def test_mse_beats_every_other_range_on_the_real_values(symmetric: bool, positive: bool) -> None:
    values = np.random.default_rng(0).laplace(size=100_000)
    values = np.abs(values) if positive else values
    low, high = chosen("mse", observe(values), symmetric=symmetric)

    def error(factor: float) -> float:
        bottom, top = (-max(-low, high), max(-low, high)) if symmetric else (low, high)
        scale = (top - bottom) / (254 if symmetric else 255) * factor
        codes = np.rint(values / scale)
        clipped = np.clip(codes, np.rint(bottom * factor / scale), np.rint(top * factor / scale))
        return float(((clipped * scale - values) ** 2).mean())

    assert error(1.0) <= min(error(factor) for factor in (0.5, 0.7, 0.85, 1.15, 1.3, 1.6))


def test_mse_keeps_a_spike_at_the_end() -> None:
    """ReLU6: a third of the values are exactly 6."""
    values = np.clip(np.random.default_rng(0).standard_normal(100_000) * 10, 0, 6)
    assert chosen("mse", observe(values)) == (0.0, 6.0)


def test_bins_in_use_are_at_least_half() -> None:
    stats = observe(np.random.default_rng(0).random(10_000))
    assert BINS // 2 <= stats.first + stats.counts.size <= BINS


def spread(high: float, outliers: int) -> TensorStats:
    """Numbers spread evenly up to 1, and some at `high`."""
    return observe(np.concatenate([np.linspace(0, 0.99, 10_000), np.full(outliers, high)]).astype(np.float32))


@pytest.mark.parametrize(("high", "outliers", "step"), [(1.01, 1, 1 / 128), (1.01, 5000, 1 / 64), (0.99, 5000, 1 / 128)])
def test_a_power_of_two_clips_a_few_and_spans_many(high: float, outliers: int, step: float) -> None:
    """127 steps of 1/128 end at 0.99: values at 1.01 are cut off there, or cost every other value a
    bit.
    """
    stats = spread(high, outliers)
    low, end = halved_where_better(stats, (0.0, stats.high), levels=255, symmetric=True)
    assert float(grid_for_range(low, end, "int8", True, power_of_two=True).scale) == step


@pytest.mark.parametrize(("high", "step"), [(255 / 128, 1 / 128), (255 / 128 * 1.003, 1 / 128), (255 / 256 * 1.003, 1 / 256)])
def test_an_asymmetric_grid_of_a_power_of_two_has_a_step_less_than_codes(high: float, step: float) -> None:
    """256 codes are 255 steps. A range of exactly 255 steps of 1/128 is kept whole; one that is
    0.3 % longer would need twice the step, and is cut to the 255 steps that it misses so narrowly.
    """
    stats = spread(high, 1)
    low, end = halved_where_better(stats, (0.0, high), levels=256, symmetric=False)
    assert (low, end) == (0.0, pytest.approx(255 * step, rel=1e-12))
    assert float(grid_for_range(low, end, "uint8", power_of_two=True).scale) == step


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("high", np.geomspace(1.0, 2.1, 12).tolist())
@pytest.mark.parametrize("outliers", [0, 1, 30])
def test_a_power_of_two_is_the_better_one_on_the_real_values(symmetric: bool, high: float, outliers: int) -> None:
    """Both steps tried on the numbers themselves, unless they are within 3 % of each other."""
    values = np.concatenate([np.random.default_rng(0).uniform(-0.5, 0.9, 20_000), np.full(outliers, high), [-0.5, high]])
    levels, lowest = (255, -127) if symmetric else (256, -128)
    steps = (levels - 1) // 2 if symmetric else levels - 1
    span = high if symmetric else high + 0.5
    large = 2.0 ** math.ceil(math.log2(span / steps))

    def error(scale: float) -> float:
        zero = 0 if symmetric else round(lowest + 0.5 * min(1.0, steps * scale / span) / scale)
        return float((((np.clip(np.rint(values / scale) + zero, lowest, 127) - zero) * scale - values) ** 2).mean())

    low, end = halved_where_better(observe(values), (-0.5, high), levels=levels, symmetric=symmetric)
    found = float(grid_for_range(low, end, "int8", symmetric, power_of_two=True).scale)
    assert found in (large, large / 2)
    other = large if found == large / 2 else large / 2
    assert error(found) <= error(other) * 1.03


@given(st.floats(1e-30, 1e30))
def test_the_next_power_of_two_is_the_smallest_not_below(scale: float) -> None:
    found = float(next_power_of_two(np.asarray(scale, np.float32)))
    assert found / 2 < np.float32(scale) <= found
    assert np.frexp(found)[0] == 0.5
