"""Values that only Softmax reads: numbers far below the rest of a row are alike to it.

A mask is the usual reason: -1e9, added to a score, is there to make a probability 0, and so is -30.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
import onnx_ir as ir

from edgeq.graph.macs import macs
from edgeq.graph.read import attribute_int, constant, is_op, operator_of

#: the end of a value's range at which numbers far enough out are alike to all that read it: -1 the
#: low one, 1 the high one, 0 neither
End = Literal[-1, 0, 1]


def softmax_axis(value: ir.Value) -> int | None:
    """The axis of the Softmax that alone reads the value; None if anything else reads it.

    Several Softmax along one axis count as one.

    >>> text = '<ir_version: 8, opset_import: ["" : 17]> net (float[N, 3] x) => (float[N, 3] y) '
    >>> softmax_axis(ir.from_onnx_text(text + "{ y = Softmax<axis = 1>(x) }").graph.inputs[0])
    1
    """
    readers = [use.node for use in value.uses()]
    if value.is_graph_output() or not all(is_op(node, "Softmax") and node.graph is _home(value) for node in readers):
        return None
    axes = {attribute_int(node, "axis", -1) for node in readers}
    return axes.pop() if len(axes) == 1 else None


def softmax_inputs(value: ir.Value) -> tuple[str, ...]:
    """The values that Softmax reads and that hold all of this one that anything reads.

    Between them and it are operators that move elements, or nothing. Empty if anything else reads
    it.
    """
    found: list[str] = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if softmax_axis(one) is not None:
            found.append(str(one.name))
            continue
        uses = one.uses()
        behind = [tuple(_read(use.node)) for use in uses if _moves(use.node, use.idx)]
        if one.is_graph_output() or not uses or len(behind) < len(uses) or not all(behind):
            return ()
        waiting += [other for read in reversed(behind) for other in reversed(read)]
    return tuple(dict.fromkeys(found))


def reaches_softmax(value: ir.Value) -> bool:
    """Whether sums, products and movements of elements, or nothing, lead from it to a Softmax.

    Numbers that are too large for a grid are then most likely a mask. What a matrix product or a
    convolution makes is none.
    """
    maker = value.producer()
    if maker is not None and macs(maker):
        return False
    seen, queue = {value}, [value]
    while queue:
        for use in queue.pop().uses():
            if is_op(use.node, "Softmax"):
                return True
            if turned(use.node, use.idx) or is_op(use.node, "Mul"):
                new = [output for output in use.node.outputs if output not in seen]
                seen.update(new)
                queue += new
    return False


def far_ends(graph: ir.Graph) -> Mapping[ir.Value, End]:
    """For every value of the graph, the end at which all its readers take numbers for alike.

    What an Add, a Sub, a scale or a movement of elements passes on to a Softmax counts as read by
    it. Bodies of the graph's nodes are not looked into.

    >>> head = '<ir_version: 8, opset_import: ["" : 17]> net (float[3] s, float[3] m) => (float y)'
    >>> graph = ir.from_onnx_text(head + "{ x = Sub(s, m) y = Softmax(x) }").graph
    >>> ends = far_ends(graph)
    >>> [ends[value] for value in graph.inputs]
    [-1, 1]
    """
    ends: dict[ir.Value, End] = {}
    for node in reversed(graph):
        for output in node.outputs:
            ends[output] = _common(output, graph, ends)
    for value in (*graph.inputs, *graph.initializers.values()):
        ends[value] = _common(value, graph, ends)
    return ends


def far_end_at(node: ir.Node, index: int, ends: Mapping[ir.Value, End]) -> End:
    """The end at which this input's numbers are alike to the node and to all that follows it."""
    if is_op(node, "Softmax"):
        return -1
    turn = turned(node, index)
    after = {ends.get(output, 0) for output in _read(node)} if turn else set()
    return _times(after.pop(), turn) if len(after) == 1 else 0


def factor_end(node: ir.Node, index: int, ends: Mapping[ir.Value, End]) -> End:
    """The end at which this input, one number that makes a mask of ones and zeros, is far enough.

    (1 - kept) * -1e38 is a mask of -1e38; -1e4 in its place gives the same. So it is with
    (kept - 1) * 1e38. It holds if the other factor never has the sign that would make numbers far
    out at the end that counts. 0 for every other input.
    """
    factor = constant(node.inputs[index]) if is_op(node, "Mul") else None
    if factor is None or factor.size != 1:
        return 0
    sign, after = _sign(factor.item(), factor.item()), {ends.get(output, 0) for output in node.outputs}
    return sign if after in ({-1}, {1}) else 0


def turned(node: ir.Node, index: int) -> End:
    """Whether the output grows (1) or falls (-1) with this input; 0: neither, or unknown.

    Where it does, numbers that are far out in the input are far out in the output.
    """
    operator = operator_of(node)
    if is_op(node, "Add"):
        return 1
    if is_op(node, "Sub"):
        return -1 if index else 1
    if is_op(node, "Neg"):
        return -1
    if is_op(node, "Mul") or (is_op(node, "Div") and index == 0):
        factor = constant(node.inputs[1 - index])
        return 0 if factor is None or factor.size == 0 else _sign(float(np.min(factor)), float(np.max(factor)))
    keeps = operator.moves not in (None, "samples") and index in operator.data_of(len(node.inputs))
    return 1 if keeps else 0


def _sign(low: float, high: float) -> End:
    return 1 if low > 0 else -1 if high < 0 else 0


def _times(end: End, turn: End) -> End:
    return end if turn == 1 else -1 if end == 1 else 1 if end == -1 else 0


def _common(value: ir.Value, graph: ir.Graph, ends: Mapping[ir.Value, End]) -> End:
    if value.is_graph_output():
        return 0
    found = {far_end_at(use.node, use.idx, ends) if use.node.graph is graph else 0 for use in value.uses()}
    return found.pop() if len(found) == 1 else 0


def _moves(node: ir.Node, index: int) -> bool:
    operator = operator_of(node)
    return operator.moves not in (None, "samples") and operator.elementwise is None and index in operator.data_of(len(node.inputs))


def _read(node: ir.Node) -> Iterator[ir.Value]:
    """The outputs of the node that something reads."""
    return (output for output in node.outputs if output.uses() or output.is_graph_output())


def _home(value: ir.Value) -> ir.Graph | ir.Function | None:
    maker = value.producer()
    return value.graph if maker is None else maker.graph
