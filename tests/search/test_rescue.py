"""Layers that make an output useless in integers stay float; elsewhere nothing changes."""

import numpy as np
import onnx.parser
import pytest

import edgeq
from edgeq.schema.recipe import Recipe


def _model(text: str, **weights: np.ndarray) -> onnx.ModelProto:
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 17]>\n{text}')
    model.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in weights.items())
    return model


def _spectrum() -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """Logarithms of energies that span many decades, then layers that integers serve well."""
    rng = np.random.default_rng(3)
    basis = np.linalg.qr(rng.normal(size=(64, 64)))[0].astype(np.float32)
    model = _model(
        """agraph (float[N,64] x) => (float[N,64] y) {
            bands = MatMul(x, basis)
            energy = Mul(bands, bands)
            floor = Constant<value = float {1e-9}>()
            safe = Add(energy, floor)
            level = Log(safe)
            hidden = MatMul(level, wide)
            bent = Relu(hidden)
            y = MatMul(bent, narrow)
        }""",
        basis=basis,
        wide=(rng.normal(size=(64, 512)) / 8).astype(np.float32),
        narrow=(rng.normal(size=(512, 64)) / 22).astype(np.float32),
    )
    levels = 10.0 ** rng.uniform(-4, 1, size=(40, 64))
    return model, {"x": (rng.normal(size=(40, 64)) * levels @ basis.T).astype(np.float32)}


def _angle() -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """Angles of pairs of numbers that span many decades, then a layer that integers serve well."""
    rng = np.random.default_rng(4)
    basis = np.linalg.qr(rng.normal(size=(64, 64)))[0].astype(np.float32)
    model = _model(
        """agraph (float[N,64] x) => (float[N,256] y) {
            pairs = MatMul(x, basis)
            up, along = Split<axis = 1>(pairs, halves)
            slope = Div(up, along)
            angle = Atan(slope)
            y = MatMul(angle, wide)
        }""",
        basis=basis,
        halves=np.array([32, 32]),
        wide=(rng.normal(size=(32, 256)) / 6).astype(np.float32),
    )
    levels = np.tile(10.0 ** rng.uniform(-4, 1, size=(40, 32)), 2)
    return model, {"x": (rng.normal(size=(40, 64)) * levels @ basis.T).astype(np.float32)}


@pytest.mark.parametrize("made", [_spectrum, _angle])
def test_layers_that_make_an_output_useless_stay_float_and_the_report_says_so(made) -> None:
    model, data = made()
    left = edgeq.quantize(model, data, recipe=Recipe(rescue=False))
    mended = edgeq.quantize(model, data)
    assert left.report.fidelity.sqnr_db < 10
    assert mended.report.fidelity.sqnr_db >= 20
    useless = {name for name, node in mended.plan.nodes.items() if node.because == "useless"}
    assert useless
    assert any(node.runs == "int8" for node in mended.plan.nodes.values())
    assert any("float by themselves" in note and "--no-rescue" in note for note in mended.report.notes)
    assert not any("float by themselves" in note for note in left.report.notes)


def test_a_useful_result_is_left_alone() -> None:
    rng = np.random.default_rng(5)
    model = _model(
        "agraph (float[N,32] x) => (float[N,8] y) { a = MatMul(x, w)\n b = Relu(a)\n y = MatMul(b, v) }",
        w=(rng.normal(size=(32, 64)) / 6).astype(np.float32),
        v=(rng.normal(size=(64, 8)) / 8).astype(np.float32),
    )
    data = {"x": rng.normal(size=(40, 32)).astype(np.float32)}
    kept, off = edgeq.quantize(model, data), edgeq.quantize(model, data, recipe=Recipe(rescue=False))
    assert kept.plan.nodes == off.plan.nodes
    assert all(node.because != "useless" for node in kept.plan.nodes.values())


def test_a_target_without_float_keeps_its_integers() -> None:
    model, data = _spectrum()
    with pytest.raises(edgeq.EdgeqError, match="no float kernels"):
        edgeq.quantize(model, data, target="npu_int8")
