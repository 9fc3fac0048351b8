"""How a training went: what it lost in each epoch, and which epoch was kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Training:
    """The losses of fine-tuning."""

    #: mean loss of each epoch on the samples that it learned from
    losses: tuple[float, ...]
    #: loss after each epoch on samples that it did not learn from; fewer than the epochs where a
    #: checkpoint of an earlier version was continued, which has none of its own
    scores: tuple[float, ...]
    #: that loss before training
    start_score: float
    #: that loss of the epoch that was kept
    best_score: float
    #: number of the epoch that was kept, from 1; 0: the start
    best_epoch: int
