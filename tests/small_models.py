"""Small float models from ONNX text, for tests that need a file."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser

from edgeq.numerics.arrays import AnyArray

Weights = dict[str, AnyArray]

CONV_WEIGHTS: Weights = {
    "w": np.linspace(-1, 1, 108, dtype=np.float32).reshape(4, 3, 3, 3),
    "b": np.zeros(4, np.float32),
    "k": np.linspace(-1, 1, 2560, dtype=np.float32).reshape(256, 10),
}
#: the batch is dynamic; the last operator has no integer kernel anywhere
CONV_NET = """<ir_version: 8, opset_import: ["": 13]>
net (float[N, 3, 8, 8] x) => (float[N, 10] y) {
  [conv] c = Conv<pads=[1, 1, 1, 1]>(x, w, b)
  [relu] r = Relu(c)
  [flat] f = Flatten(r)
  [fc] m = Gemm(f, k)
  [exp] y = Exp(m)
}"""


def text_model(text: str, weights: Weights) -> onnx.ModelProto:
    """The model with its constants filled in."""
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in weights.items())
    onnx.checker.check_model(proto)
    return proto


def conv_net() -> onnx.ModelProto:
    """Conv, Relu, Flatten, Gemm, Exp: 3x8x8 images to 10 positive numbers."""
    return text_model(CONV_NET, CONV_WEIGHTS)
