"""Float graphs from a few lines of ONNX text as the rewrite meets them (named, with shapes), and
graphs back as lines.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir

from edgeq.graph.read import nodes
from edgeq.io.load import load_proto
from edgeq.numerics.arrays import F32, AnyArray
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.schema.target import Target, load_target

Constants = Mapping[str, AnyArray | float]


def net(
    body: str, *, inputs: str = "float[1, 8, 16, 16] x", outputs: str = "float y", constants: Constants | None = None, opset: int = 17
) -> ir.Model:
    """The model of these nodes. constants: initializers by name; plain numbers become float32."""
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}]> net ({inputs}) => ({outputs}) {{ {body} }}')
    for name, given in (constants or {}).items():
        array = np.asarray(given)
        stored = array.astype(np.float32) if array.dtype == np.float64 else array
        proto.graph.initializer.append(onnx.numpy_helper.from_array(stored, name))
    for output in proto.graph.output:
        if not output.type.tensor_type.shape.dim:
            output.ClearField("type")  # the text cannot leave a shape open: it is inferred
    model = load_proto(onnx.shape_inference.infer_shapes(proto), quantized=True).model
    InferShapes()(model)
    return model


def eager(name: str = "cpu") -> Target:
    """The target with costs that make every integer kernel worth while: for tests of what is done,
    not of what pays.
    """
    return load_target(name).with_costs(int_ns=1e-3, float_ns=1e3, integer_mac_worth_ns=1e6)


def lines(model: ir.Model) -> list[str]:
    """One line a node, bodies included: outputs = Op(inputs)."""
    return [f"{', '.join(v.name or '' for v in n.outputs)} = {n.op_type}({_reads(n)})" for n in nodes(model)]


def _reads(node: ir.Node) -> str:
    return ", ".join("" if value is None else value.name or "" for value in node.inputs)


def weights(*shape: int, seed: int = 0) -> F32:
    """Normal weights that keep the size of what they are multiplied with."""
    size = max(int(np.prod(shape[1:])), 1)
    return (np.random.default_rng(seed).normal(size=shape) / np.sqrt(size)).astype(np.float32)
