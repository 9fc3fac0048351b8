"""Let edgeq do one job, and judge what came of it."""

from __future__ import annotations

import functools
import math
import tempfile
import traceback
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

import edgeq.proof.evidence
from benchmarks.measures.feeds import Array, Feed
from benchmarks.onnx_cases.cases import Case
from benchmarks.onnx_cases.float_runs import FloatRuns, open_model, run_model
from benchmarks.onnx_cases.outcome import FLOOR_DB, Job, Outcome
from edgeq.api import quantize
from edgeq.errors import BadModel, EdgeqError, RuntimeRefused, UnsupportedOp, UnsupportedOpset
from edgeq.io.load import load_proto
from edgeq.passes.boundary.float_boundary import FloatBoundary
from edgeq.report.inspection import inspect_model
from edgeq.report.quantized import Quantized
from edgeq.report.text import report_text
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target, load_target

#: what says that the model is wrong, or that the user should check it; a BadModel that names an
#: operator or an opset that edgeq does not take says something else
_BLAMES = (BadModel, RuntimeRefused)
_NAMES_A_LIMIT = (UnsupportedOp, UnsupportedOpset)
#: thousands of times of tiny models are of no interest: the fewest runs will do
edgeq.proof.evidence.TIMING_S = 0.0


@functools.cache
def target_of(name: str) -> Target:
    return load_target(name)


def judge(job: Job, case: Case, runs: FloatRuns | str, recipe: Recipe) -> Outcome:
    """Inspect or quantize the case's model, and judge the result. runs: float_runs of the case."""
    model = case.model
    try:
        if job.target == "inspect":
            inspect_model(load_proto(model), target_of("cpu"))
            return Outcome(job, "good")
        made = quantize(model, _data(runs, case.feed), target=target_of(job.target), recipe=recipe, data_doubts="accept")
        report_text(made.report, "out.onnx")
        made.report.to_json()
        return _judge_files(job, model, runs, made)
    except EdgeqError as error:
        return _judge_error(job, error, model, runs)
    except Exception as error:  # what this script looks for
        return Outcome(job, "raw exception", _place(error), f"{type(error).__name__}: {error}"[:300])


def _data(runs: FloatRuns | str, feed: Feed) -> dict[str, Array]:
    """The feeds as whole feeds: one array for each input, axis 0 counts the feeds."""
    feeds = (feed, feed) if isinstance(runs, str) else runs.feeds
    return {name: np.stack([np.asarray(one[name]) for one in feeds]) for name in feed}


def _judge_error(job: Job, error: EdgeqError, model: onnx.ModelProto, runs: FloatRuns | str) -> Outcome:
    name, text = type(error).__name__, str(error).replace("\n", " | ")[:400]
    if isinstance(runs, str):
        return Outcome(job, "float fails", name, f"{text}   float: {runs}")
    blames = isinstance(error, _BLAMES) and not isinstance(error, _NAMES_A_LIMIT) and not _holds_codes(model)
    return Outcome(job, "blames the user" if blames else "refused", name, text)


def _holds_codes(model: onnx.ModelProto) -> bool:
    """Whether the model is quantized already, which edgeq may say."""
    marks = ("Quantize", "QLinear", "Integer")
    return any(mark in node.op_type for node in model.graph.node for mark in marks)


