"""The plan as JSON: exact, canonical, and refused by key when damaged; weight codes as arrays."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from edgeq.errors import BadPlan
from edgeq.numerics.grid import MIN_SCALE, PerChannel, QuantParams
from edgeq.schema.grids import GridPlan
from edgeq.schema.plan import NodePlan, Plan, load_plan, parse_plan
from edgeq.schema.weights import CodebookWeight, IntegerWeight, integer_weight

scales = st.floats(float(MIN_SCALE), float(np.float32(3e38)), width=32)


def some_plan() -> Plan:
    grid = GridPlan(dtype="uint8", scale=float(np.float32(0.1)), zero_point=3, rule="mse", reason="why", group="x")
    weight = IntegerWeight(
        dtype="int8", scale=(0.5, 0.25), zero_point=(0, 0), axis=0, narrow=True, rule="mse", reason="why", codes=np.arange(6, dtype=np.int8)
    )
    book = CodebookWeight(
        dtype="int8", scale=(0.5,), zero_point=(0,), rule="codebook", reason="why", granularity="tensor", channel_axis=1, bits=4
    )
    node = NodePlan(op_type="Conv", runs="int8", because="kernel", reason="why", inputs=("x", "w", ""), outputs=("y",))
    return Plan(
        model="m",
        data="d",
        target="cpu",
        recipe="r",
        settings="s",
        opset=None,
        nodes={"conv": node},
        grids={"x": grid},
        weights={"conv:1": weight, "fc:1": book},
        biases={"conv": (1.5, float(np.float32(0.1)))},
    )


def test_json_and_back_is_the_same_plan_and_the_same_bytes() -> None:
    plan = some_plan()
    again = parse_plan(plan.to_json(), "here")
    assert again == plan
    assert again.to_json() == plan.to_json()
    assert again.hash == plan.hash


@given(npst.arrays(np.float32, st.integers(1, 5), elements=scales))
def test_float32_scales_survive_json_bit_for_bit(scale: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
    params = QuantParams("int8", scale, np.zeros(scale.shape, np.int32), PerChannel(1), narrow=True)
    text = integer_weight(params, "minmax", "").model_dump_json()
    back = IntegerWeight.model_validate_json(text).params
    assert back == params
    assert back.scale.tobytes() == scale.tobytes()


DAMAGE = [
    ("grids.x.scale", []),
    ("grids.x.scale", 0.0),
    ("grids.x.scale", -1.0),
    ("grids.x.scale", float("nan")),
    ("grids.x.scale", float("inf")),
    ("grids.x.scale", 1e-60),
    ("grids.x.scale", 1e300),
    ("grids.x.scale", [0.1, 0.2]),
    ("grids.x.zero_point", 256),
    ("grids.x.zero_point", [1, 2]),
    ("grids.x.axis", 0),
    ("grids.x.codes", "eA=="),
    ("grids.x.dtype", "int32"),
    ("grids.x.readers", "some"),
    ("weights.conv:1.axis", None),
    ("weights.conv:1.scale", [0.5]),
    ("weights.conv:1.scale", []),
    ("weights.conv:1.scale", [0.5, 0.0]),
    ("weights.conv:1.scale", [0.5, float("nan")]),
    ("weights.conv:1.scale", [0.5, 1e300]),
    ("weights.conv:1.zero_point", [0, 256]),
    ("weights.conv:1.format", "magic"),
    ("weights.conv:1.bits", 4),
    ("weights.conv:1.readers", "all"),
    ("weights.fc:1.bits", 9),
    ("weights.fc:1.granularity", "row"),
    ("weights.fc:1.channel_axis", -1),
    ("nodes.conv.runs", "maybe"),
    ("nodes.conv.what", 1),
    ("biases.conv", ["one"]),
    ("biases.conv", [float("nan")]),
    ("schema_version", 3),
    ("nodes.conv.because", "why"),
]


@pytest.mark.parametrize(("where", "new"), DAMAGE)
def test_a_damaged_plan_is_refused_by_key(where: str, new: object) -> None:
    document = json.loads(some_plan().to_json())
    *path, last = where.split(".")
    entry = document
    for step in path:
        entry = entry[step]
    entry[last] = new
    with pytest.raises(BadPlan) as caught:
        parse_plan(json.dumps(document), "net.plan.json")
    assert ".".join(path) in caught.value.what
    assert caught.value.where == "net.plan.json"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"model": "m"}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(BadPlan):
        parse_plan(text, "x")


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "none", tmp_path, binary):
        with pytest.raises(BadPlan, match="cannot be read"):
            load_plan(path)


def test_codes_are_an_array_in_memory_and_text_in_the_file() -> None:
    weight = some_plan().weights["conv:1"]
    assert weight.codes is not None
    assert weight.codes.dtype == np.int8
    assert not weight.codes.flags.writeable
    assert isinstance(json.loads(some_plan().to_json())["weights"]["conv:1"]["codes"], str)


def test_damaged_codes_are_refused() -> None:
    document = json.loads(some_plan().to_json())
    document["weights"]["conv:1"]["codes"] = "not base64!"
    with pytest.raises(BadPlan, match=r"codes of a weight are damaged at `weights.conv:1"):
        parse_plan(json.dumps(document), "here")


def test_plans_change_through_methods_that_validate() -> None:
    plan = some_plan()
    other = plan.with_biases({}).with_weights({"conv:1": plan.weights["fc:1"]}).with_grids({"z": plan.grids["x"]})
    assert (other.biases, list(other.weights), list(other.grids)) == ({}, ["conv:1"], ["z"])
    assert other.nodes == plan.nodes
    assert plan == some_plan()
    with pytest.raises(ValueError, match="grids"):
        plan.with_grids({"x": plan.weights["conv:1"]})  # type: ignore[dict-item]  # what mypy refuses, the plan does, too
    with pytest.raises(ValueError, match="weights"):
        plan.with_weights({"conv:1": 3})  # type: ignore[dict-item]  # the same


def test_plans_of_other_codes_are_not_equal() -> None:
    plan = some_plan()
    weight = plan.weights["conv:1"]
    assert weight.codes is not None
    assert weight.with_codes(weight.codes + np.int8(1)) != weight
    assert weight.with_codes(weight.codes.copy()) == weight
    assert plan.with_weights({**plan.weights, "conv:1": weight.with_codes(weight.codes + np.int8(1))}) != plan


def test_the_mark_of_a_model_is_no_part_of_the_plan(tmp_path: Path) -> None:
    """The model's file holds the plan's hash, and the plan the hash of that file."""
    plan = some_plan()
    marked = plan.with_mark("edgeq-model-sha256:" + "0" * 64)
    assert "mark" not in plan.to_json()
    assert marked.mark in marked.to_json()
    assert marked.hash == plan.hash
    assert marked.with_mark("") == plan
    (tmp_path / "p.json").write_text(marked.to_json())
    assert load_plan(tmp_path / "p.json") == marked
