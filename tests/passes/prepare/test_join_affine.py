"""JoinAffine: chains of arithmetic with constants become one Mul and one Add where that helps."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.numerics.arrays import F64
from edgeq.passes.prepare import join_affine
from edgeq.passes.prepare.join_affine import JoinAffine
from edgeq.runtimes.ort import open_session
from edgeq.testing import check_pass
from edgeq.testing.pass_models import named_model
from tests.graph_text import Constants, lines, net

NUMBERS: Constants = {
    "s": np.array([0.5, 2.0, -1.0], np.float32),
    "t": np.array([[1.0, 3.0, -2.0]], np.float32),
    "row": np.ones((1, 4), np.float32),
    "column": np.ones((4, 1), np.float32),
    "wide": np.ones((2, 1, 1), np.float32),
    "two": 2.0,
    "half": 0.5,
    "far": 1e9,
    "near": 1e-9,
    "hidden": np.array([0.0, -np.inf, 0.0], np.float32),
    "zeros": np.array([1.0, 0.0, 2.0], np.float32),
}


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("a = Sub(x, s) b = Div(a, t) c = Mul(b, s) y = Add(c, t)", ["Mul", "Add"]),
        ("a = Mul(x, s) y = Sub(t, a)", ["Mul", "Add"]),
        ("a = Neg(x) b = Sub(two, a) y = Div(b, t)", ["Mul", "Add"]),
        ("y = Div(x, s)", ["Mul"]),
        ("y = Sub(x, t)", ["Add"]),
        ("a = Mul(two, x) y = Mul(a, s)", ["Mul"]),
        ("a = Add(s, x) y = Add(a, two)", ["Add"]),
        ("a = Mul(x, two) b = Mul(a, half) y = Add(b, s)", ["Add"]),
        ("a = Relu(x) b = Sub(a, s) c = Relu(b) y = Div(c, s)", ["Relu", "Add", "Relu", "Mul"]),
    ],
)
def test_chains(body: str, wanted: list[str]) -> None:
    after = check_pass(JoinAffine(), net(body, inputs="float[N, 3] x", constants=NUMBERS))
    assert [node.op_type for node in after.graph] == wanted


def test_a_chain_without_a_layer() -> None:
    after = check_pass(JoinAffine(), named_model("affine_without_layer"))
    assert [node.op_type for node in after.graph] == ["Relu", "Mul", "Add", "Mul"]


@pytest.mark.parametrize(
    "body",
    [
        "a = Mul(x, s) y = Add(a, t)",  # as it should be
        "a = Add(x, s) y = Mul(a, t)",  # no node less
        "y = Sub(two, x)",  # would be two nodes
        "y = Div(x, zeros)",
        "y = Div(s, x)",
        "y = Sub(x, wide)",  # the rank grows
        "a = Div(x, two) y = Erf(a)",  # part of a GELU
        "a = MatMul(x, v) y = Div(a, two)",  # attention
        "y = Neg(x)",
    ],
)
def test_others_stay(body: str) -> None:
    assert not JoinAffine()(net(body, inputs="float[N, 3] x, float[3, 3] v", constants=NUMBERS)).modified


def test_what_others_read_stays() -> None:
    model = net("a = Add(x, s) y = Mul(a, t) z = Sub(y, s)", inputs="float[N, 3] x", outputs="float y, float z", constants=NUMBERS)
    assert lines(check_pass(JoinAffine(), model))[:2] == ["a = Add(x, s)", "y = Mul(a, t)"]


def test_a_constant_of_all_places_does_not_grow_from_a_row_and_a_column() -> None:
    model = net("a = Sub(x, row) y = Div(a, column)", inputs="float[4, 4] x", constants=NUMBERS)
    after = check_pass(JoinAffine(), model)
    assert max(value.const_value.size for value in after.graph.initializers.values() if value.const_value is not None and value.uses()) == 4


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("a = Mul(x, far) r = Sub(a, far)", ["Add", "Mul"]),
        ("a = Sub(two, x) b = Neg(a) r = Div(b, near)", ["Add", "Mul"]),
        ("a = Sub(two, x) r = Mul(a, far)", ["Sub", "Mul"]),  # as exporters write it and runtimes know it
        ("a = Sub(two, x) b = Mul(a, far) r = Add(b, s)", ["Sub", "Mul", "Add"]),  # float32 has no room for s beside far
        ("a = Sub(x, s) r = Mul(a, half)", ["Mul", "Add"]),  # no mask
    ],
)
@pytest.mark.parametrize("between", ["", "z = Unsqueeze(r, axes) "])
def test_the_factor_of_a_mask_stays_behind_its_sum(body: str, wanted: list[str], between: str) -> None:
    text = f"{body} {between}q = Add(k, {'z' if between else 'r'}) y = Softmax(q)"
    shape = "float[4, 1, 3]" if between else "float[4, 3]"
    constants: Constants = {**NUMBERS, "axes": np.array([1])}
    after = net(text, inputs=f"float[4, 3] x, {shape} k", outputs=f"{shape} y", constants=constants)
    before = after.clone()
    JoinAffine()(after)
    assert [node.op_type for node in after.graph] == [*wanted, *(["Unsqueeze"] if between else []), "Add", "Softmax"]
    kept = np.tile(np.array([[1, 0, 1]], np.float32), (4, 1))
    feeds = {"x": kept, "k": np.arange(12, dtype=np.float32).reshape([4, 1, 3] if between else [4, 3])}
    with open_session(before, threads=1, optimize="off") as exact, open_session(after, threads=1, optimize="off") as found:
        np.testing.assert_allclose(found.run(feeds)[0], exact.run(feeds)[0], rtol=1e-6)


def test_infinite_masks_are_joined_as_finite_ones_are() -> None:
    model = net("a = Div(x, two) b = Add(a, hidden) y = Softmax(b)", inputs="float[4, 3] x", outputs="float[4, 3] y", constants=NUMBERS)
    JoinAffine()(model)
    assert [node.op_type for node in model.graph] == ["Mul", "Add", "Softmax"]


@pytest.mark.parametrize("length", [200, 800])
def test_a_long_chain_whose_product_vanishes_costs_by_its_nodes(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """0.2 ** length is 0 in float32: the whole cannot be joined, and shorter ends are tried."""
    looked: list[int] = []
    real = join_affine._product

    def counted(chain: list[join_affine._Link]) -> tuple[F64, F64]:
        looked.append(len(chain))
        return real(chain)

    monkeypatch.setattr(join_affine, "_product", counted)
    body = " ".join(f"v{i + 1} = {'Mul' if i % 2 else 'Add'}(v{i}, c)" for i in range(length))
    model = net(body.replace(f"v{length} =", "y ="), inputs="float[N, 4] v0", constants={"c": np.full(4, 0.2, np.float32)})
    JoinAffine()(model)
    assert sum(1 for _ in model.graph) < length / 4
    assert sum(looked) < 100 * length
