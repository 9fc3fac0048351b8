"""What the pieces of a transformer cost here: the facts of a target file that concern MatMul,
normalization and run-time grids.

    python -m benchmarks.kernels.transformers --rounds 200

Microseconds of one run, one thread, the lower quartile over rounds that visit every form in turn;
the cost of an empty run is taken off. On a busy machine run it twice and believe the smaller
figures.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping

import numpy as np
import onnx
import onnx.parser
import onnxruntime as ort

from benchmarks.measures.machine import describe

HEAD = '<ir_version: 8, opset_import: ["" : 20, "com.microsoft" : 1]>'
GRID = "float s = {0.02}, uint8 z = {128}"


def forms() -> dict[str, str]:
    """Bodies over x, r: [1, rows, columns] and g, b: [columns]."""
    return {
        "nothing": "y = Shape(x)",
        "Add": "y = Add(x, r)",
        "Mul by a vector": "y = Mul(x, g)",
        "Add, LayerNormalization": "a = Add(x, r)  y = LayerNormalization(a, g, b)",
        "SkipLayerNormalization": "y = com.microsoft.SkipLayerNormalization(x, r, g, b)",
        "QuantizeLinear": "y = QuantizeLinear(x, s, z)",
        "DynamicQuantizeLinear": "y, t, u = DynamicQuantizeLinear(x)",
        "MatMul of two values": "t = Transpose<perm = [0, 2, 1]>(r)  y = MatMul(x, t)",
        "  quantize, quantize": "t = Transpose<perm = [0, 2, 1]>(r)  q = QuantizeLinear(x, s, z)  k = QuantizeLinear(t, s, z)  "
        "y = com.microsoft.MatMulIntegerToFloat(q, k, s, s, z, z)",
    }


def session(body: str, rows: int, columns: int) -> ort.InferenceSession:
    inputs = f"float[1, {rows}, {columns}] x, float[1, {rows}, {columns}] r, float[{columns}] g, float[{columns}] b"
    model = onnx.parser.parse_model(f"{HEAD} net ({inputs}) => (float y) <{GRID}> {{ {body} }}")
    model.graph.output[0].ClearField("type")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    # each form as it stands: no fusion
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    typed = onnx.shape_inference.infer_shapes(model)
    if not typed.graph.output[0].HasField("type"):  # an operator that only onnxruntime knows
        typed.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return ort.InferenceSession(typed.SerializeToString(), options, providers=["CPUExecutionProvider"])


def measure(rows: int, columns: int, rounds: int) -> Mapping[str, float]:
    chance = np.random.default_rng(0)
    tall = chance.normal(size=(2, 1, rows, columns)).astype(np.float32)
    flat = chance.normal(size=(2, columns)).astype(np.float32)
    feeds = {"x": tall[0], "r": tall[1], "g": flat[0], "b": flat[1]}
    opened = {name: session(body, rows, columns) for name, body in forms().items()}
    times: dict[str, list[float]] = {name: [] for name in opened}
    for _ in range(rounds):
        for name, one in opened.items():
            begin = time.perf_counter()
            one.run(None, feeds)
            times[name].append(time.perf_counter() - begin)
    quartile = {name: float(np.percentile(found, 25)) * 1e6 for name, found in times.items()}
    return {name: found - quartile["nothing"] for name, found in quartile.items() if name != "nothing"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    print(describe())
    for rows, columns in ((16, 384), (98, 64), (128, 384), (128, 64)):
        print(f"[{rows}, {columns}]  {rows * columns} elements, {rows * rows * columns} MACs in a product of two values")
        for name, found in measure(rows, columns, rounds).items():
            print(f"  {name:28} {found:8.1f} us")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
