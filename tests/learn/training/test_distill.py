"""Losses of distillation, and the batches they are taken on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")

from edgeq.data.dataset import Dataset  # noqa: E402
from edgeq.data.open import open_dataset  # noqa: E402
from edgeq.errors import BadData  # noqa: E402
from edgeq.graph.signature import InputSpec  # noqa: E402
from edgeq.learn.training.batches import held_out, training_batches  # noqa: E402
from edgeq.learn.training.distill import Loss, choose_loss, distance, with_labels  # noqa: E402

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]])


def numbered(count: int) -> Dataset:
    """Samples whose every value is their index."""
    arrays: Mapping[str, np.ndarray] = {"x": np.repeat(np.arange(count, dtype=np.float32)[:, None], 3, axis=1)}
    return open_dataset(arrays, (InputSpec("x", "float32", (None, 3)),))


def test_the_loss_suits_the_output() -> None:
    assert choose_loss(torch.softmax(LOGITS, -1), classifies=False) is Loss.KL_PROBABILITIES
    assert choose_loss(LOGITS, classifies=True) is Loss.KL_LOGITS
    assert choose_loss(LOGITS, classifies=False) is Loss.MSE
    assert choose_loss(torch.ones(4, 1), classifies=True) is Loss.MSE


@pytest.mark.parametrize("loss", list(Loss))
def test_no_distance_to_itself_and_a_slope_towards_the_teacher(loss: Loss) -> None:
    teacher = torch.softmax(LOGITS, -1) if loss is Loss.KL_PROBABILITIES else LOGITS
    assert float(distance(teacher, teacher, loss)) == pytest.approx(0, abs=1e-6)
    other = teacher.flip(0).clone().requires_grad_()
    before = distance(other, teacher, loss)
    before.backward()
    assert float(before.detach()) > 0.1
    assert float(distance(other.detach() - 1e-3 * other.grad, teacher, loss)) < float(before.detach())


def test_kl_is_the_same_of_logits_and_of_their_probabilities() -> None:
    student = LOGITS.flip(1)
    of_logits = distance(student, LOGITS, Loss.KL_LOGITS)
    of_probabilities = distance(torch.softmax(student, -1), torch.softmax(LOGITS, -1), Loss.KL_PROBABILITIES)
    assert float(of_logits) == pytest.approx(float(of_probabilities), rel=1e-5)


def test_labels_are_mixed_in_by_their_share() -> None:
    labels, distilled = torch.tensor([0, 1]), torch.tensor(3.0)
    entropy = float(torch.nn.functional.cross_entropy(LOGITS, labels))
    assert float(with_labels(distilled, LOGITS, labels, Loss.KL_LOGITS, 0.25)) == pytest.approx(0.75 * 3 + 0.25 * entropy)
    probabilities = torch.softmax(LOGITS, -1)
    assert float(with_labels(distilled, probabilities, labels, Loss.KL_PROBABILITIES, 1.0)) == pytest.approx(entropy, rel=1e-5)
    with pytest.raises(ValueError, match="share"):
        with_labels(distilled, LOGITS, labels, Loss.KL_LOGITS, 1.5)


def test_training_never_sees_what_is_held_out() -> None:
    data = numbered(103)
    seen = [index for samples, _ in training_batches(data, 4, seed=0, epoch=0) for index in samples]
    held = [index for samples, _ in held_out(data, 4) for index in samples]
    assert sorted(seen + held) == list(range(103))
    assert held == list(range(4, 103, 5))


def test_indices_name_the_rows_of_the_feeds() -> None:
    for samples, feeds in training_batches(numbered(30), 4, seed=0, epoch=0):
        assert feeds["x"][:, 0].tolist() == list(samples)


def test_the_order_hangs_on_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[tuple[int, ...]]:
        return [samples for samples, _ in training_batches(numbered(40), 4, seed=seed, epoch=epoch)]

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(BadData, match="4 samples are too few"):
        next(held_out(numbered(4), 4))
