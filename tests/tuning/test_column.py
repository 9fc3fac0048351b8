"""A column from times: what the figures predict is what was measured."""

from __future__ import annotations

from edgeq.schema.cost import Column
from edgeq.tuning.chains import CHAINS
from edgeq.tuning.column import column, one_block
from edgeq.tuning.timing import Measured
from edgeq.tuning.tune import most_like

LAYERS = [chain for chain in CHAINS if chain.kind in ("Conv.pointwise", "Conv.depthwise", "Add", "QuantizeLinear")]


def told(factor: float) -> Column:
    """The column of a machine on which integers take factor times the time of floats, by size."""
    times = []
    for chain in LAYERS:
        size = sum(2_000 + work.places * work.reads * work.width * 0.05 for work, _ in one_block(chain))
        times.append(Measured(integer=size * factor + (1_000 if chain.kind == "QuantizeLinear" else 0), float=size))
    return column(LAYERS, times, "made up", 1, "a test")


def test_every_block_is_repeated_whole() -> None:
    """Two networks that differ by whole blocks: all of a chain's blocks do the same work."""
    for chain in CHAINS:
        works = one_block(chain)
        assert works, chain.kind
        assert any(work.kind == chain.kind for work, _ in works) or chain.kind.startswith("QuantizeLinear"), chain.kind


def test_figures_tell_the_times_that_they_are_from() -> None:
    found = told(0.5).kinds["Conv.pointwise"]
    for chain in (one for one in LAYERS if one.kind == "Conv.pointwise"):
        works = [work for work, _ in one_block(chain)]
        wanted = sum(2_000 + work.places * work.reads * work.width * 0.05 for work in works)
        predicted = sum(sum(map(float.__mul__, found.float.numbers, map(float, work.counts(8)))) for work in works)
        assert 0.8 < predicted / wanted < 1.25, chain.shape


def test_the_column_of_nearest_ratios_is_most_like() -> None:
    found = most_like(told(0.5), {"half": told(0.55), "double": told(2.0)})
    assert found is not None and found[0] == "half" and 1.0 <= found[1] < 1.3


def test_columns_of_other_thread_numbers_are_not_compared() -> None:
    one = told(0.5)
    assert most_like(one, {"two": Column(machine="m", threads=2, kinds=one.kinds, source="s")}) is None
