"""The part of a recipe about training, which runs after the closed-form steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from pydantic import Field, model_validator

from edgeq.io.strict_toml import Strict

#: minutes of training where nothing says how long
DEFAULT_MINUTES = 5.0


class FineTuneWish(Strict):
    """Training against the float model, after the closed-form steps. Needs extra [learn].

    Off unless reconstruct, epochs or minutes is given.
    """

    reconstruct: Literal["none", "layer", "block"] = Field(
        "none", description="first learn rounding part by part: layer by layer, or in blocks of several"
    )
    steps: int = Field(600, ge=1, description="steps of reconstruction for each part")
    epochs: int | None = Field(None, ge=1, description="passes over the data")
    minutes: float | None = Field(None, gt=0, description="as many epochs as fit into about this time")
    rate: float | None = Field(
        None, gt=0, lt=1, description="learning rate, in codes or table steps; default: 0.003, with 4 bits 0.006, with 2 bits 0.03"
    )
    batch: int = Field(16, ge=1, description="samples per training step")
    patience: int | None = Field(
        None, ge=1, description="stop after this many epochs without a better score; default: never, the rate falls to the end"
    )
    mix: float = Field(0.5, ge=0, le=1, description="share of samples that are blended with another sample, where inputs are float")
    labels: float = Field(0.0, ge=0, le=1, description="share of the labels' cross-entropy in the loss of the first output")
    centroids: Literal["gradient", "refit"] = Field(
        "gradient",
        description="entries of codebooks follow the gradient summed over each cluster, or become the cluster's mean after a step",
    )

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.epochs is not None and self.minutes is not None:
            raise ValueError("give one of epochs and minutes")
        return self

    @property
    def trains(self) -> bool:
        """Whether to train the whole model, for which samples are held out."""
        return self.epochs is not None or self.minutes is not None

    @property
    def wanted(self) -> bool:
        """Whether anything is to be trained."""
        return self.trains or self.reconstruct != "none"


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
    #: a metric of the user's own, which chose the epoch on those samples; None: the loss did
    metric: str | None = None
    #: whether more of it is better
    higher_is_better: bool = True
    #: its value after each epoch
    grades: tuple[float, ...] = ()
    #: its value before training; None: there is no such metric
    start_grade: float | None = None
    #: its value after the epoch that was kept
    best_grade: float | None = None
