"""InsertBorders: readers of another width get a second pair, the others keep the first."""

from __future__ import annotations

import onnx_ir as ir

from edgeq.numerics.grid import grid_for_range
from edgeq.passes.quantize.insert_borders import InsertBorders
from edgeq.passes.quantize.insert_qdq import InsertQdq
from edgeq.testing import check_pass
from tests.graph_text import lines, net

NARROW, WIDE = grid_for_range(-2.0, 2.0, "int8"), grid_for_range(-2.0, 2.0, "int16", symmetric=True)


def paired(body: str = "[a] c = Exp(x) [b] d = Neg(c) [e] y = Add(c, d)", *names: str) -> ir.Model:
    model = net(body, inputs="float[2] x", opset=21)
    InsertQdq(dict.fromkeys(names or ("c",), WIDE), frozenset(), frozenset())(model)
    return model


def test_the_named_readers_read_the_border() -> None:
    done = check_pass(InsertBorders({"c": NARROW}, {"c": {"b"}}), paired(), tolerance=None)
    assert lines(done)[3:] == [
        "c_border_quantized = QuantizeLinear(c_dequantized, c_border_scale, c_border_zero_point)",
        "c_border = DequantizeLinear(c_border_quantized, c_border_scale, c_border_zero_point)",
        "d = Neg(c_border)",
        "y = Add(c_dequantized, d)",
    ]


def test_one_border_serves_all_its_readers() -> None:
    done = check_pass(InsertBorders({"c": NARROW}, {"c": {"b", "e"}}), paired(), tolerance=None)
    assert lines(done)[5:] == ["d = Neg(c_border)", "y = Add(c_border, d)"]


def test_an_output_that_is_read_on_keeps_its_name() -> None:
    model = net("[a] y = Exp(x) [b] z = Neg(y)", inputs="float[2] x", outputs="float y, float z", opset=21)
    InsertQdq({"y": WIDE}, frozenset(), frozenset())(model)
    done = check_pass(InsertBorders({"y": NARROW}, {"y": {"b"}}), model, tolerance=None)
    assert [str(value.name) for value in done.graph.outputs] == ["y", "z"]
    assert lines(done)[-1] == "z = Neg(y_border)"


def test_an_input_of_the_model_has_a_border_too() -> None:
    done = check_pass(InsertBorders({"x": NARROW}, {"x": {"a"}}), paired("[a] c = Exp(x) [e] y = Add(x, c)", "x"), tolerance=None)
    assert lines(done)[-2:] == ["c = Exp(x_border)", "y = Add(x_dequantized, c)"]


def test_without_a_pair_or_a_reader_nothing_changes() -> None:
    for model, border in ((net("[a] y = Exp(x)", inputs="float[2] x", opset=21), "x"), (paired(), "d"), (paired(), "x")):
        before = lines(model)
        assert not InsertBorders({border: NARROW}, {border: {"a"}})(model).modified
        assert lines(model) == before
