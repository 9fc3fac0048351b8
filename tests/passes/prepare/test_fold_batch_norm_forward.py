"""FoldBatchNormForward: the next layer takes a BatchNormalization in, as far as padding lets it."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.edit import vanished
from edgeq.graph.read import constant, nodes
from edgeq.passes.prepare.fold_batch_norm_forward import FoldBatchNormForward
from edgeq.testing.pass_models import named_model
from tests.graph_text import lines, net


@pytest.mark.parametrize("name", ["bn_before_conv", "bn_before_gemm"])
def test_folds_forward(name: str) -> None:
    model = named_model(name)
    assert FoldBatchNormForward()(model).modified
    assert [node.op_type for node in nodes(model)] == ["Relu", "Conv" if "conv" in name else "Gemm"]


def test_a_shift_does_not_pass_padding_but_a_scale_does() -> None:
    model = named_model("bn_before_padded_conv")
    assert not FoldBatchNormForward()(model).modified
    for name in ("b", "m"):
        model.graph.initializers[name].const_value = ir.tensor(np.zeros(2, np.float32), name=name)
    assert FoldBatchNormForward()(model).modified
    assert [node.op_type for node in nodes(model)] == ["Relu", "Conv"]


def test_weights_take_the_scale_and_biases_the_shift() -> None:
    """Before: z = Gemm(BatchNormalization(x), w, b). After: z = Gemm(x, w * scale, b + shift w)."""
    numbers = {"g": [1.0, 2.0], "o": [1.0, 0.0], "m": [0.0, 3.0], "v": [4.0, 1.0], "w": [[1.0, 2.0], [3.0, 5.0]], "b": [0.5, 0.25]}
    constants = {name: np.array(number, np.float32) for name, number in numbers.items()}
    model = net(
        "[bn] n = BatchNormalization<epsilon = 0.0>(x, g, o, m, v) [fc] y = Gemm(n, w, b)", inputs="float[N, 2] x", constants=constants
    )
    assert FoldBatchNormForward()(model).modified
    assert lines(model) == ["y = Gemm(x, w, b)"]
    assert vanished(model) == {"bn": "folded into fc"}
    (node,) = nodes(model)
    scale, shift = np.array([0.5, 2.0]), np.array([1.0, -6.0])
    weight = np.array(numbers["w"])
    np.testing.assert_allclose(constant(node.inputs[1]), weight * scale[:, None])
    np.testing.assert_allclose(constant(node.inputs[2]), np.array(numbers["b"]) + shift @ weight)
