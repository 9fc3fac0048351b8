"""The plan as JSON: exact, canonical, and refused by key when damaged; weight codes as text."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from edgeq.errors import BadPlan
from edgeq.numerics.grid import MIN_SCALE, PerChannel, QuantParams
from edgeq.schema.plan import GridPlan, NodePlan, Plan, grid_plan, load_plan, pack_codes, parse_plan, unpack_codes

scales = st.floats(float(MIN_SCALE), float(np.float32(3e38)), width=32)


def some_plan() -> Plan:
    grid = GridPlan(dtype="uint8", scale=(float(np.float32(0.1)),), zero_point=(3,), rule="mse", reason="why", group="x")
    weight = GridPlan(dtype="int8", scale=(0.5, 0.25), zero_point=(0, 0), axis=0, narrow=True, rule="mse", reason="why", codes="eA==")
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
        weights={"conv:1": weight},
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
    text = grid_plan(params, "minmax", "").model_dump_json()
    back = GridPlan.model_validate_json(text).params
    assert back == params
    assert back.scale.tobytes() == scale.tobytes()


DAMAGE = [
    ("grids.x.scale", []),
    ("grids.x.scale", [0.0]),
    ("grids.x.scale", [-1.0]),
    ("grids.x.scale", [float("nan")]),
    ("grids.x.scale", [float("inf")]),
    ("grids.x.scale", [1e-60]),
    ("grids.x.scale", [1e300]),
    ("grids.x.scale", [0.1, 0.2]),
    ("grids.x.zero_point", [256]),
    ("grids.x.zero_point", [1, 2]),
    ("grids.x.dtype", "int32"),
    ("grids.x.readers", "some"),
    ("weights.conv:1.axis", None),
    ("weights.conv:1.scale", [0.5]),
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


@given(npst.arrays(np.int8, npst.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)))
def test_codes_as_text_and_back(codes: np.ndarray[tuple[int, ...], np.dtype[np.int8]]) -> None:
    back = unpack_codes(pack_codes(codes), "int8", codes.shape)
    assert back.dtype == codes.dtype
    assert np.array_equal(back, codes)


def test_codes_of_a_transposed_array_are_stored_row_by_row() -> None:
    codes = np.arange(6, dtype=np.int8).reshape(2, 3).T
    assert np.array_equal(unpack_codes(pack_codes(codes), "int8", (3, 2)), codes)


def text_of(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not base64!",
        base64.b64encode(b"not zlib").decode(),
        text_of(b"12345"),
        text_of(b"1234567"),
        text_of(bytes(1 << 28)),  # a bomb: must be refused without being unpacked
        base64.b64encode(zlib.compress(b"123456")[:-4]).decode(),  # all bytes, but the checksum is gone
        base64.b64encode(zlib.compress(b"123456") + b"more").decode(),
    ],
)
def test_damaged_codes_are_refused(text: str) -> None:
    with pytest.raises(BadPlan, match="codes"):
        unpack_codes(text, "int8", (2, 3))
