"""Fine-tuning: the rate that suits the widths of the weights; what has nothing to train."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")

import edgeq  # noqa: E402
from edgeq.data.shipped import shipped_model  # noqa: E402
from edgeq.errors import BadTraining  # noqa: E402
from edgeq.learn.training.finetune import rate_for  # noqa: E402
from tests.small_models import conv_net, text_model  # noqa: E402


@pytest.mark.parametrize(("bits", "rate"), [(1.0, 0.03), (2.0, 0.03), (4.0, 0.006), (8.0, 0.003), (16.0, 0.003)])
def test_the_rate_is_what_was_measured_for_a_width(bits: float, rate: float) -> None:
    assert rate_for(bits) == pytest.approx(rate)


def test_between_widths_the_logarithm_of_the_rate_is_a_line() -> None:
    assert rate_for(3.0) == pytest.approx(math.sqrt(0.03 * 0.006))
    assert rate_for(6.0) == pytest.approx(math.sqrt(0.006 * 0.003))


@pytest.mark.parametrize("nothing", ["no operator runs in integers", "all nodes stay float"])
def test_a_model_with_nothing_to_train_is_refused(nothing: str) -> None:
    head = '<ir_version: 8, opset_import: ["": 13]> net (float[N, 3, 8, 8] x) => (float[N, 3, 8, 8] y) { y = Exp(x) }'
    stays = nothing == "all nodes stay float"
    recipe = edgeq.Recipe.model_validate({"effort": "fast", "keep_float": ["*"] if stays else [], "finetune": {"epochs": 1}})
    data = {"x": np.random.default_rng(0).normal(size=(8, 3, 8, 8)).astype(np.float32)}
    with pytest.raises(BadTraining, match="nothing to train"):
        edgeq.quantize(conv_net() if stays else text_model(head, {}), data, recipe=recipe)


def test_the_report_has_the_losses_of_every_epoch() -> None:
    recipe = edgeq.Recipe.model_validate({"effort": "fast", "samples": 40, "placement": {"prefer": "integers"}, "finetune": {"epochs": 3}})
    training = edgeq.quantize(shipped_model("digits"), "digits", recipe=recipe).report.training
    assert training is not None
    assert (len(training.losses), len(training.scores)) == (3, 3)
    every = (training.start_score, *training.scores)
    assert training.best_score == min(every) == every[training.best_epoch]
