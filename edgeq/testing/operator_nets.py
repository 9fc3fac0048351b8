"""The network around an operator case, and data for it."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx
import onnx.parser

from edgeq.numerics.arrays import F32
from edgeq.testing.case import Case, Constants, floats
from edgeq.testing.operator_cases import ALL


@cache
def build(case: Case) -> onnx.ModelProto:
    """The model of a case: x -> layer -> a (and another layer -> c) -> case -> b -> layer -> y.
    Every other value that nothing reads is an output too.

    >>> from edgeq.testing.operator_cases import ALL
    >>> [node.op_type for node in build(ALL[0]).graph.node], ALL[0].nodes
    (['Conv', 'Conv', 'Conv'], '[op] b = Conv<pads = [1, 1, 1, 1]>(a, k)')
    """
    channels, space = case.image[0], len(case.image) - 1
    constants: Constants = {"wa": floats(channels, channels, *[1] * space, seed=2), "wc": floats(channels, channels, *[1] * space, seed=3)}
    constants |= case.constants
    second = "[second] c = Conv(x, wc)" if ", c)" in case.nodes or "(c" in case.nodes else ""
    sample = ", ".join(map(str, (2, *case.image)))
    head = f'<ir_version: 8, opset_import: ["": {case.opset}]> {case.name} (float[{sample}] x)'
    text = f"{head} => (float y) {{ [first] a = Conv(x, wa) {second} {case.nodes} [last] y = Identity(b) }}"
    proto = onnx.parser.parse_model(text)
    used = {name for node in proto.graph.node for name in node.input}
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items() if n in used)
    made = [name for node in proto.graph.node for name in node.output if name not in used]
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(made, key="y".__ne__))
    shape = _shape_of(proto, "b")
    weight = floats(4, shape[1], *[1] * (len(shape) - 2), seed=4)
    is_image = len(shape) > 2
    last = proto.graph.node[-1]
    last.op_type = "Conv" if is_image else "MatMul"
    last.input.append("wl")
    proto.graph.initializer.append(onnx.numpy_helper.from_array(weight if is_image else weight.T.copy(), "wl"))
    return onnx.shape_inference.infer_shapes(proto, strict_mode=True)


def _shape_of(proto: onnx.ModelProto, name: str) -> tuple[int, ...]:
    inferred = onnx.shape_inference.infer_shapes(proto, strict_mode=True).graph
    return next(tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in inferred.value_info if v.name == name)


def data_for(case: Case) -> dict[str, F32]:
    """Four seeded samples of the input of the network."""
    return {"x": np.random.default_rng(0).normal(size=(4, *case.image)).astype(np.float32)}


def one_of_each() -> tuple[Case, ...]:
    """The first case of each operator."""
    return tuple({operator(case): case for case in reversed(ALL)}.values())


def operator(case: Case) -> str:
    """The operator type under test."""
    return str(next(node.op_type for node in build(case).graph.node if node.name == "op"))
