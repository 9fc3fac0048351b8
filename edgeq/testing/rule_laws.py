"""The laws of range rules: what every way to choose a range is held to."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from edgeq.calibration.observer import Observer
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.testing.law import Law

#: codes of the grids that a rule is asked for: 4 and 8 bits
LEVELS = (16, 256)


class Rule(Protocol):
    """Chooses the real interval (low, high) that a grid of `levels` codes should span."""

    def __call__(self, stats: TensorStats, /, *, levels: int, symmetric: bool) -> tuple[float, float]: ...


def check_rule(rule: Rule, *statistics: TensorStats) -> None:
    """Hold a range rule to the laws of range rules.

    1. The range holds zero: low <= 0 <= high, both finite.
    2. It stays inside the observed range joined with 0.
    3. A tensor without negative values keeps low == +0.0 exactly, one without positive values
       high == 0.0.
    4. The same statistics give the same range, and are not changed.
    5. Statistics of nothing but zeros, of NaN alone or of no sample give (0.0, 0.0).
    6. Where every value is the same number, the range ends there, to a twentieth of a step.

    rule: called as rule(stats, levels=256, symmetric=False), for levels 16 and 256 and for both
    kinds of grid. statistics: to hold it to; default: `law_statistics()`. Raises AssertionError
    with the number of the law and how it was broken.

    >>> from edgeq.testing import check_rule
    >>> def extremes(stats, *, levels, symmetric):
    ...     return min(stats.low, 0.0), max(stats.high, 0.0)
    >>> check_rule(extremes)

    A rule that widens what was seen:

    >>> def generous(stats, *, levels, symmetric):
    ...     return 1.1 * min(stats.low, 0.0), 1.1 * max(stats.high, 0.0)
    >>> check_rule(generous)
    Traceback (most recent call last):
    AssertionError: law 2 of range rules, inside what was seen: (0.0, 1.1) of 1.0 .. 1.0 \
(levels 16, symmetric False)
    """
    law = Law("range rules")
    for stats in statistics or law_statistics():
        for levels in LEVELS:
            for symmetric in (False, True):
                _check(law, rule, stats, levels, symmetric)


def _check(law: Law, rule: Rule, stats: TensorStats, levels: int, symmetric: bool) -> None:
    before = (stats.samples.tobytes(), stats.sample_low.tobytes(), stats.sample_high.tobytes(), stats.counts.tobytes())
    low, high = rule(stats, levels=levels, symmetric=symmetric)
    how = f"({low}, {high}) of {stats.low} .. {stats.high} (levels {levels}, symmetric {symmetric})"
    law.holds(1, "the range holds zero", -math.inf < low <= 0.0 <= high < math.inf, how)
    law.holds(2, "inside what was seen", min(stats.low, 0.0) <= low and high <= max(stats.high, 0.0), how)
    law.holds(3, "one-sided data keeps its end", stats.low < 0 or (low == 0.0 and math.copysign(1.0, low) == 1.0), how)
    law.holds(3, "one-sided data keeps its end", stats.high > 0 or high == 0.0, how)
    again = rule(stats, levels=levels, symmetric=symmetric)
    law.holds(4, "the same again", (low, high) == again, f"{again} after {how}")
    after = (stats.samples.tobytes(), stats.sample_low.tobytes(), stats.sample_high.tobytes(), stats.counts.tobytes())
    law.holds(4, "statistics are not changed", before == after, how)
    if stats.low == stats.high == 0.0:
        law.holds(5, "nothing seen, nothing spanned", (low, high) == (0.0, 0.0), how)
    if stats.low == stats.high:
        end = low if stats.low < 0 else high
        law.holds(6, "a constant is the end", math.isclose(end, stats.low, rel_tol=0.05 / (levels - 1)), how)


def law_statistics() -> tuple[TensorStats, ...]:
    """The statistics that check_rule tries by default: a few samples each of bells, long tails,
    outliers, one-sided and constant numbers, from the smallest to the largest floats; and nothing
    at all.

    >>> from edgeq.testing.rule_laws import law_statistics
    >>> sorted({stats.count for stats in law_statistics()})
    [0, 1, 5, 18, 2000]
    """
    return tuple(_statistics())


def _statistics() -> Iterator[TensorStats]:
    yield _seen(np.full((2, 9), 1.0))
    yield _seen(np.full((2, 9), -3.0))
    yield TensorStats()
    for values in (np.zeros(5), np.full(3, np.nan), np.zeros(0), np.array([-0.0])):
        yield _seen(values[None])
    chance = np.random.default_rng(0)
    bell, tails = chance.normal(size=(4, 500)), chance.standard_t(2, size=(4, 500))
    outlier = np.where(chance.random((4, 500)) < 1e-3, 40.0, bell)
    for rows in (bell * 1e-42, bell, bell * 1e36, tails, outlier, bell + 3, np.clip(bell, 0.0, 1.0)):
        for part in (rows, np.abs(rows), -np.abs(rows)):
            yield _seen(part)


def _seen(rows: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> TensorStats:
    """Statistics of rows, each a sample."""
    observer = Observer()
    for index, row in enumerate(rows):
        observer.update(row.astype(np.float32), [index])
    return observer.stats()
