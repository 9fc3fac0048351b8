"""A metric of the user's own chooses the epoch of a training: higher, equal, lower, no number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")

import edgeq  # noqa: E402
from edgeq.data.held_out import HELD_OUT  # noqa: E402
from edgeq.data.open import open_dataset  # noqa: E402
from edgeq.data.shipped import shipped_model  # noqa: E402
from edgeq.errors import BadCheckpoint, BadData, BadMetric  # noqa: E402
from edgeq.few_bits.tables import with_tables  # noqa: E402
from edgeq.few_bits.tuned_tables import tuned_tables  # noqa: E402
from edgeq.graph.signature import input_specs  # noqa: E402
from edgeq.io.load import load_proto  # noqa: E402
from edgeq.learn.door import Checkpoint  # noqa: E402
from edgeq.learn.training.checkpoint import Identity  # noqa: E402
from edgeq.learn.training.grade import Grade  # noqa: E402
from edgeq.learn.training.grading import HeldOut  # noqa: E402
from edgeq.learn.training.training import Lesson, Schedule, train  # noqa: E402
from edgeq.metrics.metric import BUILT_IN, Metric  # noqa: E402
from edgeq.numerics.arrays import AnyArray  # noqa: E402
from edgeq.progress import Silent  # noqa: E402
from edgeq.schema.codebook import CodebookWish  # noqa: E402
from edgeq.schema.finetune import FineTuneWish  # noqa: E402
from edgeq.schema.recipe import Recipe  # noqa: E402
from tests.few_bits.test_tables import net  # noqa: E402
from tests.few_bits.test_widths import samples  # noqa: E402
from tests.small_models import conv_net  # noqa: E402

NAN = float("nan")


def best_epoch(grades: Sequence[float], losses: Sequence[float], *, higher: bool = True) -> int:
    """The epoch that is kept where start and epochs have these grades and losses."""
    student, told, scored = torch.nn.Linear(2, 1), iter(grades), iter(losses)
    lesson = Lesson(student, lambda _: [torch.ones(1, 2)], lambda batch: student(batch).sum(), lambda: next(scored))
    graded = replace(lesson, grade=Grade("own", lambda: next(told), higher))
    state = train(graded, Schedule(epochs=len(grades) - 1), Identity("model", "plan", "data", "settings"), Silent())
    assert (state.start_grade, *state.grades) == pytest.approx(tuple(grades), nan_ok=True)
    assert state.best_grade == pytest.approx(grades[state.best_epoch], nan_ok=True)
    return state.best_epoch


@pytest.mark.parametrize(
    ("grades", "losses", "higher", "kept"),
    [
        ((0.5, 0.9, 0.7), (3.0, 2.0, 1.0), True, 1),
        ((0.5, 0.9, 0.7), (3.0, 2.0, 1.0), False, 0),
        ((0.5, 0.4, 0.7), (3.0, 2.0, 1.0), False, 1),
        ((0.9, 0.9, 0.9), (3.0, 1.0, 2.0), True, 1),
        ((NAN, NAN, 0.1), (3.0, 1.0, 2.0), True, 2),
        ((0.1, NAN, NAN), (3.0, 1.0, 2.0), False, 0),
    ],
    ids=["more is better", "more is worse", "less is better", "the loss parts equals", "a number beats none", "none never wins"],
)
def test_the_grade_decides_and_the_loss_between_equals(
    grades: Sequence[float], losses: Sequence[float], *, higher: bool, kept: int
) -> None:
    assert best_epoch(grades, losses, higher=higher) == kept


def finetuned(metric: Metric | None) -> edgeq.Quantized:
    recipe = edgeq.Recipe.model_validate({"effort": "fast", "samples": 40, "placement": {"prefer": "integers"}, "finetune": {"epochs": 3}})
    return edgeq.quantize(shipped_model("digits"), "digits", recipe=recipe, metric=metric)


def test_the_report_has_the_metric_of_every_epoch_and_the_best_of_it_is_kept() -> None:
    def sharp(outputs: AnyArray, labels: AnyArray) -> float:
        assert len(outputs) == len(labels)
        return float(np.sort(outputs)[:, -1].mean())

    by_loss, training = finetuned(None).report.training, finetuned(Metric("sharp", sharp)).report.training
    assert by_loss is not None and training is not None
    assert by_loss.metric is None and by_loss.grades == ()
    assert training.metric == "sharp" and len(training.grades) == 3
    every = (training.start_grade, *training.grades)
    assert training.best_grade == max(one for one in every if one is not None) == every[training.best_epoch]
    assert training.scores == by_loss.scores  # the same training; another epoch may be kept


def test_a_metric_for_which_every_epoch_is_worse_keeps_the_start() -> None:
    falling = count(0, -1)
    training = finetuned(Metric("falling", lambda *_: next(falling))).report.training
    assert training is not None and training.best_epoch == 0


def test_a_metric_that_fails_in_training_is_named() -> None:
    def broken(*_: AnyArray) -> float:
        raise KeyError("boxes")

    with pytest.raises(BadMetric, match="KeyError"):
        finetuned(Metric("broken", broken))


@pytest.mark.parametrize(("step", "trains"), [(1, True), (-1, False)])
def test_tables_of_floats_go_by_it_too(step: int, *, trains: bool) -> None:
    loaded = load_proto(net())
    data = open_dataset(samples(), input_specs(loaded.model))
    recipe = Recipe(codebook=CodebookWish(bits=2), finetune=FineTuneWish(epochs=2, rate=0.01))
    values = count(0, step)
    metric = Metric("counted", lambda *_: next(values))
    plain = with_tables(loaded, recipe.codebook, data, Silent())
    tuned = with_tables(
        loaded, recipe.codebook, data, Silent(), tune=tuned_tables(loaded.hash, data, recipe, Silent(), Checkpoint(), metric)
    )
    same = all(np.array_equal(new, tuned.weights[name][1]) for name, (_, new) in plain.weights.items())
    assert same == (not trains)


def test_outputs_without_a_row_a_sample_are_told_apart_one_by_one() -> None:
    """Two boxes a sample, in one array: a batch of four gives eight rows."""
    images = {"x": np.random.default_rng(0).normal(size=(40, 3, 8, 8)).astype(np.float32)}
    data = open_dataset(images, input_specs(load_proto(conv_net()).model))
    seen: list[int] = []

    def boxes(outputs: list[AnyArray], _: None) -> float:
        seen.append(len(outputs))
        return float(np.mean([len(one) for one in outputs]))

    def answer(feeds: dict[str, AnyArray]) -> dict[str, torch.Tensor]:
        return {"boxes": torch.ones(2 * len(feeds["x"]), 4)}

    held = HeldOut(data, 4, answer, ("boxes",), Metric("boxes", boxes))
    assert held.score(answer, lambda *_: 1.0) == 1.0
    assert held.grade() == 2.0
    assert set(seen) == {40 // HELD_OUT}


def test_a_metric_that_needs_labels_is_refused_without_them() -> None:
    data = open_dataset({"x": np.zeros((16, 3, 8, 8), np.float32)}, input_specs(load_proto(conv_net()).model))
    with pytest.raises(BadData, match="top1 needs labels"):
        HeldOut(data, 4, lambda _: {}, ("y",), BUILT_IN["top1"])


def test_a_checkpoint_of_another_metric_is_refused(tmp_path: Path) -> None:
    model, kept = shipped_model("digits"), tmp_path / "run.ckpt"
    recipe = {"effort": "fast", "samples": 40, "placement": {"prefer": "integers"}, "finetune": {"epochs": 1}}
    edgeq.finetune(model, "digits", recipe=recipe, metric="top1", keep=kept, prove=False)
    with pytest.raises(BadCheckpoint, match="settings not the same"):
        edgeq.finetune(model, "digits", recipe=recipe, metric="f1", resume=kept, prove=False)
