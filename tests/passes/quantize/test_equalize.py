"""Equalize: channels scaled by factors and back, and the network computes the same."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import constant
from edgeq.passes.quantize.equalize import Equalize
from edgeq.runtimes.ort import open_session
from tests.graph_text import lines, net, weights

FACTORS = {"a": np.array([2.0, 0.25, 4.0]), "r": np.array([2.0, 0.25, 4.0])}
BODY = "a = Conv(x, w, b) r = Relu(a) y = Conv(r, v)"
NUMBERS = {"w": weights(3, 2, 1, 1), "b": np.array([1.0, -1.0, 0.5], np.float32), "v": weights(2, 3, 1, 1)}


def model_of(body: str = BODY) -> ir.Model:
    return net(body, inputs="float[1, 2, 4, 4] x", constants=NUMBERS)


def test_the_layers_on_both_sides_take_the_factors() -> None:
    model = model_of()
    before = lines(model)
    assert Equalize(FACTORS)(model).modified
    assert lines(model) == before
    factors = FACTORS["a"]
    stored = {name: constant(model.graph.initializers[name]) for name in NUMBERS}
    np.testing.assert_array_equal(stored["w"], NUMBERS["w"] * np.float32(factors[:, None, None, None]))
    np.testing.assert_array_equal(stored["b"], NUMBERS["b"] * np.float32(factors))
    np.testing.assert_array_equal(stored["v"], NUMBERS["v"] / np.float32(factors[None, :, None, None]))


def test_the_network_computes_the_same_and_is_equalized_once() -> None:
    model, x = model_of(), np.random.default_rng(0).normal(size=(1, 2, 4, 4)).astype(np.float32)
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run({"x": x})
    Equalize(FACTORS)(model)
    assert not Equalize(FACTORS)(model).modified
    with open_session(model, optimize="off") as session:
        np.testing.assert_allclose(session.run({"x": x})[0], wanted, rtol=1e-5, atol=1e-6)


def test_a_weight_that_another_layer_shares_is_copied_first() -> None:
    model = model_of("a = Conv(x, w, b) r = Relu(a) y = Conv(r, v) z = Conv(x, w)")
    Equalize(FACTORS)(model)
    np.testing.assert_array_equal(constant(model.graph.initializers["w"]), NUMBERS["w"])
    assert lines(model)[0] != lines(model_of())[0]


def test_without_factors_nothing_changes() -> None:
    model = model_of()
    assert not Equalize({})(model).modified
    assert Equalize(FACTORS)(model).modified  # it was not equalized before
