"""Random models that are valid, or nearly: graphs, bodies, functions, dynamic sizes, opsets."""

from __future__ import annotations

from random import Random

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.fuzz.valid.bodies import add_body, add_function
from tests.fuzz.valid.graph_builder import Builder
from tests.fuzz.valid.movement import EMITTERS

_OPSETS = (7, 8, 9, 10, 11, 12, 13, 13, 13, 14, 15, 16, 17, 17, 17, 17, 18, 18, 19, 20, 21, 22, 23, 24)
_SHAPES = ((2, 3, 8, 8), (1, 3, 8, 8), (4, 6), (1, 8), (2, 5, 4), (3, 2, 6), (2, 2, 3, 4, 4), (4,), (1, 1, 1, 1), ())
_ODD_SHAPES = ((0, 3), (1, 0, 2), (2, 3, 1, 8), (1, 1, 1, 1, 1, 1, 2))
_ELEMENTS = (TensorProto.FLOAT,) * 12 + (TensorProto.INT64, TensorProto.INT32, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BOOL)


def random_model(random: Random) -> onnx.ModelProto:
    """A model of a few nodes that shape inference accepts; the checker may still refuse it."""
    builder = Builder(random, random.choice(_OPSETS))
    first = random.choice(_SHAPES if random.random() < 0.95 else _ODD_SHAPES)
    for index in range(random.choice((1, 1, 1, 1, 2, 3))):
        shape = (*first[:1], *random.choice(_SHAPES)[1:]) if index and random.random() < 0.9 else first
        builder.feed(f"x{index}" if index else "x", random.choice(_ELEMENTS if index else _ELEMENTS[:14]), shape)
    inputs = list(builder.types)
    functions: list[onnx.FunctionProto] = []
    for _ in range(random.choice((1, 2, 3, 4, 5, 6, 8, 12))):
        if random.random() < 0.06:
            add_body(builder)
        elif random.random() < 0.04:
            add_function(builder, functions)
        else:
            random.choice(EMITTERS)(builder)
    if not builder.nodes:
        builder.add("Identity", [inputs[0]])
    return _finish(builder, inputs, functions)


def _finish(builder: Builder, inputs: list[str], functions: list[onnx.FunctionProto]) -> onnx.ModelProto:
    random = builder.random
    unread = [name for name in builder.unread() if builder.types[name].tensor_type.HasField("shape") or random.random() < 0.1]
    unread = unread or builder.unread()
    outputs = unread if random.random() < 0.7 else unread[-1:]
    if random.random() < 0.1:
        outputs = [*outputs, random.choice(list(builder.types))]
    infos = [helper.make_value_info(name, builder.types[name]) for name in dict.fromkeys(outputs)]
    if random.random() < 0.03:
        for info in infos:
            info.type.tensor_type.ClearField("shape")
    feeds = [helper.make_value_info(name, builder.types[name]) for name in inputs]
    if random.random() < 0.5:
        _open_batch(feeds, infos)
    if random.random() < 0.1:
        feeds += [helper.make_value_info(tensor.name, builder.types[tensor.name]) for tensor in builder.initializers]
    graph = helper.make_graph(builder.nodes, "net", feeds, infos, builder.initializers)
    imports = [helper.make_opsetid("", builder.opset), *([helper.make_opsetid("own", 1)] if functions else [])]
    model = helper.make_model(graph, opset_imports=imports, functions=functions, ir_version=random.choice((4, 7, 8, 8, 9, 10)))
    return _with_shapes(model) if random.random() < 0.3 else model


def _open_batch(feeds: list[onnx.ValueInfoProto], infos: list[onnx.ValueInfoProto]) -> None:
    """Give the first axis of every input a name in place of a size."""
    for info in (*feeds, *infos):
        sizes = info.type.tensor_type.shape.dim
        if sizes:
            sizes[0].dim_param = "N"


def _with_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    try:
        return onnx.shape_inference.infer_shapes(model)
    except (onnx.shape_inference.InferenceError, RuntimeError):
        return model


def feeds_of(model: onnx.ModelProto) -> dict[str, tuple[np.dtype[np.generic], tuple[int, ...]]]:
    """Element type and sizes of one feed, by the name of the input; what has no number is 2."""
    held = {tensor.name for tensor in model.graph.initializer}
    found = {}
    for info in model.graph.input:
        if info.name in held:
            continue
        kind = info.type.tensor_type
        try:
            element = np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type))
        except (KeyError, TypeError):
            element = np.dtype(np.float32)
        sizes = tuple(size.dim_value if 0 < size.dim_value < 65 else 2 for size in kind.shape.dim)
        found[info.name] = (element, sizes[:8])
    return found
