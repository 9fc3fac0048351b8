"""Toy Q/DQ graphs for tests of what onnxruntime does with them."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir

from edgeq.numerics.arrays import AnyArray
from tests.small_models import text_model

#: shared constants: scales s, s2; zero points of several types; a 4x4x3x3 weight in several forms;
#: biases
CONSTANTS: dict[str, AnyArray | np.generic] = {
    "s": np.float32(0.1),
    "s2": np.float32(0.2),
    "z": np.uint8(0),
    "z128": np.uint8(128),
    "z16": np.uint16(0),
    "w": np.ones((4, 4, 3, 3), np.int8),
    "ws": np.full(4, 0.01, np.float32),
    "wz": np.zeros(4, np.int8),
    "wf": np.full((4, 4, 3, 3), 0.3, np.float32),
    "b": np.ones(4, np.int32),
    "bs": np.full(4, 0.001, np.float32),
    "bs_wrong": np.full(4, 0.5, np.float32),
    "k": np.full((1, 4, 8, 8), 0.5, np.float32),
    "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
}
#: x -> xd, through uint8
IN = "[q_in] xq = QuantizeLinear(x, s, z)  [dq_in] xd = DequantizeLinear(xq, s, z) "
#: the weight as float wd, the bias as float bd
WEIGHT = "[dq_w] wd = DequantizeLinear<axis = 0>(w, ws, wz) "
BIAS = "[dq_b] bd = DequantizeLinear<axis = 0>(b, bs) "
#: c -> y, through uint8
OUT = "[q_out] cq = QuantizeLinear(c, s2, z)  [dq_out] y = DequantizeLinear(cq, s2, z)"


def toy(body: str, *, inputs: str = "float[1, 4, 8, 8] x", outputs: str = "float y", opset: int = 17, ir_version: int = 9) -> ir.Model:
    """A graph of these nodes with the CONSTANTS that it uses."""
    text = f'<ir_version: {ir_version}, opset_import: ["": {opset}]> toy ({inputs}) => ({outputs}) {{ {body} }}'
    model = onnx.parser.parse_model(text)
    used = set(body.replace("(", " ").replace(")", " ").replace(",", " ").split())
    for name, array in CONSTANTS.items():
        if name in used:
            model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(array), name))
    return ir.from_proto(model)


def codes_net(body: str, outputs: str = "int8[1, 4] q", **constants: AnyArray) -> ir.Model:
    """A graph of these nodes that takes codes a, b. Scales s = 1/8, t = 1/4; zero point z = 3."""
    text = f'<ir_version: 9, opset_import: ["": 17]> net (int8[1, 2] a, int8[1, 2] b) => ({outputs}) {{ {body} }}'
    known = {"s": np.array(0.125, np.float32), "t": np.array(0.25, np.float32), "z": np.array(3, np.int8), **constants}
    used = set(body.replace("(", " ").replace(")", " ").replace(",", " ").split())
    return ir.from_proto(text_model(text, {name: array for name, array in known.items() if name in used}))
