"""Which channels can be scaled without changing the model's result, and which only together.

A channel scaled by u > 0 where a layer makes it (its weights and bias times u) and by 1/u where a
layer reads it (its weights over u) changes nothing else as long as every operator in between is
positively homogeneous and keeps channels apart: Relu, pooling, Add, Concat. Channels tied by such
operators form one class. A class that reaches anything else (an output, Sigmoid, Softmax, ...) is
not scaled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.channels.rules import RULES
from edgeq.graph.channels.ties import Ties
from edgeq.graph.find_layer import scalable_layer
from edgeq.graph.read import constant, operator_of
from edgeq.numerics.arrays import I64


@dataclass(frozen=True, eq=False)
class Channels:
    """The channels of a model's values, in classes that can only be scaled together."""

    #: value name -> class of each channel [C], -1 where it must not be scaled
    classes: dict[str, I64]
    #: value name -> axis of its channels
    axis: dict[str, int]

    @property
    def count(self) -> int:
        """The number of classes."""
        return max((int(ids.max(initial=-1)) for ids in self.classes.values()), default=-1) + 1


def channel_classes(model: ir.Model) -> Channels:
    """Find the classes in the main graph of a prepared model.

    Values that a body reads, and all values inside bodies, are not scaled.
    """
    ties = Ties()
    for node in model.graph:
        if not _hand_on(ties, node):
            _hold_inputs(ties, node)
        for value in node.outputs:
            ids = ties.of(value)
            if ids is not None and (value.is_graph_output() or any(use.node.graph is not node.graph for use in value.uses())):
                ties.hold(ids)
    return Channels(ties.classes(), ties.axis)


def _hand_on(ties: Ties, node: ir.Node) -> bool:
    """Name the channels of the node's output.

    Returns False when the channels of the node's inputs must not be scaled.
    """
    layer = scalable_layer(node)
    if layer is not None and layer.axis is not None:
        known = ties.of(node.inputs[0])
        if known is not None and (ties.axis_of(node.inputs[0]) != layer.axis or known.size != layer.in_channels):
            ties.hold(known)
        return not _shares(node) and not _only_adds(node) and ties.name(node.outputs[0], ties.fresh(layer.out_channels), layer.axis)
    rule = operator_of(node).channels
    return rule is not None and RULES[rule](ties, node)


def _shares(node: ir.Node) -> bool:
    """Whether the layer shares its weight with other nodes.

    Scaling it for one of them would double the file. Of a bias, small as it is, each gets its own.
    """
    weight = node.inputs[1]
    return weight is not None and len(weight.uses()) > 1


def _only_adds(node: ir.Node) -> bool:
    """Whether the layer only adds its bias.

    Its weights of 1 are exact on every grid, and scaled ones would not be.
    """
    weight = constant(node.inputs[1])
    return weight is not None and weight.size == weight.shape[0] > 0 and bool(np.all(weight == 1))


def _hold_inputs(ties: Ties, node: ir.Node) -> None:
    for value in node.inputs:
        ids = ties.of(value)
        if ids is not None:
            ties.hold(ids)
