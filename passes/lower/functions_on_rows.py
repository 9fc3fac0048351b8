"""Let functions of one number stand right behind the Gemm whose rows are reshaped, and join the
Reshapes that then meet.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.edit import bypass, retire
from edgeq.graph.read import constant, is_op, nodes, only_consumer, operator_of, owner
from edgeq.numerics.arrays import AnyArray


@dataclass(frozen=True)
class FunctionsOnRows(ir.passes.InPlacePass):
    """Move functions of one number in front of the Reshape behind a Gemm.

    Before: `y = Gemm(r, w, b)`, `z = Reshape(y, [2, 98, 64])`, `f = Relu(z)`,
            `s = Reshape(f, [196, 64])`
    After:  `y = Gemm(r, w, b)`, `f = Relu(y)`

    Behind a layer a Relu costs nothing, in floats and in integers: its kernel or its grid ends at
    the bound. Two Reshapes one behind the other are the second alone, and one that changes nothing
    is none.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        changed = False
        for node in [node for node in nodes(model) if is_op(node, "Reshape")]:
            while (function := _function_behind(node)) is not None:
                _swap(node, function)
                changed = True
        for node in [node for node in nodes(model) if is_op(node, "Reshape")]:
            changed |= _joined(model, node)
        return ir.passes.PassResult(model, modified=changed)


def _function_behind(reshape: ir.Node) -> ir.Node | None:
    """The only reader of a Reshape of what a Gemm or another function behind it made."""
    source, made = reshape.inputs[0], reshape.outputs[0]
    if _target(reshape) is None or source is None or only_consumer(source) is not reshape or not _from_gemm(source):
        return None
    reader = only_consumer(made)
    if reader is None or operator_of(reader).elementwise != "one" or reader.inputs[0] is not made:
        return None
    return reader if made.dtype == ir.DataType.FLOAT and reader.outputs[0].dtype == ir.DataType.FLOAT else None


def _from_gemm(value: ir.Value) -> bool:
    """Whether a Gemm made the value, or functions of what one made."""
    maker = value.producer()
    while maker is not None and operator_of(maker).elementwise == "one" and maker.inputs[0] is not None:
        maker = maker.inputs[0].producer()
    return is_op(maker, "Gemm")


def _swap(reshape: ir.Node, function: ir.Node) -> None:
    """The function reads what the Reshape read; the Reshape makes the value that the function
    made.
    """
    source, whole, result = reshape.inputs[0], reshape.outputs[0], function.outputs[0]
    assert source is not None
    graph = owner(function)
    rows_shape, rows_type = source.shape, source.type
    function.replace_input_with(0, source)
    result.replace_all_uses_with(whole, replace_graph_outputs=True)
    result.name, whole.name = whole.name, result.name  # outputs and statistics go by the name
    whole.type, whole.shape = result.type, result.shape
    result.type, result.shape = rows_type, rows_shape
    reshape.replace_input_with(0, result)
    graph.remove(reshape)
    graph.insert_after(function, reshape)


def _joined(model: ir.Model, node: ir.Node) -> bool:
    """Whether the Reshape before a Reshape was found needless, or the Reshape itself."""
    source, target = node.inputs[0], _target(node)
    if source is None or target is None:
        return False
    before, joined = source.producer(), False
    if before is not None and is_op(before, "Reshape") and before.graph is node.graph:
        node.replace_input_with(0, before.inputs[0])
        joined = True
        if not source.uses() and not source.is_graph_output():
            retire(model, before, f"merged into {node.name}")
    read = node.inputs[0]
    same = read is not None and read.shape is not None and list(read.shape) == [int(size) for size in target]
    return (same and bypass(model, node, "it changes no shape")) or joined


def _target(reshape: ir.Node) -> AnyArray | None:
    """The shape that a Reshape gives, where all its sizes are written down."""
    sizes = constant(reshape.inputs[1])
    return sizes if sizes is not None and bool((sizes > 0).all()) else None
