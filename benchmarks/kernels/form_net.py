"""Write small float networks operator by operator, with weights and sizes drawn by a seed."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_OPSET, _IR_VERSION = 17, 8


class FormNet:
    """A float network under construction; values are known by their names."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self._graph = onnx.GraphProto(name="form")
        self._inferred: dict[str, tuple[int, ...]] = {}

    def pick(self, *choices: Any) -> Any:  # what the caller wrote
        """One of the choices, by the seed."""
        return choices[int(self.rng.integers(len(choices)))]

    def input(self, *shape: int) -> str:
        """A float input."""
        name = f"x{len(self._graph.input)}"
        self._graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def op(self, op_type: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:  # as ONNX takes them
        """Any operator; the name of its first output."""
        index = len(self._graph.node)
        names = [f"v{index}"] + [f"v{index}_{more}" for more in range(1, outputs)]
        self._graph.node.append(helper.make_node(op_type, list(inputs), names, name=f"{op_type}_{index}", **attributes))
        return names[0]

    def constant(self, array: NDArray[Any] | np.generic) -> str:
        """A constant input."""
        name = f"c{len(self._graph.initializer)}"
        self._graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def ints(self, *numbers: int) -> str:
        """A constant list of whole numbers."""
        return self.constant(np.array(numbers, np.int64))

    def weight(self, *shape: int, inner: int | None = None) -> str:
        """A random weight; inner: how many of its numbers are summed up for one result."""
        scale = np.sqrt(2 / (prod(shape[1:]) if inner is None else inner))
        return self.constant((self.rng.normal(size=shape) * scale).astype(np.float32))

    def vector(self, *shape: int, around: float = 0.0) -> str:
        """Random numbers around a number."""
        return self.constant((around + 0.1 * self.rng.normal(size=shape)).astype(np.float32))

    def shape(self, value: str) -> tuple[int, ...]:
        """The shape of a value."""
        if value not in self._inferred:
            self._inferred = _shapes(self._model([]))
        return self._inferred[value]

    def conv(self, x: str, channels: int, kernel: int | Sequence[int] = 1, groups: int = 1, stride: int = 1, dilation: int = 1) -> str:
        """A Conv with a bias, padded to keep the size."""
        inner, *sides = self.shape(x)[1:]
        window = [kernel] * len(sides) if isinstance(kernel, int) else list(kernel)
        pads = [(size - 1) * dilation // 2 for size in window]
        ends = [(size - 1) * dilation - pad for size, pad in zip(window, pads, strict=True)]
        weight, bias = self.weight(channels, inner // groups, *window), self.vector(channels)
        steps = {"strides": [stride] * len(sides), "dilations": [dilation] * len(sides)}
        return self.op("Conv", x, weight, bias, group=groups, pads=[*pads, *ends], **steps)

    def linear(self, x: str, columns: int, bias: bool = True) -> str:
        """A product with a constant and a bias, as exporters write it for any rank."""
        rows = self.shape(x)[-1]
        y = self.op("MatMul", x, self.weight(rows, columns, inner=rows))
        return self.op("Add", y, self.vector(columns)) if bias else y

    def model(self, *outputs: str) -> onnx.ModelProto:
        """The network with these outputs."""
        return self._model(outputs)

    def _model(self, outputs: Sequence[str]) -> onnx.ModelProto:
        graph = onnx.GraphProto()
        graph.CopyFrom(self._graph)
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        if outputs:
            found = _shapes(model)
            del model.graph.output[:]
            model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, found[name]) for name in outputs)
        return model


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    rows = [*graph.input, *graph.value_info, *graph.output]
    return {row.name: tuple(dim.dim_value for dim in row.type.tensor_type.shape.dim) for row in rows}
