"""Read a .tflite file as integer operators: the table of its operators, and the way through it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from edgeq.errors import BadModel, UnsupportedOp
from edgeq.integers.graph import IntegerGraph
from edgeq.integers.reading import functions as of
from edgeq.integers.reading import layers, movement
from edgeq.integers.reading.builder import Builder
from edgeq.integers.reading.operation import ReadFile
from edgeq.integers.tflite.parse import parse

INFINITY = float("inf")
#: BuiltinOperator of the schema -> what adds its steps
READERS: dict[str, Callable[[Builder], None]] = {
    "CONV_2D": layers.conv,
    "DEPTHWISE_CONV_2D": layers.depthwise,
    "TRANSPOSE_CONV": layers.conv_transpose,
    "FULLY_CONNECTED": layers.fully_connected,
    "BATCH_MATMUL": layers.batch_matmul,
    "MAX_POOL_2D": partial(layers.pool, op_type="MaxPool"),
    "AVERAGE_POOL_2D": partial(layers.pool, op_type="AveragePool"),
    "ADD": partial(of.of_two, op_type="Add"),
    "SUB": partial(of.of_two, op_type="Sub"),
    "MUL": partial(of.of_two, op_type="Mul"),
    "MAXIMUM": partial(of.of_two, op_type="Max"),
    "MINIMUM": partial(of.of_two, op_type="Min"),
    "EQUAL": partial(of.of_two, op_type="Equal"),
    "GREATER": partial(of.of_two, op_type="Greater"),
    "GREATER_EQUAL": partial(of.of_two, op_type="GreaterOrEqual"),
    "LESS": partial(of.of_two, op_type="Less"),
    "LESS_EQUAL": partial(of.of_two, op_type="LessOrEqual"),
    "SELECT_V2": of.chosen,
    "QUANTIZE": of.quantized,
    "DEQUANTIZE": of.dequantized,
    "RELU": partial(of.clipped, low=0.0, high=INFINITY),
    "RELU6": partial(of.clipped, low=0.0, high=6.0),
    "RELU_N1_TO_1": partial(of.clipped, low=-1.0, high=1.0),
    "LEAKY_RELU": of.leaky,
    "PRELU": of.prelu,
    "HARD_SWISH": partial(of.of_one, op_type="HardSwish"),
    "LOGISTIC": partial(of.of_one, op_type="Sigmoid"),
    "TANH": partial(of.of_one, op_type="Tanh"),
    "SOFTMAX": partial(of.along_last, op_type="Softmax"),
    "LOG_SOFTMAX": partial(of.along_last, op_type="LogSoftmax"),
    "MEAN": partial(of.over_axes, op_type="ReduceMean"),
    "REDUCE_MAX": partial(of.over_axes, op_type="ReduceMax"),
    "REDUCE_MIN": partial(of.over_axes, op_type="ReduceMin"),
    "RESHAPE": movement.shaped,
    "SQUEEZE": movement.shaped,
    "EXPAND_DIMS": movement.shaped,
    "TRANSPOSE": movement.transpose,
    "PAD": movement.pad,
    "PADV2": movement.pad,
    "MIRROR_PAD": movement.mirror_pad,
    "STRIDED_SLICE": movement.strided_slice,
    "SLICE": movement.plain_slice,
    "SPLIT": partial(movement.split, source=1, axis=0),
    "SPLIT_V": partial(movement.split, source=0, axis=2),
    "CONCATENATION": movement.concat,
    "BROADCAST_TO": partial(movement.expand, op_type="Expand"),
    "TILE": partial(movement.expand, op_type="Tile"),
    "GATHER": movement.gather,
    "ARG_MAX": partial(movement.arg, op_type="ArgMax"),
    "ARG_MIN": partial(movement.arg, op_type="ArgMin"),
    "DEPTH_TO_SPACE": partial(movement.space, op_type="DepthToSpace"),
    "SPACE_TO_DEPTH": partial(movement.space, op_type="SpaceToDepth"),
    "RESIZE_NEAREST_NEIGHBOR": movement.nearest,
    "RESIZE_BILINEAR": movement.linear,
    "CAST": movement.cast,
}


def read_tflite(data: bytes) -> ReadFile:
    """The integer operators of a .tflite file, in its own layout and with its own names.

    Raises BadModel for what is no such file or contradicts itself, UnsupportedOp, which names the
    operator, for one that edgeq's interpreter does not run, and MissingExtra without the extra
    [tflite].
    """
    model = parse(data)
    builder = Builder(model)
    for op in model.operators:
        reader = READERS.get(op.code)
        if reader is None:
            what = f"edgeq's interpreter has no {op.code}."
            raise UnsupportedOp(what, "the .tflite file", "Run the file in LiteRT: edgeq prove MODEL.tflite.")
        builder.begin(op)
        try:
            reader(builder)
        except (ValueError, IndexError, TypeError, ZeroDivisionError) as error:
            what = f"An operator {op.code} of the .tflite file contradicts its tensors: {error}"
            raise BadModel(what, "the .tflite file", "Write or download the file again.") from error
        builder.end()
    inputs, outputs = ([builder.operands[place] for place in places] for places in (model.inputs, model.outputs))
    steps = tuple(step for operation in builder.operations for step in operation.steps)
    graph = IntegerGraph(tuple(inputs), tuple(outputs), steps)
    signature = {builder.operands[place].name: name for place, name in model.signature.items() if 0 <= place < len(builder.operands)}
    return ReadFile(graph, tuple(builder.operations), signature)
