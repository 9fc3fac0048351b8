"""StoreWeights: integers in the file, the numbers of the grid in the graph, and nothing left of it
once the model is loaded.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from edgeq.numerics.grid import PerChannel, PerTensor, QuantParams, dequantize, quantize
from edgeq.passes.store.store_weights import StoreWeights
from edgeq.runtimes.ort import open_session
from tests.graph_text import lines, net, weights

W = weights(8, 8, 3, 3)
CHAIN = "a = Conv<pads = [1, 1, 1, 1]>(x, w)  r = Relu(a)  y = Conv<pads = [1, 1, 1, 1]>(r, w)"
X = {"x": np.random.default_rng(0).normal(size=(1, 8, 16, 16)).astype(np.float32)}


def per_channel() -> QuantParams:
    scale = (np.abs(W).max((1, 2, 3)) / 127).astype(np.float32)
    return QuantParams("int8", scale, np.zeros(8, np.int32), PerChannel(0), True)


def test_the_weight_becomes_integers_a_cast_and_a_mul() -> None:
    model, grid = net(CHAIN, constants={"w": W}), per_channel()
    assert StoreWeights({"Conv_0:1": grid}, {})(model).modified
    assert lines(model)[:3] == ["w_cast = Cast(w_stored)", "w_scaled = Mul(w_cast, w_scale)", "a = Conv(x, w_scaled)"]
    stored = model.graph.initializers["w_stored"].const_value
    assert stored is not None
    assert np.array_equal(stored.numpy(), quantize(W, grid))
    assert not StoreWeights({"Conv_0:1": grid}, {})(model).modified


def test_the_node_computes_with_the_numbers_of_the_grid() -> None:
    model, plain, grid = net(CHAIN, constants={"w": W}), net(CHAIN, constants={"w": W}), per_channel()
    StoreWeights({"Conv_0:1": grid, "Conv_2:1": grid}, {})(model)
    plain.graph.initializers["w"].const_value = ir.tensor(dequantize(quantize(W, grid), grid).astype(np.float32), name="w")
    results = [open_session(one, optimize="off").run(X)[0] for one in (model, plain)]
    assert np.array_equal(*results)


def test_readers_that_agree_share_and_given_codes_win() -> None:
    model, grid = net(CHAIN, constants={"w": W}), QuantParams("int8", np.array(0.01, np.float32), np.array(0), PerTensor(), True)
    chosen = np.full(W.shape, 3, np.int8)
    StoreWeights({"Conv_0:1": grid, "Conv_2:1": grid}, dict.fromkeys(("Conv_0:1", "Conv_2:1"), chosen))(model)
    assert sorted(model.graph.initializers) == ["w_scale", "w_stored"]
    stored = model.graph.initializers["w_stored"].const_value
    assert stored is not None
    assert np.array_equal(stored.numpy(), chosen)


def test_the_runtime_folds_it_when_it_loads_the_model(tmp_path: Path) -> None:
    """What runs has the float model's operators: no Cast, no Mul, no DequantizeLinear at every
    inference.
    """
    model, plain, grid = net(CHAIN, constants={"w": W}), net(CHAIN, constants={"w": W}), per_channel()
    StoreWeights({"Conv_0:1": grid, "Conv_2:1": grid}, {})(model)
    operators = []
    for name, one in (("stored", model), ("plain", plain)):
        open_session(one, optimized_path=tmp_path / f"{name}.onnx").close()
        graph = onnx.load(str(tmp_path / f"{name}.onnx"), load_external_data=False).graph
        operators.append([node.op_type for node in graph.node])
    assert operators[0] == operators[1]
