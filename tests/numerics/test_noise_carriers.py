"""An SQNR whose noise few samples have says little of other samples, and the report says that."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgeq.numerics.noise_carriers import NoiseCarriers, uncertainty_db
from edgeq.numerics.output_sums import OutputSums
from edgeq.proof.compare import Comparison
from edgeq.proof.findings import DOUBTED_DB, findings


def compared(noise: list[float], batch: int = 1, offset: float = 10.0) -> Comparison:
    """Samples of 4 elements with these amounts of noise, and one amplitude."""
    sums, rows = OutputSums("y"), np.full((len(noise), 4), offset)
    apart = np.sqrt(np.asarray(noise) / 4)[:, None]
    for start in range(0, len(noise), batch):
        here = slice(start, start + batch)
        sums.add(rows[here], rows[here] + apart[here], samples=len(rows[here]))
    return Comparison((sums.fidelity(),), len(noise), None)


@pytest.mark.parametrize("batch", [1, 4, 7])
@pytest.mark.parametrize(
    ("noise", "carriers"), [([1.0] * 20, 20), ([1.0] + [0.0] * 19, 1), ([1.0, 1.0] + [0.0] * 30, 2), ([3.0, 1.0], 1.6)]
)
def test_carriers_are_counted_sample_by_sample(noise: list[float], carriers: float, batch: int) -> None:
    assert compared(noise, batch).outputs[0].noise_samples == pytest.approx(carriers)


def test_what_is_equal_or_infinite_has_no_carriers() -> None:
    assert compared([0.0] * 9).outputs[0].noise_samples is None
    sums = NoiseCarriers()
    sums.add(np.array([[np.inf, 1.0]]), np.array([[np.inf, 3.0]]))
    sums.add(np.array([[np.nan, 1.0]]), np.array([[0.0, 3.0]]))
    assert (sums.effective, sums.noise) == (2.0, 8.0)
    scalar = NoiseCarriers()
    scalar.add(np.float32(1.0), np.float32(2.0))  # type: ignore[arg-type]  # an output without axes
    assert scalar.effective == 1.0


@pytest.mark.parametrize(("count", "limit"), [(1, 4.744), (2, 6.296), (3, 7.754), (10, 16.962), (30, 40.691)])
def test_the_bound_is_that_of_a_poisson_mean(count: int, limit: float) -> None:
    """Upper limits of Garwood's table."""
    assert uncertainty_db(count) == pytest.approx(10 * math.log10(limit / count), abs=0.02)


@pytest.mark.parametrize("rate", [0.01, 0.03, 0.3])
def test_other_samples_are_hardly_ever_worse_than_the_bound(rate: float) -> None:
    """Where one sample in many has all of the noise; draws without such a sample say none."""
    rng = np.random.default_rng(0)
    worse = tries = 0
    for _ in range(4000):
        seen = int(rng.binomial(60, rate))
        if seen == 0:
            continue
        tries += 1
        worse += 10 * math.log10(rate * 60 / seen) > uncertainty_db(seen)
    assert worse <= 0.06 * tries


@pytest.mark.parametrize(
    ("noise", "told"),
    [
        ([1.0] + [1e-4] * 50, True),
        ([1.0] * 5 + [1e-4] * 50, True),
        ([1.0] * 50, False),
        ([1.0] * 8, False),
        ([1.0] + [1e-4] * 3, False),  # so few samples that the data is doubted as a whole
        ([1e-5] + [1e-9] * 50, False),  # the difference is not visible, whoever carries it
        ([0.0] * 50, False),
    ],
)
def test_the_figure_is_doubted_where_few_samples_carry_the_noise(noise: list[float], told: bool) -> None:
    found = [one for one in findings(compared(noise)) if one.kind == "few_carry"]
    assert len(found) == told
    if told:
        figure = compared(noise).outputs[0].sqnr_db
        assert found[0].sqnr_db is not None
        assert figure - found[0].sqnr_db > DOUBTED_DB
        assert f"others may reach {found[0].sqnr_db:.1f} dB only, instead of {figure:.1f} dB" in found[0].text
