"""How onnxruntime gets models with large weights: from their files, from arrays, from bytes."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.edit import Names, replace_constant
from edgeq.graph.read import constant
from edgeq.io import mapped
from edgeq.io.load import load_model
from edgeq.io.mapped import spilling
from edgeq.io.save import save_model
from edgeq.runtimes import ort_source
from edgeq.runtimes.ort import open_session
from edgeq.runtimes.ort_source import source_of

NET = """<ir_version: 9, opset_import: ["" : 17]>
net (float[N, 256] x) => (float[N, 256] y) { a = MatMul(x, u)  b = MatMul(a, v)  y = MatMul(b, w) }"""
X = np.random.default_rng(9).normal(size=(2, 256)).astype(np.float32)


@pytest.fixture(autouse=True)
def _every_weight_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort_source, "IN_MEMORY_BYTES", 1000)


def in_memory() -> ir.Model:
    model, chance = ir.from_onnx_text(NET), np.random.default_rng(0)
    for name in "uvw":
        array = chance.normal(size=(256, 256)).astype(np.float32)
        value = next(value for node in model.graph for value in node.inputs if value is not None and value.name == name)
        value.const_value = ir.tensor(array, name=name)
        value.shape, value.type = ir.Shape(array.shape), ir.TensorType(ir.DataType.FLOAT)
        model.graph.register_initializer(value)
    return model


def in_files(tmp_path: Path) -> ir.Model:
    save_model(in_memory(), tmp_path / "m.onnx", external_data=True)
    return load_model(tmp_path / "m.onnx").model


def wanted(model: ir.Model) -> np.ndarray:
    u, v, w = (constant(model.graph.initializers[name]) for name in "uvw")
    return np.asarray(X @ u @ v @ w)


def check(model: ir.Model) -> None:
    with open_session(model) as session:
        gc.collect()
        np.testing.assert_allclose(session.run({"x": X})[0], wanted(model), rtol=1e-3, atol=0.1)


def test_mapped_weights_are_referred_to_and_not_copied(tmp_path: Path) -> None:
    model = in_files(tmp_path)
    source = source_of(model)
    assert (source.weights, source.folder, source.others) == (tmp_path.resolve(), None, ())
    assert len(source.model) < 2000
    check(model)


def test_weights_in_memory_go_into_one_file() -> None:
    model = in_memory()
    source = source_of(model)
    assert source.folder is not None
    assert source.weights == source.folder.path
    assert (source.folder.path / "weights.bin").stat().st_size == 3 * 256 * 256 * 4
    check(model)


def test_weights_of_another_folder_are_given_as_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "SPILLED_FROM_BYTES", 1000)
    model = in_files(tmp_path)
    node = model.graph.node(1)
    with spilling():
        replace_constant(node, 1, np.eye(256, dtype=np.float32), Names(model))
    source = source_of(model)
    assert source.weights == tmp_path.resolve()
    assert [name for name, _ in source.others] == ["v"]
    check(model)


def test_weights_that_nothing_reads_are_not_given_as_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime drops them from a model, and then refuses an array in their place."""
    monkeypatch.setattr(mapped, "SPILLED_FROM_BYTES", 1000)
    model = in_files(tmp_path)
    node = model.graph.node(1)
    with spilling():
        replace_constant(node, 1, np.eye(256, dtype=np.float32), Names(model))
    u, w = (constant(model.graph.initializers[name]) for name in "uw")
    node.replace_input_with(1, model.graph.initializers["w"])
    with open_session(model) as session:
        np.testing.assert_allclose(session.run({"x": X})[0], X @ u @ w @ w, rtol=1e-4, atol=1e-2)
    assert source_of(model).others == ()
    assert "v" in model.graph.initializers


def test_a_small_model_stays_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort_source, "IN_MEMORY_BYTES", 1 << 26)
    source = source_of(in_memory())
    assert source.weights is None
    assert len(source.model) > 3 * 256 * 256 * 4


def test_the_model_itself_is_left_as_it_was(tmp_path: Path) -> None:
    for model in (in_memory(), in_files(tmp_path)):
        before = [value.const_value for value in model.graph.initializers.values()]
        source_of(model)
        assert [value.const_value for value in model.graph.initializers.values()] == before
