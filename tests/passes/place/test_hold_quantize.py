"""HoldQuantize: every code stays, and the runtime no longer pools codes behind a float layer."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.passes.place.hold_quantize import HoldQuantize
from edgeq.proof.proof import prove_placement
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from edgeq.testing.pass_laws import check_pass
from tests.graph_text import lines, net, weights

GRID = {"s": 0.37, "z": np.uint8(3)}
TOY = "p = MaxPool<kernel_shape = [2, 2]>(x)  q = QuantizeLinear(p, s, z)  y = DequantizeLinear(q, s, z)"


def toy() -> ir.Model:
    return net(TOY, inputs="float[1, 2, 64, 64] x", constants=GRID)


def test_a_mul_by_two_stands_before_the_quantizer() -> None:
    model = check_pass(HoldQuantize({"MaxPool_0"}), toy(), tolerance=0)
    assert lines(model) == [
        "p = MaxPool(x)",
        "p_doubled = Mul(p, p_two)",
        "q = QuantizeLinear(p_doubled, p_doubled_scale, z)",
        "y = DequantizeLinear(q, s, z)",
    ]


def test_every_code_stays_also_halfway_between_two() -> None:
    x = np.random.default_rng(0).normal(0, 9, (1, 2, 64, 64)).astype(np.float32)
    x[..., ::2] = (np.round(x[..., ::2] / 0.37) + 0.5) * np.float32(0.37)
    results = [open_session(model, optimize="off").run({"x": x})[0] for model in (toy(), HoldQuantize({"MaxPool_0"})(toy()).model)]
    assert np.array_equal(*results)


def test_float_readers_read_what_was_there_and_other_nodes_stay() -> None:
    model = net(f"{TOY}  n = Neg(p)", inputs="float[1, 2, 64, 64] x", constants=GRID, outputs="float y, float n")
    assert not HoldQuantize({"somebody else"})(model).modified
    HoldQuantize({"MaxPool_0"})(model)
    assert "n = Neg(p)" in lines(model)


@pytest.mark.parametrize("window", ["kernel_shape = [2, 2], strides = [2, 2]", "kernel_shape = [3, 3], pads = [1, 1, 1, 1]"])
def test_a_pool_behind_a_float_conv_runs_in_float(window: str) -> None:
    body = f"a = Conv<pads = [1, 1, 1, 1]>(x, w)  b = Relu(a)  p = MaxPool<{window}>(b)  y = Conv<pads = [1, 1, 1, 1]>(p, v)"
    model = net(body, inputs="float[1, 3, 64, 64] x", constants={"w": weights(32, 3, 3, 3), "v": weights(32, 32, 3, 3)})
    data = {"x": np.random.default_rng(1).normal(size=(16, 3, 64, 64)).astype(np.float32)}
    made = quantize(model, data, recipe=Recipe(keep_float=("Conv_0",)), prove=False)
    runs = {node.name: node.runs_as for node in prove_placement(made.model, model).nodes}
    assert (runs["MaxPool_2"], runs["Conv_3"]) == ("float", "int8")
    read = Counter(node.op_type for node in made.model.graph)
    assert read["Mul"] == 1
