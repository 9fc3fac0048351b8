"""Shape arithmetic on sizes that are numbers, or dimensions that are known only at run time."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeq.graph.read import attribute_int, constant, is_op, nodes

#: a size: a number, the name of a dimension, or (id of the value, axis) of one without a name
Size = int | str | tuple[int, int]
#: an array of sizes, of rank 0 or 1
Sizes = NDArray[np.object_]
#: computes what an operator outputs from the sizes that it reads; None where that is not known
Rule = Callable[[ir.Node, list[Sizes]], Sizes | None]

#: the most sizes in an array: shapes are short, and anything longer is data
_MAX_LENGTH = 64
#: an integer value with more elements than this is data
_LONGEST = 1 << 16
#: the most operators that are followed in a row: exporters chain about ten
_MAX_DEPTH = 64


def integers_are_short(model: ir.Model) -> bool:
    """Whether every integer value is small enough to be followed in memory.

    A hostile Range or a chain of Concat could make one that fills the memory.
    """
    integers = (value for node in nodes(model) for value in node.outputs if value.dtype in (ir.DataType.INT64, ir.DataType.INT32))
    shapes = (value.shape for value in integers if value.shape is not None)
    return all(math.prod(size for size in shape if isinstance(size, int)) <= _LONGEST for shape in shapes)


def size_of(value: ir.Value, axis: int) -> Size:
    """One dimension of a value whose rank is known."""
    assert value.shape is not None
    size = value.shape[axis]
    if isinstance(size, int):
        return size
    return size.value if isinstance(size.value, str) else (id(value), axis)


def evaluate(value: ir.Value | None) -> Sizes | None:
    """What an integer value of rank 0 or 1 holds, as far as shapes and constants determine it.

    None where they do not.
    """
    return _evaluate(value, {}, 0)


def _evaluate(value: ir.Value | None, known: dict[ir.Value, Sizes | None], depth: int) -> Sizes | None:
    """As evaluate; `known` keeps each result.

    Without it a chain of s = Add(s, s) would take time exponential in its length.
    """
    if value is None or depth > _MAX_DEPTH:
        return None
    if value not in known:
        known[value] = _compute(value, known, depth)
    return known[value]


def _compute(value: ir.Value, known: dict[ir.Value, Sizes | None], depth: int) -> Sizes | None:
    array = constant(value)
    if array is not None:
        fits = np.issubdtype(array.dtype, np.integer) and array.ndim < 2 and array.size <= _MAX_LENGTH
        return _sizes([int(number) for number in array.reshape(-1)], array.shape) if fits else None
    node = value.producer()
    if node is None or not is_op(node, *ARITHMETIC) or value is not node.outputs[0]:
        return None
    if node.op_type == "Shape":
        return _shape(node)
    sources = [_evaluate(source, known, depth + 1) for source in node.inputs]
    given = [source for source in sources if source is not None]
    result = _RULES[node.op_type](node, given) if given and len(given) == len(sources) else None
    return result if result is not None and result.size <= _MAX_LENGTH else None


def _sizes(items: list[Size], shape: tuple[int, ...]) -> Sizes:
    out = np.empty(len(items), object)
    for index, item in enumerate(items):  # one by one: numpy would unpack the tuples
        out[index] = item
    return out.reshape(shape)


def _shape(node: ir.Node) -> Sizes | None:
    source = node.inputs[0]
    if source is None or source.shape is None:
        return None
    sizes = [size_of(source, axis) for axis in range(len(source.shape))]
    chosen = sizes[attribute_int(node, "start", 0) : node.attributes.get_int("end", len(sizes))]
    return _sizes(chosen, (len(chosen),))


def _cast(node: ir.Node, sources: list[Sizes]) -> Sizes | None:
    return sources[0] if attribute_int(node, "to", 0) in (int(ir.DataType.INT64), int(ir.DataType.INT32)) else None


def _concat(_: ir.Node, sources: list[Sizes]) -> Sizes | None:
    return np.concatenate(sources) if all(source.ndim == 1 for source in sources) else None


def _gather(node: ir.Node, sources: list[Sizes]) -> Sizes | None:
    first, index = sources
    if attribute_int(node, "axis", 0) != 0 or first.ndim != 1:
        return None
    picked = [int(i) for i in index.reshape(-1) if isinstance(i, int) and -first.size <= i < first.size]
    return _sizes([first[i] for i in picked], index.shape) if len(picked) == index.size else None


def _slice(_: ir.Node, sources: list[Sizes]) -> Sizes | None:
    first, *bounds = sources
    numbers = [bound.reshape(-1)[0] for bound in bounds if bound.size == 1]
    if first.ndim != 1 or len(numbers) != len(bounds) or not all(isinstance(number, int) for number in numbers):
        return None
    axis = numbers[2] if len(numbers) > 2 else 0
    step = numbers[3] if len(numbers) > 3 else 1
    return first[numbers[0] : numbers[1] : step] if axis in (0, -1) and step > 0 else None


def _arithmetic(compute: Callable[[int, int], int | None]) -> Rule:
    """A rule for sizes that are all numbers.

    `compute` returns None where ONNX and Python may differ.
    """

    def rule(_: ir.Node, sources: list[Sizes]) -> Sizes | None:
        a, b = np.broadcast_arrays(*sources)
        pairs = list(zip(a.reshape(-1), b.reshape(-1), strict=True))
        if not all(isinstance(x, int) and isinstance(y, int) for x, y in pairs):
            return None
        results = [result for x, y in pairs if (result := compute(x, y)) is not None]
        return _sizes([*results], a.shape) if len(results) == len(pairs) else None

    return rule


_RULES: dict[str, Rule] = {
    "Add": _arithmetic(int.__add__),
    "Cast": _cast,
    "Concat": _concat,
    "Div": _arithmetic(lambda x, y: None if x < 0 or y <= 0 else x // y),
    "Gather": _gather,
    "Identity": lambda _, sources: sources[0],
    "Mul": _arithmetic(int.__mul__),
    "Slice": _slice,
    "Squeeze": lambda _, sources: sources[0].reshape(()) if sources[0].shape == (1,) else None,
    "Sub": _arithmetic(int.__sub__),
    "Unsqueeze": lambda _, sources: sources[0].reshape(1) if sources[0].ndim == 0 else None,
}
#: the operators that `evaluate` understands
ARITHMETIC = ("Shape", *_RULES)
