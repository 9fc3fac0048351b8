"""How long two models take, measured side by side: interleaved runs in one process, so that drift
hits both alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import onnx_ir as ir

from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.ort import Session, open_session

#: runs of each model: enough for a steady median, not so many that a user waits
MIN_RUNS, MAX_RUNS = 10, 1000
#: seconds that both models together may take when the caller names no number of runs
BUDGET_S = 4.0
_WARM_UP = 3


@dataclass(frozen=True)
class Latency:
    """float_ms, int8_ms: medians of one run in milliseconds. ratio: median of the paired int8/float
    times; below 1 int8 is faster.

    spread: interquartile range of the paired ratios. threads: 0 means onnxruntime's choice. batch:
    axis 0 of the first input. runs: timed runs of each model.
    """

    float_ms: float
    int8_ms: float
    ratio: float
    threads: int
    batch: int
    runs: int
    spread: float


def measure_latency(
    float_model: ir.Model | bytes | Path,
    int8_model: ir.Model | bytes | Path,
    feeds: Mapping[str, AnyArray],
    *,
    int8_feeds: Mapping[str, AnyArray] | None = None,
    threads: int = 0,
    runs: int | None = None,
    budget_s: float = BUDGET_S,
    clock: Callable[[], float] = perf_counter,
) -> Latency:
    """Time one run of each model in turns (A B, B A, ...). feeds: one batch, used for both unless
    int8_feeds are given.

    runs: timed runs of each; by default as many as fit into budget_s seconds, between MIN_RUNS and
    MAX_RUNS. Raises RuntimeRefused when a model does not run on the feeds.
    """
    first = open_session(float_model, threads=threads)
    second = open_session(int8_model, threads=threads)
    other = feeds if int8_feeds is None else int8_feeds
    pair_s = min(_timed(first, feeds, clock) + _timed(second, other, clock) for _ in range(_WARM_UP))
    count = int(np.clip(budget_s / max(pair_s, 1e-9), MIN_RUNS, MAX_RUNS)) if runs is None else max(runs, 1)
    times = np.empty((count, 2))
    for turn in range(count):
        # the order alternates: whoever runs second finds warmer caches for the feeds and a busier
        # allocator
        if turn % 2 == 0:
            times[turn, 0] = _timed(first, feeds, clock)
            times[turn, 1] = _timed(second, other, clock)
        else:
            times[turn, 1] = _timed(second, other, clock)
            times[turn, 0] = _timed(first, feeds, clock)
        # on a busy machine the fastest warm-up promises too much
        if runs is None and turn + 1 >= MIN_RUNS and times[: turn + 1].sum() > budget_s:
            times = times[: turn + 1]
            break
    return _summary(times, threads, _batch(first, feeds))


def _timed(session: Session, feeds: Mapping[str, AnyArray], clock: Callable[[], float]) -> float:
    start = clock()
    session.run(feeds)
    return clock() - start


def _summary(times: AnyArray, threads: int, batch: int) -> Latency:
    """times: seconds, float [runs, 2] = (float, int8)."""
    float_s, int8_s = np.median(times, axis=0)
    ratios = times[:, 1] / np.maximum(times[:, 0], 1e-12)
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    return Latency(
        float_ms=float(float_s) * 1e3,
        int8_ms=float(int8_s) * 1e3,
        ratio=float(middle),
        threads=threads,
        batch=batch,
        runs=len(times),
        spread=float(high - low),
    )


def _batch(session: Session, feeds: Mapping[str, AnyArray]) -> int:
    shape = feeds[session.inputs[0].name].shape if session.inputs else ()
    return int(shape[0]) if shape else 1
