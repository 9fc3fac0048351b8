"""Whether a product of few rows is faster with weights of four bits in blocks (MatMulNBits)."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeq.graph.read import constant, is_op
from edgeq.planning.cost.price import Prices
from edgeq.planning.cost.work import work_of

#: rows of a call up to which reading the weight is most of the time. The kernel's gain is that it
#: reads less; with many rows float kernels compute faster than it unpacks
FEW_ROWS = 4


def faster_in_blocks(node: ir.Node, machines: Sequence[Prices]) -> bool:
    """Whether MatMulNBits takes less time than the float kernel of a node on every machine.

    False where nothing is known: for an open number of rows, and on machines without figures.
    """
    if not is_op(node, "Gemm", "MatMul") or constant(node.inputs[1]) is None or not _known(node.outputs[0]):
        return False
    if not machines or work_of(node, machines[0].works.batch).places > FEW_ROWS:
        return False
    return all(_in_blocks(node, one) * (1 + one.column.uncertain) < one.times(node).float for one in machines)


def _in_blocks(node: ir.Node, machine: Prices) -> float:
    """Nanoseconds of MatMulNBits."""
    figures = machine.column.blocks
    if figures is None:
        return float("inf")
    counts = work_of(node, machine.works.batch).counts(1)
    return sum(figure * count for figure, count in zip(figures.numbers, counts, strict=True))


def _known(value: ir.Value) -> bool:
    """Whether all sizes are known but that of the batch."""
    return value.shape is not None and all(isinstance(size, int) for size in tuple(value.shape)[1:])
