"""A plan that edgeq wrote in schema 1: read as what it meant, and carried out."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from edgeq.errors import BadPlan
from edgeq.rewrite.pipeline import rewrite
from edgeq.schema.plan import Plan, parse_plan
from edgeq.schema.plan_parts.plan_1 import upgraded
from edgeq.schema.target import load_target
from tests.graph_text import net, weights

OLD = (Path(__file__).parent / "plan_1.json").read_text(encoding="utf-8")
#: the model that the plan was made for
BODY = """[c1] a = Conv(x, w, b) [r1] r = Relu(a) [c2] d = Conv(r, v) [turn] t = Transpose<perm = [0, 1, 3, 2]>(d)
    [c3] e = Conv(t, u) [erf] y = Erf(e)"""
CONSTANTS = {"w": weights(8, 8, 1, 1), "b": weights(8), "v": weights(32, 8, 3, 3), "u": weights(8, 32, 1, 1)}


@pytest.fixture(scope="module")
def plan() -> Plan:
    return parse_plan(OLD, "old.plan.json")


def test_what_decided_is_found_in_the_words_of_that_time(plan: Plan) -> None:
    assert {name: node.because for name, node in plan.nodes.items()} == {
        "c1": "kernel",
        "r1": "absorbed",
        "c2": "kernel",
        "turn": "movement",
        "c3": "kept",
        "erf": "obstacle",
    }


@pytest.mark.parametrize(
    ("runs", "reason", "because"),
    [
        ("dynamic", "integer kernel; the grid of its input is measured at every run", "measured"),
        ("integer", "an embedding table in int8: its rows are gathered as integers, then dequantized", "embedding"),
        ("float", "kept float by the search (2 sensitive layers in float)", "searched"),
        ("float", "works on integers or booleans (shapes, indices), nothing to quantize", "no_float"),
        ("float", "reads a value of the graph around this body, which reaches it as float", "outer"),
        ("float", "holds 7 infinite values with this data", "unfit"),
        ("float", "was not observed", "unfit"),
        ("float", "hands on a value that has no grid, because a node beside it stays float", "unfit"),
        ("float", "the integer kernel is slow unless a Conv stands right before it: float MaxPool takes less time here", "slow"),
        ("float", "an integer kernel exists, but it leads to a float output of the model: the steps cost more", "cost"),
        ("float", "an integer kernel exists, but Conv c stays float (kept float by the recipe (c)): the steps cost more", "cost"),
    ],
)
def test_every_cause_of_schema_1(runs: str, reason: str, because: str) -> None:
    nodes = upgraded({"nodes": {"n": {"op_type": "Op", "runs": runs, "reason": reason}}})["nodes"]
    assert nodes == {"n": {"op_type": "Op", "runs": runs, "reason": reason, "because": because}}


def test_grids_and_codes_are_those_of_the_file(plan: Plan) -> None:
    document = json.loads(OLD)
    assert {name: [grid.scale] for name, grid in plan.grids.items()} == {name: grid["scale"] for name, grid in document["grids"].items()}
    for key, weight in plan.weights.items():
        old = document["weights"][key]
        assert weight.codes is not None
        assert weight.codes.tobytes() == zlib.decompress(base64.b64decode(old["codes"]))
        assert (list(weight.scale), weight.axis, weight.narrow) == (old["scale"], old["axis"], old["narrow"])
    book = plan.weights["c2:1"]
    assert book.format == "codebook"
    assert {"granularity": book.granularity, "axis": book.channel_axis, "bits": book.bits} == document["weights"]["c2:1"]["storage"]
    assert plan.weights["c1:1"].format == "integer"


def test_it_is_carried_out_and_written_in_the_new_schema(plan: Plan) -> None:
    model = rewrite(net(BODY, constants=CONSTANTS), plan, load_target("cpu"))
    stored = model.graph.initializers["w_quantized"].const_value
    assert stored is not None
    assert plan.weights["c1:1"].codes is not None
    assert np.array_equal(stored.numpy().reshape(-1), plan.weights["c1:1"].codes)
    again = parse_plan(plan.to_json(), "new.plan.json")
    assert again == plan
    assert json.loads(plan.to_json())["schema_version"] == 2


@pytest.mark.parametrize(
    ("where", "new"),
    [
        ("grids.x.axis", 0),
        ("grids.x.codes", "eA=="),
        ("grids.x.scale", [0.5, 0.5]),
        ("grids.x.what", 1),
        ("weights.c1:1.group", "x"),
        ("weights.c1:1.readers", "integer"),
        ("weights.c1:1.storage", 3),
        ("weights.c2:1.storage.bits", 9),
        ("weights.c1:1.codes", "not base64!"),
        ("nodes.c1.runs", ["int8"]),
        ("nodes.c1.reason", 3),
        ("nodes", 3),
        ("grids.x", 3),
        ("weights.c1:1", None),
    ],
)
def test_a_damaged_one_is_refused(where: str, new: object) -> None:
    entry = document = json.loads(OLD)
    *path, last = where.split(".")
    for step in path:
        entry = entry[step]
    entry[last] = new
    with pytest.raises(BadPlan, match="damaged"):
        parse_plan(json.dumps(document), "old.plan.json")
