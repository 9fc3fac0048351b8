"""Small float graphs with one operator between two layers, for the tests of what targets say: a
case for each form that matters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import numpy as np
import onnx
import onnx.parser

from edgeq.api import Quantized, quantize
from edgeq.numerics.arrays import F32, F64, I64, AnyArray
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target, load_target

IMAGE = (8, 6, 6)
Constants = dict[str, AnyArray]


def eager(name: str) -> Target:
    """The target with costs that make every integer kernel worth while: these tests are about what
    runs, not about what pays.
    """
    return load_target(name).with_costs(int_ns=1e-3, float_ns=1e3, integer_mac_worth_ns=1e3)


@dataclass(frozen=True, eq=False)
class Case:
    """One operator between two layers. nodes: ONNX text that makes `b` of `a` (and of `c`, a second
    layer's output); the operator under test is the node [op]. image: shape of a sample of x."""

    name: str
    nodes: str
    constants: Constants = field(default_factory=dict)
    image: tuple[int, ...] = IMAGE
    opset: int = 17

    def __str__(self) -> str:
        return self.name


def ints(*numbers: int) -> I64:
    return np.array(numbers, np.int64)


def floats(*shape: int, seed: int = 1) -> F32:
    return (np.random.default_rng(seed).normal(size=shape) / np.sqrt(max(np.prod(shape[1:]), 1))).astype(np.float32)


def number(value: float) -> F32:
    return np.array(value, np.float32)


LINE = (8, 12)

COMPUTE = [
    Case("conv", "[op] b = Conv<pads = [1, 1, 1, 1]>(a, k)", {"k": floats(6, 8, 3, 3)}),
    Case("conv_bias", "[op] b = Conv(a, k, o)", {"k": floats(6, 8, 3, 3), "o": floats(6)}),
    Case("conv_1d", "[op] b = Conv<pads = [1, 1]>(a, k)", {"k": floats(6, 8, 3)}, LINE),
    Case("conv_3d", "[op] b = Conv(a, k)", {"k": floats(6, 8, 2, 2, 2)}, (8, 4, 4, 4)),
    Case("conv_grouped", "[op] b = Conv<group = 2>(a, k)", {"k": floats(6, 4, 3, 3)}),
    Case("conv_depthwise", "[op] b = Conv<group = 8, pads = [1, 1, 1, 1]>(a, k)", {"k": floats(8, 1, 3, 3)}),
    Case("conv_depthwise_1d", "[op] b = Conv<group = 8, pads = [1, 1]>(a, k)", {"k": floats(8, 1, 3)}, LINE),
    Case("conv_depthwise_multiplier", "[op] b = Conv<group = 8>(a, k)", {"k": floats(16, 1, 3, 3)}),
    Case("conv_dilated", "[op] b = Conv<dilations = [2, 2]>(a, k)", {"k": floats(6, 8, 3, 3)}),
    Case("conv_strided", '[op] b = Conv<strides = [2, 2], auto_pad = "SAME_UPPER">(a, k)', {"k": floats(6, 8, 3, 3)}),
    Case("conv_1d_grouped", "[op] b = Conv<strides = [2], dilations = [2], group = 2>(a, k)", {"k": floats(6, 4, 3)}, LINE),
    Case("conv_depthwise_dilated", "[op] b = Conv<group = 8, dilations = [2, 2]>(a, k)", {"k": floats(8, 1, 3, 3)}),
    Case("conv_depthwise_5x5", "[op] b = Conv<group = 8, strides = [2, 2], pads = [2, 2, 2, 2]>(a, k)", {"k": floats(8, 1, 5, 5)}),
    Case("conv_depthwise_3d", "[op] b = Conv<group = 8>(a, k)", {"k": floats(8, 1, 2, 2, 2)}, (8, 4, 4, 4)),
    Case("conv_depthwise_multiplier_1d", "[op] b = Conv<group = 8>(a, k)", {"k": floats(16, 1, 3)}, LINE),
    Case("gemm", "f = Flatten(a) [op] b = Gemm(f, k, o)", {"k": floats(288, 10) / 4, "o": floats(10)}),
    Case("gemm_trans_b", "f = Flatten(a) [op] b = Gemm<transB = 1>(f, k, o)", {"k": floats(10, 288), "o": floats(10)}),
    Case("gemm_no_bias", "f = Flatten(a) [op] b = Gemm(f, k)", {"k": floats(288, 10) / 4}),
    Case("gemm_bias_row", "f = Flatten(a) [op] b = Gemm(f, k, o)", {"k": floats(288, 10) / 4, "o": floats(1, 10)}),
    Case("gemm_bias_scalar", "f = Flatten(a) [op] b = Gemm(f, k, o)", {"k": floats(288, 10) / 4, "o": number(0.3)}),
    Case("gemm_bias_one", "f = Flatten(a) [op] b = Gemm(f, k, o)", {"k": floats(288, 10) / 4, "o": floats(1)}),
    Case("gemm_trans_b_no_bias", "f = Flatten(a) [op] b = Gemm<transB = 1>(f, k)", {"k": floats(10, 288)}),
    Case("gemm_trans_a", "f = Flatten(a) [op] b = Gemm<transA = 1>(f, k)", {"k": floats(2, 10)}),
    Case("gemm_of_activations", "f = Flatten(a) g = Flatten(c) [op] b = Gemm<transB = 1>(f, g, o)", {"o": floats(2)}),
    Case("matmul_2d", "[op] b = MatMul(a, k)", {"k": floats(6, 5)}),
    Case("matmul_3d", "[op] b = MatMul(a, k)", {"k": floats(8, 6, 5)}),
    Case("matmul_vector", "[op] b = MatMul(a, k)", {"k": floats(6)}),
    Case("matmul_constant_first", "[op] b = MatMul(k, a)", {"k": floats(5, 6)}),
    Case("matmul_rows", "[op] b = MatMul(a, k)", {"k": floats(12, 7)}, LINE),
    Case("matmul_of_activations", "t = Transpose<perm = [0, 1, 3, 2]>(c) [op] b = MatMul(a, t)"),
    Case("matmul_then_float", "[op] m = MatMul(a, k) b = Exp(m)", {"k": floats(6, 5)}),
    Case("gemm_then_float", "f = Flatten(a) [op] m = Gemm(f, k) b = Exp(m)", {"k": floats(288, 10) / 4}),
]
LIGHT = [
    Case("add", "[op] b = Add(a, c)"),
    Case("add_constant", "m = MaxPool<kernel_shape = [2, 2]>(a) [op] b = Add(m, k)", {"k": floats(8, 1, 1)}),
    Case("add_broadcast", "g = GlobalAveragePool(c) [op] b = Add(a, g)"),
    Case("add_itself", "[op] b = Add(a, a)"),
    Case("mul", "[op] b = Mul(a, c)"),
    Case("mul_constant", "m = MaxPool<kernel_shape = [2, 2]>(a) [op] b = Mul(k, m)", {"k": floats(1, 8, 1, 1)}),
    Case("mul_broadcast", "g = GlobalAveragePool(c) [op] b = Mul(a, g)"),
    Case("concat", "[op] b = Concat<axis = 1>(a, c)"),
    Case("concat_different_scales", "d = Mul(c, k) [op] b = Concat<axis = 1>(a, d) z = GlobalAveragePool(d)", {"k": number(20)}),
    Case("concat_constant", "[op] b = Concat<axis = 1>(a, k)", {"k": floats(2, 3, 6, 6)}),
    Case("concat_rows", "[op] b = Concat<axis = -2>(a, c)"),
    Case("global_average_pool", "[op] b = GlobalAveragePool(a)"),
    Case("average_pool", "[op] b = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(a)"),
    Case("average_pool_padded", "[op] b = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(a)"),
    Case("average_pool_count_pad", "[op] b = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1>(a)"),
    Case("average_pool_ceil", "[op] b = AveragePool<kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1>(a)"),
    Case("average_pool_ceil_pad", "[op] b = AveragePool<kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1], ceil_mode = 1>(a)"),
    Case(
        "average_pool_ceil_count",
        "[op] b = AveragePool<kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1], ceil_mode = 1, count_include_pad = 1>(a)",
    ),
    Case("average_pool_same", '[op] b = AveragePool<kernel_shape = [3, 3], auto_pad = "SAME_UPPER">(a)'),
    Case("average_pool_opset_19", "[op] b = AveragePool<kernel_shape = [2, 2]>(a)", opset=19),
    Case("average_pool_dilation_1", "[op] b = AveragePool<kernel_shape = [2, 2], dilations = [1, 1]>(a)", opset=19),
    Case("average_pool_1d", "[op] b = AveragePool<kernel_shape = [3]>(a)", image=LINE),
    Case("average_pool_3d", "[op] b = AveragePool<kernel_shape = [2, 2, 2]>(a)", image=(8, 4, 4, 4)),
    Case("global_average_pool_1d", "[op] b = GlobalAveragePool(a)", image=LINE),
    Case("global_average_pool_3d", "[op] b = GlobalAveragePool(a)", image=(8, 4, 4, 4)),
    Case("sigmoid", "[op] b = Sigmoid(a)"),
    Case("hard_sigmoid", "[op] b = HardSigmoid(a)"),
    Case("hard_sigmoid_slope", "[op] b = HardSigmoid<alpha = 0.1666667, beta = 0.5>(a)"),
    Case("hard_sigmoid_no_beta", "[op] b = HardSigmoid<alpha = 0.5, beta = 0.0>(a)"),
    Case("hard_swish", "[op] b = HardSwish(a)"),
    Case("leaky_relu", "[op] b = LeakyRelu<alpha = 0.1>(a)"),
    Case("softmax", "[op] b = Softmax(a)"),
    Case("softmax_3d", "[op] b = Softmax<axis = 2>(a)", image=LINE),
    Case("softmax_axis_1", "[op] b = Softmax<axis = 1>(a)"),
    Case("where", "m = Greater(x, t) [op] b = Where(m, a, c)", {"t": number(0)}),
    Case("where_constant_condition", "[op] b = Where(m, a, c)", {"m": np.arange(6) % 2 == 0}),
    Case("where_constant", "m = Greater(x, t) [op] b = Where(m, a, k)", {"t": number(0), "k": number(-2)}),
    Case("where_constant_first", "m = Greater(x, t) [op] b = Where(m, k, a)", {"t": number(0), "k": floats(8, 1, 1)}),
    Case("where_zero", "m = Greater(x, t) [op] b = Where(m, a, k)", {"t": number(0), "k": number(0)}),
]
MOVE = [
    Case("reshape", "[op] b = Reshape(a, s)", {"s": ints(0, 4, 12, 6)}),
    Case("flatten", "[op] b = Flatten(a)"),
    Case("squeeze", "g = GlobalAveragePool(a) [op] b = Squeeze(g, s)", {"s": ints(2, 3)}),
    Case("unsqueeze", "f = Flatten(a) [op] b = Unsqueeze(f, s)", {"s": ints(1)}),
    Case("transpose", "[op] t = Transpose<perm = [0, 3, 1, 2]>(a) b = MatMul(t, k)", {"k": floats(6, 5)}),
    Case("slice", "[op] b = Slice(a, i, j, k)", {"i": ints(1), "j": ints(5), "k": ints(2)}),
    Case("slice_steps", "[op] b = Slice(a, i, j, k, s)", {"i": ints(5), "j": ints(-9), "k": ints(2), "s": ints(-2)}),
    Case("split", "[op] b, d = Split<axis = 1>(a, s) e = GlobalAveragePool(d)", {"s": ints(5, 3)}),
    Case("split_joined", "[op] d, e = Split<axis = 1>(a, s) b = Add(d, e)", {"s": ints(4, 4)}),
    Case("split_18", "[op] d, e = Split<axis = 1, num_outputs = 2>(a) b = Add(d, e)", opset=18),
    Case("gather", "[op] b = Gather<axis = 1>(a, i)", {"i": ints(3, 0, 7)}),
    Case("gather_scalar", "[op] b = Gather<axis = 2>(a, i)", {"i": np.array(2)}),
    Case("pad", "[op] b = Pad(a, p)", {"p": ints(0, 0, 1, 1, 0, 0, 1, 1)}),
    Case("pad_zero", "[op] b = Pad(a, p, v)", {"p": ints(0, 0, 1, 1, 0, 0, 1, 1), "v": number(0)}),
    Case("pad_negative", "[op] b = Pad(a, p)", {"p": ints(0, 0, -1, 0, 0, 0, -1, 1)}),
    Case("pad_reflect", '[op] b = Pad<mode = "reflect">(a, p)', {"p": ints(0, 0, 1, 1, 0, 0, 1, 1)}),
    Case("pad_edge", '[op] b = Pad<mode = "edge">(a, p)', {"p": ints(0, 0, 1, 1, 0, 0, 1, 1)}),
    Case("pad_axes_18", "[op] b = Pad(a, p, v, i)", {"p": ints(1, 1), "v": number(0), "i": ints(3)}, opset=18),
    Case("pad_wrap_19", '[op] b = Pad<mode = "wrap">(a, p)', {"p": ints(0, 0, 1, 1, 0, 0, 1, 1)}, opset=19),
    Case("expand", "g = GlobalAveragePool(a) [op] b = Expand(g, s)", {"s": ints(2, 8, 3, 3)}),
    Case("tile", "[op] b = Tile(a, s)", {"s": ints(1, 1, 2, 1)}),
    Case("max_pool", "[op] b = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(a)"),
    Case("max_pool_padded", "[op] b = MaxPool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(a)"),
    Case("max_pool_ceil", "[op] b = MaxPool<kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1>(a)"),
    Case("max_pool_dilated", "[op] b = MaxPool<kernel_shape = [2, 2], dilations = [2, 2]>(a)"),
    Case("max_pool_same", '[op] b = MaxPool<kernel_shape = [3, 3], auto_pad = "SAME_UPPER">(a)'),
    Case("max_pool_1d", "[op] b = MaxPool<kernel_shape = [3]>(a)", image=LINE),
    Case("max_pool_3d", "[op] b = MaxPool<kernel_shape = [2, 2, 2]>(a)", image=(8, 4, 4, 4)),
    Case("reduce_max", "[op] b = ReduceMax<axes = [2, 3]>(a)"),
    Case("reduce_max_18", "[op] b = ReduceMax(a, i)", {"i": ints(2, 3)}, opset=18),
    Case("reduce_min", "[op] b = ReduceMin<axes = [3], keepdims = 0>(a)"),
    Case("depth_to_space", "[op] b = DepthToSpace<blocksize = 2>(a)"),
    Case("depth_to_space_crd", '[op] b = DepthToSpace<blocksize = 2, mode = "CRD">(a)'),
    Case("space_to_depth", "[op] b = SpaceToDepth<blocksize = 2>(a)"),
    Case("resize_nearest", '[op] b = Resize<mode = "nearest">(a, , s)', {"s": np.array([1, 1, 2, 2], np.float32)}),
    Case(
        "resize_nearest_asymmetric",
        '[op] b = Resize<mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor">(a, , s)',
        {"s": np.array([1, 1, 2, 2], np.float32)},
        opset=13,
    ),
    Case("resize_nearest_sizes", '[op] b = Resize<mode = "nearest">(a, , , s)', {"s": ints(2, 8, 9, 9)}),
    Case("resize_nearest_down_19", '[op] b = Resize<mode = "nearest">(a, , s)', {"s": np.array([1, 1, 0.5, 0.5], np.float32)}, opset=19),
    Case("relu_read_twice", "[op] b = Relu(a) e = Add(a, a) z = GlobalAveragePool(e)"),
    Case("relu_after_concat", "d = Concat<axis = 1>(a, c) [op] b = Relu(d)"),
    Case("clip_read_twice", "[op] b = Clip(a, l, h) e = Add(a, a) z = GlobalAveragePool(e)", {"l": number(-0.5), "h": number(0.5)}),
    Case("clip_after_concat", "d = Concat<axis = 1>(a, c) [op] b = Clip(d, l, h)", {"l": number(0), "h": number(0.75)}),
    Case("clip_one_bound", "d = Concat<axis = 1>(a, c) [op] b = Clip(d, l)", {"l": number(-0.25)}),
]


@cache
def build(case: Case) -> onnx.ModelProto:
    """x -> layer -> a (and another layer -> c) -> case -> b -> layer -> y; every other value that
    nothing reads is an output too.
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
    shape = shape_of(proto, "b")
    weight = floats(4, shape[1], *[1] * (len(shape) - 2), seed=4)
    is_image = len(shape) > 2
    last = proto.graph.node[-1]
    last.op_type = "Conv" if is_image else "MatMul"
    last.input.append("wl")
    proto.graph.initializer.append(onnx.numpy_helper.from_array(weight if is_image else weight.T.copy(), "wl"))
    return onnx.shape_inference.infer_shapes(proto, strict_mode=True)


def shape_of(proto: onnx.ModelProto, name: str) -> tuple[int, ...]:
    inferred = onnx.shape_inference.infer_shapes(proto, strict_mode=True).graph
    return next(tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in inferred.value_info if v.name == name)


def data(case: Case) -> dict[str, F32]:
    return {"x": np.random.default_rng(0).normal(size=(4, *case.image)).astype(np.float32)}


def quantized(case: Case, target: Target) -> Quantized:
    return quantize(build(case), data(case), target=target, recipe=Recipe(effort="fast", rule="minmax"), prove=False)


def run(model: bytes, case: Case, optimize: Literal["off", "all"]) -> list[F64]:
    """Every output over all the data."""
    session = open_session(model, threads=1, optimize=optimize)
    x = data(case)["x"]
    parts = [session.run({"x": x[start : start + 2]}) for start in range(0, len(x), 2)]
    return [np.stack(output).astype(np.float64) for output in zip(*parts, strict=True)]


def float_result(case: Case) -> F64:
    return run(build(case).SerializeToString(), case, "off")[0]


def sqnr(wanted: F64, got: F64) -> float:
    return float(10 * np.log10((wanted**2).sum() / max(((wanted - got) ** 2).sum(), 1e-30)))


ALL = (*COMPUTE, *LIGHT, *MOVE)


def operator(case: Case) -> str:
    """The operator type under test."""
    return next(node.op_type for node in build(case).graph.node if node.name == "op")
