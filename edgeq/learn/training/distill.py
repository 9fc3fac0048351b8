"""Losses of a quantized student against the outputs of its float teacher, or mixed with labels."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import torch
from torch import Tensor

#: the rows of a float32 softmax sum to 1 within this tolerance
PROBABILITY_SLACK = 1e-3
#: below any probability that a float32 softmax distinguishes from noise; keeps logarithms finite
SMALLEST = 1e-12


class Loss(StrEnum):
    """How an output is compared with the teacher's."""

    KL_PROBABILITIES = "KL of probabilities"
    KL_LOGITS = "KL of logits"
    MSE = "MSE over the teacher's variance"


def choose_loss(teacher: Tensor, *, classifies: bool) -> Loss:
    """The loss that suits an output of the teacher.

    classifies: the task is to find the largest score. Probabilities are recognized by their values;
    logits and embeddings look alike, so that only the task distinguishes them.
    """
    rows = teacher.reshape(-1, teacher.shape[-1]) if teacher.dim() else teacher.reshape(1, 1)
    if rows.shape[-1] > 1 and bool((rows >= 0).all()) and bool(((rows.sum(-1) - 1).abs() < PROBABILITY_SLACK).all()):
        return Loss.KL_PROBABILITIES
    return Loss.KL_LOGITS if classifies and rows.shape[-1] > 1 else Loss.MSE


#: how many numbers an answer has, their mean, and their variance
Moments = tuple[int, Tensor, Tensor]


def moments(answer: Tensor) -> Moments:
    """The moments of one answer of the teacher, or of a part of one."""
    return answer.numel(), answer.mean(), answer.var(unbiased=False)


def variance(parts: Sequence[Moments]) -> Tensor:
    """The variance of all numbers of the parts, no smaller than SMALLEST."""
    count = sum(own for own, _, _ in parts)
    mean = sum((own / count * one for own, one, _ in parts), torch.zeros(()))
    total = sum((own / count * (var + (one - mean).square()) for own, one, var in parts), torch.zeros(()))
    return (parts[0][2] if len(parts) == 1 else total).clamp_min(SMALLEST)


def distance(student: Tensor, teacher: Tensor, loss: Loss, spread: Tensor | None = None) -> Tensor:
    """Mean loss over the samples, zero where the student equals its teacher.

    spread: the variance by which MSE is divided; None: that of the teacher's answers given here.
    The KL divergence is that of Hinton et al., arXiv:1503.02531, at temperature 1.
    """
    if loss is Loss.MSE:
        return (student - teacher).square().mean() / (variance([moments(teacher)]) if spread is None else spread)
    if loss is Loss.KL_LOGITS:
        known, tried = torch.log_softmax(teacher, -1), torch.log_softmax(student, -1)
    else:
        known, tried = teacher.clamp_min(SMALLEST).log(), student.clamp_min(SMALLEST).log()
    return (known.exp() * (known - tried)).sum(-1).mean()


def with_labels(distilled: Tensor, scores: Tensor, labels: Tensor, loss: Loss, share: float) -> Tensor:
    """(1 - share) * distillation loss + share * cross-entropy of the labels.

    loss: says whether the scores are probabilities or logits. Raises ValueError when share is not
    in 0..1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share {share} is not in 0..1")
    logs = scores.clamp_min(SMALLEST).log() if loss is Loss.KL_PROBABILITIES else torch.log_softmax(scores, -1)
    return (1 - share) * distilled + share * torch.nn.functional.nll_loss(logs, labels)
