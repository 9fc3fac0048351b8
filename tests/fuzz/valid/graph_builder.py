"""Build a random ONNX graph node by node: only what shape inference accepts is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgeq.numerics.arrays import AnyArray

Attribute = int | float | str | Sequence[int] | Sequence[float] | onnx.GraphProto | onnx.TensorProto
#: values of more elements are not computed with: a run should cost milliseconds
MOST_ELEMENTS = 20_000
#: what shape inference raises for a node that it does not take
_REFUSALS = (
    onnx.defs.SchemaError,
    onnx.shape_inference.InferenceError,
    onnx.checker.ValidationError,
    RuntimeError,
    ValueError,
    KeyError,
)
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)


class Builder:
    """A graph that grows: what was made so far, with the type of every value."""

    def __init__(self, random: Random, opset: int) -> None:
        self.random, self.opset = random, opset
        self.numbers = np.random.default_rng(random.getrandbits(64))
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        #: every value that a node may read, with its type; sizes are numbers
        self.types: dict[str, onnx.TypeProto] = {}
        self._constants: dict[str, onnx.TensorProto] = {}
        self._names = 0

    def fresh(self, stem: str) -> str:
        """A name that no value has."""
        self._names += 1
        return f"{stem}{self._names}"

    def feed(self, name: str, element: int, shape: Sequence[int]) -> str:
        """A value that comes from outside: an input of the graph."""
        self.types[name] = helper.make_tensor_type_proto(element, shape)
        return name

    def constant(self, array: AnyArray) -> str:
        """A new initializer."""
        tensor = numpy_helper.from_array(np.asarray(array), self.fresh("w"))
        self.initializers.append(tensor)
        self._constants[tensor.name] = tensor
        self.types[tensor.name] = helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
        return tensor.name

    def weights(self, *shape: int) -> str:
        """A new float32 initializer of small normal numbers."""
        return self.constant((self.numbers.normal(size=shape) / math.sqrt(max(1, math.prod(shape[1:])))).astype(np.float32))

    def integers(self, *numbers: int) -> str:
        """A new int64 initializer of one axis."""
        return self.constant(np.array(numbers, np.int64))

    def add(self, op: str, inputs: Sequence[str], attributes: Mapping[str, Attribute] | None = None, outputs: int = 1) -> str | None:
        """Add a node; its first output, or None where shape inference refuses the node."""
        names = [self.fresh("v") for _ in range(outputs)]
        node = helper.make_node(op, inputs, names, name=self.fresh(f"{op}_"))
        given = {key: value for key, value in (attributes or {}).items() if value != []}  # an empty list has no type
        node.attribute.extend(helper.make_attribute(key, value) for key, value in given.items())
        made = self._infer(node)
        if not all(name in made and made[name].HasField("tensor_type") for name in names):
            return None
        if any(min(sizes, default=0) < 0 or math.prod(sizes) > MOST_ELEMENTS for sizes in (_sizes(made[name]) for name in names)):
            return None
        self.nodes.append(node)
        self.types.update(made)
        return names[0]

    def shape(self, name: str) -> tuple[int, ...]:
        """Sizes of a value."""
        return _sizes(self.types[name])

    def element(self, name: str) -> int:
        """Element type of a value, as onnx numbers it."""
        return int(self.types[name].tensor_type.elem_type)

    def pick(self, ranks: Sequence[int] = (), elements: Sequence[int] = (TensorProto.FLOAT,), *, recent: int = 6) -> str | None:
        """One of the latest values of these ranks and element types that is no constant."""
        fitting = [
            name
            for name, kind in self.types.items()
            if name not in self._constants
            and kind.tensor_type.elem_type in elements
            and kind.tensor_type.HasField("shape")
            and (not ranks or len(kind.tensor_type.shape.dim) in ranks)
        ]
        return self.random.choice(fitting[-recent:]) if fitting else None

    def unread(self) -> list[str]:
        """What nodes made and no node reads."""
        read = {name for node in self.nodes for name in node.input}
        return [name for node in self.nodes for name in node.output if name not in read]

    def _infer(self, node: onnx.NodeProto) -> dict[str, onnx.TypeProto]:
        try:
            schema = onnx.defs.get_schema(node.op_type, self.opset, node.domain)
            types = {name: self.types[name] for name in node.input if name}
            constants = {name: self._constants[name] for name in node.input if name in self._constants}
            imports = [helper.make_opsetid("", self.opset)]
            return dict(onnx.shape_inference.infer_node_outputs(schema, node, types, constants, opset_imports=imports))
        except _REFUSALS:
            return {}


def _sizes(kind: onnx.TypeProto) -> tuple[int, ...]:
    return tuple(size.dim_value for size in kind.tensor_type.shape.dim)
