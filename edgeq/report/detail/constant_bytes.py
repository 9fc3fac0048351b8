"""How many bytes the constants of each node take, in the float model and as a plan stores them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.read import file_bytes, nodes
from edgeq.numerics.grid import LIMITS
from edgeq.report.codebooks import CodebookLayer
from edgeq.report.formats import FormatLayer
from edgeq.schema.plan import Plan
from edgeq.schema.weights import WeightPlan, weight_key

#: bytes of a scale
SCALE_BYTES = 4


@dataclass(frozen=True)
class ConstantBytes:
    """Bytes of the constants of one node."""

    #: in the float model
    float_bytes: int
    #: as the plan stores them, scales and zero points included
    bytes: int


def constant_bytes(model: ir.Model, plan: Plan, small: Sequence[CodebookLayer | FormatLayer]) -> dict[str, ConstantBytes]:
    """Node name -> bytes of its constants; a constant that nodes share counts for the first.

    model: the prepared float model. small: the weights that are stored in few bits.
    """
    few = {one.node: one.bytes for one in small}
    found: dict[str, ConstantBytes] = {}
    seen: set[str] = set()
    for node in nodes(model):
        before = after = 0
        for index, value in enumerate(node.inputs):
            tensor = None if value is None else ir.convenience.get_const_tensor(value)
            if value is None or tensor is None or value.is_graph_input() or str(value.name) in seen:
                continue
            seen.add(str(value.name))
            size = file_bytes(tensor)
            before += size
            after += _stored(size, tensor, _planned(plan, node, index), few.get(str(node.name)))
        found[str(node.name)] = ConstantBytes(before, after)
    return found


def _planned(plan: Plan, node: ir.Node, index: int) -> WeightPlan | None:
    planned: Mapping[str, WeightPlan] = plan.weights
    key = weight_key(node.name, index)
    return planned.get(key) or plan.stored.get(key)


def _stored(size: int, tensor: ir.TensorProtocol, how: WeightPlan | None, few: int | None) -> int:
    if how is None:
        return size
    if how.format != "integer" and few is not None:
        return few
    low, high = LIMITS[how.dtype]
    each = (high - low).bit_length() // 8
    return each * tensor.size + len(how.scale) * (SCALE_BYTES + each)
