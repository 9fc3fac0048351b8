"""The pieces that the rewrite passes share: grid constants, Q and DQ nodes, stored integers."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.edit import Names
from edgeq.graph.read import constant, nodes
from edgeq.numerics.grid import PerChannel, QuantParams, grid_for_range
from edgeq.passes.quantize.qdq import dequantize_constant, grid_constants, qdq_node
from tests.graph_text import lines, net


def model_of() -> ir.Model:
    return net("[a] y = Neg(x)", inputs="float[2, 3] x", constants={})


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_grid_constants_have_the_types_of_the_grid(dtype: str) -> None:
    model = model_of()
    scale, zero = grid_constants(model.graph, grid_for_range(-1, 1, dtype), "x", Names(model))
    assert (scale.name, scale.dtype, zero.name) == ("x_scale", ir.DataType.FLOAT, "x_zero_point")
    stored = constant(zero)
    assert stored is not None
    assert (stored.dtype, stored.shape) == (np.dtype(dtype), ())


def test_nodes_are_typed_and_shaped() -> None:
    model = model_of()
    names = Names(model)
    x = model.graph.inputs[0]
    scale, zero = grid_constants(model.graph, grid_for_range(-1, 1, "int8"), "x", names)
    down = qdq_node("QuantizeLinear", x, scale, zero, None, "down", "q")
    up = qdq_node("DequantizeLinear", down.outputs[0], scale, zero, 1, "up", "d")
    assert (down.outputs[0].dtype, list(down.outputs[0].shape or [])) == (ir.DataType.INT8, [2, 3])
    assert up.outputs[0].dtype == ir.DataType.FLOAT
    assert (list(down.attributes), up.attributes["axis"].as_int()) == ([], 1)


def test_a_stored_constant_reads_back_as_the_grid_says() -> None:
    model = model_of()
    (node,) = list(nodes(model))
    grid = QuantParams("int8", np.array([0.5, 2], np.float32), np.zeros(2, np.int32), PerChannel(0))
    value = dequantize_constant(node, np.array([[1, 2], [3, 4]], np.int8), grid, "w", Names(model))
    node.replace_input_with(0, value)
    assert lines(model) == ["w_dequantized = DequantizeLinear(w_quantized, w_scale, w_zero_point)", "y = Neg(w_dequantized)"]
    assert (value.dtype, list(value.shape or [])) == (ir.DataType.FLOAT, [2, 2])