def _place(error: Exception) -> str:
    """File and function of edgeq that the exception passed last, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/edgeq/" in frame.filename or "/passes/" in frame.filename]
    return " < ".join(f"{Path(frame.filename).name}:{frame.name}" for frame in reversed(own[-3:])) or "outside edgeq"


def _judge_files(job: Job, model: onnx.ModelProto, runs: FloatRuns | str, made: Quantized) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.onnx"
        made.save(path)
        if target_of(job.target).runtime == "tflite":
            made.save(Path(folder) / "out.tflite")
        if isinstance(runs, str):  # nothing to compare with, and what edgeq was given is not valid either
            return Outcome(job, "float fails", text=runs)
        problem = _invalid(path, model, job)
        if problem is not None:
            return Outcome(job, "invalid model", problem.split(":")[0], problem)
        floats = ir.load(path)
        FloatBoundary()(floats)
        return _judge_numbers(job, ir.to_proto(floats), runs, made)


def _invalid(path: Path, model: onnx.ModelProto, job: Job) -> str | None:
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except Exception as error:  # the checker, shape inference and protobuf each have their own
        return f"checker: {error}"[:300]
    saved = onnx.load(path)
    constants = {tensor.name for tensor in model.graph.initializer}
    before = ([one for one in model.graph.input if one.name not in constants], list(model.graph.output))
    after = (list(saved.graph.input), list(saved.graph.output))
    if any([one.name for one in a] != [one.name for one in b] for a, b in zip(before, after, strict=True)):
        return "interface: other names"
    same = all(_same_type(a, b) for olds, news in zip(before, after, strict=True) for a, b in zip(olds, news, strict=True))
    if target_of(job.target).float_io and not same:
        return "interface: other types"
    try:
        open_model(saved)
    except Exception as error:  # onnxruntime's exceptions have no common base
        return f"onnxruntime: {error}"[:300]
    return None


def _same_type(old: onnx.ValueInfoProto, new: onnx.ValueInfoProto) -> bool:
    return old.type.WhichOneof("value") == new.type.WhichOneof("value") and old.type.tensor_type.elem_type == new.type.tensor_type.elem_type


def _judge_numbers(job: Job, floats: onnx.ModelProto, runs: FloatRuns, made: Quantized) -> Outcome:
    session = open_model(floats, optimized=target_of(job.target).runtime == "onnxruntime")
    names = [one.name for one in session.get_outputs()]
    sums = np.zeros((len(names), 2))
    for feed, wanted in zip(runs.feeds, runs.outputs, strict=True):
        try:
            found = run_model(session, feed)
        except Exception as error:  # onnxruntime's exceptions have no common base
            return Outcome(job, "invalid model", "run", str(error)[:300])
        for index, (f, q) in enumerate(zip(wanted, found, strict=True)):
            if f is not None and q is not None and f.dtype.kind in "fiub":
                sums[index] += _signal_and_noise(f, q)
    told = {found.output for found in made.report.findings if found.kind == "random"}
    untold = [names[index] for index in runs.random if names[index] not in told]
    if untold:
        return Outcome(job, "far from float", f"output {untold[0]}", "it is random, and no warning says so")
    decibels = [_decibels(signal, noise) for signal, noise in sums]
    worst = min(range(len(names)), key=lambda index: decibels[index], default=None)
    if worst is None or decibels[worst] >= FLOOR_DB:
        return Outcome(job, "random" if runs.random else "good", sqnr_db=None if worst is None else decibels[worst])
    warned = any(found.output == names[worst] for found in made.report.findings)
    return Outcome(job, "warned" if warned else "far from float", f"output {names[worst]}", _placed(made), decibels[worst])


def _signal_and_noise(f: Array, q: Array) -> tuple[float, float]:
    """Energy of f and of the difference; a value that is not finite in one array alone is noise
    without end, as is another shape.
    """
    if f.shape != q.shape:
        return 0.0, math.inf
    a, b = np.asarray(f, np.float64), np.asarray(q, np.float64)
    with np.errstate(invalid="ignore"):
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        difference = np.where(same, 0.0, a - b)
    if not np.isfinite(difference).all():
        return 0.0, math.inf
    return float(np.square(a[np.isfinite(a)]).sum()), float(np.square(difference).sum())


def _decibels(signal: float, noise: float) -> float:
    if noise == 0:
        return math.inf
    return -math.inf if signal == 0 or math.isinf(noise) else 10 * math.log10(signal / noise)


def _placed(made: Quantized) -> str:
    return ", ".join(f"{node.op_type} {node.runs}" for node in made.plan.nodes.values())[:300]
