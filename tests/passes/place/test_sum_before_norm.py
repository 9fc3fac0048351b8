"""SumBeforeNorm: only the Add that the normalization alone reads; the runtime no longer joins the
two, and the numbers stay.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir

from edgeq.passes.place.sum_before_norm import SumBeforeNorm
from edgeq.runtimes.ort import open_session
from tests.graph_text import lines, net, weights

BODY = "a = Add(x, r) y = LayerNormalization(a, g, b)"
NORM = frozenset({"LayerNormalization"})


def model_of(body: str = BODY, outputs: str = "float y") -> ir.Model:
    return net(body, inputs="float[1, 6, 8] x, float[1, 6, 8] r", outputs=outputs, constants={"g": weights(8), "b": weights(8, seed=1)})


def test_the_add_becomes_a_sum() -> None:
    model = model_of()
    assert SumBeforeNorm(NORM)(model).modified
    assert lines(model) == ["a = Sum(x, r)", "y = LayerNormalization(a, g, b)"]
    assert not SumBeforeNorm(NORM)(model).modified


def test_other_adds_stay() -> None:
    assert not SumBeforeNorm(NORM)(model_of(BODY + " z = Erf(a)", "float y, float z")).modified
    assert not SumBeforeNorm(NORM)(model_of("a = Add(x, r) y = Softmax(a)")).modified
    assert not SumBeforeNorm(frozenset())(model_of()).modified


def test_the_runtime_keeps_them_apart(tmp_path: object) -> None:
    from pathlib import Path

    kernels, results = [], []
    feeds = {name: np.random.default_rng(seed).normal(size=(1, 6, 8)).astype(np.float32) for seed, name in enumerate("xr")}
    for done in (False, True):
        model = model_of()
        if done:
            SumBeforeNorm(NORM)(model)
        path = Path(str(tmp_path)) / f"{done}.onnx"
        with open_session(model, optimized_path=path) as session:
            results.append(session.run(feeds)[0])
        kernels.append([node.op_type for node in onnx.load(str(path)).graph.node])
    assert kernels == [["SkipLayerNormalization"], ["Sum", "LayerNormalization"]]
    np.testing.assert_allclose(results[1], results[0], rtol=1e-4, atol=1e-5)
