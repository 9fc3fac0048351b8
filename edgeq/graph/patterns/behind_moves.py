"""The layer behind a value, through Transpose, Reshape and their like that keep channels apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.affine import FoldableLayer, linear_behind
from edgeq.graph.read import attribute_ints, constant, is_op, only_consumer, operator_of, rank


@dataclass(frozen=True, eq=False)
class MovedLayer:
    """A layer whose output reaches a value through nodes that only move elements."""

    layer: FoldableLayer
    #: the layer's output, moved
    value: ir.Value
    #: the axis of the channels in `value`, from 0 on
    axis: int
    #: number of dimensions of `value`
    rank: int


def layer_behind_moves(value: ir.Value | None) -> MovedLayer | None:
    """The layer that makes `value`; only one node each reads what lies between.

    In networks exported as NHWC a Transpose stands between a convolution and its bias.
    """
    moves: list[ir.Node] = []
    inner = value
    while inner is not None and only_consumer(inner) is not None and _moves(inner.producer()):
        maker = inner.producer()
        assert maker is not None
        moves.append(maker)
        inner = maker.inputs[0]
    layer = linear_behind(inner)
    if value is None or layer is None or layer.rank is None:
        return None
    axis: int | None = layer.axis % layer.rank
    for move in reversed(moves):
        axis = None if axis is None else _axis_behind(move, axis, layer.channels)
    dims = rank(value) if moves else layer.rank
    return None if axis is None or dims is None else MovedLayer(layer, value, axis, dims)


def _moves(node: ir.Node | None) -> bool:
    return node is not None and (is_op(node, "Transpose") or operator_of(node).moves == "views") and len(node.outputs) == 1


def _axis_behind(move: ir.Node, axis: int, channels: int) -> int | None:
    """Where the axis of the channels lies behind the move; None if it is cut, or joined."""
    source, out = move.inputs[0], move.outputs[0]
    if is_op(move, "Transpose"):
        dims = rank(source)
        perm = attribute_ints(move, "perm") or (None if dims is None else tuple(reversed(range(dims))))
        return None if perm is None else perm.index(axis)
    if source is None or source.shape is None or out.shape is None:
        return None
    before, after = list(source.shape), list(out.shape)
    if axis == len(before) - 1 and after and after[-1] == channels:
        return len(after) - 1  # the sizes before it have the same product
    if is_op(move, "Squeeze", "Unsqueeze"):
        return _among_units(before, after, axis)
    copied = _copied_axes(move)
    same = all(before[i] == after[i] or i in copied for i in range(min(axis, len(after))))
    return axis if len(after) > axis and same and after[axis] == channels else None


def _among_units(before: list[int | ir.SymbolicDim], after: list[int | ir.SymbolicDim], axis: int) -> int | None:
    """The axis where axes of size 1 come or go: as many others stand before it."""
    order = sum(size != 1 for size in before[:axis])
    if before[axis] == 1:
        return None
    others = [index for index, size in enumerate(after) if size != 1]
    return others[order] if order < len(others) else None


def _copied_axes(move: ir.Node) -> frozenset[int]:
    """The axes whose size a Reshape copies."""
    target = constant(move.inputs[1]) if is_op(move, "Reshape") else None
    return frozenset() if target is None else frozenset(np.flatnonzero(target.reshape(-1) == 0).tolist())
