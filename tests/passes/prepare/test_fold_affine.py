"""FoldAffine: chains of constants become one Gemm; what is no per-channel constant stays."""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import constant, nodes
from edgeq.passes.prepare.fold_affine import FoldAffine
from edgeq.passes.prepare.matmul_add_to_gemm import MatMulAddToGemm
from edgeq.testing.pass_models import named_model
from tests.graph_text import lines


def test_a_chain_ends_in_one_gemm() -> None:
    model = named_model("affine_chain")
    MatMulAddToGemm()(model)
    assert FoldAffine()(model).modified
    assert [line.split("(")[0] for line in lines(model)] == ["l = Gemm", "y = Relu"]
    weight = constant(next(iter(nodes(model))).inputs[1])
    scale = np.array([0.5, 2.0, -1.0])
    wanted = np.array([[1.0, 2.0, 3.0], [-1.0, 0.5, 2.0]]) * scale * -1 / scale
    np.testing.assert_allclose(weight, wanted, rtol=1e-6)


def test_folds_through_the_bias_of_a_matmul() -> None:
    model = named_model("affine_chain_rank_3")
    assert FoldAffine()(model).modified
    assert [line.split("(")[0] for line in lines(model)] == ["h = MatMul", "y = Add"]


def test_constants_that_are_not_per_channel_stay() -> None:
    assert not FoldAffine()(named_model("affine_not_per_channel")).modified
