"""Neighbouring codes: the limit holds, and with it onnxruntime's kernels compute exactly what the
grids say.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.calibration.observe import observe
from edgeq.data.open import open_dataset
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import F32
from edgeq.numerics.saturation import limit_pairs, neighbours, partners, worst_pairs
from edgeq.planning.first_plan import MadeFrom, make_plan, values_to_observe
from edgeq.rewrite.pipeline import rewrite
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from tests.changed import changed
from tests.graph_text import net

LIMIT = 128


def slow_worst(row: F32, pairs: list[tuple[int, int]]) -> float:
    return max((abs(row[a]) + abs(row[b]) for a, b in pairs if row[a] * row[b] > 0), default=0.0)


def every_pair(kernel: tuple[int, ...]) -> list[tuple[int, int]]:
    return [(a, b) for group in neighbours(kernel) for a, b in group.tolist()]


def test_neighbours_of_a_matrix_row() -> None:
    (only,) = neighbours((5,))
    assert only.tolist() == [[0, 1], [2, 3]]


def test_neighbours_of_a_kernel_are_those_of_both_layouts() -> None:
    first, last = neighbours((2, 1, 3))
    assert first.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert last.tolist() == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize("kernel", [(1,), (6,), (3, 3, 3), (4, 2), (1, 1, 1)])
def test_no_index_is_twice_in_one_order_and_partners_know_all(kernel: tuple[int, ...]) -> None:
    pairs = neighbours(kernel)
    for group in pairs:
        assert len(set(group.reshape(-1).tolist())) == group.size
    mates = partners(pairs, int(np.prod(kernel)))
    assert sorted((a, b) for a, found in enumerate(mates) for b in found) == sorted(
        p for a, b in every_pair(kernel) for p in ((a, b), (b, a))
    )


@settings(max_examples=200)
@given(
    st.sampled_from([(4,), (5,), (2, 3), (3, 2, 2)]).flatmap(
        lambda kernel: st.tuples(
            st.just(kernel), st.lists(st.integers(-127, 127), min_size=int(np.prod(kernel)), max_size=int(np.prod(kernel)))
        )
    ),
    st.integers(2, 254),
)
def test_the_limit_holds_for_all_pairs_and_codes_only_shrink(drawn: tuple[tuple[int, ...], list[int]], limit: int) -> None:
    kernel, numbers = drawn
    before = np.array([numbers], np.float32)
    after = limit_pairs(before.copy(), neighbours(kernel), limit)
    assert slow_worst(after[0], every_pair(kernel)) <= limit
    assert worst_pairs(after, neighbours(kernel)).tolist() == [slow_worst(after[0], every_pair(kernel))]
    assert np.all(np.abs(after) <= np.abs(before))
    assert np.all(after * before >= 0)
    assert np.array_equal(after, np.rint(after))
    if slow_worst(before[0], every_pair(kernel)) <= limit:
        assert np.array_equal(after, before)


#: every weight at the end of the codes: without the limit each pair of products is 2 * 255 * 127 =
#: 64,770, twice what int16 holds
LAYERS = {
    "conv": ("Conv(x, w)", (2, 8, 6, 6), (4, 8, 3, 3)),
    "conv_odd_channels": ("Conv<pads = [1, 1, 1, 1]>(x, w)", (2, 5, 6, 6), (4, 5, 3, 3)),
    "conv_one_channel": ("Conv(x, w)", (2, 1, 6, 6), (4, 1, 3, 3)),
    "pointwise": ("Conv(x, w)", (2, 16, 6, 6), (8, 16, 1, 1)),
    "grouped": ("Conv<group = 2>(x, w)", (2, 8, 6, 6), (4, 4, 3, 3)),
    "depthwise": ("Conv<group = 8>(x, w)", (2, 8, 6, 6), (8, 1, 3, 3)),
    "multiplier": ("Conv<group = 8>(x, w)", (2, 8, 6, 6), (16, 1, 3, 3)),
    "one_dimension": ("Conv(x, w)", (2, 6, 12), (4, 6, 3)),
    "gemm": ("Gemm(x, w)", (5, 33), (33, 8)),
    "gemm_trans_b": ("Gemm<transB = 1>(x, w)", (5, 33), (8, 33)),
    "matmul": ("MatMul(x, w)", (2, 5, 34), (34, 8)),
}


@pytest.mark.parametrize("rule", ["minmax", "mse"])
@pytest.mark.parametrize("name", LAYERS)
def test_onnxruntime_computes_the_same_with_integer_kernels_as_without(name: str, rule: str) -> None:
    """Fails for most of these without the limit, on a CPU without VNNI."""
    op, shape, kernel = LAYERS[name]
    rng = np.random.default_rng(7)
    w = np.where(rng.random(kernel) < 0.1, -1, 1).astype(np.float32)
    w.reshape(-1)[::5] *= 0.3
    x = rng.uniform(0.9, 1, shape).astype(np.float32)
    model = net(f"[op] c = {op}  y = Relu(c)", inputs=f"float[{', '.join(map(str, shape))}] x", constants={"w": w})
    facts, recipe = load_target("cpu"), Recipe.model_validate({"rule": "minmax", "weight_rule": rule})
    # the layer must run in integers for the test to say anything, however little it is worth
    target = changed(facts, boundary=changed(facts.boundary, integer_mac_worth_ns=1e6))
    statistics = observe(model, values_to_observe(model, target, recipe), open_dataset({"x": x}, input_specs(model)))
    plan = make_plan(model, statistics, target, recipe, MadeFrom("", "", ""))
    assert plan.nodes["op"].runs == "int8"
    result = rewrite(model, plan, target)
    outputs = []
    for level in ("off", "extended", "all"):
        with open_session(result, threads=1, optimize=level) as session:
            outputs.append(session.run({"x": x})[0])
    # an integer kernel may round a tie the other way; one that hands out float adds in another
    # order
    step = plan.grids["y"].scale if "y" in plan.grids else 1e-5 * np.abs(outputs[0]).max()
    for found in outputs[1:]:
        assert np.abs(found - outputs[0]).max() <= 1.01 * step


def test_codes_of_a_plan_keep_the_limit() -> None:
    w = np.ones((8, 33), np.float32)
    model = net("[op] y = Gemm<transB = 1>(x, w)", inputs="float[500, 33] x", constants={"w": w})
    target, recipe = load_target("cpu"), Recipe()
    x = np.random.default_rng(0).random((500, 33)).astype(np.float32)
    statistics = observe(model, values_to_observe(model, target, recipe), open_dataset({"x": x}, input_specs(model)))
    plan = make_plan(model, statistics, target, recipe, MadeFrom("", "", ""))
    grid = plan.weights["op:1"]
    codes = grid.integers(w, "op:1")
    assert worst_pairs(np.asarray(codes, np.float32), neighbours((33,))).max() <= LIMIT
