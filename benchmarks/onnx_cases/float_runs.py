"""Whether a float model is valid and runs, and feeds that resemble one that it runs on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from benchmarks.measures.feeds import Array, Feed
from edgeq.runtimes.ort_values import Values

#: feeds for one case: enough for a range, few enough for thousands of cases
SAMPLES = 8
#: how far a feed is from the case's own, as a share of each value
SPREAD = 0.1
#: runs on one feed that tell whether outputs are random: onnxruntime draws the same numbers in the
#: first two runs of a Dropout whose seed is 0
REPEATS = 4
#: smaller float inputs (scales, bounds, a ratio) decide about shapes, and stay as they are
SMALLEST_VARIED = 5


@dataclass(frozen=True, eq=False)
class FloatRuns:
    """What the float model computes."""

    #: the feeds, the case's own first
    feeds: tuple[Feed, ...]
    #: outputs by feed, as output_array of edgeq/runtimes/ort_values.py gives them; None: numbers
    #: that are others in every run
    outputs: tuple[tuple[Array | None, ...], ...]

    @property
    def random(self) -> tuple[int, ...]:
        """The positions of the outputs that are others in every run."""
        return tuple(index for index, array in enumerate(self.outputs[0]) if array is None)


def open_model(model: onnx.ModelProto, optimized: bool = True):  # type: ignore[no-untyped-def]  # onnxruntime has no types
    """A session of onnxruntime with one thread, silent."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def float_runs(model: onnx.ModelProto, feed: Feed) -> FloatRuns | str:
    """The float model's outputs on SAMPLES feeds; a text: why it is not valid or does not run.

    The feeds are varied as long as the outputs keep their shapes and do not lose finite values;
    otherwise all are the case's own.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker, shape inference and protobuf each have their own
        return f"checker: {_first_line(error)}"
    try:
        session = open_model(model)
        own = _repeatable([run_model(session, feed) for _ in range(REPEATS)])
    except Exception as error:  # onnxruntime's exceptions have no common base
        return f"onnxruntime: {_first_line(error)}"
    varied = tuple(_varied(feed, index) for index in range(SAMPLES))
    try:
        outputs = tuple(run_model(session, one) for one in varied)
    except Exception:  # a variation that does not run is none
        outputs = ()
    outputs = tuple(tuple(None if a is None else b for a, b in zip(own, other, strict=True)) for other in outputs)
    if outputs and all(_alike(own, other) for other in outputs):
        return FloatRuns(varied, outputs)
    return FloatRuns((feed,) * SAMPLES, (own,) * SAMPLES)


def run_model(session, feed: Feed) -> tuple[Array, ...]:  # type: ignore[no-untyped-def]  # onnxruntime has no types
    """The outputs of one run, as edgeq's own runs give them, of every type of ONNX.

    An array for a sequence is fed part by part.
    """
    given = {name: np.asarray(array) for name, array in feed.items()}
    return tuple(Values.of(session).run(session, [one.name for one in session.get_outputs()], given))


def _repeatable(runs: Sequence[tuple[Array, ...]]) -> tuple[Array | None, ...]:
    """The outputs of the first run, without those that are others in another (a random mask)."""
    alike = [all(_bytes(one) == _bytes(first) for one in more) for first, *more in zip(*runs, strict=True)]
    return tuple(array if same else None for array, same in zip(runs[0], alike, strict=True))


def _bytes(array: Array) -> bytes:
    return repr(array.tolist()).encode() if array.dtype.kind == "O" else array.tobytes()


def _varied(feed: Feed, index: int) -> Feed:
    rng = np.random.default_rng(index)
    return {name: _varied_array(array, rng) if index else np.asarray(array) for name, array in feed.items()}


def _varied_array(array: Array, rng: np.random.Generator) -> Array:
    if array.dtype.kind != "f" or array.size < SMALLEST_VARIED:
        return np.asarray(array)
    with np.errstate(invalid="ignore"):
        return np.asarray(array * rng.uniform(1 - SPREAD, 1, array.shape)).astype(array.dtype)


def _alike(own: Sequence[Array | None], other: Sequence[Array | None]) -> bool:
    return all(_like(a, b) for a, b in zip(own, other, strict=True))


def _like(a: Array | None, b: Array | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and (a.dtype.kind != "f" or bool(np.isfinite(b).sum() >= np.isfinite(a).sum()))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
