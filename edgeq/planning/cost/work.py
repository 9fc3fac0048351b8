"""How much of what a node does: the kind of its work, and the counts that figures are multiplied
with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.macs import elements, macs, sizes
from edgeq.graph.read import attribute_int, constant, dim, is_op, operator_of, rank
from edgeq.planning.cost.near import at_convolution, between_convolutions

#: input channels up to which a Conv is the first of a picture, which has kernels of its own
PICTURE_CHANNELS = 4


@dataclass(frozen=True)
class Work:
    """What one node does in one call."""

    #: the name of a table of figures: an operator, and behind a dot its form
    kind: str
    #: places of the output: pixels, or rows of a product; of all samples and groups
    places: float
    #: numbers gathered for a place
    reads: float
    #: numbers made at a place
    width: float
    #: whether every number made needs reads of its own, side by side in lanes (depthwise), or all
    #: share them
    apart: bool = False
    #: numbers of the weight
    weights: float = 0.0

    def counts(self, lanes: int, *, blocks: bool = False) -> tuple[float, ...]:
        """How often each of FIGURES is paid, for kernels of so many lanes.

        blocks: whether values are stored in whole groups of lanes, as float pictures are; then
        numbers that are made apart are so by the group, and none beyond the last.

        >>> Work("Conv.pointwise", places=100, reads=8, width=24, weights=192).counts(16)
        (1.0, 100, 800, 25600, 2400, 800, 192)
        """
        rest = self.width % lanes
        if self.apart and not blocks:
            whole, left = self.reads * (self.width - rest), self.reads * rest
        else:
            whole, left = self.reads * (self.width + (lanes - rest if rest else 0)), rest
        return (
            1.0,
            self.places,
            self.places * self.reads,
            self.places * whole,
            self.places * self.width,
            self.places * left,
            self.weights,
        )


def work_of(node: ir.Node, batch: int = 1) -> Work:
    """The work of a node with static shapes.

    batch: samples of a call, where the first dimension is open.
    """
    samples = batch if node.outputs and dim(node.outputs[0], 0) is None else 1
    if is_op(node, "Conv"):
        return _conv(node, samples)
    if is_op(node, "Gemm", "MatMul"):
        return _product(node, samples)
    made = elements(node.outputs[0]) * samples
    if operator_of(node).window:
        taps = math.prod(size for size in node.attributes.get_ints("kernel_shape", ()))
        return Work(_ranked(node.op_type, (rank(node.outputs[0]) or 4) - 2), made, taps, 1)
    gathers = not operator_of(node).relocates and operator_of(node).elementwise is None  # a reduction
    read = elements(node.inputs[0]) * samples if gathers and node.inputs else made
    spans = _spans(node)
    if spans > 1:
        return Work(f"{node.op_type}.spread", spans * samples, 1, made / max(spans * samples, 1))
    kind = _moved(node)
    if kind == "Gather":  # a copy of what is behind the axis at each place
        return Work(kind, made / max(math.prod(sizes(node.inputs[0])[attribute_int(node, "axis", 0) :][1:]), 1), 1, 1)
    return Work(kind, made, max(read / max(made, 1), 1), 1)


def _moved(node: ir.Node) -> str:
    """The kind of an operator without figures by place: its own, by mode and by surroundings."""
    row = operator_of(node)
    kind = f"{node.op_type}.{node.attributes.get_string('mode', 'nearest')}" if row.moves == "samples" else node.op_type
    moves = row.moves is not None and row.elementwise is None and (rank(node.outputs[0]) or 3) > 2
    return f"{kind}.image" if moves and between_convolutions(node) else kind


def conversion(op_type: str, value: ir.Value, batch: int) -> Work:
    """The work of a QuantizeLinear or DequantizeLinear of a value, with its changes of layout.

    At convolutions codes have their channels last. Floats of the model's ends and of one axis have
    them first, which is one change; float pictures between convolutions have them in blocks.
    """
    size = elements(value) * (batch if dim(value, 0) is None else 1)
    if not at_convolution(value):
        return Work(op_type, size, 1, 1)
    at_end = value.is_graph_input() if op_type == "QuantizeLinear" else value.is_graph_output()
    return Work(f"{op_type}.turned" if at_end or rank(value) != 4 else f"{op_type}.image", size, 1, 1)


def _conv(node: ir.Node, samples: int) -> Work:
    weight, groups = node.inputs[1], attribute_int(node, "group", 1)
    made = elements(node.outputs[0]) * samples
    if weight is None or weight.shape is None or not weight.shape.is_static() or len(weight.shape) < 3:
        return Work("Conv", made, 1, 1)
    channels, inner, *window = (int(size) for size in weight.shape.numpy())
    taps, numbers = math.prod(window), math.prod(weight.shape.numpy())
    if groups > 1 and inner == 1 and channels == groups:
        return Work(_ranked("Conv.depthwise", len(window)), made / channels, taps, channels, True, numbers)
    first = "Conv.single" if inner == channels == 1 else "Conv.first" if inner <= PICTURE_CHANNELS else "Conv.dense"
    kind = "Conv.grouped" if groups > 1 else "Conv.pointwise" if taps == 1 else first
    return Work(_ranked(kind, len(window)), made * groups / channels, inner * taps, channels / groups, False, numbers)


def _ranked(kind: str, axes: int) -> str:
    return kind if axes == 2 else f"{kind}.line" if axes == 1 else f"{kind}.volume"


def _product(node: ir.Node, samples: int) -> Work:
    made = elements(node.outputs[0]) * samples
    columns = (1, *sizes(node.outputs[0]))[-1]
    inner = macs(node) * samples / max(made, 1)
    second = constant(node.inputs[1])
    rows = made / max(columns, 1)
    if second is not None:
        return Work("Gemm", rows, inner, columns, False, second.size)
    return Work("MatMul", rows, inner, columns, False, elements(node.inputs[1]) * samples)


def _spans(node: ir.Node) -> int:
    """How many stretches of memory the kernel of a node of two operands works on, one by one.

    One, where a single stretch is all. Pictures have their channels last, as integer kernels at
    convolutions meet them.
    """
    made = sizes(node.outputs[0])
    if operator_of(node).elementwise != "all" or len(node.inputs) != 2 or not made:
        return 1
    shapes = [sizes(value) for value in node.inputs]
    axes = [0, *range(2, len(made)), 1] if len(made) in (3, 4) and at_convolution(node.outputs[0], node) else list(range(len(made)))
    alike = [_modes(shapes, len(made), axis) for axis in axes]
    inner = len(axes)
    while inner and alike[inner - 1] == alike[-1]:
        inner -= 1
    return math.prod(made[axis] for axis in axes[:inner])


def _modes(shapes: Sequence[tuple[int, ...]], rank: int, axis: int) -> tuple[bool, ...]:
    """Which operands stand still along an axis while the other moves on."""
    sizes = [shape[axis - rank + len(shape)] if axis - rank + len(shape) >= 0 else 1 for shape in shapes]
    return tuple(size == 1 and sizes.count(1) < len(sizes) for size in sizes)
