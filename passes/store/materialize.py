"""Compute the weights that a file stores as codebooks, once and ahead of the runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import add_constant, drop_unread_constants
from edgeq.graph.read import attribute_int, attribute_ints, constant, is_op, nodes, owner
from edgeq.numerics.arrays import AnyArray
from edgeq.passes.store.fold_scaled_scales import FoldScaledScales

#: types of floats of eight bits
FLOATS = (ir.DataType.FLOAT8E4M3FN, ir.DataType.FLOAT8E5M2, ir.DataType.FLOAT8E8M0)


@dataclass(frozen=True)
class Materialize(ir.passes.InPlacePass):
    """Turn codebooks and small codes that are computed from constants into initializers.

    Before:  i = Cast <to = INT32> (w_indices)   w = Gather(w_table, i)   y = Conv(x, w)
    After:   y = Conv(x, w) with the initializer w

    A codebook ends in a Gather, the codes of a number format in a Cast to int8, its floats in a Mul
    of what two Gathers give, or Casts of floats of eight bits; a Reshape, a Slice and a Transpose
    may follow. The nodes that unpack are removed. Integers, a table's own numbers and single
    products of float32 are all that is involved, so the result is bit-identical to what a runtime
    folds at load time.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        turned = FoldScaledScales()(model).modified
        known: dict[ir.Value, AnyArray | None] = {}
        ends = [node for node in nodes(model) if _begins(node)]
        wanted = dict.fromkeys(_last(node, known) for node in ends if _evaluate(node.outputs[0], known) is not None)
        for value in wanted:
            _store(value, known)
        if wanted:
            _drop_unread(model, {id(value) for value in known})
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified=bool(wanted) or turned)


def _begins(node: ir.Node) -> bool:
    """Whether numbers of a weight come out of a node: the end of a codebook or of codes, or a Cast
    of FP8 or E8M0.
    """
    source, kind = node.inputs[0] if node.inputs else None, attribute_int(node, "to", 0)
    eight = is_op(node, "Cast") and kind == ir.DataType.FLOAT and source is not None and source.dtype in FLOATS
    return is_op(node, "Gather") or kind == ir.DataType.INT8 or eight


def _last(node: ir.Node, known: dict[ir.Value, AnyArray | None]) -> ir.Value:
    """The value that the weight ends in: the last one that is computed from it alone."""
    result = node.outputs[0]
    readers = [use.node for use in result.uses()]
    if len(readers) != 1 or len(readers[0].outputs) != 1 or result.is_graph_output():
        return result
    return result if _evaluate(readers[0].outputs[0], known) is None else _last(readers[0], known)


def _store(value: ir.Value, known: dict[ir.Value, AnyArray | None]) -> None:
    """Replace a computed value by an initializer of the same name, so graph outputs keep theirs."""
    maker, array, name = value.producer(), known[value], str(value.name)
    assert maker is not None and array is not None
    graph = owner(maker)
    value.name = None
    stored = add_constant(graph, array, name)
    value.replace_all_uses_with(stored, replace_graph_outputs=True)


def _drop_unread(model: ir.Model, ours: set[int]) -> None:
    """Remove the unpacking nodes that nothing reads any more, starting from the last."""
    for node in reversed(list(nodes(model))):
        if all(id(value) in ours and not value.uses() and not value.is_graph_output() for value in node.outputs):
            owner(node).remove(node, safe=True)


def _evaluate(value: ir.Value | None, known: dict[ir.Value, AnyArray | None]) -> AnyArray | None:
    """The array that a value holds for all inputs.

    None when it depends on the inputs, or on an operator that codebooks do not use.
    """
    if value is None:
        return None
    maker = value.producer()
    if maker is None or is_op(maker, "Constant"):
        return constant(value)
    if value not in known:
        known[value] = None  # also ends the recursion in a cyclic graph
        known[value] = _compute(maker, known)
    return known[value]


def _compute(node: ir.Node, known: dict[ir.Value, AnyArray | None]) -> AnyArray | None:
    rule = _RULES.get(node.op_type) if is_op(node, node.op_type) else None
    if rule is None or len(node.outputs) != 1:
        return None
    arrays = [_evaluate(value, known) for value in node.inputs]
    given = [array for array in arrays if array is not None]
    if len(given) < len(arrays):
        return None
    try:
        return rule(node, given)
    except (ValueError, TypeError, IndexError):  # sizes, numbers or attributes that contradict each other: left to the runtime
        return None


