"""Float models whose weights are stored in number formats: the same floats, fewer bytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.data.open import open_dataset
from edgeq.errors import BadRecipe
from edgeq.few_bits.float_formats import in_formats
from edgeq.few_bits.tables import Palettized
from edgeq.graph.read import nodes
from edgeq.graph.signature import input_specs
from edgeq.io.load import load_proto
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.formats.table import families, in_floats, parse_format
from edgeq.passes.store.materialize import Materialize
from edgeq.progress import Silent
from edgeq.runtimes.ort import open_session
from edgeq.schema.weight_format import WeightFormats
from tests.cli_room import run
from tests.small_models import text_model

NET = """<ir_version: 8, opset_import: ["": 17]>
net (float[N, 8, 12, 12] x) => (float[N, 10] y) {
  [conv] c = Conv<pads=[1, 1, 1, 1]>(x, w)  [relu] r = Relu(c)  [grouped] d = Conv<group = 2>(r, v)  [up] u = ConvTranspose(d, t)
  [relu2] s = Relu(u)  [pool] p = GlobalAveragePool(s)  [flat] f = Flatten(p)  [fc] y = Gemm<transB = 1>(f, k) }"""
STORED = [name for name, one in families().items() if not one.sizes and one.stored_by is not None] + ["two_level:16", "block:32"]


def _net() -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    sizes = {"w": (64, 8, 3, 3), "v": (48, 32, 3, 3), "t": (48, 40, 2, 2), "k": (10, 40)}
    weights = {name: (rng.normal(size=size) / np.sqrt(np.prod(size[1:]))).astype(np.float32) for name, size in sizes.items()}
    return text_model(NET, weights)  # type: ignore[arg-type]


def _samples(count: int = 16) -> dict[str, AnyArray]:
    mixed = np.random.default_rng(1).normal(size=(count, 2, 12, 12))
    return {
        "x": np.repeat(mixed, 4, axis=1).astype(np.float32)
        + 0.1 * np.random.default_rng(2).normal(size=(count, 8, 12, 12)).astype(np.float32)
    }


def _made(wish: WeightFormats, data: bool = False, typed: bool = False) -> Palettized:
    loaded = load_proto(_net())
    dataset = open_dataset(_samples(), input_specs(loaded.model)) if data else None
    return in_formats(loaded, wish, dataset, Silent(), typed=typed)


def _outputs(model: ir.Model) -> AnyArray:
    with open_session(model, threads=1) as session:
        return session.run(_samples())[0]


@pytest.mark.parametrize("data", [False, True])
@pytest.mark.parametrize("name", STORED)
def test_the_model_computes_with_the_numbers_of_the_format(name: str, data: bool) -> None:
    """As a plain float model with these weights does, and as materialize gives it back."""
    layers = ("fc=int8",) if name == "block:32" else ()  # products of few rows have a test of their own
    made = _made(WeightFormats(name=name, layers=layers), data)
    plain = load_proto(_net()).model
    for node in nodes(plain):
        if node.name in made.weights:
            value = node.inputs[1]
            assert value is not None
            value.const_value = ir.Tensor(made.weights[node.name][1], name=value.name)
    assert {"conv", "grouped", "up"} <= set(made.weights) <= {"conv", "grouped", "up", "fc"}  # fc is small
    assert np.array_equal(_outputs(made.model), _outputs(plain))
    Materialize()(made.model)
    assert np.array_equal(_outputs(made.model), _outputs(plain))
    assert {one.nominal_bits for one in made.formats} == {in_floats(parse_format(name)).nominal_bits}


@pytest.mark.parametrize("name", ["mxfp4", "mxfp6_e2m3"])
def test_data_brings_the_outputs_nearer(name: str) -> None:
    wanted = _outputs(load_proto(_net()).model)
    noise = [np.square(_outputs(_made(WeightFormats(name=name), data).model) - wanted).sum() for data in (False, True)]
    assert noise[1] < 0.8 * noise[0]


def test_patterns_choose_the_weights() -> None:
    made = _made(WeightFormats(layers=("grouped=mxfp6_e2m3", "ConvTranspose=mx9")))
    assert {one.node: one.format for one in made.formats} == {"grouped": "mxfp6_e2m3", "up": "mx9"}
    assert dict(made.left) == dict.fromkeys(("conv", "fc"), "the recipe gives no format for it")


def test_formats_for_integers_alone_are_left() -> None:
    made = _made(WeightFormats(name="int8"))
    assert not made.formats
    assert {why for _, why in made.left} == {"int8 is for models that run in integers"}


@pytest.mark.parametrize("wish", [{"bits_avg": 5.0}, {"size_budget": 0.2}])
def test_a_budget_over_formats_is_for_integers(wish: dict[str, float]) -> None:
    with pytest.raises(BadRecipe, match="for models that run in integers"):
        _made(WeightFormats.model_validate(wish))


def test_typed_weights_have_the_types_of_opset_24() -> None:
    made = _made(WeightFormats(name="mxfp8_e4m3"), typed=True)
    kinds = {value.dtype for value in made.model.graph.initializers.values()}
    assert kinds >= {ir.DataType.FLOAT8E4M3FN, ir.DataType.FLOAT8E8M0}
    assert made.model.opset_imports[""] == 24
    onnx.checker.check_model(ir.to_proto(made.model), full_check=True)
    assert np.array_equal(_outputs(made.model), _outputs(_made(WeightFormats(name="mxfp8_e4m3")).model))


def test_the_command_line_writes_the_model_and_its_bits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(_net(), tmp_path / "m.onnx")
    np.savez(tmp_path / "d.npz", **_samples())
    out, report = tmp_path / "small.onnx", tmp_path / "r.json"
    done = run(capsys, "palettize", tmp_path / "m.onnx", "--format", "mxfp8_e4m3", "-d", tmp_path / "d.npz", "-o", out, "--report", report,
               "--accept-data")  # fmt: skip
    assert done.code == 0, done.err
    assert "mxfp8_e4m3" in done.out + done.err
    assert out.stat().st_size < 0.45 * (tmp_path / "m.onnx").stat().st_size
    found = json.loads(report.read_text())["formats"]
    assert {one["nominal_bits"] for one in found} == {8.25}
    refused = run(capsys, "palettize", tmp_path / "m.onnx", "--bits", "4", "--typed", "-o", tmp_path / "no.onnx")
    assert refused.code == 2
    assert "--typed" in refused.err


HEAD = """<ir_version: 8, opset_import: ["": 17]>
net (float[%s, 512] x) => (float[%s, 256] y) {
  [one] h = Gemm<transB = 1>(x, w, b)  [relu] r = Relu(h)  [two] m = MatMul(r, v)  [three] y = Gemm<alpha = 0.5>(m, u) }"""


def _head(rows: str) -> tuple[onnx.ModelProto, dict[str, AnyArray]]:
    chance = np.random.default_rng(0)
    sizes = {"w": (384, 512), "v": (384, 512), "u": (512, 256), "b": (384,)}
    weights = {name: (chance.normal(size=size) / 20).astype(np.float32) for name, size in sizes.items()}
    return text_model(HEAD % (rows, rows), weights), {"x": chance.normal(size=(8, 512)).astype(np.float32)}  # type: ignore[arg-type]


@pytest.mark.parametrize(("rows", "products"), [("N", ["one", "two"]), ("1", ["one", "two"]), ("64", [])])
def test_products_of_few_rows_multiply_with_the_codes(rows: str, products: list[str]) -> None:
    proto, samples = _head(rows)
    loaded = load_proto(proto)
    data = open_dataset(samples, input_specs(loaded.model)) if rows != "64" else None
    made = in_formats(loaded, WeightFormats(name="block:32"), data, Silent())
    assert [node.name for node in nodes(made.model) if node.op_type == "MatMulNBits"] == products
    assert [one.node for one in made.formats if one.accuracy_level is not None] == products
    assert {one.format for one in made.formats} == {"block:32"}
    assert [one.nominal_bits for one in made.formats] == [5.0] * 3
    x = {"x": np.repeat(samples["x"][:1], 1 if rows in ("N", "1") else 64, axis=0)}
    outputs = []
    for model in (load_proto(proto).model, made.model):
        with open_session(model, threads=1) as session:
            outputs.append(session.run(x)[0])
    assert 0 < np.square(outputs[0] - outputs[1]).mean() < 0.05 * np.square(outputs[0]).mean()
