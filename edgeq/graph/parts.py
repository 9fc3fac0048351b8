"""Find the parts that Concats join in the outputs of a model, and whose each element is."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from edgeq.graph.edit import Names
from edgeq.graph.read import attribute_ints, constant, dim, is_op, is_random, operator_of, rank

#: an output that joins more values is not taken apart: a recurrence that was unrolled, not parts
MOST_PARTS = 64


def parts_of(value: ir.Value) -> tuple[ir.Value, ...]:
    """The values that Concats (or Scatters) join in this one, in order; itself: none does.

    Only operators that move elements by their place lie between, and behind the last Concat also
    functions of one number. A part that such a Concat makes is taken apart as well.
    """
    join = _join(value, functions=True)
    if join is None:
        return (value,)
    found: list[ir.Value] = []
    stack = _data(join)[::-1]
    while stack:
        here = stack.pop()
        inner = _join(here, functions=False)
        if inner is None:
            found.append(here)
        else:
            stack.extend(_data(inner)[::-1])
    return tuple(dict.fromkeys(found))


def channels_of(value: ir.Value) -> tuple[int, int] | None:
    """Axis and number of the channels of one layer that this value is, moved; None: it is not.

    Only values of three axes and more are looked at: maps of a head, not rows of class scores.
    """
    way: list[ir.Node] = []
    node = value.producer()
    while node is not None and not operator_of(node).layer:
        if operator_of(node).moves not in ("views", "reorders") or len(_data(node)) != 1:
            return None
        way.append(node)
        node = _data(node)[0].producer()
    if node is None or rank(value) is None or len(value.shape or ()) < 3:
        return None
    axis = 1 if operator_of(node).window else (rank(node.outputs[0]) or 0) - 1
    count = dim(node.outputs[0], axis)
    for step in reversed(way):
        sizes = [dim(step.outputs[0], place) for place in range(rank(step.outputs[0]) or 0)]
        if is_op(step, "Transpose"):
            order = attribute_ints(step, "perm") or tuple(reversed(range(len(sizes))))
            if axis not in order:  # a rank that is not known
                return None
            axis = order.index(axis)
        elif operator_of(step).moves == "views" and sizes.count(count) == 1:
            axis = sizes.index(count)
        else:
            return None
    return None if count is None else (axis, count)


def _join(value: ir.Value, *, functions: bool) -> ir.Node | None:
    """The nearest node that puts several tensors into this value, if only movement lies between.

    functions: whether functions of one number may lie between too.
    """
    here = value
    while True:
        node = here.producer()
        if node is None or not (_relocates(node) or (functions and _in_place(node))):
            return None
        sources = _data(node)
        if len(sources) != 1:
            return node if sources else None
        here = sources[0]


def _data(node: ir.Node) -> list[ir.Value]:
    inputs = [node.inputs[index] for index in operator_of(node).data_of(len(node.inputs))]
    return [value for value in inputs if value is not None]


def _relocates(node: ir.Node) -> bool:
    """Whether its outputs hold the numbers of its data inputs, each at a place that is known."""
    operator = operator_of(node)
    data = operator.data_of(len(node.inputs))
    others = (value for index, value in enumerate(node.inputs) if index not in data)
    return (operator.relocates or operator.converts or is_op(node, "Cast")) and all(_steady(value) for value in others)


def _in_place(node: ir.Node) -> bool:
    """Whether its output has, in each place, a number that depends on that of its input alone."""
    operator = operator_of(node)
    return operator.elementwise == "one" and operator.makes is None


def _steady(value: ir.Value | None) -> bool:
    """Whether the value depends on shapes and constants alone."""
    seen: set[ir.Value] = set()
    stack = [value]
    while stack:
        here = stack.pop()
        if here is None or here in seen or constant(here) is not None:
            continue
        seen.add(here)
        node = here.producer()
        if node is None or is_random(node) or operator_of(node).control:
            return False
        if not is_op(node, "Shape", "Size"):
            stack.extend(node.inputs)
    return True


def labelled(model: ir.Model) -> tuple[ir.Model, dict[str, tuple[str, ...]]]:
    """A model that outputs, for outputs joined from parts, the number of the part of each element.

    Parts count from 1; a fill has another number, mostly 0.

    Returns that model, whose outputs are float32 in the shapes of those outputs and in their order,
    and for each output that is joined the names of its parts. The model has the inputs of the
    given one, and of its nodes those that decide the shapes.
    """
    copy = model.clone()
    found: dict[str, tuple[str, ...]] = {}
    labels: list[ir.Value] = []
    for output in copy.graph.outputs:
        parts = parts_of(output)
        if 1 < len(parts) <= MOST_PARTS:
            labels.append(_Labels(copy, parts).of(output))
            found[str(output.name)] = tuple(str(part.name) for part in parts)
    copy.graph.outputs.clear()
    copy.graph.outputs.extend(labels)
    RemoveUnusedNodesPass()(copy)
    return copy, found


class _Labels:
    """Repeats the movement of one output on tensors that hold the index of a part."""

    def __init__(self, model: ir.Model, parts: tuple[ir.Value, ...]) -> None:
        self.graph, self.names = model.graph, Names(model)
        self.known = {part: self._filled(part, index) for index, part in enumerate(parts, 1)}

    def of(self, value: ir.Value) -> ir.Value:
        """The indices of the parts of the value, in its shape."""
        if value in self.known:
            return self.known[value]
        node = value.producer()
        assert node is not None  # a value that nothing makes is a part
        if not operator_of(node).relocates:  # a function of one number, or another type
            return self.of(_data(node)[0])
        inputs = list(node.inputs)
        for index in operator_of(node).data_of(len(inputs)):
            source = inputs[index]
            inputs[index] = None if source is None else self.of(source)
        outputs = [ir.Value(name=self.names.value(f"{one.name}_part"), type=ir.TensorType(ir.DataType.FLOAT)) for one in node.outputs]
        self._append(node.op_type, inputs, list(node.attributes.values()), outputs)
        self.known.update(zip(node.outputs, outputs, strict=True))
        return self.known[value]

    def _filled(self, part: ir.Value, index: int) -> ir.Value:
        """The index of a part in the part's shape."""
        if part.shape is not None and all(isinstance(size, int) for size in part.shape):
            sizes = ir.Value(name=self.names.value(f"{part.name}_sizes"))
            tensor = ir.AttrTensor("value", ir.Tensor(np.array([int(size) for size in part.shape], np.int64)))  # type: ignore[arg-type]  # all are numbers
            self._append("Constant", [], [tensor], [sizes])
        else:
            sizes = ir.Value(name=self.names.value(f"{part.name}_sizes"), type=ir.TensorType(ir.DataType.INT64))
            self._append("Shape", [part], [], [sizes])
        result = ir.Value(name=self.names.value(f"{part.name}_part"), type=ir.TensorType(ir.DataType.FLOAT))
        self._append("ConstantOfShape", [sizes], [ir.AttrTensor("value", ir.Tensor(np.array([index], np.float32)))], [result])
        return result

    def _append(self, op_type: str, inputs: list[ir.Value | None], attributes: list[ir.Attr], outputs: list[ir.Value]) -> None:
        self.graph.append(ir.Node("", op_type, inputs, attributes, outputs=outputs, name=self.names.node("parts")))
