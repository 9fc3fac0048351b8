"""CorrectBiases: the named node reads its new bias, every other its old one."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import constant
from edgeq.passes.quantize.correct_biases import CorrectBiases
from tests.graph_text import Constants, lines, net, weights

BASE: Constants = {"w": weights(3, 3), "b": np.array([1.0, 2.0, 3.0])}
NEW = (1.5, 2.5, float(np.float32(0.1)))


def model_of(bias: Constants | None = None) -> ir.Model:
    return net("[one] c = Gemm(x, w, b) [two] y = Gemm(c, w, b)", inputs="float[2, 3] x", constants={**BASE, **(bias or {})})


def numbers(model: ir.Model, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    found = constant(model.graph.initializers[name])
    assert found is not None
    return found


def test_a_shared_bias_stays_that_of_the_others() -> None:
    model = model_of()
    step = CorrectBiases({"two": NEW})
    assert step(model).modified
    assert lines(model) == ["c = Gemm(x, w, b)", "y = Gemm(c, w, b_corrected)"]
    assert numbers(model, "b").tolist() == [1, 2, 3]
    assert numbers(model, "b_corrected").tolist() == np.float32(NEW).tolist()
    assert not step(model).modified


def test_an_unread_bias_goes() -> None:
    model = model_of()
    CorrectBiases({"one": NEW, "two": NEW})(model)
    assert set(model.graph.initializers) == {"w", "b_corrected", "b_corrected_1"}


def test_the_shape_stays_unless_one_number_becomes_many() -> None:
    model = model_of({"b": np.ones((1, 3))})
    CorrectBiases({"one": NEW})(model)
    assert numbers(model, "b_corrected").shape == (1, 3)
    model = model_of({"b": np.float64(1)})
    CorrectBiases({"one": NEW})(model)
    assert numbers(model, "b_corrected").shape == (3,)


def test_nodes_without_a_constant_bias_are_left_alone() -> None:
    model = net("[one] c = Gemm(x, w) [two] y = Gemm(c, w, d)", inputs="float[2, 3] x, float[3] d", constants={"w": weights(3, 3)})
    assert not CorrectBiases({"one": NEW, "two": NEW, "three": NEW})(model).modified


def test_the_same_bias_changes_nothing() -> None:
    assert not CorrectBiases({"one": (1.0, 2.0, 3.0)})(model_of()).modified
