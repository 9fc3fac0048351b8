"""Which kernels really run: the nodes of onnxruntime's optimized graph, counted."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx

from benchmarks.measures.sessions import open_session

INTEGER = ("QLinear", "QGemm", "QAttention", "MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul", "MatMulNBits")
QDQ = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")
#: operators that compute; everything else moves data, or is a matter of shapes
# fmt: off
FLOAT = (
    "Conv", "FusedConv", "ConvTranspose", "Gemm", "FusedGemm", "MatMul", "FusedMatMul", "Add", "Sub", "Mul", "Div", "Sum", "Max", "Min",
    "Pow", "Sqrt", "Exp", "Erf", "Relu", "Clip", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "LeakyRelu", "PRelu", "Elu", "Gelu",
    "FastGelu", "BiasGelu", "QuickGelu", "Softmax", "LayerNormalization", "SkipLayerNormalization", "InstanceNormalization",
    "BatchNormalization", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceSum", "ReduceMax", "Resize", "Pad",
    "Concat", "LSTM", "GRU", "RNN", "Attention",
)
# fmt: on


@dataclass(frozen=True)
class Placement:
    """Nodes of onnxruntime's optimized graph: integer kernels, float kernels that compute, Q/DQ
    left over.
    """

    integer: int
    float: int
    qdq: int
    float_ops: str


def placement(model: Path) -> Placement:
    """Read onnxruntime's optimized graph back."""
    with tempfile.TemporaryDirectory() as folder:
        optimized = Path(folder) / "optimized.onnx"
        open_session(model, optimized=optimized)
        graph = onnx.load(optimized, load_external_data=False).graph
    nodes = list(_nodes(graph, {}))
    floats = [op for op, runs_float in nodes if op in FLOAT and runs_float]
    counts = " ".join(f"{op}:{floats.count(op)}" for op in sorted(set(floats)))
    integer = sum(op.startswith(INTEGER) for op, _ in nodes)
    return Placement(integer, len(floats), sum(op in QDQ for op, _ in nodes), counts)


def _nodes(graph: onnx.GraphProto, outer: dict[str, bool]) -> Iterator[tuple[str, bool]]:
    """Operator type of each node, bodies included, and whether its first input is float: a Concat
    or Pad may run on integers.

    The runtime writes no types of inner values: they follow from the graph's ends and from the
    operators that change them.
    """
    floating = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    types = outer | {v.name: v.type.tensor_type.elem_type in floating for v in graph.input}
    types |= {t.name: t.data_type in floating for t in graph.initializer}
    for node in graph.node:
        runs_float = types.get(node.input[0], True) if node.input else True
        yield node.op_type, runs_float
        types |= dict.fromkeys(node.output, _makes_float(node, runs_float))
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _nodes(attribute.g, types)


def _makes_float(node: onnx.NodeProto, reads_float: bool) -> bool:
    op = node.op_type
    if op == "QGemm":
        return len(node.input) < 9  # without the output's zero point
    if op in ("DequantizeLinear", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "MatMulNBits", "Cast"):
        return True
    return reads_float and op not in QDQ and not op.startswith("QLinear")
