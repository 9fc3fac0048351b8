"""From data to a plan: what statistics and plans of other runs are good for, and what a plan alone
repeats.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

import edgeq
from edgeq.calibration.statistics_file import Statistics
from edgeq.data.open import Dataset, open_dataset
from edgeq.errors import BadData, BadPlan, BadStatistics
from edgeq.graph.signature import input_specs
from edgeq.progress import Clock, Silent
from edgeq.refine.steps import decide, earlier_plan, take_statistics
from edgeq.schema.plan import parse_plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.task import Task
from tests.changed import changed
from tests.graph_text import eager, net, weights

TARGET = eager()
X = np.random.default_rng(2).normal(size=(6, 8, 12, 12)).astype(np.float32)
BODY = "[c1] a = Conv(x, w, b) [act] h = HardSwish(a) [c2] y = Conv(h, w)"


def model_of(shape: str = "N, 8, 12, 12") -> ir.Model:
    return net(BODY, inputs=f"float[{shape}] x", constants={"w": weights(8, 8, 3, 3), "b": weights(8)})


def task_of(recipe: Recipe | None = None, model_hash: str = "m") -> Task:
    return Task(model_of(), model_hash, TARGET, recipe or Recipe(), {})


def data_of(task: Task, x: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = X) -> Dataset:
    return open_dataset({"x": x}, input_specs(task.model))


def statistics_of(task: Task) -> Statistics:
    return take_statistics(task, data_of(task), Silent())


def serialised(model: ir.Model) -> bytes:
    return bytes(ir.to_proto(model).SerializeToString(deterministic=True))


def test_statistics_of_an_earlier_run_give_the_same_plan() -> None:
    task = task_of()
    known = statistics_of(task)
    fresh = decide(task, data_of(task), None, Clock(), Silent())
    reused = decide(task, data_of(task), known, Clock(), Silent())
    assert reused.plan.to_json() == fresh.plan.to_json()
    assert [name for name, _ in fresh.steps] == ["ranges (mse)", "data-aware rounding", "bias correction"]


def test_statistics_alone_give_ranges_and_nearest_rounding() -> None:
    task = task_of()
    done = decide(task, None, statistics_of(task), Clock(), Silent())
    assert [name for name, _ in done.steps] == ["ranges (mse)"]
    assert done.plan.biases == {}
    assert done.plan.grids == decide(task, data_of(task), None, Clock(), Silent()).plan.grids


def test_statistics_merge_to_what_one_pass_gives() -> None:
    task = task_of()
    data = data_of(task)
    halves = [take_statistics(task, data, Silent(), start=start, stop=stop) for start, stop in ((0, 2), (2, 6))]
    whole = statistics_of(task)
    assert all(halves[1].tensors[name].merge(halves[0].tensors[name]) == whole.tensors[name] for name in whole.tensors)


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (task_of(model_hash="other"), "another model"),
        (task_of(Recipe(keep_float=("c1",))), "other settings"),
    ],
)
def test_statistics_of_something_else_are_refused(other: Task, what: str) -> None:
    with pytest.raises(BadStatistics, match=what):
        decide(task_of(), None, statistics_of(other), Clock(), Silent())


def test_statistics_of_other_data_are_refused_where_data_is_given() -> None:
    task = task_of()
    with pytest.raises(BadStatistics, match="other data"):
        decide(task, data_of(task, X + 1), statistics_of(task), Clock(), Silent())


def test_nothing_to_calibrate_with_is_an_error() -> None:
    with pytest.raises(BadData, match="no data"):
        decide(task_of(), None, None, Clock(), Silent())


def test_a_plan_of_another_model_or_target_is_refused() -> None:
    task = task_of()
    plan = decide(task, data_of(task), None, Clock(), Silent()).plan
    assert earlier_plan(plan, task).plan is plan
    with pytest.raises(BadPlan, match="another model"):
        earlier_plan(plan, task_of(model_hash="other"))
    with pytest.raises(BadPlan, match="target 'somewhere'"):
        earlier_plan(changed(plan, target="somewhere"), task)


@pytest.mark.parametrize(
    ("recipe", "shapes"),
    [
        (Recipe(), {}),
        (Recipe(opset=21), {}),
        (Recipe(keep_float=("HardSwish",)), {}),
        (Recipe(keep_float=("c2",), rule="minmax", weights="per_tensor"), {}),
        (Recipe(), {"x": (1, 8, 12, 12)}),
    ],
)
def test_the_plan_alone_repeats_the_model_byte_for_byte(recipe: Recipe, shapes: dict[str, tuple[int, ...]]) -> None:
    first = edgeq.quantize(model_of(), {"x": X}, recipe=recipe, shapes=shapes, prove=False)
    plan = parse_plan(first.plan.to_json(), "here")
    again = edgeq.quantize(model_of(), plan=plan, prove=False)
    assert serialised(again.model) == serialised(first.model)
    assert again.plan == first.plan


def test_hardswish_that_is_kept_float_stays_one_node() -> None:
    done = edgeq.quantize(model_of(), {"x": X}, recipe=Recipe(keep_float=("HardSwish",)), prove=False)
    assert "HardSwish" in {node.op_type for node in done.model.graph}
    assert done.plan.nodes["act"].reason == "kept float by the recipe (HardSwish)"
    split = edgeq.quantize(model_of(), {"x": X}, prove=False)
    assert "HardSwish" not in {node.op_type for node in split.model.graph}
