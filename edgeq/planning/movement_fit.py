"""Whether an operator that moves or selects elements can do so on codes, and what it adds to them.

A Clip bounds codes at the codes nearest to its bounds. A Pad fills with the code nearest to its
fill, which the grid is widened to hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import onnx_ir as ir

from edgeq.graph.read import clip_bounds, graphs, is_op, nodes, operator_of, scalar
from edgeq.numerics.grid import LIMITS
from edgeq.schema.target import Target

#: larger values (masks of -3e38) leave no codes of a grid for the rest
LARGEST = 1e30


def movement_obstacle(node: ir.Node, target: Target) -> str | None:
    """Why the operator cannot work on codes, or None if it can."""
    if node.op_type == "Resize":
        return _resize_obstacle(node)
    if node.op_type == "Clip":
        return _clip_obstacle(node, target)
    if node.op_type == "Pad":
        return _pad_obstacle(node, target)
    if node.op_type == "MaxPool" and any(value.uses() or value.is_graph_output() for value in node.outputs[1:]):
        return "MaxPool with indices as a second output has no integer form"
    return None


def pad_fill(node: ir.Node) -> float | None:
    """The number that a Pad fills with: 0 by default and in modes that copy.

    None: it is computed at run time.
    """
    if node.attributes.get_string("mode", "constant") != "constant" or len(node.inputs) < 3 or node.inputs[2] is None:
        return 0.0
    return scalar(node.inputs[2])


def fills_behind(model: ir.Model, target: Target) -> Mapping[ir.Value, tuple[float, float]]:
    """The least and the most of 0 and what the Pads fill with that share the grid of a value.

    They read it directly or moved. Values without such a Pad are left out.
    """
    found: dict[ir.Value, tuple[float, float]] = {}
    for graph in reversed(list(graphs(model))):  # bodies before the graph around them
        for node in reversed(graph):
            if node.op_type not in target.movement.ops or not node.outputs:
                continue
            fill = pad_fill(node) if is_op(node, "Pad") else None
            held = (*found.get(node.outputs[0], (0.0, 0.0)), fill or 0.0)
            for value in node.inputs:
                if value is not None and any(held):
                    every = (*found.get(value, (0.0, 0.0)), *held)
                    found[value] = (min(every), max(every))
    return found


def blunt_clips(model: ir.Model, highest: Mapping[str, float], target: Target) -> frozenset[str]:
    """The Clips at a low bound above 0 that an 8-bit grid of their output cannot tell from 0.

    They are written to keep numbers away from 0, as in Clip(x, 1e-6). highest: the largest number
    of each value. Returns names of nodes.
    """
    least, most = LIMITS[target.activations.dtype]
    found = set()
    for node in nodes(model):
        bounds = clip_bounds(node) if is_op(node, "Clip") else None
        top = highest.get(str(node.outputs[0].name), 0.0)
        if bounds is not None and 0 < bounds[0] <= top / (most - least) / 2:
            found.add(str(node.name))
    return frozenset(found)


def _clip_obstacle(node: ir.Node, target: Target) -> str | None:
    bounds = clip_bounds(node)
    if bounds is None:
        return "Clip whose bounds are not constant, or in the wrong order, has no integer form"
    if bounds[0] <= 0 <= bounds[1] or target.integer_only:
        return None
    guarded = _divides(node.outputs[0])
    return (
        None if guarded is None else f"Clip keeps numbers away from 0 for {guarded.op_type} {guarded.name}, and on a grid they could be 0"
    )


def _divides(value: ir.Value) -> ir.Node | None:
    """The first node that has no result where the value is 0, reached through what keeps a 0."""
    seen, waiting = {value}, [value]
    while waiting:
        for use in waiting.pop().uses():
            operator = operator_of(use.node)
            if operator.pole == use.idx:
                return use.node
            if operator.elementwise == "one" or operator.moves is not None or is_op(use.node, "Mul"):
                waiting += [output for output in use.node.outputs if output not in seen]
                seen.update(use.node.outputs)
    return None


def _resize_obstacle(node: ir.Node) -> str | None:
    if node.attributes.get_string("mode", "nearest") != "nearest":
        return "Resize interpolates: only mode nearest moves integers as they are"
    if node.attributes.get_string("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize":
        return "Resize that crops fills with a number that the grid of its input may not represent"
    return None


def _pad_obstacle(node: ir.Node, target: Target) -> str | None:
    fill = pad_fill(node)
    if fill is None:
        return "Pad whose fill value is computed at run time has no integer form"
    if math.isnan(fill) or abs(fill) > LARGEST:
        return f"Pad fills with {fill:g}, which no grid holds"
    fixed = None if fill == 0 else _fixed_source(node, target)
    if fixed is None:
        return None
    maker, low, high = fixed
    outside = f"Pad fills with {fill:g}, which lies outside the grid that {target.name} gives {maker}: [{low:g}, {high:g}]"
    return None if low <= fill <= high else outside


def _fixed_source(node: ir.Node, target: Target) -> tuple[str, float, float] | None:
    """The operator that makes the codes on a grid that cannot be widened, and that range."""
    source = node.inputs[0]
    while source is not None and (maker := source.producer()) is not None and maker.op_type in target.movement.ops:
        source = maker.inputs[0]
    maker = None if source is None else source.producer()
    kernel = None if maker is None else target.kernel_of(maker.op_type)
    if maker is None or kernel is None:
        return None
    if kernel.output_grid is not None:
        (least, most), grid = LIMITS[target.activations.dtype], kernel.output_grid
        return maker.op_type, (least - grid.zero_point) * grid.scale, (most - grid.zero_point) * grid.scale
    return (maker.op_type, 0.0, 1.0) if is_op(maker, "HardSigmoid") else None  # an integer Add that its grid cuts off
