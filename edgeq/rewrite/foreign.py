"""The passes that bring a model of another tool into the form that integers/ reads, in order.

A comment at each pass gives the reason for its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass, TopologicalSortPass

from edgeq.graph.read import is_op
from edgeq.numerics.grid import QuantParams
from edgeq.passes.boundary.qoperator_to_qdq import QoperatorToQdq
from edgeq.passes.foreign.accumulator_biases import AccumulatorBiases
from edgeq.passes.foreign.add_to_bias import AddToBias
from edgeq.passes.foreign.average_as_conv import AverageAsConv
from edgeq.passes.foreign.fold_moved_weights import FoldMovedWeights
from edgeq.passes.foreign.fold_quantized import FoldQuantized
from edgeq.passes.foreign.join_grids import JoinGrids
from edgeq.passes.foreign.one_quantizer import OneQuantizer
from edgeq.passes.foreign.one_scale import OneScale
from edgeq.passes.foreign.onnx_own_qdq import OnnxOwnQdq
from edgeq.passes.foreign.own_grids import OwnGrids
from edgeq.passes.foreign.pair_movement import PairMovement
from edgeq.passes.foreign.symmetric_weights import SymmetricWeights
from edgeq.passes.lower.pad_all_axes import PadAllAxes
from edgeq.passes.lower.plain_average_pool import PlainAveragePool
from edgeq.passes.lower.resize_all_axes import ResizeAllAxes
from edgeq.passes.place.requantize_inputs import RequantizeInputs
from edgeq.passes.prepare.convert_opset import ConvertOpset
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.passes.prepare.lift_constants import LiftConstants
from edgeq.passes.prepare.remove_identity import RemoveIdentity
from edgeq.passes.prepare.remove_unread import RemoveUnread
from edgeq.schema.target import Target


def as_qdq(model: ir.Model, target: Target) -> None:
    """Write a quantized model of any tool, in place, as ONNX's operators between Q and DQ nodes.

    Raises UnsupportedOpset.
    """
    steps: tuple[ir.passes.InPlacePass, ...] = (
        LiftConstants(),  # first: every pass looks for constants among the initializers
        OnnxOwnQdq(),  # before QOperator nodes are replaced, whose pairs are ONNX's own
        QoperatorToQdq(),
        RemoveUnread(),  # before the converter, which could fail at a node that nothing needs
        ConvertOpset(target.min_opset, target.max_opset),  # so that all later passes meet one form of each operator
        LiftConstants(),  # the converter leaves Constant nodes for what were attributes
    )
    for step in steps:
        step(model)


@dataclass(frozen=True)
class Leave:
    """What a normalisation may do."""

    #: whether numbers may be rounded anew, where the runtime's rules need it
    rounding: bool = False


def normalised(model: ir.Model, target: Target, leave: Leave) -> None:
    """Bring a Q/DQ model of fixed sizes, in place, as near to the target's rules as it may come.

    Without leave to round, codes and grids of activations and weights stand for the same numbers
    as before, and only roundings of at most one step of an output are added. What the rules do not
    allow then is left for the checks.
    """
    concats = frozenset(str(node.name) for node in model.graph if is_op(node, "Concat"))
    steps: tuple[ir.passes.InPlacePass, ...] = (
        RemoveIdentity(),  # first: an Identity in between would hide the patterns of all others
        FoldQuantized(),  # a weight is its codes
        FoldMovedWeights(),  # after it: the codes are moved, and not the reals
        OneQuantizer(),  # before all that asks for the one QuantizeLinear behind a value
        *((JoinGrids(),) if leave.rounding else ()),  # likewise
        OneScale(),  # before biases and pairs, which ask for the one scale of a value
        AddToBias(),  # an Add would need a grid before it
        PlainAveragePool(),
        PadAllAxes(),
        ResizeAllAxes(),
        InferShapes(),  # a pair has the shape of its value
        PairMovement(),
        OneQuantizer(),  # pairs may meet
        AverageAsConv(),  # before a pool's grid would be requantized
        OwnGrids(_fixed_grids(target), _kept(target), leave.rounding),  # the grids of inputs are there by now
        RequantizeInputs(concats),
        FoldQuantized(),  # constants that were paired
        SymmetricWeights(leave.rounding),
        AccumulatorBiases(leave.rounding),  # last: it needs the grids of inputs and weights
        RemoveUnusedNodesPass(),
        TopologicalSortPass(),
        InferShapes(),
    )
    for step in steps:
        step(model)


def _fixed_grids(target: Target) -> Mapping[str, QuantParams]:
    """Operator -> the grid that the target's kernel gives its output."""
    return {
        kernel.op: QuantParams(
            target.activations.dtype,
            np.asarray(kernel.output_grid.scale, np.float32),
            np.asarray(kernel.output_grid.zero_point, np.int32),
        )
        for kernel in target.kernel
        if kernel.output_grid is not None
    }


def _kept(target: Target) -> frozenset[str]:
    """The operators whose output has the grid of their input and that compute new numbers."""
    return frozenset(kernel.op for kernel in target.kernel if kernel.same_scale and kernel.op != "Concat")
