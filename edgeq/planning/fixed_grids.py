"""Grids that do not depend on data: those of kernels (TFLite's Softmax: 1/256) and raw pixels."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.graph.code_grids import recorded_grid
from edgeq.graph.read import is_op, nodes
from edgeq.numerics.grid import QuantParams
from edgeq.schema.target import Target


def fixed_grids(model: ir.Model, target: Target) -> dict[str, QuantParams]:
    """Values whose grid is not a choice, with that grid.

    It is fixed by the producing kernel (TFLite's Softmax: 1/256), or recorded for a model input.
    """
    inputs = {str(value.name): recorded_grid(model, str(value.name)) for value in model.graph.inputs}
    found = {name: grid for name, grid in inputs.items() if grid is not None}
    for node in nodes(model):
        kernel = target.kernel_of(node.op_type)
        if kernel is not None and kernel.output_grid is not None and is_op(node, kernel.op):
            grid = kernel.output_grid
            scale, zero = np.asarray(grid.scale, np.float32), np.asarray(grid.zero_point, np.int32)
            found[str(node.outputs[0].name)] = QuantParams(target.activations.dtype, scale, zero)
    return found
