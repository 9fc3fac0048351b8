"""Take the Concat off the end of a model, so that its parts become outputs of their own."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir
import onnx_ir.passes.common as common_passes

from edgeq.graph.edit import Names, add_constant
from edgeq.graph.read import attribute_int, attribute_ints, constant, dim, is_op, operator_of
from edgeq.schema.origins import SPLIT_KEY

#: an output that joins more values is left whole: a recurrence that was unrolled
MOST_PARTS = 64


@dataclass(frozen=True)
class SplitOutputs(ir.passes.InPlacePass):
    """Hand out the parts that a Concat joins, instead of the joined output.

    Before:  both = Concat<axis=1>(box, score)   y = Transpose(both)     output y
    After:   y.0 = Transpose(box)   y.1 = Transpose(score)               outputs y.0, y.1

    Movement behind the Concat (Transpose, and Reshape and its like where they keep the joined axis
    apart) and functions of one number are repeated for each part; where something else lies
    between, the output stays whole. Concats of Concats are taken apart as well. The outputs that
    were split are recorded in metadata_props, under edgeq.split_outputs, each with the names of
    its parts.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        outputs: list[ir.Value] = []
        split: dict[str, list[str]] = {}
        taken = set(model.graph.outputs)
        for output in list(model.graph.outputs):
            parts = _parts(model.graph, output, names)
            if not 1 < len(parts) <= MOST_PARTS:
                outputs.append(output)
                continue
            split[str(output.name)] = [str(part.name) for part in parts]
            for index, part in enumerate(parts):
                outputs.append(_own(model.graph, part, taken, names))
                outputs[-1].name = names.value(f"{output.name}.{index}")
                taken.add(outputs[-1])
        if not split:
            return ir.passes.PassResult(model, modified=False)
        model.graph.outputs.clear()
        model.graph.outputs.extend(outputs)
        common_passes.RemoveUnusedNodesPass()(model)
        model.metadata_props[SPLIT_KEY] = json.dumps(split)
        return ir.passes.PassResult(model, modified=True)


@dataclass(frozen=True)
class _Pieces:
    """The parts of one joined value, wherever on the way to the output."""

    values: tuple[ir.Value, ...]
    #: the axis along which they are joined
    axis: int
    #: the size of each along that axis
    sizes: tuple[int, ...]


def _parts(graph: ir.Graph, value: ir.Value, names: Names) -> list[ir.Value]:
    """The parts of the value, made by new nodes; the value alone: it cannot be taken apart."""
    way: list[ir.Node] = []
    node = value.producer()
    while node is not None and not is_op(node, "Concat"):
        operator = operator_of(node)
        if not (operator.moves in ("views", "reorders") or is_op(node, "Cast") or (operator.elementwise == "one" and not operator.makes)):
            return [value]
        way.append(node)
        source = node.inputs[0]
        node = None if source is None else source.producer()
    pieces = None if node is None else _joined(node)
    for step in reversed(way):
        pieces = None if pieces is None else _repeat(graph, step, pieces, names)
    return [value] if pieces is None else [part for piece in pieces.values for part in _parts(graph, piece, names)]


def _joined(node: ir.Node) -> _Pieces | None:
    """What a Concat joins; None: a part is a constant, or its size is not known."""
    values = tuple(value for value in node.inputs if value is not None)
    shape = node.outputs[0].shape
    if shape is None or any(constant(value) is not None for value in values):
        return None
    axis = attribute_int(node, "axis", 0) % len(shape)
    sizes = tuple(dim(value, axis) for value in values)
    known = tuple(size for size in sizes if size is not None)
    return _Pieces(values, axis, known) if len(known) == len(values) else None


def _repeat(graph: ir.Graph, node: ir.Node, pieces: _Pieces, names: Names) -> _Pieces | None:
    """The pieces behind the node, which is repeated for each of them; None: it cannot be."""
    before, after = (None if value is None else value.shape for value in (node.inputs[0], node.outputs[0]))
    if before is None or after is None:
        return None
    if is_op(node, "Transpose"):
        perm = attribute_ints(node, "perm") or tuple(reversed(range(len(before))))
        moved = replace(pieces, axis=perm.index(pieces.axis))
        return replace(moved, values=tuple(_copied(graph, node, value, names) for value in pieces.values))
    if operator_of(node).moves == "views":
        return _reshaped(graph, node, pieces, names)
    if operator_of(node).moves == "reorders":  # blocks of channels: no axis stays apart
        return None
    return replace(pieces, values=tuple(_copied(graph, node, value, names) for value in pieces.values))


