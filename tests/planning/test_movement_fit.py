"""Movement on codes: what Pad and Clip add to them, and where a grid cannot hold it."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.api import quantize
from edgeq.planning.movement_fit import blunt_clips, fills_behind, pad_fill
from edgeq.planning.placement import place
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from edgeq.testing.case import Case, Constants, ints, number
from edgeq.testing.operator_nets import build, data_for
from tests.graph_text import net

AMOUNTS = ints(0, 0, 1, 1, 0, 0, 1, 1)
NPU, MCU = load_target("npu_int8"), load_target("mcu_tflite")


def planned(nodes: str, constants: Constants, target: str = "npu_int8") -> Plan:
    case = Case("moved", nodes, constants)
    return quantize(build(case), data_for(case), target=target, recipe=Recipe(effort="fast"), prove=False).plan


@pytest.mark.parametrize("fill", [2.5, -1.0, 0.3])
@pytest.mark.parametrize("before", ["r = Relu(a) [op] b = Pad(r, p, v)", "[op] t = Pad(a, p, v) b = MaxPool<kernel_shape = [2, 2]>(t)"])
def test_the_grid_holds_what_a_pad_fills_with(before: str, fill: float) -> None:
    plan = planned(before, {"p": AMOUNTS, "v": number(fill)})
    assert plan.nodes["op"].runs == "integer"
    grid = plan.grids[plan.nodes["op"].outputs[0]]
    assert float(grid.params.low) - grid.scale / 2 <= fill <= float(grid.params.high) + grid.scale / 2


def test_a_relu_is_no_longer_the_end_of_a_grid_that_a_pad_extends() -> None:
    body = "c = Conv(x, w) [relu] r = Relu(c) t = Transpose<perm = [0, 1, 3, 2]>(r) [pad] b = Pad(t, p, v) y = Conv(b, w)"
    weight = np.ones((2, 2, 1, 1), np.float32)
    for fill, runs in ((-1.0, "integer"), (0.5, "absorbed")):
        constants: Constants = {"w": weight, "p": AMOUNTS, "v": number(fill)}
        model = net(body, inputs="float[1, 2, 4, 4] x", constants=constants)
        assert place(model, NPU).nodes["relu"].runs == runs
        relu = next(node for node in model.graph if node.name == "relu")
        assert fills_behind(model, NPU)[relu.outputs[0]] == (min(fill, 0.0), max(fill, 0.0))


def test_a_fill_outside_the_only_grid_of_a_kernel_is_refused() -> None:
    body = "c = Conv(x, w) s = Sigmoid(c) [pad] b = Pad(s, p, v) y = Conv(b, w)"
    for fill, why in ((-3.0, "outside the grid that mcu_tflite gives Sigmoid"), (0.5, "moves")):
        constants: Constants = {"w": np.ones((2, 2, 1, 1), np.float32), "p": AMOUNTS, "v": number(fill)}
        assert why in place(net(body, inputs="float[1, 2, 4, 4] x", constants=constants), MCU).nodes["pad"].reason


def test_the_fill_of_a_pad_is_0_unless_it_says_so() -> None:
    constants: Constants = {"p": AMOUNTS, "v": number(2.0)}
    model = net(
        '[a] a = Pad(x, p) [b] b = Pad(x, p, v) [c] c = Pad<mode = "edge">(x, p, v) t = ReduceMax<keepdims = 0>(x) [d] y = Pad(x, p, t)',
        inputs="float[1, 2, 4, 4] x",
        constants=constants,
    )
    assert [pad_fill(node) for node in model.graph if node.name in "abcd"] == [0.0, 2.0, 0.0, None]


@pytest.mark.parametrize("target", ["npu_int8", "cpu"])
def test_a_low_bound_that_the_grid_cannot_tell_from_0_costs_no_node(target: str) -> None:
    """A larger one is a clip of codes."""
    for low, runs in ((1e-6, "absorbed"), (0.25, "integer")):
        plan = planned("r = MatMul(a, k) [op] b = Clip(r, l)", {"k": np.eye(6, dtype=np.float32), "l": number(low)}, target)
        assert plan.nodes["op"].runs == runs


def test_blunt_clips_are_told_by_half_a_step() -> None:
    model = net("[c] y = Clip(x, l, h)", inputs="float[4] x", constants={"l": 0.01, "h": 6.0})
    assert [blunt_clips(model, {"y": top}, NPU) for top in (5.0, 6.0)] == [frozenset(), {"c"}]
    assert not blunt_clips(net("[c] y = Clip(x, l)", inputs="float[4] x", constants={"l": 0.0}), {"y": 6.0}, NPU)


@pytest.mark.parametrize("target", ["npu_int8", "dsp_int8", "mcu_tflite"])
@pytest.mark.parametrize(
    ("body", "outputs"),
    [
        ("c = Conv(x, w) y = Identity(c) z = Identity(c)", "float y, float z"),  # the same codes twice
        ("z = Identity(x) y = Conv(x, w)", "float y, float z"),  # what comes in goes out
        ("c = Conv(x, w) f = Relu(c) p = MaxPool<kernel_shape = [2, 2]>(f) y = Conv(p, w)", "float y, float f, float p"),
        ("c = Conv(x, w) f = Relu(c) y = Conv(f, w)", "float y, float c"),  # read before its Relu
        ("c = Conv(x, w) s, t = Split<axis = 1>(c) y = Add(s, t)", "float y, float c, float t"),
    ],
)
def test_all_outputs_are_codes_whoever_else_reads_them(body: str, outputs: str, target: str) -> None:
    constants: Constants = {"w": np.random.default_rng(2).normal(size=(2, 2, 1, 1)).astype(np.float32)}
    model = net(body, inputs="float[1, 2, 6, 6] x", outputs=outputs, constants=constants)
    data = {"x": np.random.default_rng(1).normal(size=(8, 2, 6, 6)).astype(np.float32)}
    made = quantize(model, data, target=target, recipe=Recipe(effort="fast"))
    kind = load_target(target).activations.dtype
    assert {str(value.dtype).lower() for value in made.model.graph.outputs} == {kind}
    assert made.report.fidelity is not None
    assert made.report.fidelity.sqnr_db > 28
