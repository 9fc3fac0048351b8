"""Models of one operator on codes, for the law of integer operators: a toy for every form that emit
or run treats in its own way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
import onnx_ir as ir

from edgeq.numerics.arrays import AnyArray

Constants = Mapping[str, AnyArray | np.generic | float]
Grid = tuple[float, int]
IMAGE, ROWS, LINES = (1, 8, 6, 6), (1, 24), (1, 5, 12)
#: every code once
ALL_CODES = (1, 4, 8, 8)
#: scale and zero point of x and of v
X, V = (0.05, 3), (0.03, -7)


@dataclass(frozen=True, eq=False)
class Toy:
    """x in codes -> a, v in codes -> c, nodes that make `b` of them -> y in codes."""

    #: of the step under test: ONNX's, or what the reader of the graph calls it
    op_type: str
    #: what is special about it
    form: str
    #: ONNX text that makes `b` of `a`, and of `c` where it reads that
    nodes: str
    #: initializers beside the grids of x, v and y
    constants: Constants = field(default_factory=dict)
    #: scale and zero point of y
    grid: Grid = (0.07, 5)
    #: of x
    shape: tuple[int, ...] = IMAGE
    #: of v; empty: as x
    second: tuple[int, ...] = ()
    opset: int = 17
    #: what becomes an output in codes
    outputs: tuple[str, ...] = ("b",)
    #: outputs of whole numbers
    whole: tuple[str, ...] = ()
    #: shape of r, an input of whole numbers from 0 to 4; empty: there is none
    indices: tuple[int, ...] = ()
    #: whether the model takes and gives floats
    floats: bool = False
    #: by how many codes LiteRT and TFLite Micro may differ from the interpreter
    near: int = 0
    #: by how many codes onnxruntime, which computes in float, may differ from the interpreter with
    #: float requantization
    float_near: int = 1

    def __str__(self) -> str:
        return f"{self.op_type}-{self.form}".replace(" ", "-")


def model(toy: Toy) -> ir.Model:
    """The toy in ONNX: int8 from input to output, or with floats at both ends."""
    reads = "(c" in toy.nodes or ", c" in toy.nodes
    kind = "float" if toy.floats else "int8"
    text, ends = "", []
    for value, inside, shape in (("x", "a", toy.shape), ("v", "c", toy.second or toy.shape))[: 1 + reads]:
        ends.append(f"{kind}[{','.join(map(str, shape))}] {value}")
        text += f"{value}q = QuantizeLinear({value}, {value}s, {value}z) " if toy.floats else ""
        text += f"{inside} = DequantizeLinear({value}{'q' if toy.floats else ''}, {value}s, {value}z) "
    if toy.indices:
        ends.append(f"int64[{','.join(map(str, toy.indices))}] r")
    text += toy.nodes
    for name in toy.outputs:
        text += f" {'q' if toy.floats else 'y'}_{name} = QuantizeLinear({name}, ys, yz)"
        text += f" y_{name} = DequantizeLinear(q_{name}, ys, yz)" if toy.floats else ""
    head = f'<ir_version: 9, opset_import: ["": {toy.opset}]> toy ({", ".join(ends)})'
    results = [*(f"{kind} y_{name}" for name in toy.outputs), *(f"int64 {name}" for name in toy.whole)]
    proto = onnx.parser.parse_model(f"{head} => ({', '.join(results)}) {{ {text} }}")
    for output in proto.graph.output:
        output.type.tensor_type.ClearField("shape")  # the parser reads "int8 y" as a scalar
    grids: dict[str, AnyArray] = {}
    for name, (scale, zero) in (("x", X), ("v", V), ("y", toy.grid)):
        grids |= {f"{name}s": np.array(scale, np.float32), f"{name}z": np.array(zero, np.int8)}
    read = {name for node in proto.graph.node for name in node.input}
    arrays = {**grids, **toy.constants}
    for name in sorted(read & arrays.keys()):
        array = np.asarray(arrays[name])
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        proto.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto, strict_mode=True))


def feeds(found: ir.Model) -> dict[str, AnyArray]:
    """For every input each code as often as any other; their real numbers where it takes floats."""
    rng = np.random.default_rng(0)
    made: dict[str, AnyArray] = {}
    for value in found.graph.inputs:
        assert value.shape is not None
        shape = tuple(int(size) for size in value.shape if isinstance(size, int))
        if value.dtype == ir.DataType.INT64:
            made[str(value.name)] = rng.integers(0, 5, shape)
            continue
        name, whole = str(value.name), rng.permutation(np.resize(np.arange(-128, 128), int(np.prod(shape)))).reshape(shape)
        scale, zero = X if name == "x" else V
        made[name] = ((whole - zero) * scale).astype(np.float32) if value.dtype == ir.DataType.FLOAT else whole.astype(np.int8)
    return made


def codes(*shape: int) -> AnyArray:
    """A weight without the lowest code."""
    return np.random.default_rng(1).integers(-127, 128, shape).astype(np.int8)


def ints(*numbers: int) -> AnyArray:
    return np.array(numbers, np.int64)


def layer(
    op: str, weight: AnyArray, axis: int = 0, *, bias: bool = True, bias_scale: float = 1.0, behind: str = "a"
) -> tuple[str, Constants]:
    """Nodes and constants of a layer with one weight scale per channel of `axis`."""
    channels = weight.shape[axis]
    scales = np.linspace(0.002, 0.004, channels, dtype=np.float32)
    found = {"w": weight, "ws": scales, "wz": np.zeros(channels, np.int8)}
    text = f"wf = DequantizeLinear<axis = {axis}>(w, ws, wz) "
    if bias:
        found |= {
            "o": np.arange(-2, channels - 2, dtype=np.int32) * 500,
            "os": np.float32(X[0] * bias_scale) * scales,
            "oz": np.zeros(channels, np.int32),
        }
        text += "of = DequantizeLinear<axis = 0>(o, os, oz) "
    return f"{text} b = {op}({behind}, wf{', of' if bias else ''})", found


def quantized(array: AnyArray) -> Constants:
    """A constant for `K`."""
    return {"kq": array, "ks": 0.02, "kz": np.int8(4)}


#: a quantized constant k
K = "k = DequantizeLinear(kq, ks, kz) "
#: the largest neighbours e of x, on the grid of x
PEAKS = "p = MaxPool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(x) e = DequantizeLinear(p, xs, xz)"
CONV, DEEP, DECONV = codes(6, 8, 3, 3), codes(8, 1, 3, 3), codes(8, 5, 3, 3)
WIDE, DEEP_WIDE = (1.5, 5), (0.6, 5)
WHOLE: Constants = {"w": CONV, "ws": 0.003}

LAYERS = [
    Toy("Conv", "same", *layer("Conv<pads = [1, 1, 1, 1]>", CONV), WIDE),
    Toy("Conv", "valid without bias", *layer("Conv", CONV, bias=False), WIDE),
    Toy("Conv", "uneven pads", *layer("Conv<pads = [0, 1, 2, 1]>", CONV), WIDE),
    Toy("Conv", "same upper", *layer('Conv<strides = [2, 2], auto_pad = "SAME_UPPER">', CONV), WIDE),
    Toy("Conv", "same lower", *layer('Conv<strides = [2, 1], auto_pad = "SAME_LOWER">', CONV), WIDE),
    Toy("Conv", "dilated", *layer("Conv<dilations = [2, 1]>", CONV), WIDE),
    Toy("Conv", "grouped", *layer("Conv<group = 2>", codes(6, 4, 3, 3)), WIDE),
    Toy("Conv", "depthwise", *layer("Conv<group = 8, pads = [1, 1, 1, 1]>", DEEP), DEEP_WIDE),
    Toy("Conv", "depthwise with a multiplier", *layer("Conv<group = 8>", codes(16, 1, 3, 3)), DEEP_WIDE),
    Toy("Conv", "one scale", "wf = DequantizeLinear(w, ws) b = Conv(a, wf)", WHOLE, WIDE),
    Toy("Conv", "bias in floats", "wf = DequantizeLinear(w, ws) b = Conv(a, wf, o)", {**WHOLE, "o": np.linspace(-40, 40, 6)}, WIDE),
    Toy("Conv", "fused relu", "wf = DequantizeLinear(w, ws) d = Conv(a, wf) b = Relu(d)", WHOLE, WIDE),
    Toy("Conv", "fused relu6", "wf = DequantizeLinear(w, ws) d = Conv(a, wf) b = Clip(d, l, h)", {**WHOLE, "l": 0.0, "h": 6.0}, (0.2, 5)),
    Toy("ConvTranspose", "valid", *layer("ConvTranspose<strides = [2, 2]>", DECONV, 1), WIDE),
    Toy("ConvTranspose", "same", *layer("ConvTranspose<strides = [2, 2], pads = [0, 0, 1, 1]>", DECONV, 1), WIDE),
    Toy("ConvTranspose", "cropped", *layer("ConvTranspose<strides = [2, 1], pads = [1, 1, 2, 0]>", codes(8, 5, 4, 4), 1), WIDE),
    Toy("ConvTranspose", "output padding", *layer("ConvTranspose<strides = [2, 2], output_padding = [1, 1]>", DECONV, 1), WIDE),
    Toy("ConvTranspose", "padding and output padding",
        *layer("ConvTranspose<strides = [2, 3], pads = [1, 1, 1, 1], output_padding = [1, 2]>", DECONV, 1), WIDE),
    Toy("ConvTranspose", "output shape", *layer("ConvTranspose<strides = [2, 2], output_shape = [12, 12]>", DECONV, 1), WIDE),
    Toy("ConvTranspose", "output shape and pads", *layer("ConvTranspose<strides = [2, 2], pads = [0, 0, 1, 1], output_shape = [12, 11]>",
        DECONV, 1), WIDE),
    Toy("ConvTranspose", "same upper", *layer('ConvTranspose<strides = [2, 2], auto_pad = "SAME_UPPER">', DECONV, 1), WIDE),
    Toy("ConvTranspose", "same lower", *layer('ConvTranspose<strides = [2, 2], auto_pad = "SAME_LOWER">', DECONV, 1), WIDE),
    Toy("ConvTranspose", "output shape of the lower same",
        *layer('ConvTranspose<strides = [3, 2], auto_pad = "SAME_LOWER", output_shape = [17, 12]>', DECONV, 1), WIDE),
    Toy("ConvTranspose", "auto_pad valid", *layer('ConvTranspose<strides = [2, 2], auto_pad = "VALID">', DECONV, 1), WIDE),
    Toy("ConvTranspose", "grouped", *layer("ConvTranspose<group = 2, strides = [2, 2]>", codes(8, 5, 3, 3), 1, bias=False), WIDE),
    Toy("ConvTranspose", "depthwise",
        "wf = DequantizeLinear(w, ws) b = ConvTranspose<group = 8, strides = [2, 2], pads = [1, 1, 1, 1]>(a, wf, o)",
        {"w": codes(8, 1, 4, 4), "ws": 0.003, "o": np.linspace(-2, 2, 8)}, WIDE),
    Toy("ConvTranspose", "dilated", *layer("ConvTranspose<strides = [2, 1], dilations = [2, 3]>", DECONV, 1), WIDE),
    Toy("ConvTranspose", "without bias", *layer("ConvTranspose", codes(8, 5, 2, 2), 1, bias=False), WIDE),
    Toy("Gemm", "columns", *layer("Gemm", codes(24, 7), 1), (1.0, 5), ROWS),
    Toy("Gemm", "rows", *layer("Gemm<transB = 1>", codes(7, 24)), (1.0, 5), ROWS),
    Toy("Gemm", "one bias for all", "wf = DequantizeLinear(w, ws) of = DequantizeLinear(o, os) b = Gemm(a, wf, of)",
        {"w": codes(24, 7), "ws": 0.003, "o": np.array([900], np.int32), "os": np.float32(X[0]) * np.float32(0.003)}, (1.0, 5), ROWS),
    Toy("Gemm", "behind an image", "f = Flatten(x) g = DequantizeLinear(f, xs, xz) " + layer("Gemm", codes(288, 7), 1, behind="g")[0],
        layer("Gemm", codes(288, 7), 1)[1], (3.0, 5)),
    Toy("MatMul", "rows", *layer("MatMul", codes(24, 7), 1, bias=False), (1.0, 5), ROWS),
    Toy("MatMul", "lines", *layer("MatMul", codes(12, 7), 1, bias=False), (0.6, 5), LINES),
    Toy("MatMul", "image", *layer("MatMul", codes(6, 7), 1, bias=False), (0.6, 5)),
]  # fmt: skip
ARITHMETIC = [
    Toy("Add", "two", "b = Add(a, c)"),
    Toy("Add", "constant", K + "b = Add(a, k)", quantized(codes(8, 1, 1))),
    Toy("Add", "pooled", "b = Add(a, c)", second=(1, 8, 1, 1)),
    Toy("Add", "lower rank", "b = Add(a, c)", second=(6, 6)),
    Toy("Add", "fused relu6", "d = Add(a, c) b = Clip(d, l, h)", {"l": 0.0, "h": 6.0}, (0.07, -10)),
    Toy("Sub", "two", "b = Sub(a, c)"),
    Toy("Sub", "constant", K + "b = Sub(a, k)", quantized(codes(8, 1, 1))),
    Toy("Sub", "from a constant", K + "b = Sub(k, a)", quantized(codes(8, 1, 1))),
    Toy("Mul", "two", "b = Mul(a, c)", grid=(0.2, 5)),
    Toy("Mul", "constant", K + "b = Mul(k, a)", quantized(codes(1, 8, 1, 1)), (0.2, 5)),
    Toy("Concat", "channels", "b = Concat<axis = 1>(a, c)"),
    Toy("Concat", "one grid", "b = Concat<axis = -2>(a, a)", grid=X),
    Toy(
        "Concat",
        "result of a table",
        "i = Cast<to = 6>(x) g = Gather(k, i) d = Concat<axis = 1>(x, g) b = DequantizeLinear(d, xs, xz)",
        {"k": codes(256)},
        X,
    ),
    Toy("Concat", "constant", K + "b = Concat<axis = 1>(a, k)", quantized(codes(1, 3, 6, 6))),
    Toy("MatMul", "two", "b = MatMul(a, c)", grid=(0.5, 5)),
    Toy("MatMul", "lines of two", "b = MatMul(a, c)", grid=(0.5, 5), shape=LINES, second=(1, 12, 4)),
    Toy("MatMul", "broadcast", "b = MatMul(a, c)", grid=(0.5, 5), second=(1, 1, 6, 3)),
    Toy("MatMul", "lower rank", "b = MatMul(c, a)", grid=(0.5, 5), shape=(6, 4), second=IMAGE),
    Toy("MatMul", "constant stack", K + "b = MatMul(a, k)", quantized(codes(8, 6, 5)), (0.5, 5)),
    Toy("MatMul", "constant first", K + "b = MatMul(k, a)", quantized(codes(5, 6)), (0.5, 5)),
    Toy("MatMul", "two and relu6", "d = MatMul(a, c) b = Clip(d, l, h)", {"l": 0.0, "h": 6.0}, (0.5, 5)),
    Toy("Max", "two", "b = Max(a, c)"),
    Toy("Max", "three", K + "b = Max(a, c, k)", quantized(codes(8, 1, 1))),
    Toy("Max", "constant", K + "b = Max(k, a)", quantized(codes(1)[0]), X),
    Toy("Max", "alone", "b = Max(a)"),
    Toy("Max", "lines", "b = Max(a, c)", grid=V, shape=LINES),
    Toy("Min", "two", "b = Min(a, c)"),
    Toy("Min", "lower rank", "b = Min(a, c)", second=(6, 6)),
    Toy("Min", "constant row", K + "b = Min(a, k)", quantized(codes(24)), shape=ROWS),
    Toy("ReduceMax", "height and width", "b = ReduceMax<axes = [2, 3], keepdims = 0>(a)", grid=X),
    Toy("ReduceMax", "channels", "b = ReduceMax<axes = [1]>(a)", grid=X),
    Toy("ReduceMax", "width dropped", "b = ReduceMax<axes = [3], keepdims = 0>(a)", grid=X),
    Toy("ReduceMax", "channels dropped", "b = ReduceMax<axes = [1], keepdims = 0>(a)", grid=X),
    Toy("ReduceMax", "every axis", "b = ReduceMax(a)", grid=X, shape=LINES),
    Toy("ReduceMax", "axes as input", "b = ReduceMax<keepdims = 0>(a, i)", {"i": ints(-2)}, X, LINES, opset=18),
    Toy(
        "ReduceMax",
        "to an image",
        "u = Unsqueeze(x, i) e = DequantizeLinear(u, xs, xz) b = ReduceMax<axes = [2], keepdims = 0>(e)",
        {"i": ints(1)},
        X,
    ),
    Toy("ReduceMin", "height", "b = ReduceMin<axes = [2]>(a)", grid=X),
    Toy("ReduceMin", "lines", "b = ReduceMin<axes = [1], keepdims = 0>(a)", grid=X, shape=LINES),
    Toy("GlobalMaxPool", "image", "b = GlobalMaxPool(a)", grid=X),
    Toy("GlobalMaxPool", "lines", "b = GlobalMaxPool(a)", grid=X, shape=LINES),
    *(
        Toy(
            word,
            "two",
            f"{PEAKS} m = {word}(a, e) b = Cast<to = 1>(m)",
            grid=(1 / 255, -128),
        )
        for word in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
    ),
    Toy(
        "Equal",
        "pooled",
        "p = ReduceMax<axes = [1], keepdims = 0>(a) q = QuantizeLinear(p, xs, xz) e = DequantizeLinear(q, xs, xz) "
        "m = Equal(a, e) b = Cast<to = 1>(m)",
        shape=(1, 1, 6, 8),
    ),
    Toy(
        "Cast",
        "of a comparison of lines",
        "t = Slice(x, i, j, k) e = DequantizeLinear(t, xs, xz) m = LessOrEqual(a, e) b = Cast<to = 1>(m)",
        {"i": ints(0), "j": ints(1), "k": ints(1)},
        shape=LINES,
    ),
    Toy("ArgMax", "channels", "n = ArgMax<axis = 1, keepdims = 0>(a)", outputs=(), whole=("n",)),
    Toy("ArgMax", "width", "n = ArgMax<axis = 3, keepdims = 0>(a)", outputs=(), whole=("n",)),
    Toy("ArgMax", "height kept", "n = ArgMax<axis = 2>(a)", outputs=(), whole=("n",)),
    Toy("ArgMax", "rows", "n = ArgMax<axis = -1, keepdims = 0>(a) b = Relu(a)", shape=ROWS, whole=("n",)),
    Toy("ArgMax", "of codes", "n = ArgMax<axis = 1, keepdims = 0>(x)", shape=LINES, outputs=(), whole=("n",)),
    Toy("ArgMin", "lines", "n = ArgMin<axis = -1, keepdims = 0>(a)", shape=LINES, outputs=(), whole=("n",)),
    Toy("GlobalAveragePool", "image", "b = GlobalAveragePool(a)", grid=(0.003, 5)),
    Toy("ReduceMean", "height and width", "b = ReduceMean<axes = [2, 3]>(a)", grid=(0.003, 5)),
    Toy("ReduceMean", "dropped", "b = ReduceMean<axes = [2, 3], keepdims = 0>(a)", grid=(0.003, 5)),
    Toy("ReduceMean", "channels", "b = ReduceMean<axes = [1]>(a)", grid=(0.02, -9)),
    Toy("ReduceMean", "channels dropped", "b = ReduceMean<axes = [1], keepdims = 0>(a)", grid=(0.02, -9)),
    Toy("ReduceMean", "width dropped", "b = ReduceMean<axes = [3], keepdims = 0>(a)", grid=(0.02, -9)),
    Toy("ReduceMean", "all but channels", "b = ReduceMean<axes = [0, 2, 3], keepdims = 0>(a)", grid=(0.003, 5)),
    Toy("ReduceMean", "channels and width", "b = ReduceMean<axes = [1, 3]>(a)", grid=(0.01, 5)),
    Toy("ReduceMean", "every axis", "b = ReduceMean(a)", grid=(0.003, 5), shape=LINES),
    Toy("ReduceMean", "rows", "b = ReduceMean<axes = [1]>(a)", grid=(0.01, 5), shape=ROWS),
    Toy("ReduceMean", "axes as input", "b = ReduceMean<keepdims = 0>(a, i)", {"i": ints(-1)}, (0.02, -9), LINES, opset=18),
]
POOLS = [
    Toy("MaxPool", "valid", "b = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(a)", grid=X),
    Toy("MaxPool", "uneven pads", "b = MaxPool<kernel_shape = [3, 3], pads = [0, 1, 2, 1]>(a)", grid=X),
    Toy("MaxPool", "another grid", "b = MaxPool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(a)"),
    Toy("MaxPool", "relu6 behind", "d = MaxPool<kernel_shape = [2, 2]>(a) b = Clip(d, l, h)", {"l": 0.0, "h": 6.0}, X),
    Toy("AveragePool", "valid", "b = AveragePool<kernel_shape = [2, 3]>(a)", grid=X),
    Toy("AveragePool", "same", "b = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(a)", grid=X),
    Toy("AveragePool", "counted pads", "b = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1>(a)", grid=X),
    Toy("AveragePool", "ceil", "b = AveragePool<kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1>(a)", grid=X),
    Toy("AveragePool", "another grid", "b = AveragePool<kernel_shape = [2, 2]>(a)"),
    Toy("Resize", "nearest", 'b = Resize<mode = "nearest">(a, , s)', {"s": np.array([1, 1, 2, 2], np.float32)}, X),
    Toy("Resize", "nearest of another grid", 'b = Resize<mode = "nearest">(a, , , s)', {"s": ints(1, 8, 9, 12)}),
    Toy("Resize", "nearest by the corners",
        'b = Resize<mode = "nearest", coordinate_transformation_mode = "align_corners", nearest_mode = "round_prefer_ceil">(a, , , s)',
        {"s": ints(1, 8, 11, 4)}, X),
    Toy("Resize", "linear", 'b = Resize<mode = "linear">(a, , , s)', {"s": ints(1, 8, 12, 9)}, X),
    Toy("Resize", "linear by the corners", 'b = Resize<mode = "linear", coordinate_transformation_mode = "align_corners">(a, , , s)',
        {"s": ints(1, 8, 11, 4)}, X),
    Toy("Resize", "linear asymmetric", 'b = Resize<mode = "linear", coordinate_transformation_mode = "asymmetric">(a, , , s)',
        {"s": ints(1, 8, 12, 12)}, X),
]  # fmt: skip
FUNCTIONS = [
    Toy("Relu", "one grid", "b = Relu(a)", grid=X, shape=ALL_CODES),
    Toy("Relu", "another grid", "b = Relu(a)", shape=ALL_CODES),
    Toy("Clip", "both bounds", "b = Clip(a, l, h)", {"l": -0.5, "h": 0.5}, X, ALL_CODES),
    Toy("Clip", "lower bound 0", "b = Clip(a, l, h)", {"l": 0.0, "h": 0.75}, X, ALL_CODES),
    Toy("Clip", "upper bound 0", "b = Clip(a, l, h)", {"l": -0.5, "h": 0.0}, X, ALL_CODES),
    Toy("Clip", "only an upper bound 0", "b = Clip(a, , h)", {"h": 0.0}, shape=ALL_CODES),
    Toy("Clip", "only a lower bound", "b = Clip(a, l)", {"l": -0.25}, X, ALL_CODES),
    Toy("Clip", "bounds that the grid implies", "b = Clip(a, l, h)", {"l": -99.0, "h": 99.0}, X, ALL_CODES),
    Toy("Clip", "on codes", "d = Clip(x, l, h) b = DequantizeLinear(d, xs, xz)", {"l": np.int8(-40), "h": np.int8(3)}, X, ALL_CODES),
    Toy("HardSwish", "one grid", "b = HardSwish(a)", grid=X, shape=ALL_CODES),
    Toy("HardSwish", "finer grid", "b = HardSwish(a)", grid=(0.012, -100), shape=ALL_CODES),
    Toy("HardSwish", "coarser grid", "b = HardSwish(a)", grid=(0.3, 0), shape=ALL_CODES),
    Toy("LeakyRelu", "gentle", "b = LeakyRelu<alpha = 0.1>(a)", shape=ALL_CODES),
    Toy("LeakyRelu", "steep", "b = LeakyRelu<alpha = 1.5>(a)", shape=ALL_CODES),
    Toy("LeakyRelu", "falling", "b = LeakyRelu<alpha = -0.3>(a)", shape=ALL_CODES),
    Toy("LeakyRelu", "falling by halves", "b = LeakyRelu<alpha = -0.5>(a)", grid=X, shape=ALL_CODES),
    Toy("PRelu", "slope per channel", K + "b = PRelu(a, k)", quantized(codes(4, 1, 1)), shape=ALL_CODES),
    Toy("PRelu", "slope per element", K + "b = PRelu(a, k)", quantized(codes(1, 12)), shape=LINES),
    Toy("Sigmoid", "its grid", "b = Sigmoid(a)", grid=(1 / 256, -128), shape=ALL_CODES, near=1),
    Toy("Sigmoid", "another grid", "b = Sigmoid(a)", grid=(0.01, 0), shape=ALL_CODES, near=1),
    Toy("Tanh", "its grid", "b = Tanh(a)", grid=(1 / 128, 0), shape=ALL_CODES, near=1),
    Toy("Tanh", "another grid", "b = Tanh(a)", grid=(0.01, 4), shape=ALL_CODES, near=1),
    Toy("Softmax", "rows", "b = Softmax(a)", grid=(1 / 256, -128), shape=ROWS, near=1),
    Toy("LogSoftmax", "rows", "b = LogSoftmax(a)", grid=(1 / 16, 127), shape=ROWS, near=1),
    Toy("LogSoftmax", "channels of an image", "b = LogSoftmax<axis = 1>(a)", grid=(1 / 16, 127), near=1),
    Toy("LogSoftmax", "another grid", "b = LogSoftmax<axis = 2>(a)", grid=(0.04, 120), near=1),
    Toy("Softmax", "width of an image", "b = Softmax<axis = 3>(a)", grid=(1 / 256, -128), near=1),
    Toy("Softmax", "height of an image on another grid", "b = Softmax<axis = 2>(a)", grid=(0.005, -100), near=1),
    Toy("Softmax", "columns of lines", "b = Softmax<axis = 1>(a)", grid=(1 / 256, -128), shape=LINES, near=1),
    Toy("Lookup", "table", "i = Cast<to = 6>(x) g = Gather(k, i) b = DequantizeLinear(g, ys, yz)", {"k": codes(256)}, shape=ALL_CODES),
    Toy("Lookup", "of lines", "i = Cast<to = 6>(x) g = Gather(k, i) b = DequantizeLinear(g, ys, yz)", {"k": codes(256)}, shape=LINES),
    Toy("Softmax", "channels of an image", "b = Softmax<axis = 1>(a)", grid=(1 / 256, -128), near=1),
]
MOVES = [
    Toy("Identity", "image", "b = Identity(a)", {}, X),
    Toy("Identity", "lines", "b = Identity(a)", {}, X, LINES),
    Toy("Reshape", "image to image", "b = Reshape(a, s)", {"s": ints(1, 4, 12, 6)}, X),
    Toy("Reshape", "lines to image", "b = Reshape(a, s)", {"s": ints(1, 5, 4, 3)}, X, LINES),
    Toy("Flatten", "image", "b = Flatten(a)", grid=X),
    Toy("Squeeze", "image", "b = Squeeze(a, s)", {"s": ints(2)}, X, (1, 8, 1, 6)),
    Toy("Unsqueeze", "rows", "b = Unsqueeze(a, s)", {"s": ints(1, 3)}, X, ROWS),
    Toy("Transpose", "image", "b = Transpose<perm = [0, 3, 1, 2]>(a)", grid=X),
    Toy("Transpose", "lines", "b = Transpose(a)", grid=X, shape=LINES),
    Toy("Transpose", "on codes", "t = Transpose<perm = [0, 2, 1]>(x) b = DequantizeLinear(t, xs, xz)", grid=X, shape=LINES),
    Toy("DepthToSpace", "depths first", "b = DepthToSpace<blocksize = 2>(a)", grid=X),
    Toy("DepthToSpace", "columns first", 'b = DepthToSpace<blocksize = 2, mode = "CRD">(a)', grid=X),
    Toy("SpaceToDepth", "image", "b = SpaceToDepth<blocksize = 2>(a)", grid=X),
    Toy("Gather", "channels", "b = Gather<axis = 1>(a, i)", {"i": ints(3, 0, -1)}, X),
    Toy("Gather", "a row", "b = Gather<axis = 2>(a, i)", {"i": np.array(2)}, X),
    Toy("Gather", "a channel", "b = Gather<axis = 1>(a, i)", {"i": np.array(-2)}, X),
    Toy("Gather", "a table of places", "b = Gather<axis = 1>(a, i)", {"i": np.array([[3, 0], [1, 2]])}, X, LINES),
    Toy("Gather", "places of an image", "b = Gather<axis = 2>(a, i)", {"i": np.array([[3, 0], [1, 2]])}, X, (1, 3, 6)),
    Toy("Gather", "rows of a table", "b = Gather(k, r) d = Relu(a)", {"k": np.linspace(-1, 2, 35, dtype=np.float32).reshape(5, 7)},
        outputs=("b", "d"), indices=(1, 6)),
    Toy("Gather", "rows of a table of codes", K + "b = Gather(k, r) d = Relu(a)", quantized(codes(5, 7)),
        outputs=("b", "d"), indices=(1, 6)),
    Toy("Gather", "rows of a table on the output's grid", "k = DequantizeLinear(kq, ys, yz) b = Gather(k, r) d = Relu(a)",
        {"kq": codes(5, 7)}, outputs=("b", "d"), indices=(6,)),
    Toy("Gather", "images of a table", K + "b = Gather(k, r) d = Relu(a)", quantized(codes(5, 7)), outputs=("b", "d"), indices=(1, 2, 3)),
    Toy("Gather", "columns of a table", K + "b = Gather<axis = 1>(k, r) d = Relu(a)", quantized(codes(3, 5)),
        outputs=("b", "d"), indices=(4,)),
    Toy("Gather", "selected indices",
        K + "n = Gather<axis = 1>(r, i) s = Slice(n, p, q, j) b = Gather(k, s) d = Relu(a)",
        {**quantized(codes(5, 7)), "i": np.array(1), "p": ints(1), "q": ints(3), "j": ints(1)}, outputs=("b", "d"), indices=(1, 2, 4)),
    Toy("Gather", "indices of another shape", K + "n = Cast<to = 6>(r) m = Reshape(n, s) b = Gather(k, m) d = Relu(a)",
        {**quantized(codes(5, 7)), "s": ints(2, 4)}, outputs=("b", "d"), indices=(1, 8)),
    Toy("Tile", "width", "b = Tile(a, s)", {"s": ints(1, 1, 1, 3)}, X),
    Toy("Tile", "channels and height", "b = Tile(a, s)", {"s": ints(1, 2, 2, 1)}, X),
    Toy("Tile", "nothing", "b = Tile(a, s)", {"s": ints(1, 1, 1)}, X, LINES),
    Toy("Expand", "pooled", "b = Expand(a, s)", {"s": ints(1, 8, 3, 4)}, X, (1, 8, 1, 1)),
    Toy("Expand", "row", "b = Expand(a, s)", {"s": ints(1, 5, 24)}, X, ROWS),
    Toy("Expand", "nothing", "b = Expand(a, s)", {"s": ints(1)}, X),
    Toy("Pad", "zero", "b = Pad(a, p)", {"p": ints(0, 0, 1, 2, 0, 1, 0, 1)}, X),
    Toy("Pad", "a value", "b = Pad(a, p, f)", {"p": ints(0, 0, 1, 2, 0, 1, 0, 1), "f": -1.5}, X),
    Toy("Pad", "a code", "d = Pad(x, p, f) b = DequantizeLinear(d, xs, xz)", {"p": ints(0, 1, 0, 2), "f": np.int8(-9)}, X, ROWS),
    Toy("Pad", "reflect", 'b = Pad<mode = "reflect">(a, p)', {"p": ints(0, 0, 1, 2, 0, 0, 0, 1)}, X),
    Toy("Slice", "part", "b = Slice(a, i, j, k)", {"i": ints(1, -4), "j": ints(99, -1), "k": ints(1, 3)}, X),
    Toy("Slice", "every second channel", "b = Slice(a, i, j, k, s)", {"i": ints(1), "j": ints(8), "k": ints(1), "s": ints(2)}, X),
    Toy("Slice", "every second row and column", "b = Slice(a, i, j, k, s)",
        {"i": ints(0, 0), "j": ints(99, 99), "k": ints(2, 3), "s": ints(2, 2)}, X),
    Toy("Slice", "every second channel and row", "b = Slice(a, i, j, k, s)",
        {"i": ints(0, 0), "j": ints(99, 99), "k": ints(1, 2), "s": ints(2, 2)}, X),
    Toy("Split", "equal", "b, d = Split<axis = 1>(a, s)", {"s": ints(4, 4)}, X, outputs=("b", "d")),
    Toy("Split", "unequal", "b, d = Split<axis = -1>(a, s)", {"s": ints(5, 1)}, X, outputs=("b", "d")),
]  # fmt: skip
GRIDS = [
    Toy("QuantizeLinear", "float input", "b = Relu(a)", shape=ALL_CODES, floats=True),
    Toy("DequantizeLinear", "float output", "b = Add(a, c)", floats=True),
    Toy("Requantize", "coarser", "", grid=(0.11, -20), shape=ALL_CODES, outputs=("a",)),
    Toy("Requantize", "finer", "", grid=(0.02, 7), shape=ALL_CODES, outputs=("a",)),
    Toy("Requantize", "moved", "", grid=(X[0], 10), shape=ALL_CODES, outputs=("a",)),
    Toy("Requantize", "one grid", "", grid=X, shape=ALL_CODES, outputs=("a",)),
]
#: a Relu or Clip that the output grid does not imply, behind operators that TFLite fuses none into
CLAMPED = [
    Toy("GlobalAveragePool", "relu behind", "d = GlobalAveragePool(a) b = Relu(d)", grid=(0.003, 5)),
    Toy("Concat", "relu behind", "d = Concat<axis = 1>(a, c) b = Relu(d)"),
    Toy("Resize", "relu behind", 'd = Resize<mode = "nearest">(a, , , s) b = Relu(d)', {"s": ints(1, 8, 9, 12)}),
    Toy("HardSwish", "clip behind", "d = HardSwish(a) b = Clip(d, l, h)", {"l": 0.0, "h": 2.0}, shape=ALL_CODES),
    Toy("LeakyRelu", "clip behind", "d = LeakyRelu(a) b = Clip(d, l, h)", {"l": -0.01, "h": 2.0}, (0.002, 5), ALL_CODES),
    Toy("PRelu", "relu behind", K + "d = PRelu(a, k) b = Relu(d)", quantized(codes(4, 1, 1)), shape=ALL_CODES),
    Toy("Tanh", "relu behind", "d = Tanh(a) b = Relu(d)", grid=(1 / 128, 0), shape=ALL_CODES, near=1),
    Toy("Sigmoid", "clip behind", "d = Sigmoid(a) b = Clip(d, l, h)", {"l": 0.0, "h": 0.5}, (0.01, 0), ALL_CODES, near=1),
    Toy("ConvTranspose", "relu behind", "wf = DequantizeLinear(w, ws) d = ConvTranspose(a, wf) b = Relu(d)", {**WHOLE, "w": DECONV}, WIDE),
    Toy("Conv", "clip behind", "wf = DequantizeLinear(w, ws) d = Conv(a, wf) b = Clip(d, l, h)", {**WHOLE, "l": -1.0, "h": 2.0}, (0.2, 5)),
    Toy("Add", "clip behind", "d = Add(a, c) b = Clip(d, l, h)", {"l": -1.0, "h": 2.0}),
    Toy("ReduceMax", "relu behind", "d = ReduceMax<axes = [3], keepdims = 0>(a) b = Relu(d)", grid=X),
    Toy("ReduceMean", "relu behind", "d = ReduceMean<axes = [1], keepdims = 0>(a) b = Relu(d)", grid=(0.02, -9)),
    Toy("Max", "clip behind", "d = Max(a, c) b = Clip(d, l, h)", {"l": -0.5, "h": 1.0}),
    Toy("MatMul", "clip behind two", "d = MatMul(a, c) b = Clip(d, l, h)", {"l": -1.0, "h": 2.0}, (0.5, 5)),
    Toy("Reshape", "relu behind", "d = Reshape(a, s) b = Relu(d)", {"s": ints(1, 4, 12, 6)}, X),
    Toy("Transpose", "relu behind", "d = Transpose(a) b = Relu(d)", grid=X, shape=LINES),
    Toy("Pad", "relu behind", "d = Pad(a, p) b = Relu(d)", {"p": ints(0, 0, 1, 2, 0, 1, 0, 1)}, X),
    Toy("Slice", "relu behind", "d = Slice(a, i, j) b = Relu(d)", {"i": ints(0, 2), "j": ints(1, 5)}, X),
]
TOYS = (*LAYERS, *ARITHMETIC, *POOLS, *FUNCTIONS, *MOVES, *GRIDS, *CLAMPED)
#: what runs in numpy as ONNX says, and TFLite has nothing for
NUMPY_ALONE = [
    Toy("Resize", "nearest by other scales than the sizes'",
        'b = Resize<mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor">(a, , s)',
        {"s": np.array([1, 1, 1.5, 2.04], np.float32)}, X),
    Toy("MaxPool", "relu behind and another grid", "d = MaxPool<kernel_shape = [2, 2]>(a) b = Relu(d)"),
    Toy("MaxPool", "dilated", "b = MaxPool<kernel_shape = [2, 2], dilations = [2, 1]>(a)", grid=X),
    Toy("Pad", "edge", 'b = Pad<mode = "edge">(a, p)', {"p": ints(0, 0, 1, 2, 0, 1, 0, 1)}, X),
    Toy("Pad", "wrap", 'b = Pad<mode = "wrap">(a, p)', {"p": ints(0, 0, 1, 2, 0, 1, 0, 1)}, X, opset=19),
]  # fmt: skip
#: what neither computes
REFUSED = [
    Toy("Greater", "grids that differ", "m = Greater(a, c) b = Cast<to = 1>(m)", grid=(1 / 255, -128)),
    Toy("MatMul", "vector", K + "b = MatMul(a, k)", quantized(codes(6)), (0.5, 5)),
    Toy("ArgMax", "last of equals", "n = ArgMax<axis = 1, select_last_index = 1>(a)", outputs=(), whole=("n",)),
    Toy("Gemm", "alpha", *layer("Gemm<alpha = 0.5>", codes(24, 7), 1), (1.0, 5), ROWS),
    Toy("ConvTranspose", "output beyond the windows", *layer("ConvTranspose<output_shape = [11, 9]>", DECONV, 1), WIDE),
    Toy("Resize", "linear by other scales than the sizes'",
        'b = Resize<mode = "linear">(a, , s)', {"s": np.array([1, 1, 1.3, 1.3], np.float32)}, X),
    Toy("Resize", "antialias", 'b = Resize<mode = "linear", antialias = 1>(a, , , s)', {"s": ints(1, 8, 3, 4)}, X, opset=18),
    Toy("Conv", "bias of another scale", *layer("Conv", CONV, bias_scale=1.5), WIDE),
    Toy("Conv", "small bias of another scale", "wf = DequantizeLinear(w, ws) of = DequantizeLinear(o, os) b = Conv(a, wf, of)",
        {"w": CONV, "ws": 1e-7, "o": np.arange(6, dtype=np.int32), "os": 1e-8}, (1e-4, 5)),
    Toy("Resize", "cubic", 'b = Resize<mode = "cubic">(a, , , s)', {"s": ints(1, 8, 12, 9)}, X),
    Toy("Pad", "negative", "b = Pad(a, p)", {"p": ints(0, 0, -1, 0, 0, 0, 0, 1)}, X),
    Toy("Transpose", "another grid", "b = Transpose(a)", shape=LINES),
    Toy("Split", "one part unread", "d, b = Split<axis = 1>(a, s)", {"s": ints(5, 3)}, X),
    Toy("Split", "relu behind one part", "d, e = Split<axis = 1>(a, s) b = Relu(d)", {"s": ints(4, 4)}, X, outputs=("b", "e")),
]  # fmt: skip
