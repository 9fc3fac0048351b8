"""Give convolutions and pools of one spatial axis a second axis of size 1.

Some targets support only windows with a height and a width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, replace_constant
from edgeq.graph.read import attribute_ints, constant, is_op, nodes, operator_of, owner, rank

#: position of the unit axis: before the only spatial axis
_AXIS = 2


@dataclass(frozen=True)
class UnitAxis(ir.passes.InPlacePass):
    """Compute on [N, C, 1, L] instead of [N, C, L], from the first window to the last.

    Before:  y = Conv <pads = [1, 1]> (x, w)   z = Relu(y)     x: [N, C, L], w: [M, C, K]
    After:   u = Unsqueeze(x, 2)   v = Conv <pads = [0, 1, 0, 1]> (u, w)
             r = Relu(v)           z = Squeeze(r, 2)           w: [M, C, 1, K]

    1. A Conv, ConvTranspose, MaxPool or AveragePool of one spatial axis gets a second axis before
       it.
    2. An operator that works along the axes follows, where each of its inputs has the unit axis or
       is constant.
    3. A Squeeze that only these nodes read is removed.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names, modified = Names(model), False
        for node in list(nodes(model)):
            if operator_of(node).window and _is_line(node):
                _widen_attributes(node)
                if is_op(node, "Conv", "ConvTranspose"):
                    weight = constant(node.inputs[1])
                    assert weight is not None
                    replace_constant(node, 1, np.expand_dims(weight, _AXIS), names)
                _on_plane(node, (0,), names)
                modified = True
            elif _works_along(node) and _follows(node):
                _on_plane(node, _data(node), names)
                modified = True
        return ir.passes.PassResult(model, modified)


def _is_line(node: ir.Node) -> bool:
    """Whether the node has one spatial axis, and a constant weight if it has one."""
    if rank(node.inputs[0]) != 3 or any(value.uses() or value.is_graph_output() for value in node.outputs[1:]):
        return False
    return not is_op(node, "Conv", "ConvTranspose") or constant(node.inputs[1]) is not None


def _works_along(node: ir.Node) -> bool:
    """Whether output and input have the same channels and axes.

    The operator works element by element or channel by channel.
    """
    return operator_of(node).elementwise in ("one", "all") or is_op(node, "Concat", "GlobalAveragePool")


def _data(node: ir.Node) -> tuple[int, ...]:
    return operator_of(node).data_of(len(node.inputs))


def _follows(node: ir.Node) -> bool:
    data = [node.inputs[index] for index in _data(node)]
    if any(rank(value) != 3 and constant(value) is None for value in data) or not any(_plane(value) is not None for value in data):
        return False
    if is_op(node, "Concat"):  # constants would have to be of full rank
        return node.attributes.get_int("axis", 0) in (0, 1) and all(_plane(value) is not None for value in data)
    # a constant of more axes would give the result more axes
    return all(_plane(value) is not None or ((array := constant(value)) is not None and array.ndim <= 3) for value in data)


def _plane(value: ir.Value | None) -> ir.Value | None:
    """The value with the unit axis, from which a Squeeze makes this value."""
    maker = None if value is None else value.producer()
    if maker is None or not is_op(maker, "Squeeze") or len(maker.inputs) < 2 or rank(maker.inputs[0]) != 4:
        return None
    axes = constant(maker.inputs[1])
    return maker.inputs[0] if axes is not None and axes.tolist() == [_AXIS] else None


def _widen_attributes(node: ir.Node) -> None:
    for name, unit in (("kernel_shape", 1), ("strides", 1), ("dilations", 1), ("output_padding", 0), ("output_shape", 1), ("pads", 0)):
        old = attribute_ints(node, name)
        if old is not None:
            node.attributes[name] = ir.AttrInt64s(name, [number for half in _halves(name, old) for number in (unit, *half)])


def _halves(name: str, numbers: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """pads are split into begins and ends; other attributes are one piece."""
    middle = len(numbers) // 2 if name == "pads" else len(numbers)
    yield numbers[:middle]
    if name == "pads":
        yield numbers[middle:]


def _on_plane(node: ir.Node, data: tuple[int, ...], names: Names) -> None:
    """Let the node read and make values with the unit axis; its readers get a Squeeze."""
    graph = owner(node)
    axes = add_constant(graph, np.array([_AXIS], np.int64), names.value(f"{node.name}_unit_axis"))
    for index in data:
        value = node.inputs[index]
        array = constant(value)
        if array is not None:
            if array.ndim > 1:
                replace_constant(node, index, np.expand_dims(array, -2), names)
            continue
        assert value is not None
        wide = _plane(value)
        if wide is None:
            wide = ir.Value(name=names.value(f"{value.name}_plane"), type=value.type, shape=_wider(value.shape))
            step = ir.Node("", "Unsqueeze", [value, axes], outputs=[wide], name=names.node(f"{node.name}_Unsqueeze"))
            graph.insert_before(node, step)
        node.replace_input_with(index, wide)
        _drop(value)
    made = node.outputs[0]
    narrow = ir.Value(type=made.type, shape=made.shape)
    made.replace_all_uses_with(narrow, replace_graph_outputs=True)
    graph.insert_after(node, ir.Node("", "Squeeze", [made, axes], outputs=[narrow], name=names.node(f"{node.name}_Squeeze")))
    narrow.name, made.name = made.name, names.value(f"{made.name}_plane")
    made.shape = _wider(made.shape)


def _wider(shape: ir.Shape | None) -> ir.Shape | None:
    return None if shape is None else ir.Shape([*shape[:_AXIS], 1, *shape[_AXIS:]])


def _drop(value: ir.Value) -> None:
    """Remove the Squeeze that makes the value when nothing reads it any more."""
    maker = value.producer()
    if maker is not None and is_op(maker, "Squeeze") and not value.uses() and not value.is_graph_output():
        owner(maker).remove(maker, safe=True)
