"""Let onnxsim simplify what edgeq's own passes leave, in a child process.

Its result is used only if a comparison confirms it.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from edgeq.errors import EdgeqError, RuntimeRefused
from edgeq.graph.edit import replace_graph, vanished
from edgeq.graph.names import unique_names
from edgeq.graph.read import is_op, nodes
from edgeq.graph.symbolic_shapes import integers_are_short
from edgeq.io.validate import first_line
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.ort import Session, open_session

#: seconds; a hang must not stop a run, and the largest networks take some seconds
TIMEOUT_S = 60.0
#: operators of shape arithmetic and expansion: while one is left, onnxsim may achieve more than
#: edgeq's passes
_WORTH_TRYING = ("Shape", "Size", "Range", "ConstantOfShape", "NonZero", "Expand", "Tile")
#: tried in turn for dimensions of unknown size, until the model runs
_SIZES = (32, 224, 512)
#: largest number of elements of one input
_MAX_FEED = 1 << 26
_REASON = "simplified away by onnxsim"


def simplify(model: ir.Model, timeout: float = TIMEOUT_S) -> str:
    """Simplify in place if there is something to gain; returns a note for the report.

    The model is unchanged if onnxsim fails, crashes or hangs, or if its result has other inputs or
    outputs or computes other values.
    """
    if not any(is_op(node, *_WORTH_TRYING) for node in nodes(model)):
        return "onnxsim was not run: nothing was left for it to simplify"
    if not integers_are_short(model):
        return "onnxsim was not run: the model computes integer values too large to follow"
    with tempfile.TemporaryDirectory(prefix="edgeq-simplify-") as folder:
        source, target = Path(folder) / "in.onnx", Path(folder) / "out.onnx"
        before = ir.to_proto(model)
        try:
            onnx.save(before, source)
            failure = _run_child(source, target, timeout)
            after = onnx.load(target) if failure is None else before
        except (ValueError, OSError) as error:  # ValueError: more than 2 GiB
            return f"continued without onnxsim: {first_line(error)}"
    failure = failure or _difference(before, after)
    if failure is not None:
        return f"continued without onnxsim: {failure}"
    names = [node.name for node in nodes(model)]
    replace_graph(model, ir.from_proto(after))
    unique_names(model)
    left = {node.name for node in nodes(model)}
    vanished(model).update((name, _REASON) for name in names if name and name not in left)
    return f"onnxsim: {len(names)} nodes -> {len(left)}"


def _run_child(source: Path, target: Path, timeout: float) -> str | None:
    """None if the child process wrote its file, else what went wrong."""
    command = [sys.executable, "-P", "-m", "edgeq.rewrite.simplify_child", str(source), str(target)]
    try:
        done = subprocess.run(command, timeout=timeout, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except subprocess.TimeoutExpired:
        return f"it took more than {timeout:g} s"
    if done.returncode < 0:
        return f"it crashed with signal {-done.returncode}"
    if done.returncode > 0 or not target.is_file():
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        named = [line for line in lines if "Error" in line]
        return f"it failed: {(named or lines)[-1][:200]}"
    return None


def _difference(before: onnx.ModelProto, after: onnx.ModelProto) -> str | None:
    """How `after` differs from `before`, or None."""
    if _interface(before) != _interface(after):
        return "it changed the inputs or outputs"
    try:
        onnx.checker.check_model(after)
        with open_session(ir.from_proto(before), optimize="off") as one, open_session(ir.from_proto(after), optimize="off") as two:
            feeds, wanted = _first_run(one, ir.from_proto(before))
            same = all(_equal(a, b) for a, b in zip(wanted, two.run(feeds), strict=True))
    except (EdgeqError, ValueError, onnx.checker.ValidationError) as error:
        return f"its result could not be checked ({first_line(error)})"
    return None if same else "its result computes other values"


def _first_run(session: Session, model: ir.Model) -> tuple[dict[str, AnyArray], list[AnyArray]]:
    """Feeds that the model accepts, and its outputs.

    Raises RuntimeRefused if it accepts none of the sizes tried.
    """
    for size in _SIZES[:-1]:
        feeds = random_feeds(model, size)
        try:
            return feeds, session.run(feeds)
        except RuntimeRefused:
            continue
    feeds = random_feeds(model, _SIZES[-1])
    return feeds, session.run(feeds)


def _interface(proto: onnx.ModelProto) -> list[tuple[str, int]]:
    constants = {tensor.name for tensor in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in constants]
    return [(value.name, value.type.tensor_type.elem_type) for value in (*inputs, *proto.graph.output)]


def random_feeds(model: ir.Model, size: int = 32) -> dict[str, AnyArray]:
    """Seeded feeds: standard normal floats, and zeros and ones for integers.

    Unknown sizes are 2 on axis 0 and `size` elsewhere; dimensions of the same name get the same
    size. Raises ValueError for an input of unknown rank or type, or one that is too large.
    """
    rng = np.random.default_rng(0)
    feeds: dict[str, AnyArray] = {}
    named: dict[str, int] = {}
    for value in model.graph.inputs:
        if value.shape is None or value.dtype is None:
            raise ValueError(f"input {value.name} has no known rank or type")
        shape = []
        for axis, known in enumerate(value.shape):
            guess = 2 if axis == 0 else size
            shape.append(known if isinstance(known, int) else named.setdefault(str(known.value or (value.name, axis)), guess))
        if math.prod(shape) > _MAX_FEED:
            raise ValueError(f"input {value.name} of shape {shape} is too large to try")
        kind = value.dtype.numpy()
        integer = np.issubdtype(kind, np.integer) or kind == np.bool_
        feeds[value.name or ""] = (rng.integers(0, 2, shape) if integer else rng.standard_normal(shape)).astype(kind)
    return feeds


def _equal(a: AnyArray, b: AnyArray) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if not np.issubdtype(a.dtype, np.floating):
        return np.array_equal(a, b)
    top = float(np.max(np.abs(a), initial=0.0))
    return bool(np.allclose(a, b, rtol=1e-4, atol=1e-5 * max(top, 1e-3), equal_nan=True))
