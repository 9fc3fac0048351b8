"""SplitHardSigmoid: Add, Clip and Mul that compute the same, where the Clip holds 0."""

from __future__ import annotations

import numpy as np

from edgeq.passes.lower.split_hardsigmoid import SplitHardSigmoid
from edgeq.runtimes.ort import open_session
from tests.graph_text import lines, net

X = np.linspace(-8, 8, 33, dtype=np.float32)


def test_hard_sigmoid_is_add_clip_mul() -> None:
    model = net("[act] y = HardSigmoid<alpha = 0.25, beta = 0.5>(x)", inputs="float[33] x")
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run({"x": X})
    assert SplitHardSigmoid()(model).modified
    assert [node.op_type for node in model.graph] == ["Add", "Clip", "Mul"]
    with open_session(model, optimize="off") as session:
        np.testing.assert_allclose(session.run({"x": X})[0], wanted, atol=1e-6)
    assert not SplitHardSigmoid()(model).modified


def test_hard_sigmoid_that_falls_or_starts_below_zero_stays() -> None:
    model = net("a = HardSigmoid<alpha = -0.25>(x) y = HardSigmoid<beta = -0.5>(a)", inputs="float[33] x")
    assert not SplitHardSigmoid()(model).modified


def test_keeps_what_it_is_told_to_keep() -> None:
    model = net("[a] h = HardSigmoid(x) [b] y = HardSigmoid(h)", inputs="float[33] x")
    assert SplitHardSigmoid(frozenset({"a"}))(model).modified
    assert lines(model)[0] == "h = HardSigmoid(x)"
    assert [line.split(" = ")[1].split("(")[0] for line in lines(model)[1:]] == ["Add", "Clip", "Mul"]
