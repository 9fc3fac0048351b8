"""HoldFloat: the numbers stay, and the runtime no longer makes an integer kernel of the node."""

from __future__ import annotations

import numpy as np

from edgeq.api import quantize
from edgeq.passes.place.hold_float import HoldFloat
from edgeq.proof.proof import prove_placement
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from tests.graph_text import lines, net, weights

GRID = {"s": 0.1, "z": np.uint8(3), "one": 1.0}
TOY = "f = DequantizeLinear(q, s, z)  y = AveragePool<kernel_shape = [2, 2]>(f)"
CHAIN = "a = Conv<pads = [1, 1, 1, 1]>(x, w)  b = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(a)  y = Conv(b, w)"


def test_the_scale_moves_into_a_mul() -> None:
    model = net(TOY, inputs="uint8[1, 2, 4, 4] q", constants=GRID)
    assert HoldFloat({"AveragePool_1"})(model).modified
    assert lines(model)[-3:] == [
        "f_unscaled = DequantizeLinear(q, f_unit, z)",
        "f_scaled = Mul(f_unscaled, s)",
        "y = AveragePool(f_scaled)",
    ]
    assert not HoldFloat({"AveragePool_1"})(model).modified


def test_nothing_changes_but_the_form() -> None:
    codes = np.random.default_rng(0).integers(0, 256, (1, 2, 4, 4)).astype(np.uint8)
    before, after = net(TOY, inputs="uint8[1, 2, 4, 4] q", constants=GRID), net(TOY, inputs="uint8[1, 2, 4, 4] q", constants=GRID)
    HoldFloat({"AveragePool_1"})(after)
    results = [open_session(model, optimize="off").run({"q": codes})[0] for model in (before, after)]
    assert np.array_equal(*results)


def test_other_nodes_and_stored_weights_stay() -> None:
    model = net(TOY, inputs="uint8[1, 2, 4, 4] q", constants=GRID)
    assert not HoldFloat({"somebody else"})(model).modified
    stored = net(
        "f = DequantizeLinear(q, s, z)  y = Add(x, f)", inputs="float[3] x", constants={**GRID, "q": np.array([1, 2, 3], np.uint8)}
    )
    assert not HoldFloat({"Add_1"})(stored).modified


def test_a_node_that_the_recipe_keeps_float_runs_in_float() -> None:
    model = net(CHAIN, constants={"w": weights(8, 8, 3, 3)})
    data = {"x": np.random.default_rng(1).normal(size=(16, 8, 16, 16)).astype(np.float32)}
    for kept, name in (("AveragePool", "AveragePool_1"), ("Conv_0", "Conv_0")):
        made = quantize(model, data, recipe=Recipe(keep_float=(kept,)), prove=False)
        runs = {node.name: node.runs_as for node in prove_placement(made.model, model).nodes}
        assert (runs[name], runs["Conv_2"]) == ("float", "int8")


def test_a_pool_is_float_where_its_integer_kernel_is_slow() -> None:
    pool = "h = Transpose<perm = [0, 1, 3, 2]>(a)  b = MaxPool<kernel_shape = [2, 2]>(h)"
    body = f"a = Conv<pads = [1, 1, 1, 1]>(x, w)  {pool}  y = GlobalAveragePool(b)"
    model = net(body, inputs="float[1, 8, 64, 64] x", constants={"w": weights(8, 8, 3, 3)})
    made = quantize(model, {"x": np.random.default_rng(1).normal(size=(16, 8, 64, 64)).astype(np.float32)}, prove=False)
    runs = {node.op_type: (node.runs_as, node.reason) for node in prove_placement(made.model, model).nodes}
    assert runs["MaxPool"][0] == "float"
    assert "slow where channels are not last" in runs["MaxPool"][1]
