"""Let operators whose kernel has a grid of its own work on it, and requantize behind them."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

import onnx_ir as ir

from edgeq.graph.code_grids import grid_of
from edgeq.graph.edit import Names
from edgeq.graph.read import is_op, nodes
from edgeq.numerics.grid import QuantParams
from edgeq.passes.foreign.changes import record
from edgeq.passes.foreign.one_quantizer import quantizers
from edgeq.passes.foreign.pair import behind
from edgeq.passes.foreign.pair_movement import input_grids


@dataclass(frozen=True)
class OwnGrids(ir.passes.InPlacePass):
    """Put a Q/DQ pair of the kernel's grid between the node and the QuantizeLinear behind it.

    Before:  y = Softmax(f)   q = QuantizeLinear(y, 1/200, 0)
    After:   y = Softmax(f)   h = DequantizeLinear(QuantizeLinear(y, 1/256, 0), 1/256, 0)
             q = QuantizeLinear(h, 1/200, 0)

    The result is rounded twice, by at most one step of its grid together where the kernel's grid is
    at least as fine. A coarser one is taken only with `rounding`, and so is one behind which the
    model has floats.
    """

    #: operator -> the grid of its output, in int8
    fixed: Mapping[str, QuantParams]
    #: operators whose output has the grid of their input
    kept: Set[str] = field(default_factory=frozenset)
    #: whether the numbers may lie further apart than that
    rounding: bool = False

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        found = [node for node in list(nodes(model)) if is_op(node, *self.fixed, *self.kept) and node.graph is model.graph]
        changed = [self._requantize(model, node, names) for node in found]
        return ir.passes.PassResult(model, modified=any(changed))

    def _requantize(self, model: ir.Model, node: ir.Node, names: Names) -> bool:
        value = node.outputs[0]
        (source, *more), found = input_grids(node) or [None], quantizers(value)
        own = self.fixed.get(node.op_type, source)
        if source is None or more or own is None or own.scale.size != 1:
            return False
        wanted = grid_of(found[0]) if len(found) == 1 and len(value.uses()) == 1 and not value.is_graph_output() else None
        if wanted is None and not (self.rounding and not found and (value.uses() or value.is_graph_output())):
            return False
        if wanted is not None and (same_numbers(own, wanted) or not (self.rounding or own.scale <= wanted.scale)):
            return False
        steps = 0.5 if wanted is None else 0.5 * float(own.scale) / float(wanted.scale)
        what = f"its kernel makes codes of scale {float(own.scale):.6g}" + ("" if wanted is None else "; a requantization follows it")
        record(model, "requantized", node, what, steps)
        behind(model.graph, value, own, names)
        return True


def same_numbers(one: QuantParams, other: QuantParams) -> bool:
    """Whether both have the same numbers, be their codes int8 or uint8."""
    zeros = [int(grid.zero_point) - (128 if grid.dtype == "uint8" else 0) for grid in (one, other)]
    return zeros[0] == zeros[1] and float(one.scale) == float(other.scale)
