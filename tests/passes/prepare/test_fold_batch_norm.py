"""FoldBatchNorm: the layer behind takes a BatchNormalization in, unless others read it too."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.edit import vanished
from edgeq.graph.read import constant, nodes
from edgeq.passes.prepare.fold_batch_norm import FoldBatchNorm
from edgeq.testing import check_pass
from edgeq.testing.pass_models import named_model
from tests.graph_text import lines, net, weights


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("conv_bn_relu", ["n = Conv(x, w, cb)", "y = Relu(n)"]),
        ("shared_weight", ["y = Conv(x, Conv_0_weight, Conv_0_bias)", "z = Conv(x, w)"]),
        ("deconv_bn", ["y = ConvTranspose(x, w, ConvTranspose_0_bias)"]),
        ("gemm_bn", ["y = Gemm(x, w, c)"]),
        ("matmul_bn", ["y = Gemm(x, w, MatMul_0_bias)"]),
    ],
)
def test_folds_back_and_keeps_names(name: str, left: list[str]) -> None:
    model = named_model(name)
    assert FoldBatchNorm()(model).modified
    assert lines(model) == left
    assert list(vanished(model).values()) == [f"folded into {next(nodes(model)).name}"]


@pytest.mark.parametrize("name", ["conv_read_twice", "conv_is_output", "gemm_matrix_bias", "bn_before_conv", "lone_bn"])
def test_does_not_fold_back_where_the_value_or_weights_are_not_free(name: str) -> None:
    assert not FoldBatchNorm()(named_model(name)).modified


def test_a_shared_weight_stays_as_it_was() -> None:
    model = named_model("shared_weight")
    before = constant(model.graph.initializers["w"])
    assert before is not None
    wanted = before.copy()
    FoldBatchNorm()(model)
    assert np.array_equal(constant(model.graph.initializers["w"]), wanted)


def test_a_fold_that_overflows_is_not_made() -> None:
    model = named_model("conv_bn_relu")
    model.graph.initializers["v"].const_value = ir.tensor(np.array([-1.0, 1.0], np.float32), name="v")
    assert not FoldBatchNorm()(model).modified


def test_folds_behind_a_transpose_that_brings_the_channels_to_axis_1() -> None:
    after = check_pass(FoldBatchNorm(), named_model("batch_norm_behind_moves"))
    assert [node.op_type for node in after.graph] == ["MatMul", "Add", "Transpose"]


def test_does_not_fold_where_axis_1_holds_other_channels() -> None:
    constants = {"w": weights(2, 2, 1, 1), **{name: np.ones(4, np.float32) for name in ("g", "b", "m", "v")}}
    body = "c = Conv(x, w) t = Transpose<perm = [0, 2, 3, 1]>(c) y = BatchNormalization(t, g, b, m, v)"
    assert not FoldBatchNorm()(net(body, inputs="float[N, 2, 4, 5] x", constants=constants)).modified
