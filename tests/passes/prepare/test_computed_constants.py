"""Which computed constants a file should hold: the file does not grow by those that are stored."""

from __future__ import annotations

import numpy as np
import pytest

import edgeq.passes.prepare.computed_constants as module
from edgeq.passes.prepare.computed_constants import ComputedConstants
from tests.graph_text import net, weights


def worth(body: str, **constants: object) -> list[str]:
    """Operators of the nodes that are worth storing."""
    model = net(body, inputs="float[4, 64] x", constants={name: np.asarray(value) for name, value in constants.items()})
    return [node.op_type for node in ComputedConstants(model).nodes if node in ComputedConstants(model).worth_storing()]


RANGE = {"zero": np.float32(0), "end": np.float32(64), "one": np.float32(1), "column": np.array([1])}


@pytest.mark.parametrize(
    "table",
    ["t = Mul(i, j)", "m = Mul(i, j)  t = Sin(m)", "m = Mul(i, j)  q = Greater(m, one)  t = Cast<to = 1>(q)"],
)
def test_a_table_made_from_ranges_stays_computed(table: str) -> None:
    body = f"i = Range(zero, end, one)  j = Unsqueeze(i, column)  {table}  a = MatMul(x, t)  y = Relu(a)"
    assert "Mul" not in worth(body, **RANGE)


def test_a_small_result_of_a_table_is_stored_with_all_that_leads_to_it() -> None:
    body = "i = Range(zero, end, one)  j = Unsqueeze(i, column)  m = Mul(i, j)  s = ReduceMax(m)  y = Mul(x, s)"
    assert worth(body, **RANGE) == ["Range", "Unsqueeze", "Mul", "ReduceMax"]


def test_a_weight_that_changes_places_is_stored() -> None:
    w = weights(64, 64)
    assert worth("t = Transpose(w)  y = MatMul(x, t)", w=w) == ["Transpose"]
    assert worth("t = Transpose(w)  e = Exp(t)  y = MatMul(x, e)", w=w) == ["Transpose", "Exp"]


def test_a_table_shared_with_a_lookup_is_stored_for_the_product_but_not_for_a_sum() -> None:
    w, i = weights(64, 64), np.array([0, 1, 2, 3])
    head = "t = Transpose(w)  e = Gather(w, i)"
    assert worth(f"{head}  a = MatMul(x, t)  y = Add(a, e)", w=w, i=i) == ["Transpose", "Gather"]
    square = "g = Gemm<transA = 1>(x, x)  b = Add(g, t)  c = MatMul(x, w)  d = MatMul(c, b)  y = Relu(d)"
    assert worth(f"t = Transpose(w)  {square}", w=w) == []


def test_parts_of_one_packed_weight_are_judged_together() -> None:
    qkv = weights(192, 64)
    cuts = {f"{name}{n}": np.array([n * 64 if name == "s" else n * 64 + 64]) for name in "se" for n in range(3)}
    body = "  ".join(f"p{n} = Slice(w, s{n}, e{n}, rows)  t{n} = Transpose(p{n})  h{n} = MatMul(x, t{n})" for n in range(3))
    found = worth(f"{body}  a = Add(h0, h1)  y = Add(a, h2)", w=qkv, rows=np.array([0]), **cuts)
    assert found == ["Slice", "Transpose"] * 3


def test_an_expanded_row_stays_computed() -> None:
    assert worth("t = Expand(r, size)  y = Add(x, t)", r=weights(1, 64), size=np.array([4, 64])) == ["Expand"]
    assert worth("t = Tile(r, size)  a = MatMul(x, t)  y = Relu(a)", r=weights(64, 1), size=np.array([1, 512])) == []


def test_the_limit_is_of_growth_and_not_of_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ELEMENTS", 100)
    assert worth("t = Transpose(w)  y = MatMul(x, t)", w=weights(64, 64)) == ["Transpose"]
    assert worth("s = Shape(w)  c = ConstantOfShape(s)  m = ReduceSum(c)  y = Mul(x, m)", w=weights(64, 64)) != []
    assert worth("c = ConstantOfShape(s)  m = ReduceSum(c)  y = Mul(x, m)", s=np.array([64, 64])) == []


def test_an_output_that_is_constant_is_stored_where_the_file_does_not_grow() -> None:
    """Its caller reads it, so its result counts as floats, in full, though no node reads it."""
    w = weights(64, 64)
    assert worth("r = Relu(w)  y = MatMul(r, v)", w=w, v=w) == ["Relu", "MatMul"]
    assert worth("i = Range(zero, end, one)  j = Unsqueeze(i, column)  y = Mul(i, j)", **RANGE) == ["Range", "Unsqueeze"]
