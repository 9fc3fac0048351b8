"""What a search measures on: samples spread over the data, and how sure a timing is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgeq.data.dataset import Dataset
from edgeq.data.open import open_dataset
from edgeq.graph.signature import input_specs
from edgeq.proof.latency import Latency, margin
from edgeq.search.measures import RANKING_PIECES, RANKING_SAMPLES, Sample
from tests.graph_text import net


def timed(spread: float, runs: int) -> Latency:
    return Latency(float_ms=2.0, int8_ms=1.0, ratio=0.5, threads=1, batch=1, runs=runs, spread=spread, paired=0.5)


def test_the_margin_is_that_of_notched_box_plots() -> None:
    """Of McGill, Tukey and Larsen: M +- 1.57 * interquartile range / sqrt(n)."""
    assert margin(timed(0.08, 64)) == pytest.approx(0.0157)
    assert margin(timed(0.08, 256)) == pytest.approx(0.0157 / 2)
    assert margin(timed(0.0, 9)) == 0.0


def rows(count: int, fixed: int | str = "N") -> Dataset:
    model = net("y = Relu(x)", inputs=f"float[{fixed}, 2] x")
    return open_dataset({"x": np.repeat(np.arange(count, dtype=np.float32), 2).reshape(count, 2)}, input_specs(model))


def indices(sample: Sample) -> list[int]:
    return [int(row[0]) for batch in sample.batches(32) for row in batch.feeds["x"]]


def test_a_ranking_looks_at_pieces_all_over_the_data() -> None:
    found = indices(Sample(rows(1600)))
    size = RANKING_SAMPLES // RANKING_PIECES
    assert found == [start + i for start in range(0, 1600, 1600 // RANKING_PIECES) for i in range(size)]
    assert Sample(rows(1600)).count == RANKING_SAMPLES


@pytest.mark.parametrize("count", [5, RANKING_SAMPLES])
def test_little_data_is_looked_at_whole(count: int) -> None:
    assert indices(Sample(rows(count))) == list(range(count))


def test_pieces_are_whole_batches_of_a_model_that_fixes_them() -> None:
    """Three samples to a run: pieces of 6 from multiples of 3."""
    sample = Sample(rows(300, fixed=3))
    assert {(piece.start % 3, len(piece)) for piece in sample.pieces} == {(0, 6)}
    assert len(sample.pieces) == RANKING_PIECES
    assert math.isclose(sample.pieces[-1].start / 300, 1 - 1 / RANKING_PIECES, abs_tol=0.01)
