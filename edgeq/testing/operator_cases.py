"""An operator between two layers, in each form that matters: what check_target holds a target to.

A new operator or form gets a row here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from edgeq.numerics.arrays import F32, I64, AnyArray

#: shape of one sample of an image, and of a line, without the batch
IMAGE = (8, 6, 6)
LINE = (8, 12)
Constants = dict[str, AnyArray]


@dataclass(frozen=True, eq=False)
class Case:
    """One operator between two layers."""

    name: str
    #: ONNX text that makes `b` of `a` (and of `c`, a second layer's output); the operator under
    #: test is the node [op]
    nodes: str
    #: initializers by name
    constants: Constants = field(default_factory=dict)
    #: shape of a sample of the network's input x
    image: tuple[int, ...] = IMAGE
    opset: int = 17

    def __str__(self) -> str:
        return self.name


def ints(*numbers: int) -> I64:
    """A list of indices, axes or sizes."""
    return np.array(numbers, np.int64)


def floats(*shape: int, seed: int = 1) -> F32:
    """Normal weights that keep the size of what they are multiplied with."""
    numbers = np.random.default_rng(seed).normal(size=shape) / math.sqrt(math.prod(shape[1:]))
    return numbers.astype(np.float32)


def number(value: float) -> F32:
    """A scalar."""
    return np.array(value, np.float32)


#: layers
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
#: what costs by the element
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
#: what moves or selects elements
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
ALL = (*COMPUTE, *LIGHT, *MOVE)
#: operators that only other targets have kernels for
BEYOND_CPU = [
    Case("sub", "[op] b = Sub(a, c)"),
    Case("sub_constant", "[op] b = Sub(a, k)", {"k": floats(8, 1, 1)}),
    Case("sub_from_constant", "[op] b = Sub(k, a)", {"k": floats(8, 1, 1)}),
    Case("prelu", "[op] b = PRelu(a, k)", {"k": floats(8, 1, 1)}),
    Case("tanh", "[op] b = Tanh(a)"),
    Case("conv_transpose", "[op] b = ConvTranspose<strides = [2, 2]>(a, k)", {"k": floats(8, 6, 2, 2)}),
    Case("reduce_mean", "[op] b = ReduceMean<axes = [2, 3]>(a)"),
]