def _cast(node: ir.Node, arrays: list[AnyArray]) -> AnyArray | None:
    target = attribute_int(node, "to", 0)
    kind = next((kind for kind in (ir.DataType.INT32, ir.DataType.INT64, ir.DataType.UINT8, ir.DataType.INT8) if kind == target), None)
    if kind is None and target == ir.DataType.FLOAT and arrays[0].dtype in [one.numpy() for one in (*FLOATS, ir.DataType.INT8)]:
        kind = ir.DataType.FLOAT  # every number of eight bits is one of float32
    return None if kind is None else arrays[0].astype(kind.numpy())


def _gather(node: ir.Node, arrays: list[AnyArray]) -> AnyArray | None:
    table, indices = arrays
    if attribute_int(node, "axis", 0) or not np.issubdtype(indices.dtype, np.signedinteger) or not table.ndim:
        return None
    inside = indices.size == 0 or (int(indices.min()) >= -len(table) and int(indices.max()) < len(table))
    return table[indices] if inside else None


def _reshape(node: ir.Node, arrays: list[AnyArray]) -> AnyArray | None:
    array, sizes = arrays[0], [int(size) for size in arrays[1]]
    if 0 in sizes or attribute_int(node, "allowzero", 0):
        return None
    return array.reshape(sizes)


def _transpose(node: ir.Node, arrays: list[AnyArray]) -> AnyArray | None:
    order = attribute_ints(node, "perm")
    return None if order is None or len(order) != arrays[0].ndim else np.ascontiguousarray(np.transpose(arrays[0], order))


def _slice(_: ir.Node, arrays: list[AnyArray]) -> AnyArray | None:
    """A forward slice along one axis, as it cuts off padding."""
    array, starts, ends, axes = (*arrays, np.zeros(1, np.int64))[:4]
    if len(arrays) > 4 or starts.size != 1 or axes.size != 1 or not 0 <= int(axes[0]) < array.ndim:
        return None
    return np.ascontiguousarray(array[(slice(None),) * int(axes[0]) + (slice(int(starts[0]), int(ends[0])),)])


def _integers(function: Callable[[AnyArray, AnyArray], AnyArray]) -> Callable[[ir.Node, list[AnyArray]], AnyArray | None]:
    """A rule for non-negative integers, where ONNX and numpy agree on division and remainder."""

    def rule(_: ir.Node, arrays: list[AnyArray]) -> AnyArray | None:
        fits = all(array.dtype.kind in "iu" and (not array.size or int(array.min()) >= 0) for array in arrays)
        return np.asarray(function(*arrays), arrays[0].dtype) if fits else None

    return rule


def _whole(
    function: Callable[[AnyArray, AnyArray], AnyArray], *kinds: type[np.generic]
) -> Callable[[ir.Node, list[AnyArray]], AnyArray | None]:
    """A rule for integers of 32 or 64 bits and any sign. kinds: other types that it takes."""

    def rule(_: ir.Node, arrays: list[AnyArray]) -> AnyArray | None:
        alike = all(array.dtype == arrays[0].dtype and array.dtype in (np.int32, np.int64, *kinds) for array in arrays)
        return np.asarray(function(*arrays), arrays[0].dtype) if alike else None

    return rule


def _shift(node: ir.Node, arrays: list[AnyArray]) -> AnyArray | None:
    shift = np.right_shift if node.attributes.get_string("direction", "") == "RIGHT" else np.left_shift
    return _integers(shift)(node, arrays)


_RULES: dict[str, Callable[[ir.Node, list[AnyArray]], AnyArray | None]] = {
    "Cast": _cast,
    "Gather": _gather,
    "Reshape": _reshape,
    "Slice": _slice,
    "Transpose": _transpose,
    "BitShift": _shift,
    "BitwiseAnd": _integers(np.bitwise_and),
    "Div": _integers(lambda a, b: np.floor_divide(a, np.maximum(b, 1))),
    "Mod": _integers(lambda a, b: np.remainder(a, np.maximum(b, 1))),
    "Mul": _whole(np.multiply, np.float32),
    "Add": _whole(np.add),
    "Sub": _whole(np.subtract),
}
