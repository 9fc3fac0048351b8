"""The layers with a constant weight that a plan runs in integers, whose rounding can be chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.find_layer import layer_of
from edgeq.graph.layer import Layer
from edgeq.graph.read import constant, nodes
from edgeq.numerics.arrays import F32
from edgeq.schema.plan import Plan
from edgeq.schema.target import Target
from edgeq.schema.target_facts import KernelFacts
from edgeq.schema.weights import weight_key


@dataclass(frozen=True)
class Weighted:
    """A node with a constant weight that the plan runs in integers."""

    node: ir.Node
    layer: Layer
    kernel: KernelFacts
    #: weight_key of the weight in the plan
    key: str
    #: name of the weight's value
    weight: str

    def array(self) -> F32:
        """The weight in its own shape."""
        assert self.kernel.weight is not None
        return np.asarray(constant(self.node.inputs[self.kernel.weight]), np.float32)

    def rows(self) -> F32:
        """The weight as [G, C, K]."""
        return self.layer.weight_rows(self.array())


def weighted_layers(model: ir.Model, plan: Plan, target: Target) -> tuple[Weighted, ...]:
    """The layers whose weights can be rounded freely, in graph order."""
    found = []
    for node in nodes(model):
        kernel = target.kernel_of(node.op_type)
        if kernel is None or kernel.weight is None or weight_key(node.name, kernel.weight) not in plan.weights:
            continue
        layer, value = layer_of(node, kernel.weight), node.inputs[kernel.weight]
        known = layer is not None and (layer.source in plan.grids or plan.nodes[str(node.name)].runs == "dynamic")
        if layer is not None and value is not None and known:
            found.append(Weighted(node, layer, kernel, weight_key(node.name, kernel.weight), str(value.name)))
    return tuple(found)
