"""How operators pass channels on: one small rule per kind of operator.

A rule names the channels of the node's output and returns True, or declines and returns False.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from edgeq.graph.channels.ties import Ties
from edgeq.graph.operator import ChannelRule
from edgeq.graph.read import attribute_float, attribute_int, attribute_ints, clip_bounds, constant, dim, is_op, rank, scalar
from edgeq.numerics.arrays import I64


def _keep(ties: Ties, node: ir.Node) -> bool:
    ids, source = ties.of(node.inputs[0]), node.inputs[0]
    if ids is None or source is None:
        return False
    return ties.name(node.outputs[0], ids, ties.axis[str(source.name)])


def _pool(ties: Ties, node: ir.Node) -> bool:
    extra = any(value.uses() or value.is_graph_output() for value in node.outputs[1:])
    return not extra and ties.axis_of(node.inputs[0]) == 1 and _keep(ties, node)


def _clip(ties: Ties, node: ir.Node) -> bool:
    """Only Clip(x, 0, high): equalization (edgeq/refine/equalization.py) scales up to `high`."""
    bounds = clip_bounds(node)
    return bounds is not None and bounds[0] == 0 < bounds[1] and _keep(ties, node)


def _slope(ties: Ties, node: ir.Node) -> bool:
    return constant(node.inputs[1]) is not None and _keep(ties, node)


def _pad(ties: Ties, node: ir.Node) -> bool:
    """Padding with zeros, or padding of other axes than the channels' in any mode.

    New channels of zeros may be scaled by anything.
    """
    ids, axis, mode = ties.of(node.inputs[0]), ties.axis_of(node.inputs[0]), node.attributes.get_string("mode", "constant")
    pads = constant(node.inputs[1])
    fill = scalar(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else 0.0
    if ids is None or axis is None or pads is None or len(node.inputs) > 3 or pads.size // 2 <= axis:
        return False
    if mode == "constant" and fill != 0:
        return False
    before, after = int(pads[axis]), int(pads[pads.size // 2 + axis])
    if before == after == 0:
        return _keep(ties, node)
    if before < 0 or after < 0 or mode != "constant":
        return False
    return ties.name(node.outputs[0], np.concatenate([ties.fresh(before), ids, ties.fresh(after)]), axis)


def _join(ties: Ties, node: ir.Node) -> bool:
    """Add, Sub, Sum, Max or Min of values of one shape: their channels are tied together."""
    found = [ties.of(value) for value in node.inputs]
    first = node.inputs[0]
    if first is None or any(ids is None for ids in found) or len({_shape(value) for value in node.inputs}) != 1 or _shape(first) is None:
        return False
    if len({ties.axis[str(value.name)] for value in node.inputs if value is not None}) != 1:
        return False
    for ids in found[1:]:
        assert ids is not None and found[0] is not None
        ties.tie(found[0], ids)
    return _keep(ties, node)


def _shape(value: ir.Value | None) -> tuple[object, ...] | None:
    """The shape without the batch; None when it is unknown."""
    if value is None or value.shape is None:
        return None
    return tuple(size if isinstance(size, int) else str(size) for size in value.shape)[1:]


def _gate(ties: Ties, node: ir.Node) -> bool:
    """Mul: one factor carries its scale on; the other (a gate or a constant) has none."""
    known = [value for value in node.inputs if ties.of(value) is not None]
    if len(known) != 1:
        return False
    ids, axis = ties.of(known[0]), ties.axis_of(known[0])
    if ids is None or axis is None or rank(known[0]) is None or rank(known[0]) != rank(node.outputs[0]):
        return False
    return dim(node.outputs[0], axis) == ids.size and ties.name(node.outputs[0], ids, axis)


def _concat(ties: Ties, node: ir.Node) -> bool:
    found = [ties.of(value) for value in node.inputs]
    axes = {ties.axis[str(value.name)] for value in node.inputs if value is not None and ties.of(value) is not None}
    size = rank(node.outputs[0])
    if len(axes) != 1 or size is None:
        return False
    axis, along = axes.pop(), attribute_int(node, "axis", 0) % size
    if along != axis:
        known = [ids for ids in found if ids is not None]
        return len(known) == len(found) and _join_ids(ties, node, known, axis)
    parts: list[I64] = []
    for value, ids in zip(node.inputs, found, strict=True):
        channels = dim(value, axis)
        if ids is None:
            if channels is None or value is None:
                return False
            ids = ties.fresh(channels)
            ties.hold(ids)
        parts.append(ids)
    return ties.name(node.outputs[0], np.concatenate(parts), axis)


def _join_ids(ties: Ties, node: ir.Node, found: list[I64], axis: int) -> bool:
    if len({ids.size for ids in found}) != 1:
        return False
    for ids in found[1:]:
        ties.tie(found[0], ids)
    return ties.name(node.outputs[0], found[0], axis)


def _flatten(ties: Ties, node: ir.Node) -> bool:
    """Flatten, or a Reshape to [N, everything else].

    Each channel becomes as many neighbouring ones as it has positions.
    """
    source, result = node.inputs[0], node.outputs[0]
    ids, width = ties.of(source), dim(result, 1)
    if source is None or ids is None or ties.axis[str(source.name)] != 1 or rank(result) != 2 or width is None:
        return False
    if is_op(node, "Flatten") and attribute_int(node, "axis", 1) != 1:
        return False
    sizes = [dim(source, axis) for axis in range(1, rank(source) or 0)]
    if any(size is None for size in sizes) or int(np.prod([size or 0 for size in sizes])) != width or width % ids.size:
        return False
    return ties.name(result, np.repeat(ids, width // ids.size), 1)


def _transpose(ties: Ties, node: ir.Node) -> bool:
    order, axis, ids = attribute_ints(node, "perm"), ties.axis_of(node.inputs[0]), ties.of(node.inputs[0])
    if order is None or axis is None or ids is None:
        return False
    return ties.name(node.outputs[0], ids, order.index(axis))


def _slice(ties: Ties, node: ir.Node) -> bool:
    """A Slice along other axes than the channels'."""
    axis = ties.axis_of(node.inputs[0])
    axes = constant(node.inputs[3]) if len(node.inputs) > 3 and node.inputs[3] is not None else None
    size = rank(node.inputs[0])
    if axis is None or axes is None or size is None or axis in [int(a) % size for a in axes.reshape(-1).tolist()]:
        return False
    return _keep(ties, node)


def _resize(ties: Ties, node: ir.Node) -> bool:
    ids, axis = ties.of(node.inputs[0]), ties.axis_of(node.inputs[0])
    crops = node.attributes.get_string("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize"
    return ids is not None and axis == 1 and not crops and dim(node.outputs[0], 1) == ids.size and _keep(ties, node)


def _leaky(ties: Ties, node: ir.Node) -> bool:
    return attribute_float(node, "alpha", 0.01) >= 0 and _keep(ties, node)


Rule = Callable[[Ties, ir.Node], bool]
#: the rule for each word that a row of edgeq/graph/operators.py may give as an operator's rule
RULES: dict[ChannelRule, Rule] = {
    "clip": _clip,
    "concat": _concat,
    "flatten": _flatten,
    "gate": _gate,
    "join": _join,
    "keep": _keep,
    "leaky": _leaky,
    "pad": _pad,
    "pool": _pool,
    "resize": _resize,
    "slice": _slice,
    "slope": _slope,
    "transpose": _transpose,
}
