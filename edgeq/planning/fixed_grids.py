"""Grids that do not depend on data: those of kernels (TFLite's Softmax: 1/256) and raw pixels.

Where float kernels exist, a kernel whose only grid is too coarse for what was seen is not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx_ir as ir

from edgeq.calibration.tensor_stats import TensorStats
from edgeq.graph.code_grids import recorded_grid
from edgeq.graph.read import is_op, nodes
from edgeq.numerics.grid import QuantParams, dequantize, quantize
from edgeq.planning.cut.placement_cut import Cause
from edgeq.planning.parts import SERVED_DB
from edgeq.schema.target import Target
from edgeq.schema.target_facts import ActivationFacts, OutputGrid


def fixed_grids(model: ir.Model, target: Target) -> dict[str, QuantParams]:
    """Values whose grid is not a choice, with that grid.

    It is fixed by the producing kernel (TFLite's Softmax: 1/256), or recorded for a model input.
    """
    inputs = {str(value.name): recorded_grid(model, str(value.name)) for value in model.graph.inputs}
    found = {name: grid for name, grid in inputs.items() if grid is not None}
    return found | {str(node.outputs[0].name): grid for node, grid in kernel_grids(model, target)}


def kernel_grids(model: ir.Model, target: Target) -> Iterator[tuple[ir.Node, QuantParams]]:
    """The nodes whose integer kernel has one output grid, with that grid."""
    for node in nodes(model):
        kernel = target.kernel_of(node.op_type)
        if kernel is not None and kernel.output_grid is not None and is_op(node, kernel.op):
            yield node, _as_params(kernel.output_grid, target.activations)


def wide_kernel_grids(model: ir.Model, target: Target) -> dict[str, QuantParams]:
    """What nodes make whose kernel of 16 bits has one output grid, with that grid."""
    wide = target.wide
    if wide is None:
        return {}
    made = [node for node in nodes(model) if node.op_type in wide.output_grids and node.op_type in wide.ops]
    return {str(node.outputs[0].name): _as_params(wide.output_grids[node.op_type], wide) for node in made}


def _as_params(grid: OutputGrid, facts: ActivationFacts) -> QuantParams:
    return QuantParams(facts.dtype, np.asarray(grid.scale, np.float32), np.asarray(grid.zero_point, np.int32))


def too_coarse(model: ir.Model, statistics: Mapping[str, TensorStats], target: Target) -> dict[str, Cause]:
    """The nodes that are to stay float because that grid would not serve what they make here.

    None on targets without float kernels. Serving is what it is for a part of a Concat: SERVED_DB.
    """
    found: dict[str, Cause] = {}
    for node, grid in () if target.integer_only else kernel_grids(model, target):
        stats = statistics.get(str(node.outputs[0].name))
        if stats is None or not stats.counts.sum():
            continue
        numbers = np.clip((stats.first + np.arange(stats.counts.size) + 0.5) * stats.width, stats.low, stats.high)
        rounded = dequantize(quantize(numbers, grid), grid).astype(np.float64)
        signal, noise = float(stats.counts @ numbers**2), float(stats.counts @ (numbers - rounded) ** 2)
        if signal < noise * 10 ** (SERVED_DB / 10):
            step = f"the integer kernel of {node.op_type} has one output grid, of scale {float(grid.scale):g}"
            found[str(node.name)] = Cause("unfit", f"{step}: too coarse for what it makes here, [{stats.low:.4g}, {stats.high:.4g}]")
    return found