def _copied(graph: ir.Graph, node: ir.Node, value: ir.Value, names: Names) -> ir.Value:
    result = ir.Value(name=names.value(f"{value.name}_{node.op_type}"), type=node.outputs[0].type)
    copy = ir.Node("", node.op_type, [value, *node.inputs[1:]], node.attributes.values(), outputs=[result],
                   name=names.node(f"{node.name}_part"))  # fmt: skip
    graph.append(copy)
    if value.shape is not None:
        perm = attribute_ints(node, "perm") or tuple(reversed(range(len(value.shape))))
        result.shape = ir.Shape([value.shape[axis] for axis in perm]) if is_op(node, "Transpose") else ir.Shape(value.shape)
    return result


def _reshaped(graph: ir.Graph, node: ir.Node, pieces: _Pieces, names: Names) -> _Pieces | None:
    source, result = node.inputs[0], node.outputs[0]
    assert source is not None and source.shape is not None and result.shape is not None  # _repeat looked
    before, after = list(source.shape), list(result.shape)
    if before == after:
        return pieces
    axis = _kept_axis(before, after, pieces)
    if axis is None:
        return None
    whole = after[axis]
    assert isinstance(whole, int)  # _kept_axis chose it
    sizes = tuple(whole * size // sum(pieces.sizes) for size in pieces.sizes)
    values = []
    for value, size in zip(pieces.values, sizes, strict=True):
        shape = [*after[:axis], size, *after[axis + 1 :]]
        wanted = _request(before, shape)
        if wanted is None:
            return None
        target = add_constant(graph, np.asarray(wanted, np.int64), names.value(f"{value.name}_shape"))
        made = ir.Value(name=names.value(f"{value.name}_Reshape"), type=result.type, shape=ir.Shape(shape))
        graph.append(ir.Node("", "Reshape", [value, target], [], outputs=[made], name=names.node(f"{node.name}_part")))
        values.append(made)
    return _Pieces(tuple(values), axis, sizes)


def _kept_axis(before: Sequence[int | ir.SymbolicDim], after: Sequence[int | ir.SymbolicDim], pieces: _Pieces) -> int | None:
    """The axis behind a Reshape along which the pieces still lie one after the other.

    As many elements are in front of it as were in front of the joined axis.
    """
    joined = sum(pieces.sizes)
    fits = [
        axis
        for axis, size in enumerate(after)
        if isinstance(size, int) and _volume(after[:axis]) == _volume(before[: pieces.axis])
        and all(size * one % joined == 0 and size * one >= joined for one in pieces.sizes)
    ]  # fmt: skip
    return next((axis for axis in fits if after[axis] == joined), next(iter(fits), None))


def _volume(sizes: Sequence[int | ir.SymbolicDim]) -> tuple[int, Counter[str]]:
    """The product of the sizes: of the known ones, and the names of the others."""
    known = [size for size in sizes if isinstance(size, int)]
    return math.prod(known), Counter(str(size) for size in sizes if not isinstance(size, int))


def _request(before: Sequence[int | ir.SymbolicDim], shape: Sequence[int | ir.SymbolicDim]) -> list[int] | None:
    """The shape as a Reshape is told it: 0 keeps a size, -1 stands for the only unknown one."""
    found = []
    for place, size in enumerate(shape):
        kept = place < len(before) and str(before[place]) == str(size)
        found.append(size if isinstance(size, int) else 0 if kept and size.value is not None else -1)
    return found if found.count(-1) <= 1 else None


def _own(graph: ir.Graph, part: ir.Value, taken: set[ir.Value], names: Names) -> ir.Value:
    """The part, or a copy of it where it is an input or an output already."""
    if part.producer() is not None and part not in taken:
        return part
    copy = ir.Value(name=names.value(f"{part.name}_Identity"), type=part.type, shape=part.shape)
    graph.append(ir.Node("", "Identity", [part], [], outputs=[copy], name=names.node(f"{part.name}_Identity")))
    return copy
