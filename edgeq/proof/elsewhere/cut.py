"""Cut a model where codes are made: each cut gives what was computed, and takes what is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.edit import Names
from edgeq.graph.read import constant, is_op


@dataclass(frozen=True, eq=False)
class Cut:
    """A place where codes are made."""

    #: name of the output that gives them
    made: str
    #: name of the input that hands them on; empty: nobody reads them
    read: str
    #: name of the last node before the codes
    name: str
    #: the types of the nodes between the codes before and these, in the order of the graph
    op_types: tuple[str, ...]


def told(model: ir.Model) -> ir.Model:
    """A copy that also outputs every code that is made in the main graph."""
    copy = model.clone()
    for node in _makers(copy):
        _output(copy, node)
    return copy


def cut(model: ir.Model) -> tuple[Cut, ...]:
    """Cut the model in place wherever its main graph makes codes."""
    names, cuts = Names(model), []
    for node in _makers(model):
        codes, (name, op_types) = node.outputs[0], _before(node.inputs[0], node)
        _output(model, node)
        uses, read = list(codes.uses()), ""
        if uses:
            read = names.value(f"{codes.name}_given")
            given = ir.Value(name=read, type=codes.type, shape=codes.shape)
            model.graph.inputs.append(given)
            for use in uses:
                use.node.replace_input_with(use.idx, given)
        cuts.append(Cut(str(codes.name), read, name, op_types))
    return tuple(cuts)


def output_ends(model: ir.Model) -> tuple[Cut, ...]:
    """The outputs in floats that are more than codes told in floats."""
    ends = []
    for value in model.graph.outputs:
        last = value.producer()
        if last is not None and value.dtype == ir.DataType.FLOAT and not is_op(last, "DequantizeLinear"):
            ends.append(Cut(str(value.name), "", *_before(value, last)))
    return tuple(ends)


def _makers(model: ir.Model) -> list[ir.Node]:
    """The nodes of the main graph that make codes of 8 or 16 bits from values."""
    made = [node for node in model.graph if is_op(node, "QuantizeLinear") and constant(node.inputs[0]) is None]
    return [node for node in made if _type(node) in (ir.DataType.INT8, ir.DataType.UINT8, ir.DataType.INT16, ir.DataType.UINT16)]


def _type(node: ir.Node) -> ir.DataType:
    zero = node.inputs[2] if len(node.inputs) > 2 else None
    array = constant(zero)
    return ir.DataType.UINT8 if array is None else ir.DataType.from_numpy(array.dtype)


def _output(model: ir.Model, node: ir.Node) -> None:
    codes = node.outputs[0]
    codes.type = ir.TensorType(_type(node))
    if not codes.is_graph_output():
        model.graph.outputs.append(codes)


def _before(value: ir.Value | None, maker: ir.Node) -> tuple[str, tuple[str, ...]]:
    """The node that makes a value (none: `maker`), and the types between it and codes before."""
    last = None if value is None else value.producer()
    types = dict.fromkeys(reversed([one.op_type for one in _between(value)]))
    return (last or maker).name or (last or maker).op_type, tuple(types)


def _between(value: ir.Value | None) -> Iterator[ir.Node]:
    """The nodes between the codes that are read and a value, last first."""
    waiting, seen = [value], set[int]()
    while waiting:
        value = waiting.pop()
        node = None if value is None else value.producer()
        if node is None or id(node) in seen or is_op(node, "QuantizeLinear"):
            continue
        seen.add(id(node))
        if not is_op(node, "DequantizeLinear"):
            yield node
        waiting += node.inputs
