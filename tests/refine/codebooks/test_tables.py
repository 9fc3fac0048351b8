"""Embedding tables in four bits: looked up packed, exact, and only where all readers want rows."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import Quantized, quantize
from edgeq.graph.read import nodes
from edgeq.runtimes.ort import open_session
from edgeq.schema.plan import parse_plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.weight_format import WeightFormats
from tests.graph_text import net, weights

BODY = "[look] e = Gather<axis = 0>(table, ids)  [fc] m = MatMul(e, w)  r = Relu(m)  y = MatMul(r, v)"
TABLE = weights(500, 64)
CONSTANTS = {"table": TABLE, "w": weights(64, 64), "v": weights(64, 8)}
IDS = {"ids": np.random.default_rng(0).integers(0, 500, (40, 6))}


def _model(body: str = BODY) -> ir.Model:
    return net(body, inputs="int64[N, 6] ids", constants=CONSTANTS)


def _made(wish: WeightFormats, body: str = BODY, effort: str = "default") -> Quantized:
    return quantize(_model(body), IDS, recipe=Recipe(weight_format=wish, effort=effort), prove=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("effort", ["default", "fast"])
@pytest.mark.parametrize(("name", "bits", "least"), [("int4", 4.6, 17.0), ("two_level:16", 5.0, 20.0)])
def test_a_table_takes_half_the_bytes_of_int8(name: str, bits: float, least: float, effort: str) -> None:
    made = _made(WeightFormats(layers=(f"look={name}",)), effort=effort)
    held = [value.const_value for value in made.model.graph.initializers.values() if (value.shape or ())[:1] == (500,)]
    assert sum(array.nbytes for array in held if array is not None) <= TABLE.size * bits / 8
    plan = made.plan.weights["look:0"]
    assert plan.format == "number"
    assert made.plan.nodes["look"].because == "embedding"
    real = plan.integers(TABLE, "") * plan.params.scale[:, None]
    assert 10 * np.log10(np.square(TABLE).sum() / np.square(real - TABLE).sum()) > least


@pytest.mark.parametrize("name", ["int4", "two_level:16"])
def test_outputs_are_those_of_the_same_codes_in_int8(name: str) -> None:
    made = _made(WeightFormats(layers=(f"Gather={name}",)))
    plain = made.plan.with_weights({key: weight.plain for key, weight in made.plan.weights.items()})
    same = quantize(_model(), IDS, plan=plain, prove=False).model
    feeds = {"ids": IDS["ids"]}
    with open_session(made.model, threads=1) as one, open_session(same, threads=1) as other:
        assert np.array_equal(one.run(feeds)[0], other.run(feeds)[0])
    unpacking = {node.op_type for node in nodes(made.model)} & {"BitwiseAnd", "BitShift", "Mod"}
    assert len(unpacking) == 2


def test_the_plan_gives_the_same_file_again() -> None:
    made = _made(WeightFormats(layers=("look=two_level:16",)))
    again = quantize(_model(), None, plan=parse_plan(made.plan.to_json(), "here"), prove=False)
    assert ir.to_proto(again.model).SerializeToString() == ir.to_proto(made.model).SerializeToString()


def test_one_format_for_all_weights_reaches_the_table() -> None:
    made = _made(WeightFormats(name="two_level:16"), effort="fast")
    assert made.plan.weights["look:0"].format == "number"


@pytest.mark.parametrize("name", ["mxfp4", "mx6"])
def test_a_format_that_is_not_unpacked_row_by_row_leaves_the_table_in_eight_bits(name: str) -> None:
    made = _made(WeightFormats(name=name), effort="fast")
    assert made.plan.weights["look:0"].format == "integer"


def test_a_table_that_is_multiplied_with_as_well_keeps_eight_bits() -> None:
    tied = BODY.replace("y = MatMul(r, v)", "t = MatMul(k, table)  y = Add(r, t)")
    model = net(tied, inputs="int64[N, 6] ids, float[N, 6, 500] k", constants=CONSTANTS)
    data = {**IDS, "k": np.random.default_rng(1).normal(size=(40, 6, 500)).astype(np.float32)}
    recipe = Recipe(weight_format=WeightFormats(layers=("look=two_level:16",)), effort="fast")
    assert quantize(model, data, recipe=recipe, prove=False).plan.weights["look:0"].format == "integer"


def test_a_pattern_for_layers_leaves_the_table_alone() -> None:
    assert _made(WeightFormats(layers=("MatMul=two_level:16",)), effort="fast").plan.weights["look:0"].format == "integer"
