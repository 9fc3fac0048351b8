"""Tests of the script that puts ONNX's backend tests through edgeq: it sees every kind of fault."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from benchmarks.onnx_cases import judge as judging
from benchmarks.onnx_cases.cases import Case, load_cases
from benchmarks.onnx_cases.float_runs import FloatRuns, float_runs
from benchmarks.onnx_cases.forms import in_form
from benchmarks.onnx_cases.isolation import in_children
from benchmarks.onnx_cases.outcome import Job, Outcome
from benchmarks.onnx_cases.run import table
from edgeq.errors import BadData, BadModel, EdgeqError, RuntimeRefused, UnsupportedOp
from edgeq.proof.findings import Finding
from edgeq.schema.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
JOB = Job("case", "alone", "cpu")
FAST = Recipe(effort="fast")


def model(text: str) -> onnx.ModelProto:
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}')


RELU = "net (float[2, 3] x) => (float[2, 3] y) { y = Relu(x) }"
FEED = {"x": np.linspace(-1, 2, 6, dtype=np.float32).reshape(2, 3)}


def judged(job: Job, proto: onnx.ModelProto) -> Outcome:
    return judging.judge(job, Case(job.case, proto, FEED), float_runs(proto, FEED), FAST)


def test_a_good_model_is_good() -> None:
    outcome = judged(JOB, model(RELU))
    assert (outcome.kind, outcome.what) == ("good", "")
    assert judged(Job("case", "alone", "inspect"), model(RELU)).kind == "good"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BadModel("a", "b", "c"), "blames the user"),
        (RuntimeRefused("a", "b", "c"), "blames the user"),
        (UnsupportedOp("a", "b", "c"), "refused"),
        (BadData("a", "b", "c"), "refused"),
        (KeyError("a"), "raw exception"),
    ],
)
def test_errors_are_told_apart(monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(judging, "quantize", fails)
    assert judged(JOB, model(RELU)).kind == kind
    broken = model("net (float[2, 3] x) => (float[7] y) { y = Relu(x) }")
    assert judged(JOB, broken).kind == ("float fails" if isinstance(error, EdgeqError) else "raw exception")


def test_a_result_of_other_numbers_names_or_types_is_a_fault() -> None:
    """What edgeq makes of one model is judged as if it had been made of another."""
    made = judging.quantize(model(RELU), {"x": np.stack([FEED["x"]] * 2)}, recipe=FAST, data_doubts="accept")
    for text, kind in [
        ("net (float[2, 3] x) => (float[2, 3] y) { y = Neg(x) }", "far from float"),
        ("net (float[2, 3] x) => (float[2, 3] z) { z = Relu(x) }", "invalid model"),
        ("net (float[2, 3] x) => (double[2, 3] y) { z = Relu(x) y = Cast<to = 11>(z) }", "invalid model"),
    ]:
        other = model(text)
        runs = float_runs(other, FEED)
        assert isinstance(runs, FloatRuns)
        assert judging._judge_files(JOB, other, runs, made).kind == kind, text


def test_a_finding_that_names_the_output_is_a_warning() -> None:
    made = judging.quantize(model(RELU), {"x": np.stack([FEED["x"]] * 2)}, recipe=FAST, data_doubts="accept")
    other = model("net (float[2, 3] x) => (float[2, 3] y) { y = Neg(x) }")
    runs = float_runs(other, FEED)
    assert isinstance(runs, FloatRuns)
    for output, kind in [("y", "warned"), ("z", "far from float")]:
        told = replace(made, report=replace(made.report, findings=(Finding("weak", output, None, -1.0, "far"),)))
        assert judging._judge_files(JOB, other, runs, told).kind == kind


def test_feeds_vary_as_long_as_the_shapes_stay() -> None:
    found = float_runs(model(RELU), FEED)
    assert isinstance(found, FloatRuns)
    assert np.array_equal(found.feeds[0]["x"], FEED["x"])
    assert len({feed["x"].tobytes() for feed in found.feeds}) == len(found.feeds)
    counting = model("net (float[2, 3] x) => (int64[2, n] y) { f = Floor(x) y = NonZero(f) }")
    same = float_runs(counting, {"x": np.ones((2, 3), np.float32)})
    assert isinstance(same, FloatRuns)
    assert len({feed["x"].tobytes() for feed in same.feeds}) == 1


def test_numbers_that_are_others_in_every_run_are_not_compared() -> None:
    found = float_runs(model("net (float[2, 3] x) => (float[2, 3] y, float[2, 3] z) { y = RandomNormalLike(x) z = Relu(x) }"), FEED)
    assert isinstance(found, FloatRuns)
    assert [[array is not None for array in outputs] for outputs in found.outputs] == [[False, True]] * len(found.feeds)


def _random_cases() -> list[Case]:
    drawn = model("net (float[2, 3] x) => (float[2, 3] y, float[2, 3] z) { r = RandomNormalLike(x) y = Add(x, r) z = Relu(x) }")
    return [*load_cases(["node"], "node/test_training_dropout_mask"), Case("drawn", drawn, FEED)]


@pytest.mark.parametrize("case", _random_cases(), ids=lambda case: case.name)
def test_a_random_model_is_no_fault_where_the_report_says_so(case: Case) -> None:
    """A Dropout whose seed is 0 repeats itself once in onnxruntime."""
    runs = float_runs(case.model, case.feed)
    assert isinstance(runs, FloatRuns)
    assert 0 in runs.random
    job = Job(case.name, "alone", "cpu")
    assert judging.judge(job, case, runs, FAST).kind == "random"
    made = judging.quantize(case.model, judging._data(runs, case.feed), recipe=FAST, data_doubts="accept")
    silent = replace(made, report=replace(made.report, findings=()))
    outcome = judging._judge_files(job, case.model, runs, silent)
    assert (outcome.kind, outcome.text) == ("far from float", "it is random, and no warning says so")


@pytest.mark.parametrize("name", ["cast_FLOAT_to_FLOAT8E4M3FN", "cast_FLOAT16_to_FLOAT", "cast_BFLOAT16_to_FLOAT", "cast_INT4_to_FLOAT"])
def test_values_that_onnx_gives_as_messages_are_fed(name: str) -> None:
    (case,) = load_cases(["node"], f"node/test_{name}")
    assert list(case.feed) == [value.name for value in case.model.graph.input]
    runs = float_runs(case.model, case.feed)
    assert isinstance(runs, FloatRuns), runs
    assert judging.judge(Job(name, "alone", "cpu"), case, runs, FAST).kind in ("good", "refused")


def test_a_form_keeps_the_interface_and_adds_layers() -> None:
    pair = model("net (float[2, 4, 5, 5] x, float[4, 1, 1] s) => (float[2, 4, 5, 5] y) { y = Mul(x, s) }")
    feed = {"x": np.ones((2, 4, 5, 5), np.float32), "s": np.full((4, 1, 1), 2, np.float32)}
    between, constants = in_form(Case("c", pair, feed), "between"), in_form(Case("c", pair, feed), "constants")
    assert [node.op_type for node in between.model.graph.node] == ["Conv", "Conv", "Mul", "Conv"]
    assert [node.op_type for node in constants.model.graph.node] == ["Conv", "Mul", "Conv"]
    assert list(constants.feed) == [value.name for value in constants.model.graph.input] == ["x"]
    for case in (between, constants):
        runs = float_runs(case.model, case.feed)
        assert isinstance(runs, FloatRuns), runs
        assert runs.outputs[0][0] is not None and np.allclose(runs.outputs[0][0], 2)


def test_a_crash_and_a_hang_cost_one_job_each() -> None:
    jobs = [Job(str(index), "alone", "cpu") for index in range(5)]

    def work(job: Job) -> Outcome:
        if job.case == "1":
            os.kill(os.getpid(), signal.SIGSEGV)
        if job.case == "3":
            time.sleep(60)
        return Outcome(job, "good")

    found = {outcome.job.case: outcome for outcome in in_children(work, jobs, 1, 2.0)}
    assert [found[str(index)].kind for index in range(5)] == ["good", "process ended", "good", "process ended", "good"]
    assert (found["1"].what, found["3"].what) == ("SIGSEGV", "more than 2 s")
    assert "2 x" not in table(list(found.values()))


def test_the_cases_of_onnx_are_found() -> None:
    """Every kind that lies in the onnx package as files, with feeds for what needs one."""
    for name in ("simple/test_sign_model", "pytorch-converted/test_Conv1d"):
        (case,) = load_cases([name.split("/")[0]], name)
        assert isinstance(float_runs(case.model, case.feed), FloatRuns)
    (network,) = load_cases(["light"], "light/light_squeezenet")
    assert [array.shape for array in network.feed.values()] == [(1, 3, 224, 224)]


@pytest.mark.slow
def test_every_twentieth_case_of_onnx() -> None:
    command = [sys.executable, "-m", "benchmarks.onnx_cases.run", "--every", "20", "--effort", "fast"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
