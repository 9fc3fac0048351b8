"""Let onnxsim simplify what edgeq's own passes leave, in a child process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import onnx
import onnx_ir as ir

from edgeq.graph.edit import replace_graph, vanished
from edgeq.graph.forms.constants import own_constants
from edgeq.graph.names import unique_names
from edgeq.graph.read import initializer_bytes, is_op, nodes
from edgeq.graph.shapes.symbolic_shapes import integers_are_short
from edgeq.graph.value_types import forget_maps
from edgeq.io.temporaries import ScratchFolder
from edgeq.io.validate import first_line
from edgeq.passes.prepare.computed_constants import SLACK_BYTES, ComputedConstants

#: seconds of a processor that onnxsim may take; the largest networks take some seconds. It is not
#: time that passes: whether a model is simplified must not depend on what else the machine does
PROCESSOR_S = 60
#: seconds that may pass: a hang must not stop a run
TIMEOUT_S = 1800.0
#: operators of shape arithmetic and expansion: while one is left, onnxsim may achieve more than
#: edgeq's passes
_WORTH_TRYING = ("Shape", "Size", "Range", "ConstantOfShape", "NonZero", "Expand", "Tile")
_REASON = "simplified away by onnxsim"


def simplify(model: ir.Model, timeout: float = TIMEOUT_S, *, processor: int = PROCESSOR_S, grow: bool = True) -> str:
    """Simplify in place if there is something to gain; returns a note for the report.

    The model is unchanged if onnxsim fails, crashes or hangs. Whoever calls this judges the result.
    timeout, processor: seconds that may pass, and of a processor. grow: whether constants may be
    folded that make the file grow.
    """
    settled = set() if grow else set(ComputedConstants(model).nodes)  # left as they are on purpose
    if not any(is_op(node, *_WORTH_TRYING) and node not in settled for node in nodes(model)):
        return "onnxsim was not run: nothing was left for it to simplify"
    if not integers_are_short(model):
        return "onnxsim was not run: the model computes integer values too large to follow"
    after, failure = _simplified(model, timeout, processor, "fold")
    if not grow and after is not None and initializer_bytes(after) > initializer_bytes(model) + SLACK_BYTES:
        after, failure = _simplified(model, timeout, processor, "keep")
    if after is None:
        return f"continued without onnxsim: {failure}"
    names = [node.name for node in nodes(model)]
    replace_graph(model, after)
    unique_names(model)
    left = {node.name for node in nodes(model)}
    vanished(model).update((name, _REASON) for name in names if name and name not in left)
    return f"onnxsim: {len(names)} nodes -> {len(left)}"


def _simplified(model: ir.Model, timeout: float, processor: int, constants: str) -> tuple[ir.Model | None, str]:
    """What onnxsim makes of the model; None and what went wrong."""
    with ScratchFolder() as folder:
        source, target = folder / "in.onnx", folder / "out.onnx"
        try:
            onnx.save(ir.to_proto(model), source)
            failure = _run_child((str(source), str(target), constants, str(processor)), target, timeout)
            return (_read(target), "") if failure is None else (None, failure)
        except Exception as error:  # more than 2 GiB, or a file that protobuf or onnx_ir cannot read
            return None, first_line(error)


def _read(path: Path) -> ir.Model:
    proto = onnx.load(path)
    forget_maps(proto, "onnxsim")
    model = ir.from_proto(proto)
    own_constants(model)
    return model


def _run_child(arguments: tuple[str, ...], target: Path, timeout: float) -> str | None:
    """None if the child process wrote its file, else what went wrong."""
    command = [sys.executable, "-P", "-m", "edgeq.rewrite.simplify_child", *arguments]
    try:
        done = subprocess.run(command, timeout=timeout, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except subprocess.TimeoutExpired:
        return f"it took more than {timeout:g} s"
    if hasattr(signal, "SIGXCPU") and done.returncode == -signal.SIGXCPU:
        return f"it took more than {arguments[-1]} s of a processor"
    if done.returncode < 0:
        return f"it crashed with signal {-done.returncode}"
    if done.returncode > 0 or not target.is_file():
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        named = [line for line in lines if "Error" in line]
        return f"it failed: {(named or lines)[-1][:200]}"
    return None
