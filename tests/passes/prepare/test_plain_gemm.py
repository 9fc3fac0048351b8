"""PlainGemm: factors, transposed inputs and third inputs that are no bias leave the Gemm."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.graph.read import constant
from edgeq.passes.prepare.plain_gemm import PlainGemm
from edgeq.testing import check_pass
from edgeq.testing.pass_models import named_model
from tests.graph_text import Constants, lines, net, weights

NUMBERS: Constants = {"w": weights(3, 4), "b": np.arange(4, dtype=np.float32), "m": np.ones((2, 4)), "huge": np.full((3, 4), 3e38)}


def test_every_form() -> None:
    assert [line.split("(")[0] for line in lines(check_pass(PlainGemm(), named_model("gemm_forms")))] == [
        "x_transposed = Transpose",
        "y = Gemm",
        "x_transposed_1 = Transpose",
        "z_product = Gemm",
        "z = Add",
        "u_product = Gemm",
        "u = Add",
    ]


def test_constants_take_up_the_factors() -> None:
    model = net("y = Gemm<alpha = 0.5, beta = -2.0>(x, w, b)", inputs="float[2, 3] x", constants=NUMBERS)
    gemm = check_pass(PlainGemm(), model).graph.node(0)
    assert not gemm.attributes
    np.testing.assert_array_equal(constant(gemm.inputs[1]), weights(3, 4) * np.float32(0.5))
    np.testing.assert_array_equal(constant(gemm.inputs[2]), np.arange(4) * np.float32(-2))


def test_a_shared_weight_stays_as_it_was() -> None:
    model = net("y = Gemm<alpha = 0.5>(x, w) z = Gemm(x, w)", inputs="float[2, 3] x", outputs="float y, float z", constants=NUMBERS)
    check_pass(PlainGemm(), model)


def test_a_computed_third_input_is_added() -> None:
    model = net("y = Gemm(x, w, c)", inputs="float[2, 3] x, float[4] c", constants=NUMBERS)
    assert lines(check_pass(PlainGemm(), model)) == ["y_product = Gemm(x, w)", "y = Add(y_product, c)"]


@pytest.mark.parametrize(
    "body",
    [
        "y = Gemm(x, w, b)",
        "y = Gemm<alpha = 0.5>(x, v)",  # a weight that is computed
        "y = Gemm<alpha = 4.0>(x, huge)",  # it would overflow
        "y = Gemm<beta = 2.0>(x, w, c)",  # a computed input and a factor
    ],
)
def test_others_stay(body: str) -> None:
    assert not PlainGemm()(net(body, inputs="float[2, 3] x, float[3, 4] v, float[4] c", constants=NUMBERS)).modified
