"""Remove Transposes that later ones undo: what lies between computes in the other order of axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, bypass, retire
from edgeq.graph.patterns.transposed_parts import Perm, TransposedPart, inverse, mean_axes, perm_of, transposed_parts
from edgeq.graph.read import attribute_int, constant, graphs, is_op, only_consumer, operator_of, owner


@dataclass(frozen=True)
class CancelTransposes(ir.passes.InPlacePass):
    """Let elementwise nodes, Concats and means compute in the order of axes that layers have.

    Networks exported as NHWC change the order of axes behind every convolution and change it back
    before the next. What lies between depends on an element's place only through constants, which
    are transposed.

    1. Transpose(Transpose(x)) becomes one Transpose.
    2. Where nodes read nothing but constants and values that one order of axes was changed for,
       they compute before the change. This is done where it leaves fewer Transposes.

    Before: `t = Transpose(c)`, `a = Add(t, bias)`, `r = Relu(a)`, `y = Transpose(r)`
    After:  `a = Add(c, bias in the other order)`, `y = Relu(a)`
    """

    only_for: ClassVar[tuple[str, ...]] = ("Transpose",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        changed = False
        for graph in graphs(model):
            for node in [node for node in graph if is_op(node, "Transpose")]:
                changed |= _joined(model, node)
            for perm in dict.fromkeys(perm for node in graph if (perm := perm_of(node)) is not None):
                for part in transposed_parts(graph, perm):
                    if part.pays:
                        _move(model, part, names)
                        changed = True
        return ir.passes.PassResult(model, modified=changed)


def _joined(model: ir.Model, node: ir.Node) -> bool:
    """Case 1."""
    source = node.inputs[0]
    first = None if source is None else source.producer()
    own, before = perm_of(node), perm_of(first)
    if first is None or own is None or before is None:
        return False
    node.attributes["perm"] = ir.AttrInt64s("perm", [before[axis] for axis in own])
    alone = only_consumer(first.outputs[0]) is node
    node.replace_input_with(0, first.inputs[0])
    if alone:
        retire(model, first, f"merged into {node.name}")
    return True


def _move(model: ir.Model, part: TransposedPart, names: Names) -> None:
    """Let the nodes compute in the order that holds before the Transposes."""
    for node in part.nodes:
        if part.read_elsewhere(node):
            _changed_for_others(part, node, names)
    for node in (*part.nodes, *part.means):
        for index, value in enumerate(node.inputs):
            _rewire(part, node, index, value, names)
        _reordered_axes(node, part.perm, names)
    back = inverse(part.perm)
    for node in part.nodes:
        out = node.outputs[0]
        out.shape = None if out.shape is None else ir.Shape([out.shape[axis] for axis in back])
    for node in part.after:
        bypass(model, node, "removed: it undid another Transpose")
    for node in part.before:
        if not node.outputs[0].uses() and not node.outputs[0].is_graph_output():
            retire(model, node, "removed: it was undone by another Transpose")


def _changed_for_others(part: TransposedPart, node: ir.Node, names: Names) -> None:
    """Let those who read the node's result outside of this part read it transposed."""
    out = node.outputs[0]
    value = ir.Value(name=names.value(f"{out.name}_transposed"), type=out.type, shape=out.shape)
    name = names.node(f"{node.name}_transposed")
    for use in [use for use in out.uses() if use.node not in part.members]:
        use.node.replace_input_with(use.idx, value)
    made = ir.Node("", "Transpose", [out], [ir.AttrInt64s("perm", part.perm)], outputs=[value], name=name)
    owner(node).insert_after(node, made)


def _rewire(part: TransposedPart, node: ir.Node, index: int, value: ir.Value | None, names: Names) -> None:
    maker = None if value is None else value.producer()
    if maker is not None and maker in part.before:
        node.replace_input_with(index, maker.inputs[0])
        return
    array = constant(value)
    if value is None or array is None or array.size == 1 or not operator_of(node).elementwise:
        return
    full = array.reshape((1,) * (len(part.perm) - array.ndim) + array.shape)
    moved = np.ascontiguousarray(np.transpose(full, inverse(part.perm)))
    node.replace_input_with(index, add_constant(owner(node), moved, names.value(f"{value.name}_transposed")))


def _reordered_axes(node: ir.Node, perm: Perm, names: Names) -> None:
    """Let a Concat or a mean name the axes that it means in the other order."""
    if is_op(node, "Concat"):
        node.attributes["axis"] = ir.AttrInt64("axis", perm[attribute_int(node, "axis", 0) % len(perm)])
        return
    axes = mean_axes(node, len(perm)) if is_op(node, "ReduceMean") else None
    if axes is None:
        return
    moved = sorted(perm[axis] for axis in axes)
    if "axes" in node.attributes:
        node.attributes["axes"] = ir.AttrInt64s("axes", moved)
    else:
        array = np.array(moved, np.int64)
        node.replace_input_with(1, add_constant(owner(node), array, names.value(f"{node.name}_axes")))
