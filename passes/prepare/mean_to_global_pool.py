"""Turn a mean over all spatial axes into GlobalAveragePool, which has an integer kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import onnx_ir as ir

from edgeq.graph.edit import Names
from edgeq.graph.read import attribute_int, attribute_ints, constant, is_op, nodes, owner, rank, scalar


@dataclass(frozen=True)
class MeanToGlobalPool(ir.passes.InPlacePass):
    """Replace ReduceMean over the axes 2..rank-1 by GlobalAveragePool.

    No target has an integer kernel for ReduceMean. A Flatten follows when the axes are dropped. The
    GlobalAveragePool keeps the node's name, and the Flatten's output keeps the output's name. The
    means of a normalization stay: runtimes recognize it by them.

    Before: `y = ReduceMean<keepdims=0>(x, [2, 3])`
    After:  `p = GlobalAveragePool(x)`, `y = Flatten<axis=1>(p)`
    """

    only_for: ClassVar[tuple[str, ...]] = ("ReduceMean",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        found = [node for node in nodes(model) if is_op(node, "ReduceMean") and _is_spatial(node) and not _normalizes(node)]
        for node in found:
            _rewrite(node, names)
        return ir.passes.PassResult(model, modified=bool(found))


def _is_spatial(node: ir.Node) -> bool:
    dims = rank(node.inputs[0])
    axes = attribute_ints(node, "axes")
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        array = constant(node.inputs[1])
        axes = None if array is None else tuple(int(axis) for axis in array.reshape(-1))
    return dims is not None and dims > 2 and axes is not None and sorted(axis % dims for axis in axes) == list(range(2, dims))


def _normalizes(mean: ir.Node) -> bool:
    """Whether it is the mean of squares, or is subtracted from what it is the mean of."""
    source = mean.inputs[0]
    maker = None if source is None else source.producer()
    if (
        is_op(maker, "Mul", "Pow")
        and maker is not None
        and (maker.inputs[0] is maker.inputs[1] or (is_op(maker, "Pow") and scalar(maker.inputs[1]) == 2))
    ):
        return True
    readers = [use.node for use in mean.outputs[0].uses()]
    readers += [use.node for node in readers if is_op(node, "Neg") for use in node.outputs[0].uses()]
    return any(is_op(node, "Sub", "Add") and source in node.inputs for node in readers)


def _rewrite(node: ir.Node, names: Names) -> None:
    keep = attribute_int(node, "keepdims", 1)
    node.op_type = "GlobalAveragePool"
    node.attributes.clear()
    node.resize_inputs(1)
    if keep:
        return
    out = node.outputs[0]
    pooled = ir.Value(name=names.value(f"{out.name}_pooled"), type=out.type)
    source = node.inputs[0]
    if source is not None and source.shape is not None:
        pooled.shape = ir.Shape([*source.shape[:2], *[1] * (len(source.shape) - 2)])
    graph = owner(node)
    node.name, name = None, node.name
    pool = ir.Node("", "GlobalAveragePool", [source], outputs=[pooled], name=name)
    graph.insert_before(node, pool)
    node.name = names.node(f"{name}_flatten")
    node.op_type = "Flatten"
    node.replace_input_with(0, pooled)
    node.attributes["axis"] = ir.AttrInt64("axis", 1)
