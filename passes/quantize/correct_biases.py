"""Replace biases by ones that compensate the mean error of the rounded weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, drop_unread_constants
from edgeq.graph.read import constant, nodes, owner


@dataclass(frozen=True)
class CorrectBiases(ir.passes.InPlacePass):
    """Replace the constant bias of the named nodes.

    Before:  y = Conv(x, w, b)
    After:   y = Conv(x, w, b_corrected)

    A bias that other nodes share is unchanged for them.
    """

    #: node name -> new bias
    biases: Mapping[str, tuple[float, ...]]
    #: index of the bias among the node's inputs
    input: int = 2

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        modified = False
        for node in list(nodes(model)):
            wanted = self.biases.get(str(node.name))
            old = node.inputs[self.input] if wanted is not None and len(node.inputs) > self.input else None
            present = constant(old)
            if wanted is None or old is None or present is None:
                continue
            bias = np.array(wanted, np.float32)
            if np.array_equal(bias, present.reshape(-1)):
                continue
            shape = present.shape if present.size == bias.size else bias.shape
            node.replace_input_with(self.input, add_constant(owner(node), bias.reshape(shape), names.value(f"{old.name}_corrected")))
            modified = True
        if modified:
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified)
