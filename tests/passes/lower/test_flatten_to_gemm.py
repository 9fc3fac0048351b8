"""FlattenToGemm: one Gemm of rows where all sizes are known; integer kernels where onnxruntime
would make a float Gemm.
"""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.api import quantize
from edgeq.passes.lower.flatten_to_gemm import FlattenToGemm
from edgeq.proof.proof import prove_placement
from edgeq.schema.recipe import Recipe
from tests.graph_text import Constants, lines, net, weights

W: Constants = {"w": weights(64, 32), "b": weights(32), "p": np.zeros((98, 1), np.float32)}
BODY = "[m] h = MatMul(x, w) [add] s = Add(h, b) [last] y = Erf(s)"


def test_becomes_a_gemm_between_two_reshapes() -> None:
    model = net(BODY, inputs="float[2, 98, 64] x", constants=W)
    assert FlattenToGemm()(model).modified
    assert lines(model) == ["x_rows = Reshape(x, m_rows)", "h = Gemm(x_rows, w, m_bias)", "s = Reshape(h, m_shape)", "y = Erf(s)"]


@pytest.mark.parametrize(
    ("body", "inputs"),
    [
        (BODY, "float[N, 98, 64] x"),  # a size is not known
        (BODY, "float[98, 64] x"),  # rank 2 is another pass's
        (BODY.replace("b)", "p)"), "float[2, 98, 64] x"),  # a bias of other axes
        (BODY.replace("b)", "u)"), "float[2, 98, 64] x, float[32] u"),  # no constant
        (BODY + " [more] z = Neg(h)", "float[2, 98, 64] x"),  # the product is read elsewhere too
    ],
)
def test_stays_where_it_would_not_be_the_same(body: str, inputs: str) -> None:
    model = net(body, inputs=inputs, outputs="float y, float z" if "[more]" in body else "float y", constants=W)
    before = lines(model)
    assert not FlattenToGemm()(model).modified
    assert lines(model) == before


def test_keeps_what_it_is_told_to_keep() -> None:
    assert not FlattenToGemm(frozenset({"m"}))(net(BODY, inputs="float[2, 98, 64] x", constants=W)).modified


@pytest.mark.parametrize("pattern", ["MatMul", "m"])
def test_a_matmul_that_the_recipe_keeps_float_stays_so_and_the_plan_repeats_it(pattern: str) -> None:
    model = net(BODY, inputs="float[2, 98, 64] x", constants=W)
    x = np.random.default_rng(0).normal(size=(3, 2, 98, 64)).astype(np.float32)
    done = quantize(model, {"x": x}, recipe=Recipe(keep_float=(pattern,)), prove=False)
    assert (done.plan.nodes["m"].op_type, done.plan.nodes["m"].runs) == ("MatMul", "float")
    assert lines(quantize(model, plan=done.plan, prove=False).model) == lines(done.model)


@pytest.mark.parametrize("sizes", ["2, 98, 64", "N, 98, 64", "98, 64"])
def test_the_layer_runs_on_an_integer_kernel_whatever_is_known(sizes: str) -> None:
    model = net(BODY, inputs=f"float[{sizes}] x", constants=W)
    shape = [4 if size == "N" else int(size) for size in sizes.split(", ")]
    done = quantize(model, {"x": np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)}, prove=False)
    runs = {node.name: node.runs_as for node in prove_placement(done.model, model).nodes}
    assert runs["m"] == "int8"
