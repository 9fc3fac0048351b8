"""From data to a plan: what statistics and plans of other runs are good for, and what a plan alone
repeats.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnx_ir as ir
import pytest

import edgeq
from edgeq.calibration.statistics_file import Statistics, merge_statistics
from edgeq.data.held_out import Division, divided, division_of
from edgeq.data.open import open_dataset
from edgeq.errors import BadData, BadPlan, BadStatistics
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import F32
from edgeq.progress import Clock, Silent
from edgeq.refine.judge import TIE_DB, Judge
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


def data_of(task: Task, x: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = X) -> Division:
    return divided(open_dataset({"x": x}, input_specs(task.model)), "none")


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
    assert [step.name for step in fresh.steps] == ["ranges (mse)", "data-aware rounding", "bias correction"]


def test_statistics_alone_give_ranges_and_nearest_rounding() -> None:
    task = task_of()
    done = decide(task, None, statistics_of(task), Clock(), Silent())
    assert [step.name for step in done.steps] == ["ranges (mse)"]
    assert done.plan.biases == {}
    assert done.plan.grids == decide(task, data_of(task), None, Clock(), Silent()).plan.grids


def test_statistics_merge_to_what_one_pass_gives() -> None:
    task = task_of()
    data = data_of(task)
    halves = [take_statistics(task, data, Silent(), start=start, stop=stop) for start, stop in ((0, 2), (2, 6))]
    whole = statistics_of(task)
    assert all(halves[1].tensors[name].merge(halves[0].tensors[name]) == whole.tensors[name] for name in whole.tensors)


# ------------------------------------------------------------------ samples held out

MANY = np.random.default_rng(3).normal(size=(23, 8, 12, 12)).astype(np.float32)


def divided_of(task: Task) -> Division:
    return division_of(open_dataset({"x": MANY}, input_specs(task.model)), task.recipe)


def test_statistics_leave_out_what_is_held_out_and_say_so() -> None:
    task, everything = task_of(), task_of(Recipe(hold_out=False))
    seen = take_statistics(task, divided_of(task), Silent())
    assert (seen.held_out, seen.samples.tolist()) == ("every_fifth", [n for n in range(23) if n % 5 != 4])
    assert seen.data == divided_of(task).whole.hash
    whole = take_statistics(everything, divided_of(everything), Silent())
    assert (whole.held_out, whole.samples.tolist()) == ("none", list(range(23)))
    assert whole.data == seen.data


@pytest.mark.parametrize("cuts", [(0, 4, 5, 17, 23), (0, 10, 23)])
def test_shards_leave_out_the_same_samples_and_merge_to_the_whole(cuts: tuple[int, ...]) -> None:
    """By their index in the whole data; the shard 4..4 sees nothing at all."""
    task = task_of()
    data = divided_of(task)
    shards = [take_statistics(task, data, Silent(), start=start, stop=stop) for start, stop in pairwise(cuts)]
    assert merge_statistics(shards[::-1]).to_bytes() == take_statistics(task, data, Silent()).to_bytes()


def test_the_plan_is_that_of_the_fitted_samples_alone() -> None:
    task = task_of()
    data = divided_of(task)
    assert data.held_out is not None
    alone = divided(open_dataset({"x": MANY[data.indices]}, input_specs(task.model)), "none")
    one, other = decide(task, data, None, Clock(), Silent()).plan, decide(task, alone, None, Clock(), Silent()).plan
    assert (one.held_out, other.held_out) == ("every_fifth", "none")
    assert changed(one, data="", held_out="none") == changed(other, data="")


def test_statistics_that_left_samples_out_are_refused_where_all_are_asked_for() -> None:
    task = task_of()
    known = take_statistics(task, divided_of(task), Silent())
    with pytest.raises(BadStatistics, match="left every fifth sample out"):
        decide(task_of(Recipe(hold_out=False)), None, known, Clock(), Silent())


def misleading() -> tuple[ir.Model, F32]:
    """A model and data whose held-out samples have rounding errors that the others have not.

    On the input's grid, of whole numbers, most samples are rounded down by 0.4, every fifth up by
    0.4: what corrects the mean error of the one makes that of the other twice as large.
    """
    body = "[c1] y = Conv(x, w, b)"
    model = net(body, inputs="float[N, 4, 8, 8] x", constants={"w": np.abs(weights(4, 4, 1, 1)), "b": weights(4)})
    whole = np.random.default_rng(0).integers(0, 255, size=(25, 4, 8, 8)).astype(np.float32)
    held = np.arange(25) % 5 == 4
    x = whole + np.where(held, 0.6, 0.4)[:, None, None, None].astype(np.float32)
    x[:, 0, 0, 0], x[:, 0, 0, 1] = 0, 255
    return model, x


@pytest.mark.parametrize(("judged_by", "kept"), [("held_out", False), ("fitted", True)])
def test_a_bias_correction_is_kept_only_where_it_helps_samples_that_it_was_not_made_from(judged_by: str, kept: bool) -> None:
    model, x = misleading()
    task = Task(model, "m", TARGET, Recipe(rule="minmax"), {})
    data = division_of(open_dataset({"x": x}, input_specs(model)), task.recipe)
    samples = data.held_out if judged_by == "held_out" else data.fitted
    assert samples is not None
    done = decide(task, data, None, Clock(), Silent(), Judge(model, samples, Silent()))
    steps = {step.name: step for step in done.steps}
    assert steps["bias correction"].kept is kept
    assert done.plan is (steps["bias correction"] if kept else steps["data-aware rounding"]).plan
    assert done.draft is steps["data-aware rounding"].plan
    before, after = (steps[name].sqnr_db for name in ("data-aware rounding", "bias correction"))
    assert before is not None and after is not None
    assert after > before + 1 if kept else after < before - 1


def test_steps_that_are_kept_never_lower_the_sqnr() -> None:
    task = task_of()
    data = divided_of(task)
    assert data.held_out is not None
    done = decide(task, data, None, Clock(), Silent(), Judge(task.model, data.held_out, Silent()))
    kept = [step.sqnr_db for step in done.steps if step.kept]
    assert all(later > earlier - TIE_DB for earlier, later in pairwise(one for one in kept if one is not None))
    assert done.plan is next(step.plan for step in reversed(done.steps) if step.kept)


# ------------------------------------------------------------------ what does not belong


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
