"""Layers that make an output useless in integers stay float; elsewhere nothing changes."""

import numpy as np
import onnx.parser
import pytest

import edgeq
from edgeq.engines.current import using
from edgeq.engines.processes import Processes
from edgeq.engines.workers import Workers
from edgeq.io.load import load_proto
from edgeq.refine.draft import Draft
from edgeq.rewrite.set_up import set_up
from edgeq.runtimes.ort import open_session
from edgeq.schema.cost import PlacementWish
from edgeq.schema.recipe import Recipe
from edgeq.search.candidates import integer_layers
from edgeq.search.meter import Meter
from edgeq.search.units import units_of
from tests.graph_text import eager


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


def _speedy(**more: bool) -> Recipe:
    """As users have it: layers that are faster in float are float, with weights in 8 bits."""
    return Recipe(placement=PlacementWish(prefer="speed"), **more)


@pytest.mark.parametrize("made", [_spectrum, _angle])
def test_weights_that_float_layers_store_are_floats_where_they_make_an_output_useless(made) -> None:
    """The spectrum is float for speed; in 8 bits, its weights alone hide the quiet bands."""
    model, data = made()
    left, mended = edgeq.quantize(model, data, recipe=_speedy(rescue=False)), edgeq.quantize(model, data, recipe=_speedy())
    assert left.report.fidelity.sqnr_db < 10
    assert mended.report.fidelity.sqnr_db >= 20
    assert left.plan.nodes["MatMul_0"].runs == "float"
    assert any(key.startswith("MatMul_0") for key in left.plan.stored)
    assert mended.plan.stored.keys() == {key for key in left.plan.stored if not key.startswith("MatMul_0")}
    assert any("float by themselves" in note for note in mended.report.notes)


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


def test_workers_measure_which_layers_make_an_output_useless(monkeypatch: pytest.MonkeyPatch) -> None:
    """The result is that of one process, which ranks none itself then."""
    model, data = _spectrum()
    wanted, engine, ranked = edgeq.quantize(model, data, prove=False).plan.to_json(), Workers(Processes(2)), list[bool]()
    measure = Meter.worst_db
    monkeypatch.setattr(Meter, "worst_db", lambda self, plan, *, rank=False: ranked.append(rank) or measure(self, plan, rank=rank))
    with using(engine):
        assert edgeq.quantize(model, data, prove=False).plan.to_json() == wanted
    engine.close()
    assert ranked
    assert not any(ranked)


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


def test_samples_beyond_all_that_were_fitted_to_are_served_in_float_and_the_report_says_why() -> None:
    """Every fifth sample judges, and each is a hundred times as large as the others."""
    rng = np.random.default_rng(8)
    model = _model(
        "agraph (float[N,32] x) => (float[N,8] y) { a = MatMul(x, w)\n b = Relu(a)\n y = MatMul(b, v) }",
        w=(rng.normal(size=(32, 64)) / 6).astype(np.float32),
        v=(rng.normal(size=(64, 8)) / 8).astype(np.float32),
    )
    x = rng.normal(size=(40, 32)).astype(np.float32)
    x[4::5] *= 100
    mended = edgeq.quantize(model, {"x": x})
    assert mended.report.fidelity.sqnr_db >= 20
    assert any("the samples that grids were made from were served before" in note for note in mended.report.notes)


def _rare() -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """Beside a spectrum, logarithms of numbers of 5 to 10; one of a sample that does not judge is
    near 0, and 0 on a grid.
    """
    spectrum, data = _spectrum()
    rng = np.random.default_rng(9)
    turn = np.linalg.qr(rng.normal(size=(64, 64)))[0].astype(np.float32)
    model = _model(
        """agraph (float[N,64] x, float[N,64] v) => (float[N,64] y, float[N,64] z) {
            bands = MatMul(x, basis)
            energy = Mul(bands, bands)
            floor = Constant<value = float {1e-9}>()
            safe = Add(energy, floor)
            level = Log(safe)
            hidden = MatMul(level, wide)
            bent = Relu(hidden)
            y = MatMul(bent, narrow)
            far = MatMul(v, turn)
            z = Log(far)
        }""",
        turn=turn,
        **{one.name: onnx.numpy_helper.to_array(one) for one in spectrum.graph.initializer},
    )
    numbers = rng.uniform(5, 10, size=(40, 64))
    numbers[7, 3] = 1e-3
    return model, {**data, "v": (numbers @ turn.T).astype(np.float32)}


def test_what_only_fitted_samples_show_counts_as_well() -> None:
    model, data = _rare()
    mended = edgeq.quantize(model, data)
    assert any("float by themselves" in note for note in mended.report.notes)
    session = open_session(mended.model, threads=1)
    assert all(np.isfinite(one).all() for one in session.run({name: array[7:8] for name, array in data.items()}))


def test_a_target_without_float_keeps_its_integers() -> None:
    model, data = _spectrum()
    with pytest.raises(edgeq.EdgeqError, match="no float kernels"):
        edgeq.quantize(model, data, target="npu_int8")


def _peaks() -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """Local maxima, found by comparing numbers with those around them: no 8-bit grid keeps them.

    Behind the last layer stand an Add, a Concat and movement on codes, which tie as well.
    """
    rng = np.random.default_rng(6)
    model = _model(
        """agraph (float[N,4,32,32] x) => (float[N,16,32,32] y) {
            a = Conv<pads = [1, 1, 1, 1]>(x, first)
            b = Conv<pads = [1, 1, 1, 1]>(a, second)
            c = Add(a, b)
            d = Concat<axis = 1>(b, c)
            e = Transpose<perm = [0, 1, 3, 2]>(d)
            around = MaxPool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(e)
            highest = Equal(e, around)
            kept = Cast<to = 1>(highest)
            y = Mul(kept, e)
        }""",
        first=(rng.normal(size=(8, 4, 3, 3)) / 6).astype(np.float32),
        second=(rng.normal(size=(8, 8, 3, 3)) / 8).astype(np.float32),
    )
    smooth = np.cumsum(np.cumsum(rng.normal(size=(30, 4, 32, 32)), 2), 3)
    return model, {"x": (smooth / np.abs(smooth).max()).astype(np.float32)}


def test_what_stands_between_layers_returns_to_float_with_them() -> None:
    """With the layers alone in float, the codes of Concat and movement would still tie."""
    model, data = _peaks()
    left = edgeq.quantize(model, data, recipe=Recipe(rescue=False))
    assert left.report.fidelity.sqnr_db < 10
    mended = edgeq.quantize(model, data)
    assert mended.report.fidelity.sqnr_db >= 20
    assert any("float by themselves" in note for note in mended.report.notes)


def test_units_share_out_all_integer_nodes() -> None:
    model, data = _peaks()
    setup = set_up(load_proto(model), eager(), Recipe(), {}, data, None)
    plan = edgeq.quantize(model, data, target=eager(), recipe=Recipe(rescue=False), prove=False).plan
    base = Draft.of(setup.task, plan)
    units = units_of(base, integer_layers(base))
    assert [unit[0] for unit in units] == list(integer_layers(base))
    named = [name for unit in units for name in unit]
    assert sorted(named) == sorted(name for name, node in plan.nodes.items() if node.runs != "float")
    assert len(named) > len(units)
