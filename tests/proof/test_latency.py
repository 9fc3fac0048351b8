"""Times are believed where they repeat, and what is shown of them never contradicts itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edgeq.io.strict_json import plain
from edgeq.proof.latency import NOT_FASTER, STEADY, Latency, Pace, Timing, margin, measure_latency
from edgeq.report.figures import milliseconds
from edgeq.report.page.write import to_html
from edgeq.report.report import verdict
from edgeq.report.text import report_text
from tests.graph_text import net
from tests.reports import full_report, plain_text


def timed(float_ms: float, int8_ms: float, spread: float = 0.01, paired: float | None = None) -> Latency:
    ratio = int8_ms / float_ms
    return Latency(float_ms, int8_ms, ratio, 1, 1, 100, spread, ratio if paired is None else paired)


def measured(pairs: list[tuple[float, float]]) -> Latency:
    """Of runs that take so many seconds (float, int8), whichever of the two goes first."""
    model = net("y = Relu(x)", inputs="float[1, 2] x")
    return measure_latency(model, model, {"x": np.ones((1, 2), np.float32)}, timing=Timing(runs=len(pairs), clock=clock_of(pairs)))


def clock_of(pairs: list[tuple[float, float]]) -> Callable[[], float]:
    """A clock that gives runs these lengths in seconds, after those that warm up."""
    lengths = [1.0] * 4
    for turn, (first, second) in enumerate(pairs):
        lengths += [first, second] if turn % 2 == 0 else [second, first]
    ends = np.repeat(np.cumsum([0.0, *lengths]), 2)[1:-1]
    times = iter(ends.tolist())
    return lambda: next(times)


@pytest.mark.parametrize(
    ("latency", "pace"),
    [
        (timed(2.0, 1.0), "faster"),
        (timed(1.0, 1.0), "same"),
        (timed(1.0, 2.0), "slower"),
        (timed(1.0, 2.0, spread=2 * STEADY - 0.01), "slower"),  # the limit is a share of the median
        (timed(2.0, 1.0, spread=0.5 * STEADY + 0.01), "unreliable"),
        (timed(1.0, 1.0, spread=STEADY + 0.01), "unreliable"),
        (timed(1.0, 0.9, paired=1.1), "unreliable"),
        (timed(1.0, 1.1, paired=0.9), "unreliable"),
        (timed(1.0, NOT_FASTER - 0.001, paired=NOT_FASTER + 0.001), "faster"),  # a hair's breadth is none
    ],
)
def test_what_times_say(latency: Latency, pace: Pace) -> None:
    assert latency.pace == pace
    found = plain(latency)
    assert isinstance(found, dict)
    assert found["pace"] == pace


@pytest.mark.parametrize("busy", [0, 1])
def test_a_model_whose_runs_were_held_up_is_not_judged(busy: int) -> None:
    """Every second run of one model, and of one alone, takes three times as long."""
    quiet = measured([(2.0, 1.0)] * 20)
    assert (quiet.pace, quiet.ratio, quiet.paired) == ("faster", 0.5, 0.5)
    slowed = (6.0, 1.0) if busy == 0 else (2.0, 3.0)
    assert measured([(2.0, 1.0), slowed] * 10).pace == "unreliable"


@pytest.mark.parametrize(("jitter", "runs"), [(0.0, 16), (0.05, 64)])
def test_time_is_taken_until_the_median_is_known(jitter: float, runs: int) -> None:
    """Every second pair of runs has a ratio that is larger by the jitter."""
    timing = Timing(budget_s=1e6, close=0.01, clock=clock_of([(2.0, 1.0 + jitter * (turn % 2)) for turn in range(1000)]))
    model = net("y = Relu(x)", inputs="float[1, 2] x")
    found = measure_latency(model, model, {"x": np.ones((1, 2), np.float32)}, timing=timing)
    assert found.runs == runs
    assert margin(found) <= 0.01 * found.paired


def test_a_busy_machine_takes_no_more_than_the_budget() -> None:
    timing = Timing(budget_s=90.0, close=0.01, clock=clock_of([(2.0, 1.0 + turn % 2) for turn in range(1000)]))
    model = net("y = Relu(x)", inputs="float[1, 2] x")
    assert measure_latency(model, model, {"x": np.ones((1, 2), np.float32)}, timing=timing).runs == 26


def test_drift_of_the_whole_machine_is_no_load() -> None:
    assert measured([(2.0 * slow, 1.0 * slow) for slow in np.linspace(1, 5, 20)]).pace == "faster"


def test_the_ratio_is_that_of_the_medians_that_are_shown() -> None:
    """The paired ratios are mostly below 1, though int8 takes longer in the middle."""
    found = measured([(1.0, 0.9), (10.0, 9.0), (5.0, 6.0), (1.0, 0.9), (10.0, 9.0)])
    assert found.paired == pytest.approx(0.9)
    assert found.ratio == found.int8_ms / found.float_ms == pytest.approx(6 / 5)


@pytest.mark.parametrize("seed", range(3))
def test_figures_that_are_shown_never_contradict_each_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(2000):
        first = float(10 ** rng.uniform(-3, 4))
        latency = timed(first, first * float(rng.uniform(0.95, 1.05)))
        before, after = (float(one.removesuffix(" ms")) for one in milliseconds(latency))
        ratio = float(f"{latency.ratio:.2f}")
        assert (after < before) == (ratio < 1) or ratio == 1
        assert (after > before) == (ratio > 1) or ratio == 1
        if latency.pace == "faster":
            assert float(verdict(latency).split("int8 is ")[1].split("x")[0]) > 1


def test_load_is_told_in_text_and_on_the_page() -> None:
    latency = timed(2.0, 1.0, spread=0.4)
    report = replace(full_report(), latency=latency)
    text = " ".join(plain_text(report_text(report), width=200).split())
    assert "UNRELIABLE: the machine was under load (the ratios of half of the runs span 0.4 around 0.50)" in text
    assert "as fast as float" not in text
    page = to_html(report)
    assert "UNRELIABLE" in page
    assert '<p class="verdict fair">UNRELIABLE' in page
    assert '<p class="verdict good">int8 is 2.00x as fast' in to_html(full_report())
