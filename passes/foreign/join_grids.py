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
    found = [value for value in node.outputs if several(value)]
    for value in found:
        grids = [grid for one in quantizers(value) if (grid := grid_of(one)) is not None and grid.scale.size == 1]
        if not grids:
            return False
        widest = max(grids, key=_span)
        finest = min(float(grid.scale) for grid in grids)
        record(model, "requantized", node, f"all readers of {value.name} read one grid", 0.5 * float(widest.scale) / finest)
        behind(model.graph, value, widest, names)
    return bool(found) and (len(value.uses()) > len(found) or len(found) > 1 or value.is_graph_output())


def _join(model: ir.Model, node: ir.Node, names: Names) -> bool:
    found = [value for value in node.outputs if several(value)]
    for value in found:
        grids = [grid for one in quantizers(value) if (grid := grid_of(one)) is not None and grid.scale.size == 1]
        if not grids:
            return False
        widest = max(grids, key=_span)
        finest = min(float(grid.scale) for grid in grids)
        record(model, "requantized", node, f"all readers of {value.name} read one grid", 0.5 * float(widest.scale) / finest)
        result = behind(model.graph, value, widest, names)
        maker = result.producer()
        for again in [one for one in quantizers(result) if grid_of(one) == widest and not one.outputs[0].is_graph_output()]:
            assert maker is not None and maker.inputs[0] is not None  # the pair's DequantizeLinear
            again.outputs[0].replace_all_uses_with(maker.inputs[0])
            model.graph.remove(again, safe=True)
    return bool(found)


def _span(grid: QuantParams) -> float:
    return float(grid.high) - float(grid.low)
