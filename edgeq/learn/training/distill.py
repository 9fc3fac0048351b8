"""Losses of a quantized student: against the outputs of its float teacher, without labels, or mixed
with labels.
"""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor

PROBABILITY_SLACK = 1e-3  # rows that a float32 softmax made sum to 1 within this
SMALLEST = 1e-12  # below any probability that float32 softmax distinguishes from noise; keeps log finite


class Loss(StrEnum):
    """How an output is compared with the teacher's."""

    KL_PROBABILITIES = "KL of probabilities"
    KL_LOGITS = "KL of logits"
    MSE = "MSE over the teacher's variance"


def choose_loss(teacher: Tensor, *, classifies: bool) -> Loss:
    """The loss that suits an output of the teacher. classifies: the task of the data is to name the
    largest score.

    Rows of probabilities show in their values. Logits do not differ from an embedding in theirs:
    there only the task tells.
    """
    rows = teacher.reshape(-1, teacher.shape[-1]) if teacher.dim() else teacher.reshape(1, 1)
    if rows.shape[-1] > 1 and bool((rows >= 0).all()) and bool(((rows.sum(-1) - 1).abs() < PROBABILITY_SLACK).all()):
        return Loss.KL_PROBABILITIES
    return Loss.KL_LOGITS if classifies and rows.shape[-1] > 1 else Loss.MSE


def distance(student: Tensor, teacher: Tensor, loss: Loss) -> Tensor:
    """Mean loss over the samples; zero where the student equals its teacher (Hinton et al.,
    arXiv:1503.02531, temperature 1).
    """
    if loss is Loss.MSE:
        spread = teacher.var(unbiased=False).clamp_min(SMALLEST)
        return (student - teacher).square().mean() / spread
    if loss is Loss.KL_LOGITS:
        known, tried = torch.log_softmax(teacher, -1), torch.log_softmax(student, -1)
    else:
        known, tried = teacher.clamp_min(SMALLEST).log(), student.clamp_min(SMALLEST).log()
    return (known.exp() * (known - tried)).sum(-1).mean()


def with_labels(distilled: Tensor, scores: Tensor, labels: Tensor, loss: Loss, share: float) -> Tensor:
    """(1 - share) of the distillation loss plus share of the cross-entropy of the labels. `loss`
    says what the scores are.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share {share} is not in 0..1")
    logs = scores.clamp_min(SMALLEST).log() if loss is Loss.KL_PROBABILITIES else torch.log_softmax(scores, -1)
    return (1 - share) * distilled + share * torch.nn.functional.nll_loss(logs, labels)
