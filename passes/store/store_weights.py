"""Store the weights of float nodes as integers; the runtime converts them once, at load time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, add_node, drop_unread_constants
from edgeq.graph.read import constant, nodes, owner
from edgeq.numerics.arrays import AnyArray, Ints
from edgeq.numerics.grid import PerChannel, QuantParams, quantize
from edgeq.schema.plan_parts.codes import shaped
from edgeq.schema.weights import weight_key


@dataclass(frozen=True)
class StoreWeights(ir.passes.InPlacePass):
    """Replace constant weights by an integer initializer, a Cast and a Mul each.

    Before:  y = Conv(x, w)
    After:   w_cast = Cast <to = FLOAT> (w_stored)   w_scaled = Mul(w_cast, w_scale)
             y = Conv(x, w_scaled)

    A DequantizeLinear would not do: onnxruntime keeps those for its integer kernels and would run
    it at every inference, while it folds Cast and Mul of constants when it loads the model. The
    node then runs as with float weights, from a file a quarter the size. Readers of one initializer
    that agree on grid and codes share the stored integers.
    """

    #: "node name:input index" -> symmetric grid
    grids: Mapping[str, QuantParams]
    #: same key -> codes [N], row-major, of a weight whose rounding was chosen on data; all others
    #: round to nearest
    codes: Mapping[str, Ints]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        made: dict[tuple[str, bytes, str, bytes, int], ir.Value] = {}
        for node in list(nodes(model)):
            for index, value in enumerate(node.inputs):
                place = weight_key(node.name, index)
                grid, array = self.grids.get(place), constant(value)
                if grid is None or value is None or array is None:
                    continue
                codes = self.codes.get(place)
                same = f"{grid.dtype} {grid.narrow} {grid.granularity} {codes is None}"
                chosen = b"" if codes is None else codes.tobytes()
                key = (str(value.name), grid.scale.tobytes(), same, chosen, id(owner(node)))
                if key not in made:
                    weight = np.asarray(array, np.float32)
                    integers = quantize(weight, grid) if codes is None else shaped(codes, weight.shape, f"weight {place}")
                    made[key] = _stored(node, integers, grid, str(value.name), names)
                node.replace_input_with(index, made[key])
        if made:
            drop_unread_constants(model)
        return ir.passes.PassResult(model, bool(made))


def _stored(before: ir.Node, integers: AnyArray, grid: QuantParams, stem: str, names: Names) -> ir.Value:
    """Insert the initializers, the Cast and the Mul just before a node; returns the float value."""
    graph, scale = owner(before), grid.scale
    if isinstance(grid.granularity, PerChannel):
        axis = grid.granularity.axis
        scale = scale.reshape([-1 if axis == place else 1 for place in range(integers.ndim)])
    codes = add_constant(graph, integers, names.value(f"{stem}_stored"))
    steps = add_constant(graph, np.asarray(scale, np.float32), names.value(f"{stem}_scale"))
    to_float = {"to": ir.AttrInt64("to", int(ir.DataType.FLOAT))}
    whole = add_node(before, "Cast", [codes], name=names.node(f"{stem}_Cast"), output=names.value(f"{stem}_cast"), attributes=to_float)
    result = add_node(before, "Mul", [whole, steps], name=names.node(f"{stem}_Mul"), output=names.value(f"{stem}_scaled"))
    for value in (whole, result):
        value.shape, value.type = ir.Shape(integers.shape), ir.TensorType(ir.DataType.FLOAT)
    return result
