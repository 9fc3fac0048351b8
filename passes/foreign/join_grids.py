"""Let all readers of a value read one set of codes."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.changes import record
from edgeq.graph.code_grids import grid_of
from edgeq.graph.edit import Names
from edgeq.numerics.grid import QuantParams
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
        joined = [_join(model, node, names) for node in list(model.graph)]
        return ir.passes.PassResult(model, modified=any(joined))


def several(value: ir.Value) -> bool:
    """Whether the value is quantized, and read in another way too."""
    found = quantizers(value)
    return bool(found) and (len(value.uses()) > len(found) or len(found) > 1 or value.is_graph_output())


def _join(model: ir.Model, node: ir.Node, names: Names) -> bool:
    joined = False
    for value in [value for value in node.outputs if several(value)]:
        grids = [grid for one in quantizers(value) if (grid := grid_of(one)) is not None and grid.scale.size == 1]
        if not grids:
            continue
        widest = max(grids, key=_span)
        finest = min(float(grid.scale) for grid in grids)
        record(model, "requantized", node, f"all readers of {value.name} read one grid", 0.5 * float(widest.scale) / finest)
        behind(model.graph, value, widest, names)
        joined = True
    return joined


def _span(grid: QuantParams) -> float:
    return float(grid.high) - float(grid.low)
