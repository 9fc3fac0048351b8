"""The report names what was not done for want of data, and each step that lost something."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import calibrate, quantize
from edgeq.io.strict_json import plain
from edgeq.proof.evidence import Uncompared
from edgeq.report.figures import step_text
from edgeq.report.judging import StepSqnr, steps_of
from edgeq.report.page.write import to_html
from edgeq.report.report import Report
from edgeq.report.text import report_text
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.task import Step
from tests.graph_text import eager, net, weights
from tests.reports import full_report, plain_text

TARGET = eager()
X = np.random.default_rng(2).normal(size=(10, 8, 12, 12)).astype(np.float32)


def model() -> ir.Model:
    body = "[c1] a = Conv(x, w, b) [act] h = HardSwish(a) [c2] y = Conv(h, w)"
    return net(body, inputs="float[N, 8, 12, 12] x", constants={"w": weights(8, 8, 3, 3), "b": weights(8)})


def shown(report: Report) -> str:
    return " ".join(plain_text(report_text(report), width=300).split())


# ------------------------------------------------------------------ nothing was compared


@pytest.mark.parametrize(
    ("recipe", "skipped"),
    [
        (
            Recipe(),
            (
                "equalization",
                "input grids by output error",
                "ranges by their readers",
                "data-aware rounding",
                "bias correction",
                "layers returned to float",
            ),
        ),
        (
            Recipe(rescue=False),
            ("equalization", "input grids by output error", "ranges by their readers", "data-aware rounding", "bias correction"),
        ),
        (
            Recipe(rescue=False, rounding="in_sequence"),
            ("equalization", "input grids by output error", "ranges by their readers", "rounding in sequence", "bias correction"),
        ),
        (Recipe(effort="fast"), ()),
    ],
)
def test_statistics_alone_compare_nothing_and_skip_what_needs_data(recipe: Recipe, skipped: tuple[str, ...]) -> None:
    known = calibrate(model(), {"x": X}, target=TARGET, recipe=recipe)
    report = quantize(model(), target=TARGET, recipe=recipe, statistics=known).report
    assert (report.uncompared, report.skipped, report.fidelity) == ("no_data", skipped, None)
    assert "nothing was compared with float" in shown(report)
    assert all(name in shown(report) for name in skipped)
    assert ("skipped without data" in shown(report)) == bool(skipped)
    page = to_html(report)
    assert "nothing was compared with float" in page
    assert all(name in page for name in skipped)


def test_with_data_nothing_is_skipped() -> None:
    known = calibrate(model(), {"x": X}, target=TARGET)
    report = quantize(model(), {"x": X}, target=TARGET, statistics=known).report
    assert (report.uncompared, report.skipped) == (None, ())
    assert "nothing was compared" not in shown(report)
    tried = {step.name.removesuffix(" with all that follows") for step in report.steps}
    alone = quantize(model(), target=TARGET, statistics=known).report
    assert tried - {"ranges (mse)", "ranges (minmax)", *alone.skipped} == set()


def test_other_data_may_judge_what_statistics_alone_made() -> None:
    known = calibrate(model(), {"x": X}, target=TARGET)
    report = quantize(model(), target=TARGET, statistics=known, validation={"x": X + 1}).report
    assert report.uncompared is None and report.fidelity is not None
    assert "bias correction" in report.skipped


@pytest.mark.parametrize(("prove", "why"), [(True, "no_data"), (False, "not_asked")])
def test_a_repeated_plan_has_all_steps_and_no_comparison(prove: bool, why: Uncompared) -> None:
    plan = quantize(model(), {"x": X}, target=TARGET, prove=False).plan
    report = quantize(model(), target=TARGET, plan=plan, prove=prove).report
    assert (report.uncompared, report.skipped) == (why, ())


# ------------------------------------------------------------------ steps that lost

PLAN = Plan.model_construct()


def told(*steps: tuple[float | None, float | None, bool]) -> StepSqnr:
    """The last of the steps (SQNR, mean, kept)."""
    return steps_of([Step(f"step {index}", PLAN, worst, kept, mean) for index, (worst, mean, kept) in enumerate(steps)])[-1]


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ([(30.0, 30.0, True)], "30.0 dB"),
        ([(30.0, 30.0, True), (31.0, 31.0, True)], "31.0 dB"),
        ([(30.0, 30.0, True), (28.5, 28.5, False)], "28.5 dB, not kept: it lost 1.5 dB"),
        ([(30.0, None, True), (27.0, None, True)], "27.0 dB, kept although it lost 3.0 dB"),
        # the next is measured against what was kept, not against what was dropped
        ([(30.0, 30.0, True), (20.0, 20.0, False), (29.0, 29.0, True)], "29.0 dB, kept although it lost 1.0 dB"),
        ([(30.0, 40.0, True), (30.0, 38.0, False)], "30.0 dB, not kept: the mean over the outputs lost 2.0 dB"),
        ([(30.0, 30.0, True), (30.2, 30.2, False)], "30.2 dB, not kept: it gained 0.2 dB, which is too little"),
        ([(30.04, 30.04, True), (30.06, 30.06, False)], "30.1 dB, not kept: it changed less than 0.05 dB"),
        ([(30.06, 30.06, True), (30.04, 30.04, False)], "30.0 dB, not kept: it changed less than 0.05 dB"),
        ([(30.0, 30.0, True), (30.0, 30.0, False)], "30.0 dB, not kept: it changed nothing"),
        ([(math.inf, None, True), (math.inf, None, True)], "exact"),
        ([(None, None, True), (20.0, 20.0, False)], "20.0 dB, not kept"),
    ],
)
def test_a_step_that_lost_says_how_much(steps: list[tuple[float | None, float | None, bool]], text: str) -> None:
    assert step_text(told(*steps)) == f"after step {len(steps) - 1}: {text}"


def test_lost_steps_stand_in_text_json_and_page() -> None:
    steps = steps_of([Step("ranges", PLAN, 30.0), Step("tables", PLAN, 24.0), Step("shifts", PLAN, 20.0, kept=False)])
    report = replace(full_report(), steps=steps)
    for text in (shown(report), to_html(report)):
        assert "after tables: 24.0 dB, kept although it lost 6.0 dB" in text
        assert "after shifts: 20.0 dB, not kept: it lost 4.0 dB" in text
    found = plain(steps[1])
    assert isinstance(found, dict)
    assert found["lost_db"] == 6.0
