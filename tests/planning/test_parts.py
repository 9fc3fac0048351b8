"""Parts of very different range keep grids of their own, where the target has float; like ones
share a grid, and so do all parts on integer-only targets, where it is said what that costs.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.planning.parts import SERVED_DB
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from tests.detectors import DETECTORS, Detector, concat_then_reshape, images, outputs, sqnr_db, three_heads
from tests.graph_text import net, weights

FAST = Recipe(effort="fast")


def quantized(model: ir.Model, target: str = "cpu") -> tuple[ir.Model, Plan]:
    made = quantize(model, {"image": images(24, 1)}, target=load_target(target, float_io=True), recipe=FAST, prove=False)
    return made.model, made.plan


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda one: one.__name__)
def test_scores_beside_boxes_survive_on_cpu(detector: Detector) -> None:
    model, narrow = detector()
    made, plan = quantized(model)
    reference, other = outputs(model), outputs(made)
    assert sqnr_db([one[0][narrow] for one in reference], [one[0][narrow] for one in other]) > 30
    floats = {name for name, node in plan.nodes.items() if node.op_type == "Conv" and node.runs != "int8"}
    assert floats <= {"Conv_o0_raw", "Conv_o1_raw", "Conv_o2_raw", "Conv_b2_raw"}  # too small to pay in integers


def test_a_concat_kept_float_says_which_parts_are_too_far_apart() -> None:
    _, plan = quantized(concat_then_reshape()[0])
    concat, reshape = plan.nodes["Concat_both"], plan.nodes["Reshape_out"]
    assert (concat.runs, concat.because) == (reshape.runs, reshape.because) == ("float", "parts")
    assert "Concat_both" in concat.reason and "boxes in [" in concat.reason and "scores in [0, 1]" in concat.reason
    assert not plan.shared


def test_on_integer_targets_the_plan_holds_what_the_grid_keeps_of_each_part() -> None:
    _, plan = quantized(three_heads()[0], "npu_int8")
    assert list(plan.shared) == ["Concat_out"]  # its parts are those of the inner Concats too
    shared = plan.shared["Concat_out"]
    assert (shared.shares, shared.outputs) == ("no_float", ("out",))
    kept = {part.value: part.sqnr_db for part in shared.parts}
    assert list(kept) == ["b0", "o0", "s0", "b1", "o1", "s1", "b2", "o2", "s2"]
    assert all((kept[name] or 0) > 40 for name in ("b0", "b1", "b2"))
    assert all(kept[name] == pytest.approx(0, abs=0.01) for name in ("o0", "s1", "s2"))


def joined(factor: float, tail: str) -> ir.Model:
    """Two Convs of which one has `factor` times the other's range, joined, and what reads that."""
    return net(
        f"a = Conv(image, u)  b0 = Conv(image, v)  b = Mul(b0, k)  c = Concat<axis=1>(a, b)  {tail}",
        inputs="float[1, 3, 16, 16] image",
        constants={"u": weights(8, 3, 1, 1), "v": weights(8, 3, 1, 1, seed=1), "k": factor, "w": weights(8, 16, 1, 1, seed=2)},
    )


@pytest.mark.parametrize(("factor", "runs"), [(1.0, {"integer"}), (4.0, {"integer"}), (300.0, {"float"})])
def test_parts_that_differ_by_a_small_factor_stay_in_integers(factor: float, runs: set[str]) -> None:
    _, plan = quantized(joined(factor, "d = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(c)  y = Sigmoid(d)"))
    assert {node.runs for node in plan.nodes.values() if node.op_type == "Concat"} == runs


def test_a_layer_that_reads_the_joined_value_stays_in_integers_and_that_is_recorded() -> None:
    _, plan = quantized(joined(300.0, "d = Relu(c)  y = Conv(d, w)"))
    assert {node.runs for node in plan.nodes.values() if node.op_type == "Conv"} == {"int8"}
    [shared] = plan.shared.values()
    assert (shared.shares, shared.outputs) == ("layers", ())
    assert min(part.sqnr_db or np.inf for part in shared.parts) < SERVED_DB


def test_what_is_cut_out_behind_the_concat_is_float_too() -> None:
    """A Split behind it would otherwise quantize both parts on the common grid again."""
    _, plan = quantized(joined(2000.0, "d, e = Split<axis=1>(c)  f = Sigmoid(d)  g = Tanh(e)  y = Mul(f, g)"))
    assert {node.op_type: node.because for node in plan.nodes.values() if node.op_type in ("Concat", "Split")} == {
        "Concat": "parts",
        "Split": "parts",
    }
