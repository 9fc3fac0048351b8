"""FoldAffine: chains of constants become one Gemm; what is no per-channel constant stays."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.graph.read import constant, nodes
from edgeq.passes.prepare.fold_affine import FoldAffine
from edgeq.passes.prepare.matmul_add_to_gemm import MatMulAddToGemm
from edgeq.testing import check_pass
from edgeq.testing.pass_models import named_model
from tests.graph_text import lines, net, weights


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


def test_folds_behind_transposes_and_reshapes() -> None:
    model = named_model("affine_behind_moves")
    after = check_pass(FoldAffine(), model)
    found = [line.split("(")[0] for line in lines(after)]
    assert found == ["c = Conv", "y = Transpose", "f = Conv", "z = Reshape", "l = MatMul", "p = Reshape", "v = Relu"]


@pytest.mark.parametrize(
    ("move", "operand"),
    [
        ("Transpose<perm = [0, 2, 3, 1]>(c)", "rows"),  # one number a column of the image, not a channel
        ("Reshape(c, joined)", "many"),  # channels and places are one axis
        ("Reshape(c, split)", "pairs"),  # channels are cut in two axes
    ],
)
def test_channels_that_are_no_axis_any_more_stay(move: str, operand: str) -> None:
    constants = {
        "w": weights(4, 4, 1, 1),
        "joined": np.array([0, -1]),
        "split": np.array([0, 2, 2, 4, 4]),
        "rows": np.arange(1.0, 5.0).reshape(4, 1),
        "many": np.arange(1.0, 65.0),
        "pairs": np.arange(1.0, 3.0).reshape(2, 1, 1),
    }
    model = net(f"c = Conv(x, w) m = {move} y = Mul(m, {operand})", inputs="float[N, 4, 4, 4] x", constants=constants)
    assert not FoldAffine()(model).modified


def test_what_others_read_before_the_move_stays() -> None:
    body = "c = Conv(x, w) t = Transpose<perm = [0, 2, 3, 1]>(c) y = Mul(t, s) z = Relu(c)"
    constants = {"w": weights(4, 4, 1, 1), "s": np.arange(1.0, 5.0)}
    assert not FoldAffine()(net(body, inputs="float[N, 4, 4, 4] x", outputs="float y, float z", constants=constants)).modified
