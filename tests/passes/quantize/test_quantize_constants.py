"""QuantizeConstants: integers behind a DequantizeLinear, one copy a distinct grid, given codes as
they are.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.errors import BadPlan
from edgeq.graph.read import constant, nodes
from edgeq.numerics.grid import PerChannel, PerTensor, QuantParams
from edgeq.passes.quantize.quantize_constants import QuantizeConstants
from tests.graph_text import lines, net

W = np.array([[1.0, -2.0], [0.5, 4.0]], np.float32)


def grid(*scale: float, axis: int | None = None, dtype: str = "int8") -> QuantParams:
    numbers = np.array(scale[0] if axis is None else scale, np.float32)
    return QuantParams(dtype, numbers, np.zeros(numbers.shape, np.int32), PerTensor() if axis is None else PerChannel(axis), narrow=True)


def two_readers(second: str = "[b] y = MatMul(c, w)") -> ir.Model:
    return net(f"[a] c = MatMul(x, w) {second}", inputs="float[3, 2] x", constants={"w": W})


def stored(model: ir.Model, name: str) -> list[list[int]]:
    array = constant(model.graph.initializers[name])
    assert array is not None
    return [[int(number) for number in row] for row in array]


def test_a_weight_becomes_integers() -> None:
    model = two_readers()
    assert QuantizeConstants({"a:1": grid(0.5, 0.1, axis=1), "b:1": grid(0.5, 0.1, axis=1)}, {})(model).modified
    assert lines(model) == [
        "w_dequantized = DequantizeLinear(w_quantized, w_scale, w_zero_point)",
        "c = MatMul(x, w_dequantized)",
        "y = MatMul(c, w_dequantized)",
    ]
    assert stored(model, "w_quantized") == [[2, -20], [1, 40]]
    assert next(nodes(model)).attributes["axis"].as_int() == 1
    assert set(model.graph.initializers) == {"w_quantized", "w_scale", "w_zero_point"}


def test_codes_of_the_plan_are_stored_as_they_are() -> None:
    model = two_readers()
    codes = np.array([[1, 2], [3, -4]], np.int8)
    QuantizeConstants({"a:1": grid(0.5)}, {"a:1": codes})(model)
    assert stored(model, "w_quantized") == codes.tolist()
    with pytest.raises(BadPlan):
        QuantizeConstants({"a:1": grid(0.5)}, {"a:1": codes[:1]})(two_readers())


@pytest.mark.parametrize(
    "other", [grid(0.25), grid(0.5, 0.5, axis=0), grid(0.5, 0.5, axis=1), QuantParams("int8", np.float32(0.5), np.int32(0))]
)
def test_each_distinct_grid_has_a_copy_of_its_own(other: QuantParams) -> None:
    """Equal numbers along another axis are another grid."""
    model = two_readers()
    first = grid(0.5, 0.5, axis=1) if other.granularity == PerChannel(0) else grid(0.5)
    QuantizeConstants({"a:1": first, "b:1": other}, {})(model)
    assert {"w_quantized", "w_quantized_1"} <= set(model.graph.initializers)


def test_a_float_reader_keeps_the_float_constant() -> None:
    model = two_readers("[b] d = Erf(w) [e] y = MatMul(c, d)")
    QuantizeConstants({"a:1": grid(0.5)}, {})(model)
    assert "d = Erf(w)" in lines(model)
    assert np.array_equal(np.asarray(constant(model.graph.initializers["w"])), W)


def test_a_constant_from_around_a_body_is_stored_in_the_body() -> None:
    text = """[a] c = MatMul(x, w) y = If (go) < then_branch = t () => (float[3, 2] tv) { [b] tv = MatMul(c, w) },
        else_branch = e () => (float[3, 2] ev) { [d] ev = Relu(c) } >"""
    model = net(text, inputs="float[3, 2] x, bool go", outputs="float[3, 2] y", constants={"w": W})
    QuantizeConstants({"a:1": grid(0.5), "b:1": grid(0.5)}, {})(model)
    inner = next(node for node in nodes(model) if node.name == "b")
    assert inner.graph is not None
    assert isinstance(inner.graph, ir.Graph)
    assert "w_quantized_1" in inner.graph.initializers


def test_activations_and_unnamed_inputs_are_left_alone() -> None:
    model = two_readers()
    assert not QuantizeConstants({"a:0": grid(0.5), "nobody:1": grid(0.5)}, {})(model).modified
    assert lines(model) == ["c = MatMul(x, w)", "y = MatMul(c, w)"]
