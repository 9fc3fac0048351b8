"""SplitHardSwish: HardSigmoid and Mul, the node's own name on the Mul."""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import nodes
from edgeq.passes.lower.split_hardswish import SplitHardSwish
from edgeq.runtimes.ort import open_session
from tests.graph_text import lines, net

X = np.linspace(-8, 8, 33, dtype=np.float32)


def test_computes_the_same_under_the_same_names() -> None:
    model = net("[act] y = HardSwish(x)", inputs="float[33] x")
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run({"x": X})
    assert SplitHardSwish()(model).modified
    assert lines(model) == ["y_gate = HardSigmoid(x)", "y = Mul(x, y_gate)"]
    assert [node.name for node in nodes(model)] == ["act_HardSigmoid", "act"]
    gate = next(nodes(model)).outputs[0]
    assert (gate.dtype, list(gate.shape or [])) == (model.graph.inputs[0].dtype, [33])
    with open_session(model, optimize="off") as session:
        np.testing.assert_allclose(session.run({"x": X})[0], wanted, atol=1e-6)
    assert not SplitHardSwish()(model).modified


def test_keeps_what_it_is_told_to_keep() -> None:
    model = net("[a] c = HardSwish(x) [b] y = HardSwish(c)", inputs="float[33] x")
    SplitHardSwish(frozenset({"a"}))(model)
    assert lines(model) == ["c = HardSwish(x)", "y_gate = HardSigmoid(c)", "y = Mul(c, y_gate)"]
