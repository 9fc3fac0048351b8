"""Let all readers of a value read one set of codes."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.code_grids import grid_of
from edgeq.graph.edit import Names
from edgeq.graph.read import is_op
from edgeq.numerics.grid import QuantParams
from edgeq.passes.foreign.changes import record
from edgeq.passes.foreign.one_quantizer import quantizers
from edgeq.passes.foreign.pair import behind


@dataclass(frozen=True)
class JoinGrids(ir.passes.InPlacePass):
    """Requantize from the widest grid of a value that is read on several grids, or as floats too.

    Before:  a = QuantizeLinear(x, s, z)   b = QuantizeLinear(x, t, u)   y = Sigmoid(x)
    After:   a = QuantizeLinear(x, s, z)   f = DequantizeLinear(a, s, z)
             b = QuantizeLinear(f, t, u)   y = Sigmoid(f)

    The numbers change: they are rounded twice.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        values = [*model.graph.inputs, *(value for node in model.graph for value in node.outputs)]
        joined = [_join(model, value, names) for value in values if several(value)]
        return ir.passes.PassResult(model, modified=any(joined))


def several(value: ir.Value) -> bool:
    """Whether the value is quantized, and read in another way too.

    What a DequantizeLinear makes has a grid for each reader: one reads its codes, another
    requantizes them.
    """
    found = [] if is_op(value.producer(), "DequantizeLinear") else quantizers(value)
    return bool(found) and (len(value.uses()) > len(found) or len(found) > 1 or value.is_graph_output())


def _join(model: ir.Model, value: ir.Value, names: Names) -> bool:
    grids = [grid for one in quantizers(value) if (grid := grid_of(one)) is not None and grid.scale.size == 1]
    if not grids:
        return False
    widest = max(grids, key=_span)
    finest = min(float(grid.scale) for grid in grids)
    node = value.producer() or next(iter(value.uses())).node
    record(model, "requantized", node, f"all readers of {value.name} read one grid", 0.5 * float(widest.scale) / finest)
    behind(model.graph, value, widest, names)
    return True


def _span(grid: QuantParams) -> float:
    return float(grid.high) - float(grid.low)
