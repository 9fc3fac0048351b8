"""A small net, and what onnxruntime's own quantizer makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import onnx

from edgeq.numerics.arrays import F32
from tests.graph_text import weights
from tests.small_models import text_model

#: a convolution with Relu, a depthwise one, a residual sum, an average, a product, class scores
NET = """<ir_version: 8, opset_import: ["": 17]>
net (float[N, 3, 12, 12] x) => (float[N, 5] y) {
  [conv] a = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(x, w1, b1)
  [relu] r = Relu(a)
  [depth] d = Conv<pads = [1, 1, 1, 1], group = 8>(r, w2, b2)
  [relu2] e = Relu(d)
  [point] p = Conv(e, w3, b3)
  [add] s = Add(p, r)
  [relu3] t = Relu(s)
  [pool] m = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(t)
  [flat] f = Flatten(m)
  [fc] g = Gemm(f, w4, b4)
  [soft] y = Softmax(g)
}"""
CONSTANTS = {
    "w1": weights(8, 3, 3, 3), "b1": np.linspace(-0.5, 0.5, 8, dtype=np.float32), "w2": weights(8, 1, 3, 3, seed=1),
    "b2": np.linspace(0.3, -0.3, 8, dtype=np.float32), "w3": weights(8, 8, 1, 1, seed=2), "b3": np.zeros(8, np.float32),
    "w4": weights(72, 5, seed=3), "b4": np.linspace(-1, 1, 5, dtype=np.float32),
}  # fmt: skip


def float_net() -> onnx.ModelProto:
    """The net with its weights, its batch dynamic."""
    return text_model(NET, dict(CONSTANTS))


def samples(count: int = 24) -> F32:
    """Inputs for the net, [count, 3, 12, 12]."""
    return np.random.default_rng(5).normal(size=(count, 3, 12, 12)).astype(np.float32)


def quantized_by_onnxruntime(
    folder: Path,
    form: Literal["QDQ", "QOperator"],
    activations: Literal["QUInt8", "QInt8"],
    *,
    per_channel: bool,
    symmetric: bool = True,
    unsigned_weights: bool = False,
    model: onnx.ModelProto | None = None,
    exclude: tuple[str, ...] = (),
) -> Path:
    """The file that onnxruntime.quantization writes for the net, or for a model of its input."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static  # type: ignore[import-untyped]

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # ships no types
        def __init__(self) -> None:
            self.rows: Iterator[F32] = iter(samples()[:, None])

        def get_next(self) -> dict[str, F32] | None:
            row = next(self.rows, None)
            return None if row is None else {"x": row}

    source, made = folder / "float.onnx", folder / f"{form}.onnx"
    onnx.save(float_net() if model is None else model, source)
    quantize_static(
        source, made, Reader(), quant_format=QuantFormat[form], per_channel=per_channel, activation_type=QuantType[activations],
        weight_type=QuantType.QUInt8 if unsigned_weights else QuantType.QInt8, nodes_to_exclude=list(exclude),
        extra_options={"WeightSymmetric": symmetric},
    )  # fmt: skip
    return made
