"""Tests of the laws of range rules: each catches a rule that breaks it, and says which one."""

from __future__ import annotations

from itertools import count

import pytest

from edgeq.calibration.tensor_stats import TensorStats
from edgeq.testing import check_rule
from edgeq.testing.rule_laws import Rule


def extremes(stats: TensorStats, /, **_: object) -> tuple[float, float]:
    return min(stats.low, 0.0), max(stats.high, 0.0)


def above_zero(stats: TensorStats, /, **_: object) -> tuple[float, float]:
    return stats.low, stats.high


def mirrored(stats: TensorStats, /, *, symmetric: bool, **_: object) -> tuple[float, float]:
    peak = max(-stats.low, stats.high, 0.0)
    return (-peak, peak) if symmetric else extremes(stats)


def minus_zero(stats: TensorStats, /, **_: object) -> tuple[float, float]:
    low, high = extremes(stats)
    return -abs(low), high


def restless() -> Rule:
    numbers = count(1)

    def rule(stats: TensorStats, /, **_: object) -> tuple[float, float]:
        low, high = extremes(stats)
        return low / next(numbers), high

    return rule


def half(stats: TensorStats, /, **_: object) -> tuple[float, float]:
    return min(stats.low, 0.0) / 2, max(stats.high, 0.0) / 2


def meddling(stats: TensorStats, /, **_: object) -> tuple[float, float]:
    found = extremes(stats)
    stats.counts[:] = 0
    return found


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (above_zero, "law 1 of range rules"),
        (mirrored, "law 2 of range rules"),
        (minus_zero, "law 3 of range rules"),
        (restless(), "law 4 of range rules, the same again"),
        (meddling, "law 4 of range rules, statistics are not changed"),
        (half, "law 6 of range rules"),
    ],
)
def test_a_broken_law_is_told(rule: Rule, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_rule(rule)


def test_the_extremes_keep_all_laws() -> None:
    check_rule(extremes)


def test_statistics_of_ones_own_can_be_given() -> None:
    with pytest.raises(AssertionError, match="law 1"):
        check_rule(lambda _stats, /, **_: (1.0, 2.0), TensorStats())
