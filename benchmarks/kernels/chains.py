"""The networks that operators.py times: one operator between two cheap layers, so that it meets its
input as it does in a real network.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx
import onnx.parser
from numpy.typing import NDArray

#: channels, height, width: 200,704 elements, more than the first-level cache and less than the last
IMAGE = (64, 56, 56)
Constants = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, eq=False)
class Chain:
    """nodes: ONNX text that makes `b` of `a` and `c`, what two layers made; [op] is the operator,
    [aside] keeps it from being fused away.

    image: shape of x without its first axis. fused: onnxruntime may do the operator's work inside a
    layer, so the layers' times count too.
    """

    name: str
    nodes: str
    constants: Constants = field(default_factory=dict)
    image: tuple[int, ...] = IMAGE
    fused: bool = False


def ints(*numbers: int) -> NDArray[np.int64]:
    return np.array(numbers, np.int64)


def weight(*shape: int) -> NDArray[np.float32]:
    return (np.random.default_rng(0).normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


WINDOW = "kernel_shape = [3, 3], pads = [1, 1, 1, 1]"
PADS = ints(0, 0, 1, 1, 0, 0, 1, 1)
#: operators that cost by the element
LIGHT = (
    Chain("Add", "[op] b = Add(a, c)", fused=True),
    Chain("Add, on its own", "[op] b = Add(a, c) [aside] z = GlobalAveragePool(a) [aside2] w = GlobalAveragePool(c)", fused=True),
    Chain("Mul", "[op] b = Mul(a, c)"),
    Chain("Concat", "[op] b = Concat<axis = 1>(a, c) [aside] z = GlobalAveragePool(c)"),
    Chain("Concat, one grid", "[op] b = Concat<axis = 1>(a, c)"),
    Chain("GlobalAveragePool", "[op] b = GlobalAveragePool(a)"),
    Chain("AveragePool", f"[op] b = AveragePool<{WINDOW}>(a)"),
    Chain("AveragePool 2x2/2", "[op] b = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(a)"),
    Chain("Sigmoid", "[op] b = Sigmoid(a)"),
    Chain("HardSigmoid", "[op] b = HardSigmoid<alpha = 0.1666667, beta = 0.5>(a)"),
    Chain("LeakyRelu", "[op] b = LeakyRelu<alpha = 0.1>(a)", fused=True),
    Chain("Softmax", "[op] b = Softmax(a)", image=(12, 128, 128)),
    Chain("Where", "[op] b = Where(m, a, c)", {"m": np.arange(56) % 2 == 0}),
)
#: operators that move or select elements
MOVEMENT = (
    Chain("MaxPool", f"[op] b = MaxPool<{WINDOW}>(a)"),
    Chain("MaxPool 3x3/2", "[op] b = MaxPool<kernel_shape = [3, 3], strides = [2, 2]>(a)"),
    Chain("ReduceMax", "[op] b = ReduceMax<axes = [2, 3]>(a)"),
    Chain("ReduceMin", "[op] b = ReduceMin<axes = [2, 3]>(a)"),
    Chain("Relu", "[op] b = Relu(a) [aside] z = GlobalAveragePool(a)", fused=True),
    Chain("Clip", "[op] b = Clip(a, l, h) [aside] z = GlobalAveragePool(a)", {"l": np.float32(-0.5), "h": np.float32(0.5)}, fused=True),
    Chain("Pad", "[op] b = Pad(a, p)", {"p": PADS}),
    Chain("Slice", "[op] b = Slice(a, i, j, k)", {"i": ints(0), "j": ints(32), "k": ints(1)}),
    Chain("Split", "[op] b, d = Split<axis = 1>(a, s) [aside] z = GlobalAveragePool(d)", {"s": ints(32, 32)}),
    Chain("Gather", "[op] b = Gather<axis = 1>(a, i)", {"i": np.arange(64)[::-1].copy()}),
    Chain("Transpose", "[op] b = Transpose<perm = [0, 1, 3, 2]>(a)"),
    Chain("Reshape", "[op] b = Reshape(a, s)", {"s": ints(0, 64, 28, 112)}),
    Chain("Tile", "[op] b = Tile(a, s)", {"s": ints(1, 2, 1, 1)}),
    Chain("Resize", '[op] b = Resize<mode = "nearest">(a, , s)', {"s": np.array([1, 1, 2, 2], np.float32)}, (64, 28, 28)),
    Chain("DepthToSpace", "[op] b = DepthToSpace<blocksize = 2>(a)"),
    Chain("SpaceToDepth", "[op] b = SpaceToDepth<blocksize = 2>(a)"),
)
#: operators that cost by the multiply-accumulate
COMPUTE = (
    Chain("Conv 3x3", "[op] b = Conv<pads = [1, 1, 1, 1]>(a, k)", {"k": weight(64, 64, 3, 3)}, (64, 28, 28)),
    Chain("Conv 1x1", "[op] b = Conv(a, k)", {"k": weight(128, 128, 1, 1)}, (128, 28, 28)),
    Chain("Conv depthwise 3x3", "[op] b = Conv<pads = [1, 1, 1, 1], group = 64>(a, k)", {"k": weight(64, 1, 3, 3)}),
    Chain("Gemm", "f = Flatten(a) [op] b = Gemm(f, k)", {"k": weight(4096, 1024)}, (64, 8, 8)),
    Chain("MatMul", "[op] b = MatMul(a, k)", {"k": weight(256, 256)}, (1, 128, 256)),
    Chain("MatMul of two", "t = Transpose<perm = [0, 1, 3, 2]>(c) [op] b = MatMul(a, t)", image=(4, 128, 64)),
)


def network(chain: Chain) -> onnx.ModelProto:
    """x -> depthwise layers -> a and c -> the chain's nodes -> b -> depthwise layer (a matrix
    product for rank 2) -> y.
    """
    channels = chain.image[0]
    sample = ", ".join(map(str, (1, *chain.image)))
    head = f'<ir_version: 8, opset_import: ["": 17]> chain (float[{sample}] x) => (float y)'
    second = f"[second] c = Conv<group = {channels}>(x, ws)" if "c)" in chain.nodes else ""
    first = f"[first] a = Conv<group = {channels}>(x, wf) {second}"
    proto = onnx.parser.parse_model(f"{head} {{ {first} {chain.nodes} [last] y = Identity(b) }}")
    scales = np.linspace(0.5, 1.5, channels, dtype=np.float32).reshape(-1, 1, 1, 1)
    constants = {"wf": scales, **({"ws": -2 * scales} if second else {}), **chain.constants}
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items())
    read = {name for node in proto.graph.node for name in node.input}
    made = [name for node in proto.graph.node for name in node.output if name not in read]
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(made, key="y".__ne__))
    inferred = onnx.shape_inference.infer_shapes(proto, strict_mode=True).graph
    shape = next([d.dim_value for d in v.type.tensor_type.shape.dim] for v in inferred.value_info if v.name == "b")
    last = proto.graph.node[-1]
    last.op_type = "Conv" if len(shape) == 4 else "MatMul"
    last.input.append("wl")
    if len(shape) == 4:
        last.attribute.append(onnx.helper.make_attribute("group", shape[1]))
    array = weight(shape[1], 1, 1, 1) if len(shape) == 4 else weight(shape[-1], 8)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(array, "wl"))
    return onnx.shape_inference.infer_shapes(proto, strict_mode=True)


def without_operator(chain: Chain) -> onnx.ModelProto:
    """The layers alone."""
    aside = " [aside] z = GlobalAveragePool(c)" if "c)" in chain.nodes else ""
    return network(Chain("none", f"[op] b = Identity(a){aside}", image=chain.image))
