"""Bias correction: the best shift lowers the error and never raises it; steps through a model see
what was corrected before.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.calibration.stepwise import Stepwise
from edgeq.data.held_out import divided
from edgeq.data.open import open_dataset
from edgeq.graph.read import nodes
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import F32, F64
from edgeq.progress import Clock, Silent
from edgeq.refine.step_by_step.bias_correction import some_runs
from edgeq.refine.step_by_step.bias_shift import best_shift
from edgeq.refine.steps import decide
from edgeq.rewrite.pipeline import rewrite
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from edgeq.schema.task import Task
from tests.graph_text import eager, net, weights


def squared(wanted: list[F32], got: list[F32], shift: F64, low: float, high: float) -> F64:
    """The error of each channel behind a Relu and the end of a grid, written out."""
    floor = low if low == 0 else -np.inf
    moved = [np.clip(value + shift.astype(np.float32)[None, :, None], low, high) for value in got]
    return np.sum([np.square(np.maximum(w, floor) - m, dtype=np.float64).sum((0, 2)) for w, m in zip(wanted, moved, strict=True)], axis=0)


@pytest.mark.parametrize(
    ("count", "number", "wanted"),
    [(100, 4, [0, 25, 50, 75]), (10, 3, [0, 3, 6]), (5, 5, list(range(5))), (3, 32, [0, 1, 2])],
)
def test_a_few_runs_are_spread_over_the_data(count: int, number: int, wanted: list[int]) -> None:
    model = net("y = Relu(x)", inputs="float[N, 1] x")
    data = open_dataset({"x": np.arange(count, dtype=np.float32)[:, None]}, input_specs(model))
    assert list(some_runs(data, number)) == wanted


@given(st.integers(0, 10_000), st.sampled_from([(-np.inf, np.inf), (0.0, 1.5), (-1.0, 1.0)]), st.integers(1, 4))
def test_no_channel_gets_worse(seed: int, ends: tuple[float, float], samples: int) -> None:
    """The law: correction never raises a layer's measured error."""
    rng = np.random.default_rng(seed)
    wanted = [rng.normal(size=(1, 3, 7)).astype(np.float32) for _ in range(samples)]
    got = [(value + rng.normal(0.1, 0.3, size=(1, 3, 1)) + rng.normal(0, 0.2, size=value.shape)).astype(np.float32) for value in wanted]
    shift = best_shift(wanted, got, *ends)
    # shifts and values are float32
    assert (squared(wanted, got, shift, *ends) <= squared(wanted, got, np.zeros(3), *ends) * (1 + 1e-6) + 1e-9).all()


def test_a_constant_error_is_taken_away() -> None:
    wanted = [np.random.default_rng(s).normal(size=(1, 2, 50)).astype(np.float32) for s in range(5)]
    got = [value + np.float32([[[0.5], [-0.25]]]) for value in wanted]
    assert best_shift(wanted, got, -np.inf, np.inf) == pytest.approx([-0.5, 0.25], abs=1e-5)


def test_what_a_relu_hides_does_not_count() -> None:
    """Negative places are off by 3, positive ones right: behind the Relu nothing is wrong."""
    value = np.random.default_rng(0).normal(size=(1, 1, 400)).astype(np.float32)
    got = np.where(value < 0, value - 3, value)
    assert best_shift([value], [got], 0.0, 10.0).tolist() == [0.0]


def test_a_shift_that_samples_disagree_on_is_shrunk() -> None:
    wanted = [np.zeros((1, 1, 10), np.float32)] * 2
    steady = best_shift(wanted, [np.full((1, 1, 10), 1.0, np.float32)] * 2, -np.inf, np.inf)
    doubtful = best_shift(wanted, [np.full((1, 1, 10), 2.0, np.float32), np.zeros((1, 1, 10), np.float32)], -np.inf, np.inf)
    assert steady.tolist() == [-1.0]
    assert -1.0 < doubtful[0] < 0.0


BODY = "[one] a = Conv(x, w, b) [act] r = Relu(a) [two] c = Conv(r, v, d) [sum] y = Add(c, r)"
X = np.random.default_rng(3).normal(size=(12, 4, 8, 8)).astype(np.float32)


def model_of() -> ir.Model:
    constants = {"w": weights(4, 4, 1, 1), "b": weights(4), "v": weights(4, 4, 1, 1, seed=1), "d": weights(4, seed=2)}
    return net(BODY, inputs="float[N, 4, 8, 8] x", constants=constants)


def test_steps_give_the_values_of_the_whole_model_in_any_order() -> None:
    model = model_of()
    with open_session(model, optimize="off") as session:
        whole = session.run({"x": X[:1]})[0]
    found = {str(node.name): node for node in nodes(model)}
    steps = Stepwise(model, [{"x": X[:1]}])
    steps.advance(found["two"])
    assert np.array_equal(steps.advance(found["sum"])[0], whole)


def test_later_steps_see_what_was_written_into_a_value() -> None:
    model = model_of()
    found = {str(node.name): node for node in nodes(model)}
    steps = Stepwise(model, [{"x": X[:1]}])
    steps.advance(found["one"])[0][:] = 0
    d = model.graph.initializers["d"].const_value
    assert d is not None
    np.testing.assert_allclose(steps.advance(found["two"])[0], np.broadcast_to(d.numpy().reshape(1, 4, 1, 1), (1, 4, 8, 8)))


def test_corrected_layers_have_the_mean_of_the_float_model() -> None:
    """Grids that clip a third of the values shift the mean of everything behind; corrected, the
    output is nearer to the float model's.
    """
    model = model_of()
    task = Task(model, "", eager(), Recipe(rule="percentile", percentile=80), {})
    done = decide(task, divided(open_dataset({"x": X}, input_specs(model)), "none"), None, Clock(), Silent())
    steps = {step.name: step.plan for step in done.steps}
    with open_session(model, optimize="off") as session:
        wanted = session.run({"x": X})[0]
    errors = []
    for name in ("data-aware rounding", "bias correction"):
        with open_session(rewrite(model, steps[name], eager()), optimize="off") as session:
            errors.append(np.abs((session.run({"x": X})[0] - wanted).mean((0, 2, 3))).mean())
    assert errors[1] < errors[0]


def test_a_model_without_biases_is_left_as_it_is() -> None:
    model = net("[one] a = Conv(x, w) [act] r = Relu(a) [two] y = Conv(r, v)", inputs="float[N, 4, 8, 8] x",
                constants={"w": weights(4, 4, 1, 1), "v": weights(4, 4, 1, 1, seed=1)})  # fmt: skip
    task = Task(model, "", eager(), Recipe(), {})
    done = decide(task, divided(open_dataset({"x": X}, input_specs(model)), "none"), None, Clock(), Silent())
    assert "bias correction" not in {step.name for step in done.steps}
    assert done.plan.biases == {}
