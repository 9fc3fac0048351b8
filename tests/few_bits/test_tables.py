"""Codebooks end to end, in float and int8 models and through the command line, on a small
network.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

import edgeq
from edgeq.data.open import open_dataset
from edgeq.data.shipped import shipped_model
from edgeq.errors import BadRecipe
from edgeq.few_bits.tables import with_tables
from edgeq.graph.read import graphs, nodes
from edgeq.graph.signature import input_specs
from edgeq.io.load import load_model, load_proto
from edgeq.numerics.arrays import F32, AnyArray
from edgeq.passes.store.materialize import Materialize
from edgeq.progress import Silent
from edgeq.proof.proof import prove_placement
from edgeq.runtimes.ort import open_session
from edgeq.schema.codebook import CodebookWish
from edgeq.schema.recipe import Recipe
from tests.cli_room import run
from tests.small_models import text_model

NET = """<ir_version: {ir}, opset_import: ["": {opset}]>
net (float[N, 4, 12, 12] x) => (float[N, 10] y) {{
  [conv] c = Conv<pads=[1, 1, 1, 1]>(x, w, b)  [relu] r = Relu(c)  [conv2] d = Conv(r, v, b)  [relu2] s = Relu(d)
  [pool] p = GlobalAveragePool(s)  [flat] f = Flatten(p)  [fc] y = Gemm<transB = 1>(f, k, kb) }}"""


def net(opset: int = 17) -> onnx.ModelProto:
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> F32:
        return (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    weights = {"w": draw(32, 4, 3, 3), "v": draw(32, 32, 3, 3), "k": draw(10, 32), "b": draw(32) * 0.1, "kb": draw(10) * 0.1}
    return text_model(NET.format(opset=opset, ir=10), weights)  # type: ignore[arg-type]


def samples(count: int = 24) -> dict[str, AnyArray]:
    return {"x": np.random.default_rng(1).normal(size=(count, 4, 12, 12)).astype(np.float32)}


def outputs(model: ir.Model) -> AnyArray:
    with open_session(model, threads=1) as session:
        return session.run({"x": samples()["x"]})[0]


def quantized(opset: int = 17, **settings: object) -> edgeq.Quantized:
    recipe = Recipe(codebook=CodebookWish.model_validate(settings))
    return edgeq.quantize(net(opset), samples(), recipe=recipe, prove=False)


@pytest.mark.parametrize("opset", [13, 18, 21])
def test_int8_codebooks_run_on_integer_kernels_bit_for_bit(opset: int) -> None:
    made = quantized(opset, bits=4)
    assert [layer.bits for layer in made.report.codebooks] == [4, 4]
    onnx.checker.check_model(ir.to_proto(made.model), full_check=True)
    rows = prove_placement(made.model).nodes
    assert {node.name for node in rows if node.op_type in ("Conv", "Gemm") and node.runs_as == "int8"} == {"conv", "conv2", "fc"}
    plain = made.model.clone()
    assert Materialize()(plain).modified
    assert not any(node.op_type == "Gather" for node in nodes(plain))
    assert np.array_equal(outputs(made.model), outputs(plain))


def test_reported_bytes_are_those_of_the_file() -> None:
    made = quantized(bits=4)
    stored = 0
    for graph in graphs(made.model):
        for name, value in graph.initializers.items():
            if name.endswith(("_packed", "_table", "_indices")):
                assert value.const_value is not None
                stored += value.const_value.nbytes
    scales = 4 * sum(layer.shape[0] for layer in made.report.codebooks)
    assert sum(layer.bytes for layer in made.report.codebooks) - scales == pytest.approx(stored, rel=0.01)


def test_a_plan_makes_the_same_bytes_again() -> None:
    made = quantized(bits=3, granularity="group:8")
    again = quantized(bits=3, granularity="group:8")
    repeated = edgeq.quantize(net(), plan=made.plan, prove=False)
    texts = {ir.to_proto(one.model).SerializeToString(deterministic=True) for one in (made, again, repeated)}
    assert len(texts) == 1


def test_a_search_does_not_take_codebooks() -> None:
    with pytest.raises(ValueError, match="does not search with codebooks"):
        Recipe(effort="best", codebook=CodebookWish(bits=4))


def test_a_width_of_codes_and_codebooks_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="give one of them"):
        Recipe(weight_bits=4, codebook=CodebookWish(bits=4))


def test_small_weights_stay_as_they_are() -> None:
    formats = {key: weight.format for key, weight in quantized(bits=4).plan.weights.items()}
    assert (formats["fc:1"], formats["conv2:1"]) == ("integer", "codebook")


@pytest.mark.parametrize("share", [pytest.param(0.22, marks=pytest.mark.slow), 0.26])
def test_a_budget_of_bytes_holds(share: float) -> None:
    assert ir.to_proto(quantized(size_budget=share).model).ByteSize() <= share * net().ByteSize()


@pytest.mark.slow
def test_a_budget_of_bits_holds() -> None:
    average = quantized(bits_avg=4.0)
    weights = sum(layer.float_bytes // 4 for layer in average.report.codebooks)
    assert 8 * sum(layer.bytes for layer in average.report.codebooks) / weights < 4.3


def test_pruned_weights_are_zero() -> None:
    for layer in quantized(bits=4, prune="2:4").report.codebooks:
        assert layer.zeros >= 0.5


@pytest.mark.parametrize("word", ["tensor", "channel", "group:8", "vector:2"])
def test_float_codebooks(word: str) -> None:
    loaded = load_proto(net())
    found = with_tables(loaded, CodebookWish(bits=3, granularity=word), None, Silent())
    assert found.layers
    plain = found.model.clone()
    Materialize()(plain)
    assert np.array_equal(outputs(found.model), outputs(plain))
    for layer in found.layers:
        assert layer.entries <= 8
        assert layer.sqnr_db > 6


def test_error_falls_with_bits_and_with_data() -> None:
    loaded, wanted = load_proto(net()), outputs(ir.from_proto(net()))
    data = open_dataset(samples(64), input_specs(loaded.model))

    def off(bits: int, given: bool) -> float:
        made = with_tables(loaded, CodebookWish.model_validate({"bits": bits}), data if given else None, Silent())
        return float(np.square(outputs(made.model) - wanted).sum())

    assert off(2, False) > off(4, False) > off(6, False)
    assert off(3, True) < off(3, False)


def test_old_opsets_are_converted() -> None:
    found = with_tables(load_proto(net(12)), CodebookWish(bits=4), None, Silent())
    assert found.model.opset_imports[""] == 13


# ------------------------------------------------------------------ the command line


@pytest.fixture
def room(tmp_path: Path) -> Path:
    onnx.save(net(), tmp_path / "net.onnx")
    np.savez(tmp_path / "calib.npz", **samples())  # type: ignore[arg-type]
    return tmp_path


@pytest.mark.slow
def test_palettize_float_with_pictures_and_materialize(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["palettize", room / "net.onnx", "--bits", "2", "-o", room / "w2.onnx", "--plot", room / "pictures", "--json", "-q"]
    ran = run(capsys, *words)
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert [layer["bits"] for layer in told["codebooks"]] == [2, 2, 2]
    assert told["left"] == []
    pictures = sorted((room / "pictures").iterdir())
    assert [path.name for path in pictures] == ["000_conv.png", "001_conv2.png", "002_fc.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    assert run(capsys, *words).code == 2  # what is there is not replaced unasked
    ran = run(capsys, "materialize", room / "w2.onnx", "-o", room / "plain.onnx", "-q")
    assert ran.code == 0, ran.err
    first, second = (load_model(room / name).model for name in ("w2.onnx", "plain.onnx"))
    assert np.array_equal(outputs(first), outputs(second))


def test_palettize_int8_says_what_runs(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--bits-avg", "4", "--compute", "int8", "--data", room / "calib.npz", "--layer", "conv=6"]
    ran = run(capsys, "palettize", room / "net.onnx", "-o", room / "w4.onnx", *words)
    assert ran.code == 0, ran.err
    assert "weights in codebooks" in ran.out
    assert load_model(room / "w4.onnx", quantized=True).size < 0.25 * load_model(room / "net.onnx").size


@pytest.mark.slow
def test_the_smallest_model_of_an_sqnr(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", room / "calib.npz", "--json", "-q"]
    ran = run(capsys, "palettize", room / "net.onnx", "-o", room / "a.onnx", "--min-sqnr", "20", *data)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["fidelity"]["sqnr_db"] >= 20
    assert run(capsys, "palettize", room / "net.onnx", "-o", room / "b.onnx", "--min-sqnr", "200", *data).code == 3


@pytest.mark.parametrize(
    "words",
    [[], ["--bits", "7"], ["--bits", "4", "--bits-avg", "3"], ["--bits", "4", "--granularity", "row"], ["--size-budget", "much"],
     ["--bits", "4", "--compute", "int8"], ["--bits", "4", "--compute", "half"], ["--bits", "4", "--prune", "4:2"], ["--layer", "conv=9"]],
)  # fmt: skip
def test_wrong_wishes_are_refused_before_work(room: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    ran = run(capsys, "palettize", room / "net.onnx", "-o", room / "out.onnx", *words)
    assert ran.code == 2
    assert "fix:" in ran.err
    assert not (room / "out.onnx").exists()


def test_a_codebook_that_hides_a_weight_of_another_size_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Shapes are only known once the weight is computed: onnxruntime is asked then."""
    body = "i = Cast<to = 6>(w_indices)  w = Gather(w_table, i)  y = MatMul(x, w)"
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> net (float[1, 4] x) => (float[1, 3] y) {{ {body} }}')
    constants = {"w_indices": np.zeros((5, 3), np.uint8), "w_table": np.ones(4, np.float32)}
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in constants.items())
    onnx.save(proto, tmp_path / "hidden.onnx")
    ran = run(capsys, "materialize", tmp_path / "hidden.onnx", "-o", tmp_path / "plain.onnx")
    assert ran.code == 2
    assert "contradicts itself" in ran.err
    assert not (tmp_path / "plain.onnx").exists()


@pytest.mark.parametrize("recipe", [{"weight_format": {"name": "int4"}}, {"weight_bits": 4}, {"effort": "best"}])
def test_a_floor_beside_another_wish_for_few_bits_is_refused_in_words(recipe: dict[str, object]) -> None:
    data = np.zeros((4, 1, 16, 16), np.float32)
    with pytest.raises(BadRecipe):
        edgeq.palettize(shipped_model("digits"), data, recipe=recipe, min_sqnr=20)  # type: ignore[arg-type]


def test_a_model_in_memory_has_no_path() -> None:
    model = onnx.load(shipped_model("digits"))
    assert edgeq.palettize(model, recipe={"codebook": {"bits": 4}}).report.model == "(in memory)"
