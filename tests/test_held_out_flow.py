"""Samples held out, in the public functions: what is fitted, what judges, what the report says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import calibrate, quantize
from edgeq.calibration.statistics_file import load_statistics
from edgeq.cli.main import main
from edgeq.numerics.arrays import F32
from edgeq.report.judging import JudgingInfo
from edgeq.report.text import report_text
from edgeq.schema.plan import parse_plan
from edgeq.schema.recipe import Floors, Recipe
from tests.changed import changed
from tests.graph_text import eager, net, weights
from tests.reports import plain_text

TARGET = eager()
X = np.random.default_rng(1).normal(size=(30, 4, 8, 8)).astype(np.float32)
HELD = np.arange(30) % 5 == 4
ALL = Recipe(hold_out=False)


def model() -> ir.Model:
    constants = {"w": weights(4, 4, 3, 3), "b": weights(4), "v": weights(4, 4, 3, 3, seed=1), "c": weights(4, seed=2)}
    return net("h = Conv(x, w, b) r = Relu(h) y = Conv(r, v, c)", inputs="float[N, 4, 8, 8] x", constants=constants)


def louder(x: F32) -> F32:
    """The same with held-out samples that are far outside the range of the others."""
    return np.where(HELD[:, None, None, None], np.float32(40), np.float32(1)) * x


def test_held_out_samples_judge_and_do_not_calibrate() -> None:
    """Ranges do not follow them, and the figures say what that costs them.

    The rule is given: else they would choose between two rules for the samples that calibrate. No
    layer returns to float, which would serve them.
    """
    plain, loud = (quantize(model(), {"x": x}, target=TARGET, recipe=Recipe(rule="minmax", rescue=False)) for x in (X, louder(X)))
    assert loud.plan.grids["x"].scale == plain.plan.grids["x"].scale
    assert loud.plan.held_out == "every_fifth"
    assert loud.report.judged == JudgingInfo("held_out", "memory", 6, 30)
    assert loud.report.fidelity is not None and loud.report.calibration is not None
    assert (loud.report.fidelity.samples, loud.report.calibration.samples) == (6, 24)
    assert loud.report.fidelity.sqnr_db < 5 < 25 < loud.report.calibration.sqnr_db


def test_floors_are_about_the_held_out_samples() -> None:
    recipe = Recipe(floors=Floors(min_sqnr=20), rescue=False)
    assert quantize(model(), {"x": X}, target=TARGET, recipe=recipe).report.gate == "passed"
    assert quantize(model(), {"x": louder(X)}, target=TARGET, recipe=recipe).report.gate == "failed"


def test_held_out_samples_that_were_lucky_are_not_the_headline() -> None:
    """The one sample whose output is not constant is not held out: the worse figure is said."""
    x = X.copy()
    constants = {"w": weights(4, 4, 3, 3), "b": np.full(4, -60.0), "v": weights(4, 4, 3, 3, seed=1)}
    gated = net("h = Conv(x, w, b) r = Relu(h) y = Conv(r, v)", inputs="float[N, 4, 8, 8] x", constants=constants)
    x[7] *= 40
    made = quantize(gated, {"x": x}, target=TARGET, recipe=Recipe(rule="minmax", floors=Floors(min_sqnr=100)))
    report = made.report
    assert report.judged == JudgingInfo("calibration", "memory", 24, 24)
    assert report.fidelity is not None and report.lucky is not None
    assert report.fidelity.weakest.sqnr_db < report.lucky.weakest.sqnr_db - 3
    assert (report.fidelity.samples, report.lucky.samples, report.calibration) == (24, 6, None)
    assert report.gate == "failed"
    assert "on samples not fitted to: " in plain_text(report_text(report, "out.onnx"))
    assert json.loads(report.to_json())["lucky"]["samples"] == 6


def test_validation_data_that_the_user_names_is_the_headline() -> None:
    easy, hard = np.zeros_like(X[:7]), X
    made = quantize(model(), {"x": hard}, validation={"x": easy}, target=TARGET)
    assert made.report.judged == JudgingInfo("validation", "memory", 7, 7)
    assert made.report.lucky is None


def test_without_holding_out_all_samples_calibrate_and_judge() -> None:
    made = quantize(model(), {"x": louder(X)}, target=TARGET, recipe=ALL)
    assert made.plan.grids["x"].scale > 5 * quantize(model(), {"x": X}, target=TARGET, recipe=ALL).plan.grids["x"].scale
    assert made.plan.held_out == "none"
    assert (made.report.judged, made.report.calibration) == (JudgingInfo("calibration", "memory", 30, 30), None)


def test_validation_data_judges_and_all_samples_calibrate() -> None:
    made = quantize(model(), {"x": X}, validation={"x": X[:7] + 1}, target=TARGET)
    assert made.plan.held_out == "none"
    assert made.report.judged == JudgingInfo("validation", "memory", 7, 7)
    assert made.report.calibration is not None and made.report.calibration.samples == 30


def test_the_report_names_the_samples_and_every_step() -> None:
    made = quantize(model(), {"x": X}, target=TARGET)
    text = plain_text(report_text(made.report), width=200)
    assert "held-out samples: 6 of 30, every fifth" in text
    assert "on the calibration samples: SQNR" in text
    assert all((f"after {step.name}" in text) and step.sqnr_db is not None for step in made.report.steps)
    found = json.loads(made.report.to_json())
    assert found["judged"] == {"on": "held_out", "name": "memory", "samples": 6, "of": 30}
    assert {step["kept"] for step in found["steps"]} <= {True, False}
    few = quantize(model(), {"x": X[:19]}, target=TARGET)
    assert "on the calibration samples: 19; new data may do worse" in plain_text(report_text(few.report), width=200)


def test_a_step_that_is_not_kept_is_named_as_such() -> None:
    made = quantize(model(), {"x": X}, target=TARGET)
    last = made.report.steps[-1]
    report = replace(made.report, steps=(*made.report.steps[:-1], replace(last, kept=False)))
    assert f"after {last.name}: {last.sqnr_db:.1f} dB, not kept" in plain_text(report_text(report), width=200)


def test_the_plan_depends_neither_on_the_proof_nor_on_the_batch() -> None:
    plans = [
        quantize(model(), {"x": X}, target=TARGET, recipe=Recipe(batch=batch), prove=prove).plan
        for batch, prove in ((8, True), (8, False), (1, True))
    ]
    assert plans[0] == plans[1]
    assert changed(plans[2], recipe=plans[0].recipe) == plans[0]


# ------------------------------------------------------------------ what other runs made


def test_statistics_with_samples_held_out_give_the_same_model() -> None:
    known = calibrate(model(), {"x": X}, target=TARGET)
    shards = [calibrate(model(), {"x": X}, target=TARGET, start=start, stop=stop) for start, stop in ((0, 13), (13, 30))]
    assert [shard.held_out for shard in shards] == ["every_fifth"] * 2
    assert sorted(int(n) for shard in shards for n in shard.samples) == known.samples.tolist() == np.flatnonzero(~HELD).tolist()
    fresh, reused = (quantize(model(), {"x": X}, target=TARGET, statistics=one).plan for one in (None, known))
    assert fresh == reused


def test_statistics_that_saw_all_samples_leave_none_to_judge() -> None:
    """As those of files from before samples were held out: the report says so."""
    known = calibrate(model(), {"x": X}, target=TARGET, recipe=ALL)
    made = quantize(model(), {"x": X}, target=TARGET, statistics=known)
    assert made.plan.held_out == "none"
    assert made.report.judged == JudgingInfo("calibration", "memory", 30, 30)
    assert any("the statistics saw all samples" in note for note in made.report.notes)
    wished = quantize(model(), {"x": X}, target=TARGET, statistics=known, recipe=ALL)
    assert not any("the statistics saw all samples" in note for note in wished.report.notes)


@pytest.mark.parametrize(("recipe", "on", "samples"), [(Recipe(), "held_out", 6), (ALL, "calibration", 30)])
def test_a_repeated_plan_is_judged_by_what_it_was_not_fitted_to(recipe: Recipe, on: str, samples: int) -> None:
    first = quantize(model(), {"x": X}, target=TARGET, recipe=recipe, prove=False)
    plan = parse_plan(first.plan.to_json(), "here")
    again = quantize(model(), {"x": X}, target=TARGET, plan=plan).report.judged
    assert again is not None and (again.on, again.samples) == (on, samples)
    other = quantize(model(), {"x": X + 1}, target=TARGET, plan=plan).report.judged
    assert other == JudgingInfo("other", "memory", 30, 30)


# ------------------------------------------------------------------ the command line


def test_the_command_line_holds_out_or_not(tmp_path: Path) -> None:
    ir.save(model(), tmp_path / "m.onnx")
    np.savez(tmp_path / "d.npz", x=X)
    line = ["calibrate", str(tmp_path / "m.onnx"), "--data", str(tmp_path / "d.npz"), "--quiet"]
    assert main([*line, "-o", str(tmp_path / "held.npz")]) == 0
    assert main([*line, "-o", str(tmp_path / "all.npz"), "--no-hold-out"]) == 0
    held, everything = (load_statistics(tmp_path / name) for name in ("held.npz", "all.npz"))
    assert (len(held.samples), held.held_out, len(everything.samples), everything.held_out) == (24, "every_fifth", 30, "none")
    merge = ["calibrate", "--merge", str(tmp_path / "held.npz"), str(tmp_path / "all.npz"), "-o", str(tmp_path / "both.npz")]
    assert main(merge) == 2
    quantized = ["quantize", *line[1:4], "--stats", str(tmp_path / "held.npz"), "-o", str(tmp_path / "q.onnx"), "--quiet"]
    assert main([*quantized, "--no-hold-out"]) == 2
    assert main(quantized) == 0
