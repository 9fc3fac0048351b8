"""InsertQdq: a pair where a value is made; who reads which side of it; what names a graph
output.
"""

from __future__ import annotations

import onnx_ir as ir
import pytest

from edgeq.numerics.grid import grid_for_range
from edgeq.passes.quantize.insert_qdq import InsertQdq
from tests.graph_text import lines, net

GRID = grid_for_range(0.0, 2.0, "uint8")
OTHER = grid_for_range(0.0, 4.0, "uint8")


def model_of(body: str = "[a] c = Exp(x) [b] d = Neg(c) [e] y = Add(c, d)") -> ir.Model:
    return net(body, inputs="float[2] x")


def test_every_reader_sees_the_quantized_value() -> None:
    model = model_of()
    assert InsertQdq({"c": GRID}, frozenset(), frozenset())(model).modified
    assert lines(model) == [
        "c = Exp(x)",
        "c_quantized = QuantizeLinear(c, c_scale, c_zero_point)",
        "c_dequantized = DequantizeLinear(c_quantized, c_scale, c_zero_point)",
        "d = Neg(c_dequantized)",
        "y = Add(c_dequantized, d)",
    ]


def test_float_readers_keep_the_float_value() -> None:
    model = model_of()
    InsertQdq({"c": GRID}, {"c"}, {"b"})(model)
    assert lines(model)[3:] == ["d = Neg(c_dequantized)", "y = Add(c, d)"]


def test_equal_grids_share_their_constants() -> None:
    model = model_of()
    InsertQdq({"c": GRID, "d": GRID, "x": OTHER}, frozenset(), frozenset())(model)
    assert set(model.graph.initializers) == {"c_scale", "c_zero_point", "x_scale", "x_zero_point"}
    assert "d_quantized = QuantizeLinear(d, c_scale, c_zero_point)" in lines(model)


def test_a_graph_input_is_quantized_before_the_first_node() -> None:
    model = model_of()
    InsertQdq({"x": GRID}, {"x"}, {"a"})(model)
    assert lines(model)[:3] == [
        "x_quantized = QuantizeLinear(x, x_scale, x_zero_point)",
        "x_dequantized = DequantizeLinear(x_quantized, x_scale, x_zero_point)",
        "c = Exp(x_dequantized)",
    ]


def test_a_graph_output_keeps_its_name_and_a_second_run_finds_it_done() -> None:
    model = model_of()
    step = InsertQdq({"y": GRID, "c": GRID}, frozenset(), frozenset())
    step(model)
    assert lines(model)[-3:] == [
        "y_float = Add(c_dequantized, d)",
        "y_quantized = QuantizeLinear(y_float, c_scale, c_zero_point)",
        "y = DequantizeLinear(y_quantized, c_scale, c_zero_point)",
    ]
    (output,) = model.graph.outputs
    assert (output.name, output.dtype, list(output.shape or [])) == ("y", ir.DataType.FLOAT, [2])
    assert not step(model).modified


def test_a_value_handed_out_twice_is_replaced_twice() -> None:
    model = net("[a] y = Exp(x)", inputs="float[2] x")
    model.graph.outputs.append(model.graph.outputs[0])
    InsertQdq({"y": GRID}, frozenset(), frozenset())(model)
    assert [value.name for value in model.graph.outputs] == ["y", "y"]
    assert model.graph.outputs[0] is model.graph.outputs[1]


@pytest.mark.parametrize("name", ["n", "c"])
def test_bodies_have_constants_of_their_own(name: str) -> None:
    text = """[a] c = Exp(x) y = If (go) < then_branch = t () => (float[2] tv) { [b] n = Neg(c) [d] tv = Add(n, c) },
        else_branch = e () => (float[2] ev) { [f] ev = Relu(c) } >"""
    model = net(text, inputs="float[2] x, bool go", outputs="float[2] y")
    InsertQdq({name: GRID}, frozenset(), frozenset())(model)
    found = lines(model)
    if name == "n":
        assert "tv = Add(n_dequantized, c)" in found
        assert "n_scale" not in model.graph.initializers
    else:
        assert {"n = Neg(c_dequantized)", "tv = Add(n, c_dequantized)", "ev = Relu(c_dequantized)"} <= set(found)


def test_names_in_use_are_not_taken() -> None:
    model = model_of("[c_QuantizeLinear] c = Exp(x) [b] c_scale = Neg(c) [e] y = Add(c, c_scale)")
    InsertQdq({"c": GRID}, frozenset(), frozenset())(model)
    assert lines(model)[1] == "c_quantized = QuantizeLinear(c, c_scale_1, c_zero_point)"
    assert len({node.name for node in model.graph}) == 5
