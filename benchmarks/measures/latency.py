"""Latency of several models, in rounds that visit each in turn; ratios formed inside a round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measures.feeds import Feed
from benchmarks.measures.sessions import open_session


@dataclass(frozen=True)
class Ratio:
    """Paired latency ratio of two models: median and quartiles over the rounds."""

    median: float
    low: float
    high: float


def latency(models: dict[str, Path], feed: Feed, rounds: int, threads: int) -> dict[str, list[float]]:
    """Milliseconds a run for each model and round. Rounds are interleaved and start with another
    model each time. On one thread it is the time of that thread, which a busy machine does not
    lengthen; else the wall clock.
    """
    clock = time.thread_time if threads == 1 else time.perf_counter
    sessions = {name: open_session(path, threads) for name, path in models.items()}
    names = list(sessions)
    repeats = {}
    for name, session in sessions.items():
        session.run(None, feed)
        begin = clock()
        session.run(None, feed)
        repeats[name] = max(1, min(50, round(0.01 / (clock() - begin))))  # about 10 ms a slot
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for index in range(len(names)):
            name = names[(turn + index) % len(names)]
            begin = clock()
            for _ in range(repeats[name]):
                sessions[name].run(None, feed)
            times[name].append((clock() - begin) / repeats[name] * 1e3)
    return times


def paired(a: Sequence[float], b: Sequence[float]) -> Ratio:
    """a / b round by round."""
    ratios = sorted(x / y for x, y in zip(a, b, strict=True))
    low, median, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return Ratio(median, low, high)
