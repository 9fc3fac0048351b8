"""MatMulAddToGemm: a matrix product takes a bias of its channels in; at rank 2 alone."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.graph.edit import vanished
from edgeq.passes.prepare.matmul_add_to_gemm import MatMulAddToGemm
from edgeq.testing.pass_models import named_model
from tests.graph_text import lines, net, weights


def test_matmul_and_add_become_gemm() -> None:
    model = named_model("affine_chain")
    assert MatMulAddToGemm()(model).modified
    assert lines(model)[0] == "i = Gemm(x, w, a)"
    assert vanished(model) == {"Add_1": "merged into MatMul_0"}


def test_a_matmul_of_rank_3_stays() -> None:
    assert not MatMulAddToGemm()(named_model("affine_chain_rank_3")).modified


@pytest.mark.parametrize(("sum_of", "bias"), [("h, b", (3,)), ("b, h", (3,)), ("h, b", (1, 3)), ("h, b", (1,))])
def test_a_bias_of_the_channels_stands_on_either_side(sum_of: str, bias: tuple[int, ...]) -> None:
    constants = {"w": weights(4, 3), "b": np.ones(bias, np.float32)}
    model = net(f"[mm] h = MatMul(x, w) [add] y = Add({sum_of})", inputs="float[N, 4] x", constants=constants)
    assert MatMulAddToGemm()(model).modified
    assert lines(model) in (["y = Gemm(x, w, b)"], ["y = Gemm(x, w, mm_bias)"])
    assert not MatMulAddToGemm()(model).modified


def test_a_bias_of_the_rows_stays() -> None:
    model = net("h = MatMul(x, w) y = Add(h, b)", inputs="float[2, 4] x", constants={"w": weights(4, 3), "b": np.ones((2, 1), np.float32)})
    assert not MatMulAddToGemm()(model).modified
