"""The judge: known distances from the float model, in the numbers that decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.data.open import open_dataset
from edgeq.engines.current import using
from edgeq.engines.local import Local
from edgeq.engines.protocol import Job, R, S, T
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import F32
from edgeq.numerics.output_fidelity import OutputFidelity
from edgeq.progress import Clock, Progress, Silent
from edgeq.refine.gate import Gate
from edgeq.refine.judge import LIMIT_DB, TIE_DB, Judge, Score, score_of
from edgeq.schema.plan import Plan
from edgeq.schema.task import Step
from tests.graph_text import net

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
TWO = "float y, float z"


def scaled(first: float, second: float) -> ir.Model:
    """Two outputs, each the input times a number."""
    return net("y = Mul(x, a) z = Mul(x, b)", inputs="float[N, 4] x", outputs=TWO, constants={"a": first, "b": second})


def judge_of(model: ir.Model, x: F32 = X) -> Judge:
    return Judge(model, open_dataset({"x": x}, input_specs(model)), Silent())


def test_the_score_is_the_worst_output_and_the_mean() -> None:
    """A tenth of the signal is 20 dB, a hundredth 40 dB."""
    score = judge_of(scaled(1.0, 1.0)).score(scaled(0.9, 1.01), "it")
    assert score.worst_db == pytest.approx(20, abs=1e-3)
    assert score.mean_db == pytest.approx(30, abs=1e-3)


def test_equal_outputs_do_not_outweigh_the_others() -> None:
    score = judge_of(scaled(1.0, 1.0)).score(scaled(0.9, 1.0), "it")
    assert score.mean_db == pytest.approx((20 + LIMIT_DB) / 2, abs=1e-3)


def test_a_small_part_of_an_output_counts_as_much_as_a_large_one() -> None:
    """Scores of 0..1 beside boxes of 0..600: as a whole the output is near, the scores are lost."""
    text = "b = Mul(x, a) s = Mul(x, c) y = Concat<axis = 1>(b, s)"
    models = [net(text, inputs="float[N, 4] x", constants={"a": 600.0, "c": c}) for c in (1.0, 0.5)]
    score = judge_of(models[0]).score(models[1], "it")
    assert score.worst_db == pytest.approx(20 * np.log10(2), abs=1e-3)
    assert score.mean_db == pytest.approx((20 * np.log10(2) + LIMIT_DB) / 2, abs=1e-3)


def test_numbers_read_off_the_floats_do_not_decide() -> None:
    text = "y = Mul(x, a) k = ArgMax<axis = 1>(y)"
    models = [net(text, inputs="float[N, 4] x", outputs="float y, int64 k", constants={"a": a}) for a in (1.0, -1.0, 0.9)]
    far, near = (judge_of(models[0]).score(model, "it") for model in models[1:])
    assert far.worst_db == far.mean_db == pytest.approx(10 * np.log10(0.25), abs=1e-3)
    assert near.worst_db == near.mean_db == pytest.approx(20, abs=1e-3)
    alone = [net(text, inputs="float[N, 4] x", outputs="int64 k", constants={"a": a}) for a in (1.0, -1.0)]
    assert judge_of(alone[0]).score(alone[1], "it").worst_db < 20  # there is nothing else to go by


def test_outputs_of_another_shape_are_left_out() -> None:
    """What is kept depends on the numbers: one sample has more of it in one of the models."""
    text = "m = Greater(x, t) k = NonZero(m) i = Transpose(k) y = GatherND(x, i) z = Mul(x, a)"
    inputs, outputs = "float[N, 4] x", "float[M] y, float z"
    models = [net(text, inputs=inputs, outputs=outputs, constants={"t": t, "a": a}) for t, a in ((0.0, 1.0), (0.3, 0.9))]
    score = judge_of(models[0]).score(models[1], "it")
    assert score.worst_db == pytest.approx(20, abs=1e-3)


def test_the_float_model_runs_once() -> None:
    judge = judge_of(scaled(1.0, 1.0))
    scores = [judge.score(scaled(0.9, 0.9), "it") for _ in range(2)]
    assert scores[0] == scores[1]
    assert len(judge.known._held) == len(X)


def test_what_is_no_number_is_the_worst() -> None:
    def figures(*decibels: float) -> list[OutputFidelity]:
        return [OutputFidelity("y", one, 1.0, 0.0, None) for one in decibels]

    assert score_of(figures(float("nan"), 20.0)) == Score(-LIMIT_DB, (20 - LIMIT_DB) / 2)
    assert score_of(figures(float("-inf"), float("inf"))) == Score(-LIMIT_DB, 0.0)


@pytest.mark.parametrize(
    ("worst", "mean", "below"),
    [(20, 30, False), (20 - TIE_DB / 2, 30, False), (20 - 2 * TIE_DB, 30, True), (21, 30 - 2 * TIE_DB, True), (25, 40, False)],
)
def test_a_fall_of_either_number_counts_but_not_a_tie(worst: float, mean: float, below: bool) -> None:
    assert Score(worst, mean).is_below(Score(20, 30)) is below


# ------------------------------------------------------------------ the gate

#: plans that differ in nothing but what their models compute: the gate tells them by identity
PLANS = [Plan(model="m", data="d", target="t", recipe="r", settings="s", opset=None, nodes={}, grids={}, weights={}) for _ in range(5)]


def gate_of(*factors: float, judged: bool = True) -> Gate:
    """A gate whose plan number i gives the model that multiplies by the factor i."""
    emulate = {id(plan): scaled(factor, factor) for plan, factor in zip(PLANS, factors, strict=False)}
    judge = judge_of(scaled(1.0, 1.0)) if judged else None
    return Gate(Step("ranges", PLANS[0]), judge, lambda plan: emulate[id(plan)], Clock())


def test_a_step_that_lowers_the_sqnr_is_dropped_and_the_next_is_held_against_the_one_before_it() -> None:
    gate = gate_of(0.8, 0.9, 0.7, 0.85, 0.95)
    assert [gate.takes(f"step {number}", plan) for number, plan in enumerate(PLANS[1:])] == [True, False, False, True]
    assert [step.kept for step in gate.steps] == [True, True, False, False, True]
    decibels = [-20 * np.log10(1 - factor) for factor in (0.8, 0.9, 0.7, 0.85, 0.95)]
    assert [step.sqnr_db for step in gate.steps] == pytest.approx(decibels, abs=1e-3)


def test_a_step_that_has_to_gain_is_dropped_where_it_gains_less() -> None:
    """A factor of 0.9 is 20 dB, one of 0.91 is 20.9 dB."""
    assert not gate_of(0.9, 0.91).takes("a little better", PLANS[1], gain_db=1.5)
    assert gate_of(0.9, 0.91).takes("better", PLANS[1], gain_db=0.5)


def test_a_step_that_changes_nothing_is_none() -> None:
    gate = gate_of(0.8, 0.9)
    assert gate.takes("nothing", PLANS[0])
    assert gate.steps == [Step("ranges", PLANS[0])]


def test_without_a_judge_every_step_is_kept_unmeasured() -> None:
    gate = gate_of(0.8, 0.1, judged=False)
    assert gate.takes("worse", PLANS[1])
    assert gate.steps == [Step("ranges", PLANS[0]), Step("worse", PLANS[1])]


def test_a_step_that_was_asked_for_is_the_measure_of_the_next() -> None:
    gate = gate_of(0.95, 0.7, 0.8)
    gate.add("codebooks", PLANS[1])
    assert gate.takes("bias correction", PLANS[2])  # better than the codebooks, worse than what was before
    assert [step.sqnr_db is None for step in gate.steps] == [True, False, False]


def test_what_takes_longer_to_send_than_to_judge_stays_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The score is the same; how much is worth sending is a matter of seconds."""

    class Counted(Local):
        workers, jobs = 2, 0

        def run(self, job: Job[T, S, R], shards: Sequence[S], progress: Progress) -> Iterator[tuple[int, R]]:
            self.jobs += 1
            yield from super().run(job, shards, progress)

    wanted = judge_of(scaled(1.0, 1.0)).score(scaled(0.9, 1.01), "it")
    for seconds, jobs in ((1e6, 0), (-1.0, 1)):
        monkeypatch.setattr("edgeq.calibration.pairs.shards.WORTH_S", seconds)
        with using(Counted(1)) as engine:
            assert judge_of(scaled(1.0, 1.0)).score(scaled(0.9, 1.01), "it") == wanted
        assert engine.jobs == jobs
