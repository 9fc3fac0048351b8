"""FoldBatchNorm, FoldBatchNormForward, LowerBatchNorm: which of the three takes a
BatchNormalization, and what is left.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.edit import vanished
from edgeq.graph.read import constant, nodes
from edgeq.io.load import load_proto
from edgeq.passes.prepare.fold_batch_norm import FoldBatchNorm
from edgeq.passes.prepare.fold_batch_norm_forward import FoldBatchNormForward
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.passes.prepare.lower_batch_norm import LowerBatchNorm
from edgeq.testing.pass_models import law_model


def shaped(name: str) -> ir.Model:
    model = load_proto(law_model(name)).model
    InferShapes()(model)
    return model


def lines(model: ir.Model) -> list[str]:
    """One line a node: output = Op(inputs)."""
    reads = [", ".join(value.name or "" for value in node.inputs if value) for node in nodes(model)]
    return [f"{node.outputs[0].name} = {node.op_type}({read})" for node, read in zip(nodes(model), reads, strict=True)]


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
    model = shaped(name)
    assert FoldBatchNorm()(model).modified
    assert lines(model) == left
    assert list(vanished(model).values()) == [f"folded into {next(nodes(model)).name}"]


@pytest.mark.parametrize("name", ["conv_read_twice", "conv_is_output", "gemm_matrix_bias", "bn_before_conv", "lone_bn"])
def test_does_not_fold_back_where_the_value_or_weights_are_not_free(name: str) -> None:
    assert not FoldBatchNorm()(shaped(name)).modified


def test_a_shared_weight_stays_as_it_was() -> None:
    model = shaped("shared_weight")
    before = constant(model.graph.initializers["w"])
    assert before is not None
    wanted = before.copy()
    FoldBatchNorm()(model)
    assert np.array_equal(constant(model.graph.initializers["w"]), wanted)


def test_a_fold_that_overflows_is_not_made() -> None:
    model = shaped("conv_bn_relu")
    model.graph.initializers["v"].const_value = ir.tensor(np.array([-1.0, 1.0], np.float32), name="v")
    assert not FoldBatchNorm()(model).modified


@pytest.mark.parametrize("name", ["bn_before_conv", "bn_before_gemm"])
def test_folds_forward(name: str) -> None:
    model = shaped(name)
    assert FoldBatchNormForward()(model).modified
    assert [node.op_type for node in nodes(model)] == ["Relu", "Conv" if "conv" in name else "Gemm"]


def test_a_shift_does_not_pass_padding_but_a_scale_does() -> None:
    model = shaped("bn_before_padded_conv")
    assert not FoldBatchNormForward()(model).modified
    for name in ("b", "m"):
        model.graph.initializers[name].const_value = ir.tensor(np.zeros(2, np.float32), name=name)
    assert FoldBatchNormForward()(model).modified
    assert [node.op_type for node in nodes(model)] == ["Relu", "Conv"]


def test_lowers_by_rank_and_keeps_the_nodes_name() -> None:
    model = shaped("lone_bn")
    assert LowerBatchNorm()(model).modified
    assert [(node.op_type, node.name) for node in nodes(model)] == [
        ("Conv", "BatchNormalization_0"),
        ("Mul", "BatchNormalization_1_mul"),
        ("Add", "BatchNormalization_1"),
    ]
    assert [value.name for value in model.graph.outputs] == ["y", "z"]
