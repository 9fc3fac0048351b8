"""What the constants of a model take in flash, in float and as integers."""

from __future__ import annotations

import onnx_ir as ir

from edgeq.graph.read import file_bytes, graphs, nodes
from edgeq.planning.placement import Placement
from edgeq.schema.target import Target

#: bytes of the scale and the zero point of each int8 tensor or channel
GRID_BYTES = 5
#: bytes of one bias as int32
BIAS_BYTES = 4


def parameters(model: ir.Model) -> int:
    """Elements of all floating-point constants, bodies included."""
    return sum(tensor.size for _, tensor in _constants(model) if tensor.dtype.is_floating_point())


def _constants(model: ir.Model) -> list[tuple[ir.Value, ir.TensorProtocol]]:
    held = [value for graph in graphs(model) for value in graph.initializers.values()]
    held += [output for node in nodes(model) if node.op_type == "Constant" for output in node.outputs]
    found = [(value, ir.convenience.get_const_tensor(value)) for value in held]
    return [(value, tensor) for value, tensor in found if tensor is not None]


def flash(model: ir.Model, target: Target, placed: Placement | None) -> int:
    """Bytes of all constants.

    With a placement, constants that only integer nodes read count in their integer form.
    """
    return sum(_constant_bytes(value, tensor, target, placed) for value, tensor in _constants(model))


def _constant_bytes(value: ir.Value, tensor: ir.TensorProtocol, target: Target, placed: Placement | None) -> int:
    if placed is None or not tensor.dtype.is_floating_point():
        return file_bytes(tensor)
    uses = [(use.node, use.idx) for use in value.uses() if placed.nodes[str(use.node.name)].runs == "int8"]
    if not uses or len(uses) < len(value.uses()):
        return file_bytes(tensor)
    node, index = uses[0]
    kernel = target.kernel_of(node.op_type)
    if kernel is not None and kernel.bias == index:
        return BIAS_BYTES * tensor.size
    if kernel is None or kernel.weight != index or target.weights.granularity[0] == "per_tensor":
        return tensor.size + GRID_BYTES
    channels = tensor.shape[kernel.channel_axis or 0] if tensor.shape else 1
    return tensor.size + GRID_BYTES * (channels if isinstance(channels, int) else 1)
