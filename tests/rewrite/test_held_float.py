"""Float layers between codes: the runtime must not round their weights once more."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.schema.recipe import Recipe
from tests.graph_text import net, weights

SAME = "pads = [1, 1, 1, 1]"


@pytest.mark.parametrize("between", ["", "b = Relu(t)", "b = Clip(t, low, high)"])
def test_a_transposed_layer_between_codes_keeps_its_weight_for_the_session(between: str, tmp_path: str) -> None:
    """onnxruntime would round it to one grid, and dequantize it in every run."""
    import onnxruntime as ort

    made, read = ("t", "b") if between else ("b", "b")
    body = f"[c1] a = Conv<{SAME}>(x, w) [up] {made} = ConvTranspose<strides = [2, 2]>(a, u) {between} [c2] y = Conv<{SAME}>({read}, v)"
    constants = {"w": weights(16, 16, 3, 3), "u": weights(16, 16, 2, 2, seed=1), "v": weights(16, 16, 3, 3, seed=2)}
    model = net(body, inputs="float[1, 16, 12, 12] x", constants={**constants, "low": 0.0, "high": 6.0})
    data = {"x": np.random.default_rng(1).normal(size=(8, 16, 12, 12)).astype(np.float32)}
    done = quantize(model, data, recipe=Recipe(effort="fast", placement={"prefer": "integers"}), prove=False)
    assert done.plan.nodes["up"].runs == "float" and done.plan.nodes["c2"].runs == "int8"
    options = ort.SessionOptions()
    options.optimized_model_filepath = f"{tmp_path}/optimized.onnx"
    ort.InferenceSession(ir.to_proto(done.model).SerializeToString(), options, providers=["CPUExecutionProvider"])
    graph = onnx.load(options.optimized_model_filepath).graph
    constant = {one.name for one in graph.initializer}
    assert [node.name for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in constant] == []
