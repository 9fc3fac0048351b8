"""Measure how long two models take, side by side.

Their runs are interleaved in one process, so that drift affects both alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Literal

import numpy as np
import onnx_ir as ir

from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.ort import Session, open_session

#: runs of each model: enough for a steady median, but few enough that a user does not wait
MIN_RUNS, MAX_RUNS = 7, 1000
#: seconds that both models together may take when the caller names no number of runs
BUDGET_S = 4.0
#: the int8 model counts as not faster from this int8/float ratio upwards: a smaller gain lies
#: within the noise of a median
NOT_FASTER = 0.97
#: interquartile range of the paired ratios, as a share of their median, up to which times are
#: believed. Alone on a machine, half of the pairs lie within some hundredths of the median. Where
#: half of them span a quarter of it, every fourth pair is an eighth off or more: other work took
#: the processor away, and how much of it fell on which model is chance
STEADY = 0.25

#: what the times say: faster, same, slower: of the int8 model. unreliable: nothing, because the
#: machine was under load
Pace = Literal["faster", "same", "slower", "unreliable"]
_WARM_UP = 2
#: pairs of runs after which it is first asked whether the median is known well enough; a power of 2
FIRST_LOOK = 16


#: why a time in onnxruntime on this machine says nothing of a model; other_architecture: its target
#: is for other processors; other_runtime: its target is not onnxruntime's
Untimed = Literal["other_architecture", "other_runtime"]


@dataclass(frozen=True)
class Latency:
    """How long one run of each of two models takes."""

    #: median time of a run of the float model, in milliseconds
    float_ms: float
    #: median time of a run of the int8 model, in milliseconds
    int8_ms: float
    #: int8_ms / float_ms; below 1 int8 is faster
    ratio: float
    #: threads of each session; 0: the number was left to onnxruntime
    threads: int
    #: axis 0 of the first input
    batch: int
    #: timed runs of each model
    runs: int
    #: interquartile range of the ratios of runs in one turn, int8/float
    spread: float
    #: median of these ratios, which load that comes and goes disturbs least
    paired: float
    #: what the times say
    pace: Pace = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pace", _pace(self.ratio, self.paired, self.spread))


@dataclass(frozen=True)
class Timing:
    """How long to measure."""

    #: timed runs of each model; None: as many as fit into budget_s, from MIN_RUNS to MAX_RUNS
    runs: int | None = None
    #: seconds that both models together may take
    budget_s: float = BUDGET_S
    #: half the 95 % interval of the median ratio, as a share of it, that is close enough: the rest
    #: of the budget is then left, since every core is busy while a model is timed. 0: none of it is
    close: float = 0.0
    #: a clock in seconds, from any start
    clock: Callable[[], float] = perf_counter


def measure_latency(
    float_model: ir.Model | bytes | Path,
    int8_model: ir.Model | bytes | Path,
    feeds: Mapping[str, AnyArray],
    *,
    int8_feeds: Mapping[str, AnyArray] | None = None,
    threads: int = 0,
    timing: Timing | None = None,
) -> Latency:
    """Time single runs of both models in turns (A B, B A, ...).

    feeds: one batch, used for both unless int8_feeds are given. threads: of each session; 0 leaves
    the number to onnxruntime. timing: default Timing(). Raises RuntimeRefused when a model does not
    run on the feeds.
    """
    timing = timing or Timing()
    clock, runs = timing.clock, timing.runs
    # as an application opens them
    first = open_session(float_model, threads=threads, spin=True)
    second = open_session(int8_model, threads=threads, spin=True)
    other = feeds if int8_feeds is None else int8_feeds
    pair_s = min(_timed(first, feeds, clock) + _timed(second, other, clock) for _ in range(_WARM_UP))
    count = int(np.clip(timing.budget_s / max(pair_s, 1e-9), MIN_RUNS, MAX_RUNS)) if runs is None else max(runs, 1)
    times = np.empty((count, 2))
    for turn in range(count):
        # the order alternates, because the model that runs second finds warmer caches for the
        # feeds and a busier allocator
        if turn % 2 == 0:
            times[turn, 0] = _timed(first, feeds, clock)
            times[turn, 1] = _timed(second, other, clock)
        else:
            times[turn, 1] = _timed(second, other, clock)
            times[turn, 0] = _timed(first, feeds, clock)
        if runs is None and _suffice(times[: turn + 1], timing):
            times = times[: turn + 1]
            break
    return _summary(times, threads, _batch(first, feeds))


def _suffice(times: AnyArray, timing: Timing) -> bool:
    """Whether these times, float64 [runs, 2] in seconds, are enough."""
    runs = len(times)
    if runs < MIN_RUNS:
        return False
    if times.sum() > timing.budget_s:  # on a busy machine the fastest warm-up run underestimates the time
        return True
    if not timing.close or runs < FIRST_LOOK or runs & (runs - 1):  # asked whenever their number has doubled
        return False
    found = _summary(times, 0, 1)
    return margin(found) <= timing.close * found.paired


def margin(latency: Latency) -> float:
    """Half the 95 % interval of the median paired ratio: 1.57 * interquartile range / sqrt(runs).

    Source: McGill, Tukey, Larsen, Variations of box plots, The American Statistician 32 (1978).
    """
    return 1.57 * latency.spread / math.sqrt(latency.runs)


def _timed(session: Session, feeds: Mapping[str, AnyArray], clock: Callable[[], float]) -> float:
    start = clock()
    session.run(feeds)
    return clock() - start


def _summary(times: AnyArray, threads: int, batch: int) -> Latency:
    """Summarize times: float64 [runs, 2] in seconds; the columns are float and int8."""
    float_s, int8_s = np.median(times, axis=0)
    ratios = times[:, 1] / np.maximum(times[:, 0], 1e-12)
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    return Latency(
        float_ms=float(float_s) * 1e3,
        int8_ms=float(int8_s) * 1e3,
        ratio=float(int8_s / max(float_s, 1e-12)),
        threads=threads,
        batch=batch,
        runs=len(times),
        spread=float(high - low),
        paired=float(middle),
    )


def _pace(ratio: float, paired: float, spread: float) -> Pace:
    """Unreliable too where the medians and the pairs name different models as the faster one."""
    found = _which(ratio)
    if spread > STEADY * paired or {found, _which(paired)} == {"faster", "slower"}:
        return "unreliable"
    return found


def _which(ratio: float) -> Pace:
    return "faster" if ratio < NOT_FASTER else "same" if ratio <= 1 / NOT_FASTER else "slower"


def _batch(session: Session, feeds: Mapping[str, AnyArray]) -> int:
    shape = feeds[session.inputs[0].name].shape if session.inputs else ()
    return int(shape[0]) if shape else 1
