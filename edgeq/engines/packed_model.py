"""A model as bytes: its graph, and its large weights beside it, so that no size is too large."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
import onnx_ir as ir

from edgeq.graph.forms.constants import own_constants
from edgeq.graph.read import graphs
from edgeq.io.mapped import may_be_mapped
from edgeq.numerics.arrays import AnyArray

#: stands for the place of weight n in a graph that is packed
_BESIDE = "edgeq-weight-"


def pieces_of(model: ir.Model) -> tuple[bytes, list[memoryview]]:
    """The graph as bytes, and those of its large weights, in order; the model stays as it is."""
    weights, kept = list[memoryview](), list[tuple[ir.Value, ir.TensorProtocol]]()
    try:
        for value in _initializers(model):
            tensor = value.const_value
            if tensor is None or not may_be_mapped(tensor.dtype, tensor.nbytes):
                continue
            array = np.ascontiguousarray(tensor.numpy())
            place, shape = f"{_BESIDE}{len(weights)}", ir.Shape(tensor.shape.numpy())
            kept.append((value, tensor))
            value.const_value = ir.ExternalTensor(place, 0, tensor.nbytes, tensor.dtype, shape=shape, name=str(value.name), base_dir="")
            weights.append(array.reshape(-1).view(np.uint8).data)
        return ir.to_proto(model).SerializeToString(deterministic=True), weights
    finally:  # a copy of the model would take several times as long as the rest
        for value, tensor in kept:
            value.const_value = tensor


def model_from(graph: bytes, weights: Sequence[AnyArray]) -> ir.Model:
    """The model of such pieces. weights: uint8 [bytes] each, which the model keeps."""
    model: ir.Model = ir.from_proto(onnx.ModelProto.FromString(graph))
    own_constants(model)
    for value in _initializers(model):
        tensor = value.const_value
        if isinstance(tensor, ir.ExternalTensor) and str(tensor.location).startswith(_BESIDE):
            content = weights[int(str(tensor.location).removeprefix(_BESIDE))]
            array = content.view(tensor.dtype.numpy()).reshape(tuple(tensor.shape.numpy()))
            value.const_value = ir.Tensor(array, dtype=tensor.dtype, name=value.name)
    return model


def _initializers(model: ir.Model) -> Iterator[ir.Value]:
    for graph in graphs(model):
        yield from graph.initializers.values()
