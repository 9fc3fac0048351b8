"""The bytes of activations that live at once when a graph runs in node order: the RAM it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

import onnx
import onnx_ir as ir

from edgeq.graph.macs import elements
from edgeq.graph.read import constant, file_bytes, operator_of
from edgeq.graph.walk import bodies_of
from edgeq.numerics.arrays import AnyArray

#: bytes per element of a value whose type is unknown or has no fixed size: it counts as float32
DEFAULT_ITEM_BYTES = 4


def peak_bytes(model: ir.Model, int8: AbstractSet[str]) -> int:
    """The largest sum, over the nodes, of the bytes alive while a node runs, for one sample.

    The inputs and outputs of the node are included. int8: names of values that take one byte per
    element. Views share a buffer; no other operator runs in place. The peak of a body adds to what
    is alive at its If, Loop or Scan node.
    """
    return _peak(model.graph, int8)


def _peak(graph: ir.Graph, int8: AbstractSet[str]) -> int:
    steps = list(graph)
    buffers = _Buffers()
    last = _last_uses(graph, steps, buffers)
    alive: dict[ir.Value, int] = {value: _bytes(value, int8) for value in graph.inputs if value in last}
    held = peak = sum(alive.values())
    ends: dict[int, list[ir.Value]] = {}
    for value, step in last.items():
        ends.setdefault(step, []).append(value)
    for step, node in enumerate(steps):
        unread = []
        for output in node.outputs:
            if buffers.of(output) is output and constant(output) is None:
                alive[output] = _bytes(output, int8)
                held += alive[output]
                unread += [] if output in last else [output]
        inside = max((_peak(body, int8) for body in bodies_of(node)), default=0)
        peak = max(peak, held + inside)
        held -= sum(alive.pop(value, 0) for value in (*ends.get(step, ()), *unread))
    return peak


def _last_uses(graph: ir.Graph, steps: list[ir.Node], buffers: _Buffers) -> dict[ir.Value, int]:
    """Buffer -> index of the last node that reads it.

    What a body reads counts for the node that owns the body; graph outputs outlive all nodes.
    """
    last: dict[ir.Value, int] = {}
    for step, node in enumerate(steps):
        for value in reads(node):
            last[buffers.of(value)] = step
    for value in graph.outputs:
        last[buffers.of(value)] = len(steps)
    return last


def reads(node: ir.Node) -> list[ir.Value]:
    """The values that a node reads, including those that its bodies capture or output."""
    found = [value for value in node.inputs if value is not None]
    for body in bodies_of(node):
        found += [value for inner in body for value in reads(inner)] + list(body.outputs)
    return found


def part_of(model: ir.Model, part: Sequence[ir.Node], fed: Iterable[str], wanted: Iterable[str]) -> ir.Model:
    """Some nodes of the main graph, in their order, as a model of their own.

    It takes as long as the part is, not the model. fed, wanted: names of its inputs and outputs,
    whose shapes are left open: the part must read or make them. Constants that it reads come along.
    """
    read = {str(value.name): value for node in part for value in reads(node)}
    made = {str(value.name): value for node in part for value in node.outputs}
    inputs = [read[name] for name in fed]
    taken = {value.name for value in inputs}
    constants = [value for value in read.values() if value.graph is model.graph and value.is_initializer() and value.name not in taken]
    outputs = [made[name] for name in wanted]
    view = ir.GraphView(inputs, outputs, nodes=part, initializers=constants, opset_imports=model.graph.opset_imports, name="part")
    graph = view.clone()
    for value in (*graph.inputs, *graph.outputs):
        value.shape = None
    return ir.Model(graph, ir_version=model.ir_version)


def part_bytes(model: ir.Model, part: Sequence[ir.Node], fed: Mapping[str, AnyArray], wanted: Iterable[str], most: int) -> bytes | None:
    """What part_of makes, as the bytes of a file; it takes a fraction of the time.

    fed: name -> an array of its type and rank. None where constants lie in a file, or take more
    than `most` bytes.
    """
    read = {str(value.name): value for node in part for value in reads(node)}
    made = {str(value.name): value for node in part for value in node.outputs if value.name}
    held = [value for value in read.values() if value.graph is model.graph and value.is_initializer() and value.name not in fed]
    tensors = {str(value.name): value.const_value for value in held if value.const_value is not None}
    if any(isinstance(one, ir.ExternalTensor) for one in tensors.values()) or sum(map(file_bytes, tensors.values())) > most:
        return None
    proto = onnx.ModelProto(ir_version=model.ir_version, graph=onnx.GraphProto(name="part"))
    for domain, version in model.opset_imports.items():
        proto.opset_import.add(domain=domain, version=version)
    for name, array in fed.items():
        kind = proto.graph.input.add(name=name).type.tensor_type
        kind.elem_type = ir.DataType.from_numpy(array.dtype).value
        kind.shape.dim.extend([onnx.TensorShapeProto.Dimension()] * array.ndim)
    for node in part:
        ir.serde.serialize_node_into(proto.graph.node.add(), node)
    for name, tensor in tensors.items():
        stored = proto.graph.initializer.add()
        ir.serde.serialize_tensor_into(stored, tensor)
        stored.name = name
    outputs = list(wanted)
    for name, value in made.items():
        told = proto.graph.output if name in outputs else proto.graph.value_info
        if value.type is not None:
            ir.serde.serialize_type_into(told.add(name=name).type, value.type)
        elif name in outputs:
            told.add(name=name)
    return bytes(proto.SerializeToString())


class _Buffers:
    """The values that own the memory; each view is followed once, however long its chain."""

    def __init__(self) -> None:
        self._known: dict[ir.Value, ir.Value] = {}

    def of(self, value: ir.Value) -> ir.Value:
        """The value that owns the memory that `value` is a view of."""
        views, source = [], _viewed(value)
        while source is not None and value not in self._known:
            views.append(value)
            value, source = source, _viewed(source)
        owner = self._known.get(value, value)
        self._known.update(dict.fromkeys(views, owner))
        return owner


def _viewed(value: ir.Value) -> ir.Value | None:
    """What a value is a view of; None: it is none."""
    producer = value.producer()
    if producer is None or operator_of(producer).moves != "views" or value is not producer.outputs[0]:
        return None
    return producer.inputs[0]


def _bytes(value: ir.Value, int8: AbstractSet[str]) -> int:
    if value.name in int8:
        return elements(value)
    return elements(value) * _item_bytes(value.dtype)


def _item_bytes(dtype: ir.DataType | None) -> int:
    try:
        return DEFAULT_ITEM_BYTES if dtype is None else max(1, round(dtype.itemsize))
    except TypeError:  # strings have no fixed size; onnx_ir knows none for types that it cannot compute with either
        return DEFAULT_ITEM_BYTES
