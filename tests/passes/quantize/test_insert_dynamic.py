"""InsertDynamic: one measuring node for all readers, integer kernels in the runtime with the bias
inside, and a small error.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx_ir.passes.common import RemoveUnusedNodesPass

from edgeq.passes.quantize.insert_dynamic import InsertDynamic
from edgeq.proof.proof import prove_placement
from edgeq.runtimes.ort import open_session
from tests.graph_text import lines, net, weights

BODY = (
    "d = DequantizeLinear<axis = 1>(w, s, z) [one] a = MatMul(x, d) y = Add(b, a) "
    "e = DequantizeLinear<axis = 1>(v, t, z) [two] c = MatMul(x, e) u = Add(c, b)"
)
CONSTANTS = {
    "w": np.random.default_rng(0).integers(-60, 60, (16, 4)).astype(np.int8),
    "v": np.random.default_rng(1).integers(-60, 60, (16, 4)).astype(np.int8),
    "s": np.array([0.01, 0.02, 0.03, 0.04], np.float32),
    "t": np.array([0.02, 0.03, 0.01, 0.02], np.float32),
    "z": np.zeros(4, np.int8),
    "b": weights(4),
}
FEED = {"x": np.random.default_rng(2).normal(size=(2, 5, 16)).astype(np.float32)}


def model_of(body: str = BODY) -> ir.Model:
    return net(body, inputs="float[N, 5, 16] x", outputs="float y, float u", constants=CONSTANTS)


def dynamic() -> ir.Model:
    model = model_of()
    assert InsertDynamic({"one", "two"})(model).modified
    RemoveUnusedNodesPass()(model)
    return model


def test_what_reads_one_value_shares_its_grid_and_the_bias_comes_second() -> None:
    model = dynamic()
    assert [node.op_type for node in model.graph].count("DynamicQuantizeLinear") == 1
    assert "a_1 = Mul" not in " ".join(lines(model))
    assert [line for line in lines(model) if "Add" in line] == ["y = Add(a, b)", "u = Add(c, b)"]
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    assert not InsertDynamic({"one", "two"})(model).modified


def test_integer_kernels_run_with_the_bias_inside(tmp_path: Path) -> None:
    model = dynamic()
    with open_session(model, optimized_path=tmp_path / "o.onnx") as session:
        fast = session.run(FEED)
    kernels = sorted(node.op_type for node in onnx.load(str(tmp_path / "o.onnx")).graph.node)
    assert kernels == ["DynamicQuantizeLinear", "MatMulIntegerToFloat", "MatMulIntegerToFloat"]
    for want, slow, got in zip(
        open_session(model_of(), optimize="off").run(FEED), open_session(model, optimize="off").run(FEED), fast, strict=True
    ):
        np.testing.assert_allclose(got, slow, rtol=1e-4, atol=1e-4)
        assert np.abs(got - want).max() < 0.02 * np.abs(want).max()


def test_prove_counts_them_as_integer_kernels() -> None:
    rows = {row.name: row for row in prove_placement(dynamic()).nodes}
    assert (rows["one"].runs_as, rows["one"].reason) == ("int8", "MatMulIntegerToFloat")
    assert rows["one"].macs > 0
    assert prove_placement(dynamic()).macs_int8_pct == 100


@pytest.mark.parametrize("names", [set(), {"somebody else"}])
def test_others_stay(names: set[str]) -> None:
    assert not InsertDynamic(names)(model_of()).modified
