"""Weights in number formats, from a recipe to the file: which layers take one, what runs, what a
plan says, what the report counts.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import Quantized, quantize
from edgeq.graph.read import nodes
from edgeq.numerics.arrays import AnyArray
from edgeq.passes.store.materialize import Materialize
from edgeq.proof.read_back import read_back
from edgeq.refine.codebooks.formats import short_codes
from edgeq.refine.draft import Draft
from edgeq.runtimes.ort import open_session
from edgeq.schema.plan import parse_plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.task import Task
from edgeq.schema.weight_format import WeightFormats
from tests.graph_text import eager, net, weights

BODY = """[first] a = Conv<pads = [1, 1, 1, 1]>(x, w1, b1) [r1] b = Relu(a)
[depthwise] c = Conv<pads = [1, 1, 1, 1], group = 32>(b, w2) [r2] d = Relu(c)
[second] e = Conv<pads = [1, 1, 1, 1]>(d, w3) [pool] p = GlobalAveragePool(e) [flat] f = Flatten(p)
[third] g = Gemm<transB = 1>(f, w4) [fourth] h = MatMul(g, w5) [fifth] y = Gemm(h, w6)"""
CONSTANTS = {
    "w1": weights(32, 20, 3, 3), "b1": weights(32), "w2": weights(32, 1, 3, 3), "w3": weights(48, 32, 3, 3, seed=1),
    "w4": weights(64, 48, seed=2), "w5": weights(64, 64, seed=3).T.copy(), "w6": weights(64, 64, seed=4).T.copy(),
}  # fmt: skip
DATA = {"x": np.random.default_rng(0).normal(size=(24, 20, 8, 8)).astype(np.float32)}


def made(prove: bool = False, **wish: object) -> Quantized:
    recipe = Recipe(weight_format=WeightFormats(**wish), rescue=False)  # type: ignore[arg-type]
    return quantize(net(BODY, inputs="float[N, 20, 8, 8] x", constants=CONSTANTS), DATA, recipe=recipe, prove=prove)


def formats_of(found: Quantized) -> dict[str, str]:
    return {key: weight.name for key, weight in found.plan.weights.items() if weight.format == "number"}


def outputs(model: ir.Model) -> AnyArray:
    with open_session(model, threads=1) as session:
        return session.run({"x": DATA["x"][:4]})[0]


@pytest.mark.parametrize("word", ["two_level:16", "int4"])
def test_the_file_runs_as_plain_int8_and_materialize_gives_the_same(word: str) -> None:
    found = made(name=word)
    assert formats_of(found) == dict.fromkeys(["first:1", "second:1", "third:1", "fourth:1", "fifth:1"], word)
    plain = found.model.clone()
    assert Materialize()(plain).modified
    assert not any(node.op_type in ("Cast", "Mul", "Sub", "Mod", "BitShift") for node in nodes(plain))
    assert np.array_equal(outputs(found.model), outputs(plain))
    ran = [[kernel.op_type for kernel in read_back(one).kernels.values()] for one in (found.model, plain)]
    assert sorted(ran[0]) == sorted(ran[1])
    assert ran[0].count("QLinearConv") == 3


def test_two_levels_are_nearer_than_one_scale_a_channel() -> None:
    db = {}
    for word in ("two_level:16", "int4", "int8"):
        report = made(prove=True, name=word).report
        assert report.fidelity is not None
        db[word] = report.fidelity.weakest.sqnr_db
        if word == "two_level:16":
            assert [layer.nominal_bits for layer in report.formats] == [4.25] * 5
            assert all(4.25 < layer.stored_bits < 5.2 for layer in report.formats)
    assert db["int4"] + 1 < db["two_level:16"] < db["int8"]


def test_every_code_is_of_the_format_and_no_pair_saturates() -> None:
    found = made(name="two_level:16")
    for key in formats_of(found):
        weight = found.plan.weights[key]
        assert weight.codes is not None
        assert np.abs(weight.codes.astype(int)).max() <= 63


@pytest.mark.parametrize("wish", [{"bits_avg": 6.0}, {"size_budget": 0.26}])
def test_a_budget_gives_each_layer_the_format_that_it_needs(wish: dict[str, float]) -> None:
    found = made(**wish)
    names = formats_of(found)
    assert set(names.values()) <= {"int4", "two_level:16"}
    assert 0 < len(names) < 5  # some layers keep int8
    if "size_budget" in wish:
        assert found.report.size.int8_bytes <= 0.26 * found.report.size.float_bytes
    else:
        stored = {layer.node: layer.bytes for layer in found.report.formats}
        plain = {"first": 5760, "second": 13824, "third": 3072, "fourth": 4096, "fifth": 4096}
        assert sum(stored.get(name, size) for name, size in plain.items()) <= 6 / 8 * sum(plain.values())


def test_more_bytes_are_nearer() -> None:
    db = []
    for bits in (4.8, 6.0, 8.0):
        report = made(prove=True, bits_avg=bits).report
        assert report.fidelity is not None
        db.append(report.fidelity.weakest.sqnr_db)
    assert db[0] < db[1] < db[2]


def test_a_budget_chooses_among_the_formats_that_are_given() -> None:
    assert set(formats_of(made(bits_avg=5.0, among=("mxfp4", "int8"))).values()) == {"mxfp4"}
    named = made(bits_avg=8.0, layers=("second=mx4",))
    assert formats_of(named) == {"second:1": "mx4"}


@pytest.mark.parametrize("word", ["mxfp4", "mx4"])
def test_the_report_counts_the_exponents_that_were_raised(word: str) -> None:
    """One row whose blocks are ever smaller: those beyond the span of a channel are raised."""
    rows = weights(64, 96)
    for spread in (False, True):
        if spread:
            rows = (rows * np.where(np.arange(96) >= 64, 2.0**-9, 1)).astype(np.float32)
        model = net("[fc] y = MatMul(x, w)", inputs="float[N, 96] x", outputs="float y", constants={"w": rows.T.copy()})
        data = {"x": np.random.default_rng(0).normal(size=(24, 96)).astype(np.float32)}
        wish = {"weight_format": {"name": word}, "rescue": False, "placement": {"prefer": "integers"}}
        (layer,) = quantize(model, data, recipe=Recipe.model_validate(wish), prove=False).report.formats
        last = 64 if word == "mxfp4" else 128  # the blocks of the last 32 columns
        assert layer.raised == last if spread else layer.raised < last / 4


def test_patterns_choose_for_single_layers() -> None:
    found = made(layers=("first=two_level:8", "Gemm=int4", "depthwise=two_level:16"))
    # nine weights a channel are shorter than a vector
    assert formats_of(found) == {"first:1": "two_level:8", "third:1": "int4", "fifth:1": "int4"}


def test_effort_fast_rounds_to_the_nearest_elements() -> None:
    recipe = Recipe(weight_format=WeightFormats(name="two_level:16"), effort="fast")
    found = quantize(net(BODY, inputs="float[N, 20, 8, 8] x", constants=CONSTANTS), DATA, recipe=recipe, prove=False)
    assert len(formats_of(found)) == 5
    assert [layer.format for layer in found.report.formats] == ["two_level:16"] * 5


def test_a_plan_repeats_the_run_byte_for_byte() -> None:
    model = net(BODY, inputs="float[N, 20, 8, 8] x", constants=CONSTANTS)
    recipe = Recipe(weight_format=WeightFormats(name="two_level:16"), rescue=False)
    first = quantize(model.clone(), DATA, recipe=recipe, prove=False)
    again = quantize(model.clone(), plan=parse_plan(first.plan.to_json(), "plan"), recipe=recipe, prove=False)
    assert ir.to_proto(again.model).SerializeToString() == ir.to_proto(first.model).SerializeToString()


def test_a_tflite_target_gets_plain_codes_that_its_writer_packs() -> None:
    recipe = Recipe(weight_format=WeightFormats(name="int4"))
    model = net(BODY.replace("group = 32>(b, w2)", "group = 32>(b, w2)"), inputs="float[1, 20, 8, 8] x", constants=CONSTANTS)
    found = quantize(model, {"x": DATA["x"][:, None]}, target="mcu_tflite", recipe=recipe, prove=False)
    held = [value.const_value for value in found.model.graph.initializers.values() if value.name == "w3_quantized"]
    assert held[0] is not None
    assert np.abs(held[0].numpy().astype(int)).max() <= 8
    assert found.model.metadata_props["edgeq.packed_weights"] == "int4"


def notes_of(**wish: object) -> str:
    return " ".join(made(**wish).report.notes)


@pytest.mark.parametrize("name", ["mx9", "mxfp8_e4m3"])
def test_a_format_that_computes_in_float_is_said_to_be_unused(name: str) -> None:
    assert f"no weight is stored in {name}: it computes in float: `edgeq palettize --format`" in notes_of(name=name)


def test_a_format_that_no_layer_gets_smaller_by_is_said_to_be_unused() -> None:
    data = {"x": np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)}
    tiny = net("y = MatMul(x, w)", inputs="float[N, 4] x", constants={"w": weights(4, 4)})
    told = quantize(tiny, data, recipe=Recipe(effort="fast", weight_format=WeightFormats(name="two_level:16")), prove=False).report.notes
    assert any("no weight is stored in two_level:16: no layer that runs in integers gets smaller by it" in note for note in told)


def test_a_format_that_is_used_is_not_noted() -> None:
    assert "no weight is stored" not in notes_of(name="two_level:16")


@pytest.mark.parametrize(
    ("recipe", "short"),
    [
        (Recipe(weight_format=WeightFormats(name="int4")), ["first", "second", "third", "fourth", "fifth"]),
        (Recipe(weight_format=WeightFormats(layers=("third=int4", "depthwise=int4", "second=two_level:16"))), ["third"]),
        (Recipe(weight_format=WeightFormats(name="two_level:16")), []),
        (Recipe(weight_bits=4), ["first", "depthwise", "second", "third", "fourth", "fifth"]),
        (Recipe(), []),
    ],
)
def test_short_codes_are_those_of_whole_rows(recipe: Recipe, short: list[str]) -> None:
    model, target = net(BODY, inputs="float[N, 20, 8, 8] x", constants=CONSTANTS), eager()
    task = Task(model, "", target, recipe, {})
    grids = quantize(model, DATA, recipe=Recipe(effort="fast"), target=target, prove=False).plan
    assert short_codes(Draft(task, model, grids)) == dict.fromkeys(short, 4)
