"""Tests of edgeq.runtimes.ort: sessions, exact input shapes, saved optimized graphs, external data,
errors in our own words.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.errors import BadModel, RuntimeRefused
from edgeq.graph.signature import InputSpec
from edgeq.io.mapped import MAPPED_FROM_BYTES
from edgeq.runtimes.ort import open_session, runtime_version
from edgeq.runtimes.ort_source import IN_MEMORY_BYTES

RELU = """<ir_version: 8, opset_import: ["": 13]>
relu (float[N, 3, ?] x, int64 s, float u) => (float[N, 3, ?] y, int64 t) {
    y = Relu(x)
    t = Identity(s)
}"""
MATMUL = """<ir_version: 8, opset_import: ["": 13]>
matmul (float[N, M] x, float[K, L] w) => (float[A, B] z) { [mm] z = MatMul(x, w) }"""


def big_weight_model() -> ir.Model:
    """x [1, 64] @ w [64, 64]: 16 KiB of weights."""
    text = """<ir_version: 8, opset_import: ["": 13]>
    g (float[1, 64] x) => (float[1, 64] y) { y = MatMul(x, w) }"""
    model = onnx.parser.parse_model(text)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.eye(64, dtype=np.float32) * 2, "w"))
    return ir.from_proto(model)


def test_a_session_knows_its_inputs_exactly() -> None:
    session = open_session(ir.from_onnx_text(RELU))
    assert (InputSpec("x", "float32", ("N", 3, None)), InputSpec("s", "int64", ()), InputSpec("u", "float32", ())) == session.inputs
    assert session.outputs == ("y", "t")


def test_bytes_give_the_same_inputs_as_far_as_onnxruntime_tells() -> None:
    session = open_session(onnx.parser.parse_model(RELU).SerializeToString())
    assert InputSpec("x", "float32", ("N", 3, None)) == session.inputs[0]
    assert session.inputs[1].dtype == "int64"


def test_run_returns_the_named_outputs_in_order() -> None:
    session = open_session(ir.from_onnx_text(RELU), threads=1)
    feeds = {"x": np.full((2, 3, 1), -1, np.float32), "s": np.array(7), "u": np.array(0, np.float32)}
    t, y = session.run(feeds, ["t", "y"])
    assert t == 7
    assert not y.any()
    assert len(session.run(feeds)) == 2


def test_external_weights_are_found_through_a_temporary_folder(tmp_path: Path) -> None:
    ir.save(big_weight_model(), tmp_path / "m.onnx", external_data="m.data")
    session = open_session(ir.load(tmp_path / "m.onnx"))
    np.testing.assert_array_equal(session.run({"x": np.ones((1, 64), np.float32)})[0], np.full((1, 64), 2, np.float32))
    assert session._source.folder is not None
    folder = session._source.folder.path
    assert folder.is_dir()
    session.close()
    assert not folder.exists()


def test_many_small_weights_stay_among_the_bytes_of_the_model() -> None:
    """Together they are so large that weights would go into files; none of them is."""
    text = """<ir_version: 8, opset_import: ["": 17]> g (float[1, 64] x) => (float[1, 64] y) { y = Identity(x) }"""
    model = ir.from_onnx_text(text)
    for number in range(IN_MEMORY_BYTES // (MAPPED_FROM_BYTES // 2) + 1):
        value = ir.Value(name=f"w{number}", const_value=ir.Tensor(np.zeros(MAPPED_FROM_BYTES // 8, np.float32), name=f"w{number}"))
        model.graph.register_initializer(value)
    with open_session(model) as session:
        assert session.run({"x": np.ones((1, 64), np.float32)})[0].sum() == 64


def test_the_optimized_graph_is_saved_with_large_weights_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "o.onnx"
    open_session(big_weight_model(), optimized_path=target)
    assert (tmp_path / "o.onnx.data").stat().st_size >= 64 * 64 * 4
    assert [node.op_type for node in ir.load(target).graph] == ["MatMul"]


def test_optimization_off_keeps_every_node(tmp_path: Path) -> None:
    text = """<ir_version: 8, opset_import: ["": 13]>
    g (float[2] x) => (float[2] y) { a = Identity(x)  y = Relu(a) }"""
    open_session(ir.from_onnx_text(text), optimize="off", optimized_path=tmp_path / "off.onnx")
    open_session(ir.from_onnx_text(text), optimize="all", optimized_path=tmp_path / "all.onnx")
    assert [node.op_type for node in ir.load(tmp_path / "off.onnx").graph] == ["Identity", "Relu"]
    assert [node.op_type for node in ir.load(tmp_path / "all.onnx").graph] == ["Relu"]


def test_a_run_that_fails_names_the_node_and_writes_nothing_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    session = open_session(ir.from_onnx_text(MATMUL))
    with pytest.raises(RuntimeRefused) as caught:
        session.run({"x": np.zeros((2, 4), np.float32), "w": np.zeros((2, 4), np.float32)})
    assert "dimension mismatch" in caught.value.what
    assert caught.value.where.endswith("node mm")
    assert capfd.readouterr().err == ""


def test_a_missing_feed_is_named() -> None:
    with pytest.raises(RuntimeRefused) as caught:
        open_session(ir.from_onnx_text(MATMUL)).run({"x": np.zeros((2, 4), np.float32)})
    assert caught.value.where.endswith("input w")


def test_an_unknown_operator_is_refused_by_node_name() -> None:
    model = MATMUL.replace("MatMul(", "NoSuchOp(")
    with pytest.raises(RuntimeRefused) as caught:
        open_session(ir.from_onnx_text(model))
    assert "NoSuchOp" in caught.value.what
    assert "[ONNXRuntimeError]" not in caught.value.what
    assert caught.value.where.endswith("node mm")


def test_a_missing_or_broken_file_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(BadModel):
        open_session(tmp_path / "nothing.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(RuntimeRefused) as caught:
        open_session(tmp_path / "broken.onnx")
    assert str(tmp_path / "broken.onnx") == caught.value.where


def test_importing_the_module_does_not_load_onnxruntime() -> None:
    code = "import sys, edgeq.runtimes.ort; print('onnxruntime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_version_is_onnxruntimes_own() -> None:
    assert runtime_version().count(".") >= 1
