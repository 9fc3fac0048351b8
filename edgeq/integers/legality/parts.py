"""The rule about outputs whose parts, joined by a Concat, are too narrow for the grid they share.

The file does not tell the ranges of values. A part is known to be narrow where its own grid, or the
operator that makes it (a Sigmoid: 0..1; a table of codes), bounds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx_ir as ir

from edgeq.graph.code_grids import known_grids
from edgeq.graph.parts import parts_of
from edgeq.graph.read import constant, operator_of
from edgeq.integers.legality.violation import Violation
from edgeq.numerics.grid import QuantParams, dequantize
from edgeq.passes.boundary.qoperator_to_qdq import QoperatorToQdq
from edgeq.passes.prepare.infer_shapes import InferShapes

#: a part that spans fewer steps of the grid is not served by it: evenly spread numbers keep
#: 20 log10(2 * 10) = 26 dB then (edgeq/planning/parts.py)
FEWEST_STEPS = 10.0


def part_rules(model: ir.Model) -> Iterator[Violation]:
    """Find outputs whose grid gives fewer than FEWEST_STEPS steps to one of their parts."""
    own = model.clone()
    QoperatorToQdq()(own)
    InferShapes()(own)
    grids = known_grids(own)
    for output in own.graph.outputs:
        parts = parts_of(output)
        grid = _grid(output, grids)
        if len(parts) < 2 or grid is None or grid.scale.size != 1:
            continue
        for part in parts:
            bounds = _bounds(part, grids, grid)
            steps = FEWEST_STEPS if bounds is None else (bounds[1] - bounds[0]) / float(grid.scale)
            if bounds is not None and steps < FEWEST_STEPS:
                yield _violation(output, part, bounds, steps, grid)


def _violation(output: ir.Value, part: ir.Value, bounds: tuple[float, float], steps: float, grid: QuantParams) -> Violation:
    joint = next(use.node for use in part.uses() if operator_of(use.node).relocates)
    observed = f"part {part.name} of output {output.name} lies in [{bounds[0]:.4g}, {bounds[1]:.4g}], "
    observed += f"{steps:.2g} steps of scale {float(grid.scale):.4g}"
    fact = f"outputs of very different range share a grid: each part needs {FEWEST_STEPS:g} steps"
    fix = "Hand out the parts as outputs of their own (edgeq quantize --split-outputs), or scale them alike in the float model."
    source = "20 log10(2 * steps) dB are left of evenly spread numbers"
    return Violation(str(joint.name), joint.op_type, "shared_grid", observed, fact, source, fix, breaks="warning")


def _grid(value: ir.Value, grids: Mapping[ir.Value, QuantParams]) -> QuantParams | None:
    """The grid of an output: of its codes, or of those that it was dequantized from."""
    here: ir.Value | None = value
    while here is not None:
        if here in grids:
            return grids[here]
        node = here.producer()
        operator = operator_of(node)
        if node is None or not (operator.relocates or operator.converts) or len(operator.data_of(len(node.inputs))) != 1:
            return None
        here = node.inputs[0]
    return None


def _bounds(part: ir.Value, grids: Mapping[ir.Value, QuantParams], joint: QuantParams) -> tuple[float, float] | None:
    """The narrowest range that the part is known to lie in; None: nothing is known.

    joint: the grid of the output, which codes have that no operator converts on the way there.
    """
    low, high = float("-inf"), float("inf")
    here: ir.Value | None = part
    while here is not None:
        grid = grids.get(here, joint if here is part and part.dtype != ir.DataType.FLOAT else None)
        if grid is not None and grid.scale.size == 1:
            low, high = max(low, float(grid.low)), min(high, float(grid.high))
        node = here.producer()
        operator = operator_of(node)
        if operator.bounds is not None:
            low, high = max(low, operator.bounds[0]), min(high, operator.bounds[1])
        if node is None or not (operator.relocates or operator.converts) or len(operator.data_of(len(node.inputs))) != 1:
            break
        table = constant(node.inputs[0])
        if table is not None and grid is not None and table.size:  # a function as a table of codes
            codes = dequantize(np.asarray([table.min(), table.max()], table.dtype), grid)
            low, high = max(low, float(codes[0])), min(high, float(codes[1]))
        here = node.inputs[0]
    return (low, high) if low > float("-inf") and high < float("inf") else None
