"""A QDQ graph read as integer operators."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.api import quantize
from edgeq.integers.emit import emit_tflite
from edgeq.integers.graph import integer_graph
from edgeq.schema.recipe import Recipe
from tests.graph_text import net, weights


def test_what_nothing_reads_is_no_step() -> None:
    """A Reshape whose codes are left over, as an exporter or a fold may leave it."""
    body = "[one] a = Gemm(x, w)  [last] y = Gemm(a, v)"
    model = net(body, inputs="float[4, 8] x", constants={"w": weights(8, 6), "v": weights(6, 4)})
    feeds = {"x": np.random.default_rng(0).normal(size=(6, 4, 8)).astype(np.float32)}
    made = quantize(model, feeds, target="mcu_tflite", recipe=Recipe(effort="fast"), prove=False).model
    before = [step.name for step in integer_graph(made).steps]
    codes = next(node.inputs[0] for node in made.graph if node.op_type == "DequantizeLinear" and node.inputs[0].producer() is not None)
    size = ir.Value(name="size", const_value=ir.tensor(np.array([-1]), name="size"))
    made.graph.initializers.add(size)
    left_over = ir.node("Reshape", [codes, size], name="left_over")
    made.graph.insert_after(codes.producer(), left_over)
    assert [step.name for step in integer_graph(made).steps] == before
    assert emit_tflite(made)
