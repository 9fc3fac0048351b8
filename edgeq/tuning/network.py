"""Write small networks twice, in floats and in codes, so that both can be timed.

The form in codes is the one that onnxruntime replaces by integer kernels: a DequantizeLinear before
every operator and a QuantizeLinear behind it. Weights and grids are made up: no kernel's time
depends on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgeq.numerics.arrays import AnyArray

#: opset and IR version of the networks: what every supported onnxruntime runs
_OPSET, _IR_VERSION = 17, 8


@dataclass(frozen=True)
class Tensor:
    """A value of a network under construction."""

    name: str
    shape: tuple[int, ...]


@dataclass(eq=False)
class Network:
    """Adds operators one by one; the same calls make the float form and the form in codes."""

    #: whether values pass through codes between operators
    codes: bool
    _nodes: list[onnx.NodeProto] = field(default_factory=list)
    _constants: list[onnx.TensorProto] = field(default_factory=list)
    _inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    _outputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    _first: Tensor | None = None
    _second: Tensor | None = None

    def input(self, *shape: int) -> Tensor:
        """A float input, in codes behind a QuantizeLinear."""
        name = f"x{len(self._inputs)}"
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        found = self._grid(Tensor(name, shape))
        self._first = self._first or found
        return found

    def output(self, value: Tensor) -> None:
        """Hand a value out, as floats."""
        name = f"y{len(self._outputs)}"
        self._nodes.append(helper.make_node("Identity", [value.name], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape))

    @property
    def first(self) -> Tensor:
        """What the first block reads."""
        assert self._first is not None
        return self._first

    def conv(self, x: Tensor, channels: int, kernel: int = 1, *, groups: int = 1, stride: int = 1) -> Tensor:
        """A Conv with a window of equal sides, padded to keep the size. x: [1, C, ...]."""
        axes = len(x.shape) - 2
        weight = self._weight((channels, x.shape[1] // groups, *[kernel] * axes), 0)
        sides = [(size + stride - 1) // stride for size in x.shape[2:]]
        return self.add(
            "Conv",
            [x.name, weight, self._bias(channels)],
            (x.shape[0], channels, *sides),
            pads=[kernel // 2] * axes + [(kernel - 1) // 2] * axes,
            group=groups,
            strides=[stride] * axes,
        )

    def float_convs(self, x: Tensor, count: int) -> Tensor:
        """Pointwise layers one behind the other, which are float in both forms.

        A single one would not stay float between a DequantizeLinear and a QuantizeLinear:
        onnxruntime quantizes its weight.
        """
        codes, self.codes = self.codes, False
        for _ in range(count):
            x = self.conv(x, x.shape[1])
        self.codes = codes
        return self._grid(x)

    def gemm(self, x: Tensor, columns: int) -> Tensor:
        """A Gemm with a constant weight. x: [M, K]."""
        return self.add("Gemm", [x.name, self._weight((x.shape[1], columns), 1), self._bias(columns)], (x.shape[0], columns))

    def beside(self, *shape: int) -> Tensor:
        """A second input, the same for all blocks."""
        if self._second is None:
            self._second = self.input(*shape)
        return self._second

    def add(self, op_type: str, inputs: list[str], shape: tuple[int, ...], **attributes: Any) -> Tensor:  # as ONNX takes them
        """Any operator with one output of this shape."""
        name = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(op_type, inputs, [name], name=f"n{len(self._nodes)}", **attributes))
        return self._grid(Tensor(name, shape))

    def view(self, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The same numbers under another shape."""
        return self.add("Reshape", [x.name, self.constant(np.array(shape, np.int64))], shape)

    def split(self, x: Tensor, sizes: str, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Two parts of this shape, cut along axis 1."""
        names = [f"v{len(self._nodes)}_{part}" for part in range(2)]
        self._nodes.append(helper.make_node("Split", [x.name, sizes], names, name=f"n{len(self._nodes)}", axis=1))
        one, two = (self._grid(Tensor(name, shape)) for name in names)
        return one, two

    def constant(self, array: AnyArray) -> str:
        """A constant that is no weight: sizes, indices, scales."""
        return self._initializer(f"k{len(self._constants)}", array)

    def held_constant(self, number: np.float32) -> str:
        """A constant operand, in codes where values are."""
        name = self._initializer(f"k{len(self._constants)}", number)
        return self._grid(Tensor(name, ())).name

    def serialized(self) -> bytes:
        """The network as the bytes of an ONNX model."""
        graph = helper.make_graph(self._nodes, "chain", self._inputs, self._outputs, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        return bytes(model.SerializeToString())

    def feeds(self) -> dict[str, AnyArray]:
        """Numbers between 0 and 1 for the inputs."""
        shapes = {one.name: [dim.dim_value for dim in one.type.tensor_type.shape.dim] for one in self._inputs}
        return {name: np.linspace(0, 1, prod(shape), dtype=np.float32).reshape(shape) for name, shape in shapes.items()}

    def _grid(self, value: Tensor) -> Tensor:
        if not self.codes:
            return value
        held, seen = f"{value.name}_q", f"{value.name}_d"
        self._nodes.append(helper.make_node("QuantizeLinear", [value.name, *self._scale()], [held]))
        self._nodes.append(helper.make_node("DequantizeLinear", [held, *self._scale()], [seen]))
        return Tensor(seen, value.shape)

    def _weight(self, shape: tuple[int, ...], axis: int) -> str:
        name = f"w{len(self._constants)}"
        codes = np.random.default_rng(len(self._constants)).integers(-63, 64, shape).astype(np.int8)
        if not self.codes:
            return self._initializer(name, codes.astype(np.float32) / np.float32(64 * np.sqrt(prod(shape) / shape[axis])))
        count = shape[axis]
        scale = self._initializer(f"{name}_scale", np.full(count, 0.01, np.float32))
        zero = self._initializer(f"{name}_zero", np.zeros(count, np.int8))
        stored = self._initializer(f"{name}_codes", codes)
        self._nodes.append(helper.make_node("DequantizeLinear", [stored, scale, zero], [name], axis=axis))
        return name

    def _bias(self, count: int) -> str:
        name = f"b{len(self._constants)}"
        if not self.codes:
            return self._initializer(name, np.zeros(count, np.float32))
        scale = self._initializer(f"{name}_scale", np.full(count, 0.01 / 255, np.float32))
        zero = self._initializer(f"{name}_zero", np.zeros(count, np.int32))
        stored = self._initializer(f"{name}_codes", np.zeros(count, np.int32))
        self._nodes.append(helper.make_node("DequantizeLinear", [stored, scale, zero], [name], axis=0))
        return name

    def _scale(self) -> tuple[str, str]:
        index = len(self._constants)
        return self._initializer(f"s{index}", np.float32(1 / 255)), self._initializer(f"z{index}", np.uint8(0))

    def _initializer(self, name: str, array: AnyArray | np.generic) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name
