"""Fine-tuning: the rate that suits the widths of the weights."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")

from edgeq.learn.training.finetune import rate_for  # noqa: E402


@pytest.mark.parametrize(("bits", "rate"), [(1.0, 0.03), (2.0, 0.03), (4.0, 0.006), (8.0, 0.003), (16.0, 0.003)])
def test_the_rate_is_what_was_measured_for_a_width(bits: float, rate: float) -> None:
    assert rate_for(bits) == pytest.approx(rate)


def test_between_widths_the_logarithm_of_the_rate_is_a_line() -> None:
    assert rate_for(3.0) == pytest.approx(math.sqrt(0.03 * 0.006))
    assert rate_for(6.0) == pytest.approx(math.sqrt(0.006 * 0.003))
