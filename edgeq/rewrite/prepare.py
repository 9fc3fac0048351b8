"""Prepare a float model for calibration: one canonical form for each construct, no dead nodes.

Node names are final after this step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx
import onnx_ir as ir

from edgeq.errors import BadModel
from edgeq.graph.edit import vanished
from edgeq.graph.freeze import freeze_shapes
from edgeq.graph.names import unique_names
from edgeq.graph.read import nodes
from edgeq.io.validate import first_line
from edgeq.passes.prepare.compute_in_float32 import ComputeInFloat32
from edgeq.passes.prepare.convert_opset import ConvertOpset
from edgeq.passes.prepare.fold_affine import FoldAffine
from edgeq.passes.prepare.fold_batch_norm import FoldBatchNorm
from edgeq.passes.prepare.fold_batch_norm_forward import FoldBatchNormForward
from edgeq.passes.prepare.fold_constants import FoldConstants
from edgeq.passes.prepare.fold_shapes import FoldShapes
from edgeq.passes.prepare.fuse_gelu import OPSET as GELU_OPSET
from edgeq.passes.prepare.fuse_gelu import FuseGelu, match_gelu
from edgeq.passes.prepare.fuse_hardswish import FuseHardSwish, match_hardswish
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.passes.prepare.lift_constants import LiftConstants
from edgeq.passes.prepare.lower_batch_norm import LowerBatchNorm
from edgeq.passes.prepare.matmul_add_to_gemm import MatMulAddToGemm
from edgeq.passes.prepare.mean_to_global_pool import MeanToGlobalPool
from edgeq.passes.prepare.remove_identity import RemoveIdentity
from edgeq.passes.prepare.remove_unread import RemoveUnread
from edgeq.rewrite.simplify import simplify

#: one fold can enable another; real models settle in 3 rounds
MAX_ROUNDS = 10


@dataclass(frozen=True)
class Prepared:
    """A float model that is ready for calibration."""

    #: a copy of the float model
    model: ir.Model
    #: name of a node of the float model that was removed -> what became of it
    vanished: dict[str, str]
    #: lines for the report
    notes: tuple[str, ...]


def prepare(
    model: ir.Model,
    *,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    opset: int | None = None,
    min_opset: int = 13,
    max_opset: int = 21,
) -> Prepared:
    """A copy that calibration measures and quantization rewrites; it computes the same.

    Inputs and outputs are those of `model`. shapes: input name -> sizes, to freeze dynamic
    dimensions. opset: the opset to convert to; None: convert only if the model's is outside
    min_opset..max_opset. Raises UnsupportedOpset if no opset fits, BadRecipe if shapes do not fit,
    BadModel if the result is not valid.
    """
    own = model.clone()
    float_nodes = [node.name for node in nodes(model) if node.name]
    vanished(own).clear()
    freeze_shapes(own, shapes or {})
    if opset is None and any(match_hardswish(node) for node in nodes(own)):
        min_opset = max(min_opset, 14)  # HardSwish exists from 14 on
    if opset is None and max_opset >= GELU_OPSET and any(match_gelu(node) is not None for node in nodes(own)):
        min_opset = max(min_opset, GELU_OPSET)
    lowest, highest = (opset, opset) if opset is not None else (min_opset, max_opset)
    notes = [note for step in _once(lowest, highest) if (note := _noted(step, own)) is not None]
    _until_settled(own)
    notes.append(simplify(own))
    if notes[-1].startswith("onnxsim:"):
        _until_settled(own)
    for step in _last():
        step(own)
    unique_names(own)
    _check(own)
    left = {node.name for node in nodes(own)}
    reasons = vanished(own)
    gone = {name: reasons.get(name, "simplified away") for name in float_nodes if name not in left}
    return Prepared(own, gone, tuple(notes))


def _noted(step: ir.passes.InPlacePass, model: ir.Model) -> str | None:
    """Run one pass; returns a note if it did something that the user should know."""
    opset = model.opset_imports.get("", 0)
    modified = step(model).modified
    if model.opset_imports.get("", 0) != opset:
        return f"opset {opset} was converted to {model.opset_imports['']}"
    if modified and isinstance(step, ComputeInFloat32):
        return "computed in float32; inputs and outputs keep their own float type"
    return None


def _once(lowest: int, highest: int) -> tuple[ir.passes.InPlacePass, ...]:
    return (
        LiftConstants(),  # first: the opset converter and every pass look for constants among the initializers
        RemoveUnread(),  # before the converter, which could fail at a node that nothing needs
        ConvertOpset(lowest, highest),  # so that all later passes meet one form of each operator
        LiftConstants(),  # the converter leaves Constant nodes for what were attributes
        ComputeInFloat32(),  # before folding, so that products of weights are not rounded to half floats
        InferShapes(),  # ranks and sizes for what follows
    )


def _rounds() -> tuple[ir.passes.InPlacePass, ...]:
    return (
        RemoveIdentity(),  # first: an Identity in between would hide the patterns of all others
        FoldConstants(),  # a weight may be computed: Transpose, Cast, Mul of initializers
        FoldShapes(),  # a Reshape may turn out to be a Flatten, or to change nothing: then the next round removes it
        FuseGelu(),  # before affine folding, which could move a factor into a weight
        FuseHardSwish(),  # before affine folding, which could take its Add away
        FoldBatchNorm(),  # the exact fold, before the others
        MatMulAddToGemm(),  # gives a MatMul the bias that FoldAffine folds into
        FoldAffine(),  # after the Gemm is there
        FoldBatchNormForward(),  # only what could not fold back
        MeanToGlobalPool(),  # leaves a Flatten, which the next round may find redundant
    )


def _last() -> tuple[ir.passes.InPlacePass, ...]:
    return (
        LowerBatchNorm(),  # last: only what no fold took
        RemoveUnread(),  # the constants of all that is gone
        InferShapes(),  # for values that passes made
    )


def _until_settled(model: ir.Model) -> None:
    for _ in range(MAX_ROUNDS):
        modified = [step(model).modified for step in _rounds()]
        if not any(modified):
            return
        InferShapes()(model)


def _check(model: ir.Model) -> None:
    """Raise BadModel unless the prepared model is valid; later steps would be blamed otherwise."""
    proto = ir.to_proto(model)
    try:
        if proto.ByteSize() < onnx.checker.MAXIMUM_PROTOBUF:
            onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        what = f"Preparing the model made it invalid: {first_line(error)}"
        raise BadModel(what, "prepare", "Please report this with the model; `python -m onnxsim` on it first may help.") from error
