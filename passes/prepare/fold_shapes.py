"""Fold shape arithmetic, including dimensions known only by name, and simplify reshapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, replace_constant, retire
from edgeq.graph.read import attribute_int, constant, is_op, nodes, owner
from edgeq.graph.shapes.symbolic_shapes import ARITHMETIC, Size, evaluate, size_of


@dataclass(frozen=True)
class FoldShapes(ir.passes.InPlacePass):
    """Replace computed shapes by constants where they are known before the model runs.

    Exporters compute the target of a Reshape from the Shape of its input.

    1. Shape arithmetic whose result is all numbers becomes a constant.
    2. A Reshape whose target is computed gets a constant one: 0 where it copies a dimension, -1 for
       one that is unknown.
    3. A Reshape that keeps axis 0 and joins the rest becomes Flatten.
    4. A Reshape whose constant target holds no 0 has no use for allowzero.

    Before: `s = Shape(x)`, `n = Gather(s, 0)`, `u = Unsqueeze(n, [0])`, `t = Concat(u, [-1])`,
            `y = Reshape(x, t)`
    After:  `y = Flatten<axis=1>(x)`
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        changed = False
        for node in list(nodes(model)):
            if is_op(node, "Reshape"):
                changed |= _without_allowzero(node) | _plain_target(model, node, names) | _to_flatten(node)
            elif is_op(node, *ARITHMETIC):
                changed |= _fold(model, node, names)
        return ir.passes.PassResult(model, modified=changed)


def _fold(model: ir.Model, node: ir.Node, names: Names) -> bool:
    """Case 1."""
    out = node.outputs[0]
    if out.is_graph_output() or not out.uses() or out.dtype not in (ir.DataType.INT64, ir.DataType.INT32):
        return False
    sizes = evaluate(out)
    if sizes is None or not all(isinstance(size, int) for size in sizes.reshape(-1)):
        return False
    array = np.array(sizes.tolist(), out.dtype.numpy()).reshape(sizes.shape)
    out.replace_all_uses_with(add_constant(owner(node), array, names.value(f"{out.name}_folded")))
    retire(model, node, "constant-folded: shape arithmetic")
    return True


def _plain_target(model: ir.Model, node: ir.Node, names: Names) -> bool:
    """Case 2."""
    data, target = node.inputs[0], node.inputs[1]
    if data is None or target is None or constant(target) is not None or attribute_int(node, "allowzero", 0):
        return False
    sizes = evaluate(target)
    if sizes is None or sizes.ndim != 1:
        return False
    plain = [_plain(size, data, axis) for axis, size in enumerate(sizes)]
    if plain.count(-1) > 1:
        return False
    maker = target.producer()
    replace_constant(node, 1, np.array(plain, np.int64), names)
    while maker is not None and not any(value.uses() or value.is_graph_output() for value in maker.outputs):
        sources = [value.producer() for value in maker.inputs if value is not None]
        retire(model, maker, "constant-folded: shape arithmetic")
        maker = next((node for node in sources if node is not None and is_op(node, *ARITHMETIC)), None)
    return True


def _without_allowzero(node: ir.Node) -> bool:
    """Case 4."""
    target = constant(node.inputs[1])
    if "allowzero" not in node.attributes or (attribute_int(node, "allowzero", 0) and (target is None or not target.all())):
        return False
    node.attributes.pop("allowzero")
    return True


def _plain(size: Size, data: ir.Value, axis: int) -> int:
    if isinstance(size, int):
        return size
    known = data.shape is not None and axis < len(data.shape)
    return 0 if known and size_of(data, axis) == size else -1


def _to_flatten(node: ir.Node) -> bool:
    """Case 3.

    For [0, -1] this holds without knowing any size; otherwise the joined size must be the product
    of the other dimensions.
    """
    data, target = node.inputs[0], constant(node.inputs[1])
    if data is None or data.shape is None or len(data.shape) < 2 or target is None or target.shape != (2,):
        return False
    if attribute_int(node, "allowzero", 0):
        return False
    first, rest = (int(size) for size in target)
    sizes = [size_of(data, axis) for axis in range(len(data.shape))]
    joined = _product(sizes[1:])
    keeps = first in (0, sizes[0]) or (first == -1 and rest > 0)
    if not keeps or not (rest == joined or (rest == -1 and first != -1)):
        return False
    node.op_type = "Flatten"
    node.attributes.clear()
    node.resize_inputs(1)
    node.attributes["axis"] = ir.AttrInt64("axis", 1)
    return True


def _product(sizes: list[Size]) -> int | None:
    numbers = [size for size in sizes if isinstance(size, int)]
    return int(np.prod(numbers, dtype=np.int64)) if len(numbers) == len(sizes) else None
