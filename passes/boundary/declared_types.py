"""Give inputs and outputs that are computed in float32 the float types that the model declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.edit import Names
from edgeq.graph.read import is_op


@dataclass(frozen=True)
class DeclaredTypes(ir.passes.InPlacePass):
    """Put a Cast behind each input and before each output that is float32 and declared otherwise.

    What is no float32 any more stays: codes, or raw pixels.

    Before:  (float x) => (float y)      y = Conv(x, w)
    After:   (float16 x) => (float16 y)  x32 = Cast<to=FLOAT>(x), y32 = Conv(x32, w),
                                         y = Cast<to=FLOAT16>(y32)
    """

    #: name of an input or output -> its declared type
    types: Mapping[str, ir.DataType]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        taken = [value for value in model.graph.inputs if self._differs(value)]
        for value in taken:
            _cast_input(model, value, self.types[str(value.name)], names)
        # an output that is an input has its type by now
        given = list(dict.fromkeys(value for value in model.graph.outputs if self._differs(value)))
        for value in given:
            _cast_output(model, value, self.types[str(value.name)], names)
        return ir.passes.PassResult(model, modified=bool(taken or given))

    def _differs(self, value: ir.Value) -> bool:
        return value.dtype == ir.DataType.FLOAT and self.types.get(str(value.name), ir.DataType.FLOAT) != ir.DataType.FLOAT


def declared_types(model: ir.Model) -> dict[str, ir.DataType]:
    """Name of each input and output of the model -> its element type, where it is known."""
    values = (*model.graph.inputs, *model.graph.outputs)
    return {value.name: value.dtype for value in values if value.name and value.dtype is not None}


def _cast(source: ir.Value, target: ir.Value, kind: ir.DataType, name: str) -> ir.Node:
    target.type, target.shape = ir.TensorType(kind), source.shape
    return ir.Node("", "Cast", [source], [ir.AttrInt64("to", int(kind))], outputs=[target], name=name)


def _cast_input(model: ir.Model, value: ir.Value, kind: ir.DataType, names: Names) -> None:
    value.type = ir.TensorType(kind)
    uses = list(value.uses())
    if not uses:
        return
    wide = ir.Value(name=names.value(f"{value.name}_float32"))
    for use in uses:
        use.node.replace_input_with(use.idx, wide)
    model.graph.insert_before(model.graph[0], _cast(value, wide, ir.DataType.FLOAT, names.node(f"{value.name}_to_float32")))


def _cast_output(model: ir.Model, source: ir.Value, kind: ir.DataType, names: Names) -> None:
    name, places = source.name, [index for index, value in enumerate(model.graph.outputs) if value is source]
    ir.convenience.rename_values([source], [names.value(f"{name}_float32")])
    narrow = ir.Value(name=name)
    model.graph.append(_cast(source, narrow, kind, names.node(f"{name}_from_float32")))
    for index in places:
        model.graph.outputs[index] = narrow


def float32_edges(model: ir.Model, types: Mapping[str, ir.DataType]) -> None:
    """Undo DeclaredTypes in place, for inputs and outputs that are float32 in `types`."""
    for value in (*model.graph.inputs, *model.graph.outputs):
        maker, uses = value.producer(), value.uses()
        if types.get(str(value.name)) != ir.DataType.FLOAT or value.dtype in (None, ir.DataType.FLOAT):
            continue
        if maker is None and all(is_op(use.node, "Cast") for use in uses):
            value.type = ir.TensorType(ir.DataType.FLOAT)
        elif maker is not None and is_op(maker, "Cast") and not uses:
            maker.attributes["to"] = ir.AttrInt64("to", int(ir.DataType.FLOAT))
            value.type = ir.TensorType(ir.DataType.FLOAT)
