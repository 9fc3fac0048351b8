"""Whether a float model is valid and runs, and feeds that resemble one that it runs on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from benchmarks.measures.feeds import Array, Feed

#: feeds for one case: enough for a range, few enough for thousands of cases
SAMPLES = 8
#: how far a feed is from the case's own, as a share of each value
SPREAD = 0.1
#: smaller float inputs (scales, bounds, a ratio) decide about shapes, and stay as they are
SMALLEST_VARIED = 5


@dataclass(frozen=True, eq=False)
class FloatRuns:
    """What the float model computes."""

    #: the feeds, the case's own first
    feeds: tuple[Feed, ...]
    #: outputs by feed, a sequence as its elements laid end to end; None: an optional that is empty,
    #: or numbers that are others in every run
    outputs: tuple[tuple[Array | None, ...], ...]


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
        own = _repeatable(run_model(session, feed), run_model(session, feed))
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


def run_model(session, feed: Feed) -> tuple[Array | None, ...]:  # type: ignore[no-untyped-def]  # onnxruntime has no types
    """The outputs of one run, as in FloatRuns. An array for a sequence is fed part by part."""
    given: dict[str, object] = {name: np.asarray(array) for name, array in feed.items()}
    given.update({one.name: list(feed[one.name]) for one in session.get_inputs() if "seq(" in one.type and one.name in feed})
    return tuple(_flat(value) for value in session.run(None, given))


def _flat(value: object) -> Array | None:
    if isinstance(value, list) and value and all(isinstance(part, np.ndarray) for part in value):
        return np.concatenate([part.reshape(-1) for part in value])
    return value if isinstance(value, np.ndarray) else None


def _repeatable(first: Sequence[Array | None], second: Sequence[Array | None]) -> tuple[Array | None, ...]:
    """The outputs, without those that are other numbers in a second run (a random mask)."""
    same = [a is not None and b is not None and a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True)]
    return tuple(a if alike else None for a, alike in zip(first, same, strict=True))


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
