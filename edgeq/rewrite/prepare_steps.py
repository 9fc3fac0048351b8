"""The passes of preparation in order, and what each is called where it is put aside.

A comment at each pass gives the reason for its place.
"""

from __future__ import annotations

import onnx_ir as ir

from edgeq.passes.prepare.cancel_transposes import CancelTransposes
from edgeq.passes.prepare.compute_in_float32 import ComputeInFloat32
from edgeq.passes.prepare.convert_opset import ConvertOpset
from edgeq.passes.prepare.fold_affine import FoldAffine
from edgeq.passes.prepare.fold_batch_norm import FoldBatchNorm
from edgeq.passes.prepare.fold_batch_norm_forward import FoldBatchNormForward
from edgeq.passes.prepare.fold_constants import FoldConstants
from edgeq.passes.prepare.fold_shapes import FoldShapes
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.passes.prepare.join_affine import JoinAffine
from edgeq.passes.prepare.lift_constants import LiftConstants
from edgeq.passes.prepare.lower_batch_norm import LowerBatchNorm
from edgeq.passes.prepare.matmul_add_to_gemm import MatMulAddToGemm
from edgeq.passes.prepare.mean_to_global_pool import MeanToGlobalPool
from edgeq.passes.prepare.plain_gemm import PlainGemm
from edgeq.passes.prepare.recognize.einsum_to_matmul import EinsumToMatMul
from edgeq.passes.prepare.recognize.fuse_functions import FuseFunctions
from edgeq.passes.prepare.recognize.fuse_norms import FuseNorms
from edgeq.passes.prepare.remove_identity import RemoveIdentity
from edgeq.passes.prepare.remove_unread import RemoveUnread
from edgeq.passes.prepare.sum_to_adds import SumToAdds

#: what the tools of others are called; a failure inside them is no failure of the run
OUTSIDE = {
    "ConvertOpset": "onnx's opset converter",
    "InferShapes": "onnx's shape inference",
    "FoldConstants": "onnxscript's constant folding",
    "onnxsim": "onnxsim",
}


def words_for(step: str) -> str:
    """What a step is called in a note."""
    return OUTSIDE.get(step, f"edgeq's own pass {step}")


def optional_steps() -> tuple[str, ...]:
    """Names of the steps that a model can do without, those that gain the most first."""
    kinds = (*once(1, 1), *rounds(), *last())
    return tuple(dict.fromkeys(("InferShapes", *(type(step).__name__ for step in kinds), "onnxsim")))


def once(lowest: int, highest: int) -> tuple[ir.passes.InPlacePass, ...]:
    """The passes that run once, at the start. lowest, highest: the range of opsets."""
    return (
        LiftConstants(),  # first: the opset converter and every pass look for constants among the initializers
        RemoveUnread(),  # before the converter, which could fail at a node that nothing needs
        ConvertOpset(lowest, highest),  # so that all later passes meet one form of each operator
        LiftConstants(),  # the converter leaves Constant nodes for what were attributes
        ComputeInFloat32(),  # before folding, so that products of weights are not rounded to half floats
        InferShapes(),  # ranks and sizes for what follows
    )


def before_recognition(grow: bool = False) -> tuple[ir.passes.InPlacePass, ...]:
    """The first passes of each round; what they leave is recognized before anything is folded."""
    return (
        RemoveIdentity(),  # first: an Identity in between would hide the patterns of all others
        FoldConstants(grow),  # a weight may be computed: Transpose, Cast, Mul of initializers
        FoldShapes(),  # a Reshape may turn out to be a Flatten, or to change nothing: then the next round removes it
        EinsumToMatMul(),  # before what looks for products
        PlainGemm(),  # before what folds into a Gemm or asks for its bias
        SumToAdds(),  # before what looks for Adds
        CancelTransposes(),  # before what looks for neighbours: a Transpose in between hides them
    )


def rounds(grow: bool = False, norms: bool = True) -> tuple[ir.passes.InPlacePass, ...]:
    """The passes that run until none of them finds anything.

    grow: see FoldConstants. norms: whether FuseNorms is among them.
    """
    return (
        *before_recognition(grow),
        FuseFunctions(),  # before affine folding, which could move a factor or an Add of theirs into a weight
        *((FuseNorms(),) if norms else ()),  # before affine folding, for the same reason
        FoldBatchNorm(),  # the exact fold, before the others
        MatMulAddToGemm(),  # gives a MatMul the bias that FoldAffine folds into
        FoldAffine(),  # after the Gemm is there
        JoinAffine(),  # only what no layer before it took
        FoldBatchNormForward(),  # only what could not fold back
        MeanToGlobalPool(),  # leaves a Flatten, which the next round may find redundant
    )


def last() -> tuple[ir.passes.InPlacePass, ...]:
    """The passes that run once, at the end."""
    return (
        LowerBatchNorm(),  # last: only what no fold took
        RemoveUnread(),  # the constants of all that is gone
        InferShapes(),  # for values that passes made
    )
