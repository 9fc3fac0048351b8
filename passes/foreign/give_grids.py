"""Quantize values that a model of another tool left in float."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.edit import Names
from edgeq.graph.read import constant, is_op, operator_of
from edgeq.numerics.grid import QuantParams
from edgeq.passes.foreign.changes import record
from edgeq.passes.foreign.one_quantizer import quantizers
from edgeq.passes.foreign.pair import behind
from edgeq.passes.foreign.pair_movement import moves


@dataclass(frozen=True)
class GiveGrids(ir.passes.InPlacePass):
    """Put a Q/DQ pair behind each named value.

    Before:  y = Gemm(f, w, b)
    After:   g = Gemm(f, w, b)   y = DequantizeLinear(QuantizeLinear(g, s, z), s, z)
    """

    #: name of a value -> its grid
    grids: Mapping[str, QuantParams]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        found = [value for value in without_grid(model) if value.name in self.grids]
        for value in found:
            grid, maker = self.grids[str(value.name)], value.producer()
            reader = maker if maker is not None else next(iter(value.uses())).node
            what = f"{value.name} had no grid and got scale {float(grid.scale):.6g}, zero point {int(grid.zero_point)}"
            record(model, "grid_measured", reader, what, 0.5)
            behind(model.graph, value, grid, names)
        return ir.passes.PassResult(model, modified=bool(found))


def without_grid(model: ir.Model) -> list[ir.Value]:
    """The float inputs and results of the main graph that would need a grid and have none.

    What moves elements has its input's; a Relu or Clip that alone reads a value is part of the
    node that makes it.
    """
    inputs = [value for value in model.graph.inputs if value.uses() and _bare(value)]
    results = [value for node in model.graph if not moves(node) and not operator_of(node).converts for value in node.outputs]
    return [*inputs, *(value for value in results if (value.uses() or value.is_graph_output()) and _bare(value) and not _clamped(value))]


def _bare(value: ir.Value) -> bool:
    """Whether the value holds reals that are not quantized."""
    return value.dtype == ir.DataType.FLOAT and constant(value) is None and not quantizers(value)


def _clamped(value: ir.Value) -> bool:
    uses = list(value.uses())
    return len(uses) == 1 and not value.is_graph_output() and not value.is_graph_input() and is_op(uses[0].node, "Relu", "Clip")
