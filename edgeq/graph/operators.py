"""The ONNX operators that edgeq knows something about, one row per operator.

A new integer kernel needs its row here and one in the target's file. What concerns the code that
runs an operator (its torch function, its TFLite form) stays with that code.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edgeq.graph.operator import Operator, RuntimeKernel

#: where a QLinearConcat has codes: behind the scale and zero point of its output come the codes,
#: scale and zero point of one input after the other
_TRIPLES = range(2, 1 << 12, 3)

_CONCAT = (RuntimeKernel("QLinearConcat", _TRIPLES, scale=0),)
_CONV = (
    RuntimeKernel("QLinearConv", (0, 3, 8), scale=6),
    RuntimeKernel("ConvInteger", (0, 1), makes="sums"),
    RuntimeKernel("FusedConv", (0, 1, 2), makes="reals", integer=False),
)
_GEMM = (RuntimeKernel("QGemm", (0, 3, 6), scale=7, makes="codes_or_reals"),)
_LSTM = (RuntimeKernel("DynamicQuantizeLSTM", range(8), makes="reals"),)
_MATMUL = (
    RuntimeKernel("QLinearMatMul", (0, 3), scale=6),
    RuntimeKernel("MatMulInteger", (0, 1), makes="sums"),
    RuntimeKernel("MatMulIntegerToFloat", (0, 1), makes="reals"),
    RuntimeKernel("DynamicQuantizeMatMul", (0, 1), makes="reals"),
    RuntimeKernel("FusedMatMul", (0, 1), makes="reals", integer=False),
)

# fmt: off
_LAYERS = (
    Operator("Conv", (0, 1), bias=2, weights=(1,), weight_axis=0, layer=True, window=True, kernels=_CONV),
    Operator("ConvTranspose", (0, 1), bias=2, weights=(1,), weight_axis=1, layer=True, window=True),
    Operator("Gemm", (0, 1), bias=2, weights=(1,), weight_axis=1, layer=True, grows=True, kernels=_GEMM),
    Operator("MatMul", (0, 1), weights=(0, 1), weight_axis=-1, layer=True, grows=True, kernels=_MATMUL),
    Operator("Einsum", None, grows=True),
    Operator("Attention", kernels=(RuntimeKernel("QAttention", makes="reals"),)),
    Operator("GRU", weights=(1, 2), weight_axis=1, dies_of_nothing=True),
    Operator("LSTM", weights=(1, 2), weight_axis=1, dies_of_nothing=True, kernels=_LSTM),
    Operator("RNN", weights=(1, 2), weight_axis=1),
)
_FUNCTIONS_OF_ONE_NUMBER = (
    *(Operator(name, elementwise="one") for name in (
        "Abs", "Atan", "Ceil", "Celu", "Elu", "Exp", "Floor", "Gelu", "HardSwish", "Mish", "Neg", "Round", "Selu",
        "Softplus", "Sqrt", "ThresholdedRelu",
    )),
    *(Operator(name, elementwise="one", pole=0) for name in ("Log", "Reciprocal")),
    *(Operator(name, elementwise="one", bounds=(-1.0, 1.0)) for name in ("Cos", "Erf", "Sign", "Sin", "Softsign", "Tanh")),
    Operator("HardSigmoid", elementwise="one", bounds=(0.0, 1.0), free_behind_conv=True),
    Operator("Clip", elementwise="one", moves="copies", channels="clip", on_codes="taken", joins_before=True),
    Operator("LeakyRelu", elementwise="one", channels="leaky", free_behind_conv=True,
             kernels=(RuntimeKernel("QLinearLeakyRelu", (0,), scale=3),)),
    Operator("Relu", elementwise="one", moves="copies", channels="keep", on_codes="taken", joins_before=True),
    Operator("Sigmoid", elementwise="one", bounds=(0.0, 1.0), kernels=(RuntimeKernel("QLinearSigmoid", (0,), scale=3),)),
)
_ARITHMETIC = (
    Operator("Add", None, elementwise="all", channels="join", kernels=(RuntimeKernel("QLinearAdd", (0, 3), scale=6),)),
    Operator("Div", None, elementwise="all", pole=1),
    Operator("Max", None, elementwise="all", moves="copies", channels="join", on_codes="taken"),
    Operator("Mean", None, elementwise="all"),
    Operator("Min", None, elementwise="all", moves="copies", channels="join", on_codes="taken"),
    Operator("Mod", None, elementwise="all"),
    Operator("Mul", None, elementwise="all", channels="gate", kernels=(RuntimeKernel("QLinearMul", (0, 3), scale=6),)),
    Operator("PRelu", (0, 1), elementwise="roles", channels="slope"),
    Operator("Pow", (0, 1), elementwise="roles", pole=0),
    Operator("Sub", None, elementwise="all", channels="join"),
    Operator("Sum", None, elementwise="all", channels="join"),
    Operator("Where", (1, 2), elementwise="roles", moves="copies", kernels=(RuntimeKernel("QLinearWhere", (0, 1, 4), scale=7),)),
    Operator("BitShift", None, elementwise="all"),
    Operator("BitwiseAnd", None, elementwise="all"),
    *(Operator(name, None, elementwise="all", makes="bool") for name in (
        "And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Or", "Xor",
    )),
    *(Operator(name, elementwise="one", makes="bool") for name in ("IsInf", "IsNaN", "Not")),
)
_POOLS_AND_NORMS = (
    Operator("AveragePool", window=True, channels="pool", fused_unchecked=True,
             kernels=(RuntimeKernel("QLinearAveragePool", (0,), scale=3),)),
    Operator("BatchNormalization", joins_before=True),
    Operator("GlobalAveragePool", channels="pool", kernels=(RuntimeKernel("QLinearGlobalAveragePool", (0,), scale=3),)),
    Operator("GlobalMaxPool", moves="copies", channels="pool"),
    Operator("InstanceNormalization", (0, 1), bias=2, dies_of_nothing=True),
    Operator("LayerNormalization", (0, 1), bias=2),
    Operator("LRN"),
    Operator("LogSoftmax"),
    Operator("LpNormalization"),
    Operator("MaxPool", window=True, moves="copies", indices=True, channels="pool", on_codes="fused"),
    Operator("ReduceL2"),
    Operator("ReduceMax", moves="copies", on_codes="fused"),
    Operator("ReduceMean"),
    Operator("ReduceMin", moves="copies", on_codes="fused"),
    Operator("ReduceSum"),
    Operator("Softmax", bounds=(0.0, 1.0), kernels=(RuntimeKernel("QLinearSoftmax", (0,), scale=3),)),
    Operator("RoiAlign", dies_of_nothing=True),
)
_MOVEMENT = (
    Operator("Concat", None, moves="copies", by_place=True, channels="concat", kernels=_CONCAT),
    Operator("DepthToSpace", moves="reorders", on_codes="fused"),
    Operator("Dropout", moves="views", joins_before=True),
    Operator("Expand", moves="copies", by_place=True, on_codes="fused", grows=True),
    Operator("Flatten", moves="views", channels="flatten", on_codes="fused"),
    Operator("Gather", weights=(0,), weight_axis=-1, moves="copies", by_place=True, on_codes="fused"),
    Operator("Compress", moves="copies", by_place=True, on_codes="taken", counts=True),
    *(Operator(name, moves="copies", by_place=True, on_codes="taken") for name in ("GatherElements", "GatherND")),
    Operator("Identity", moves="views", channels="keep", on_codes="fused", joins_before=True),
    Operator("Pad", moves="pads", channels="pad", on_codes="taken", grows=True),
    Operator("Reshape", moves="views", channels="flatten", on_codes="fused"),
    Operator("ReverseSequence", moves="reorders", on_codes="taken"),
    Operator("Resize", moves="samples", channels="resize", on_codes="fused", grows=True),
    *(Operator(name, (0, 2), moves="copies", by_place=True) for name in ("ScatterElements", "ScatterND")),
    Operator("Slice", moves="copies", by_place=True, channels="slice", on_codes="fused"),
    Operator("SpaceToDepth", moves="reorders", on_codes="taken"),
    Operator("Split", moves="copies", by_place=True, on_codes="fused"),
    Operator("Squeeze", moves="views", on_codes="fused"),
    Operator("Tile", moves="copies", by_place=True, on_codes="fused", grows=True),
    Operator("TopK", moves="copies", indices=True, on_codes="taken"),
    Operator("Transpose", moves="reorders", channels="transpose", on_codes="fused"),
    Operator("Unique", moves="copies", indices=True, counts=True),
    Operator("Unsqueeze", moves="views", on_codes="fused"),
    Operator("Upsample", moves="samples", grows=True),
)
_SHAPES_AND_INDICES = (
    *(Operator(name, makes="int64", on_codes="taken") for name in ("ArgMax", "ArgMin")),
    *(Operator(name, makes="int64", counts=True) for name in ("NonMaxSuppression", "NonZero")),
    *(Operator(name, makes="int64") for name in ("Shape", "Size")),
    Operator("Cast", joins_before=True),
    Operator("Constant", ()),
    Operator("ConstantOfShape", (), grows=True),
    Operator("EyeLike", grows=True),
    Operator("OneHot", (2,), grows=True),
    Operator("Range", grows=True),
    *(Operator(name, (), random=True) for name in ("RandomNormal", "RandomUniform")),
    *(Operator(name, random=True) for name in ("Bernoulli", "Multinomial", "RandomNormalLike", "RandomUniformLike")),
)
_CONTROL = tuple(Operator(name, (), control=True) for name in ("If", "Loop", "Scan"))
_CONVERSIONS = tuple(Operator(name, converts=True) for name in ("DequantizeLinear", "DynamicQuantizeLinear", "QuantizeLinear"))
# fmt: on

#: op_type -> its row
OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        row.op_type: row
        for rows in (
            _LAYERS,
            _FUNCTIONS_OF_ONE_NUMBER,
            _ARITHMETIC,
            _POOLS_AND_NORMS,
            _MOVEMENT,
            _SHAPES_AND_INDICES,
            _CONTROL,
            _CONVERSIONS,
        )
        for row in rows
    }
)
#: name of a kernel of onnxruntime -> the kernel, and the operator whose work it does
RUNTIME_KERNELS: Mapping[str, tuple[RuntimeKernel, Operator]] = MappingProxyType(
    {kernel.op_type: (kernel, row) for row in OPERATORS.values() for kernel in row.kernels}
)
#: kernels that compute on 8-bit integers although their first input or output may be float
INTEGER_KERNELS = frozenset(kernel.op_type for kernel, _ in RUNTIME_KERNELS.values() if kernel.integer)
#: the row of every operator that has none
UNKNOWN = Operator("")
