"""SplitPRelu: the same float numbers from operators with integer kernels, under the same names."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.api import quantize
from edgeq.graph.read import nodes
from edgeq.passes.lower.split_prelu import SplitPRelu
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from edgeq.testing.case import Case, floats
from edgeq.testing.operator_nets import build, data_for
from tests.graph_text import lines, net

X = np.random.default_rng(0).normal(size=(2, 6, 5, 4)).astype(np.float32)


@pytest.mark.parametrize("shape", [(6, 1, 1), (1,), (5, 4), (1, 6, 1, 4)])
def test_computes_the_same_under_the_same_names(shape: tuple[int, ...]) -> None:
    slope = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    model = net("[act] y = PRelu(x, s)", inputs="float[2, 6, 5, 4] x", constants={"s": slope})
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run({"x": X})
    assert SplitPRelu()(model).modified
    assert [line.split("(")[0] for line in lines(model)] == ["y_above = Relu", "y_below = Clip", "y_scaled = Mul", "y = Add"]
    assert [node.name for node in nodes(model)][-1] == "act"
    with open_session(model, optimize="off") as session:
        np.testing.assert_array_equal(session.run({"x": X})[0], wanted)
    assert not SplitPRelu()(model).modified


def test_keeps_what_it_is_told_to_keep_and_slopes_that_are_computed() -> None:
    model = net("[a] c = PRelu(x, s) k = Abs(s) [b] y = PRelu(c, k)", inputs="float[2, 6, 5, 4] x, float[6, 1, 1] s")
    assert not SplitPRelu()(model).modified
    kept = net("[a] y = PRelu(x, s)", inputs="float[2, 6, 5, 4] x", constants={"s": floats(6, 1, 1)})
    assert not SplitPRelu(frozenset({"a"}))(kept).modified


@pytest.mark.parametrize("target", ["npu_int8", "dsp_int8", "npu_pow2"])
def test_slopes_a_channel_run_in_integers(target: str) -> None:
    case = Case("prelu_between", "[op] b = PRelu(a, k)", {"k": floats(8, 1, 1)})
    made = quantize(build(case), data_for(case), target=target, recipe=Recipe(effort="fast"))
    assert {node.runs for node in made.plan.nodes.values()} <= {"int8", "integer"}
    assert made.report.fidelity is not None
    assert made.report.fidelity.sqnr_db > 28


def test_a_prelu_that_the_recipe_keeps_float_stays_one() -> None:
    case = Case("prelu_kept", "[op] b = PRelu(a, k)", {"k": floats(8, 1, 1)})
    made = quantize(build(case), data_for(case), recipe=Recipe(effort="fast", keep_float=("PRelu",)), prove=False)
    assert (made.plan.nodes["op"].op_type, made.plan.nodes["op"].because) == ("PRelu", "kept")
