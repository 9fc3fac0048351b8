"""The float weights of a model that can be stored as codebooks, each once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import attribute_int, constant, is_op, nodes, operator_of
from edgeq.graph.stored import stored
from edgeq.numerics.arrays import F32
from edgeq.numerics.codebook import turned
from edgeq.schema.weights import weight_key


@dataclass(frozen=True)
class FloatWeight:
    """One weight, by the first node that reads it. axis: of its output channels."""

    node: ir.Node
    index: int
    axis: int
    value: ir.Value

    @property
    def key(self) -> str:
        return weight_key(self.node.name, self.index)

    def array(self) -> F32:
        return np.asarray(constant(self.value), np.float32)

    def channels(self) -> F32:
        """The weight with its output channels as rows: [1, channels, rest]."""
        array = self.array()
        return np.ascontiguousarray(np.moveaxis(array, self.axis, 0)).reshape(1, array.shape[self.axis], -1)

    def replace(self, new: F32) -> None:
        """Let all readers of the weight read these numbers."""
        self.value.const_value = ir.Tensor(np.ascontiguousarray(new), name=self.value.name)

    def from_channels(self, rows: F32) -> F32:
        """Rows as `channels` gives them, in the weight's own shape."""
        front = rows.reshape(turned(self.array().shape, self.axis))
        return np.ascontiguousarray(np.moveaxis(front, 0, self.axis))


def float_weights(model: ir.Model) -> Iterator[FloatWeight]:
    """Every float32 weight once, by the first node that reads it."""
    seen: set[int] = set()
    for node in nodes(model):
        operator = operator_of(node)
        for index in operator.weights:
            found = stored(node.inputs[index]) if index < len(node.inputs) else None
            value = None if found is None or found.scale is not None else found.initializer
            if value is None or value.dtype != ir.DataType.FLOAT or id(value) in seen:
                continue
            array = constant(value)
            if array is None or array.ndim < 2 or not array.size or not bool(np.all(np.isfinite(array))):
                continue
            if is_op(node, "Gather") and attribute_int(node, "axis", 0) != 0:
                continue
            seen.add(id(value))
            own = 0 if is_op(node, "Gemm") and attribute_int(node, "transB", 0) else operator.weight_axis % array.ndim
            yield FloatWeight(node, index, own, value)
