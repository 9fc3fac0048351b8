"""Task metric of both models, batch by batch, and what a comparison needs of its data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from edgeq.calibration.pairs.known_outputs import Feed
from edgeq.metrics.metric import Metric
from edgeq.metrics.open import running_of
from edgeq.metrics.running import Judged, Running
from edgeq.numerics.arrays import AnyArray

Number = float  # for classes that have a field named float


@dataclass(frozen=True)
class Accuracy:
    """The task metric of both models."""

    #: its name: one that is built in (edgeq/metrics/metric.py), or of one's own
    metric: str
    #: of the float model
    float: Number
    #: of the int8 model
    int8: Number
    #: whether more of it is better
    higher_is_better: bool = True
    #: whether it is a share in 0..1
    share: bool = True

    @property
    def drop(self) -> Number:
        """How much worse the int8 model is, in hundredths: percentage points of a share."""
        return 100 * (self.float - self.int8 if self.higher_is_better else self.int8 - self.float)


def called(accuracy: Accuracy | None) -> str:
    """What a message calls the task metric."""
    return "accuracy" if accuracy is None or accuracy.metric == "top1" else accuracy.metric


def floored(accuracy: Accuracy | None) -> float | None:
    """What a lowest value is held against; None: there is none, or less of it is better."""
    return accuracy.int8 if accuracy is not None and accuracy.higher_is_better else None


def unmeasured(accuracy: Accuracy | None) -> str:
    """Why `floored` is None."""
    return "the data has no labels" if accuracy is None else f"lower is better of {accuracy.metric}: use max_drop"


class Samples(Protocol):
    """What a comparison needs of a data set; edgeq.data.dataset.Dataset is one."""

    @property
    def name(self) -> str: ...

    @property
    def count(self) -> int: ...

    @property
    def labels(self) -> AnyArray | None: ...

    @property
    def metric(self) -> Metric | None: ...

    def batches(self, batch: int) -> Iterator[Feed]: ...


def task_of(dataset: Samples, outputs: tuple[str, ...], first_input: str) -> Running | None:
    """The running metric of this data; None: it has none.

    Raises BadData for a metric that needs labels where there are none.
    """
    if dataset.metric is None:
        return None
    return running_of(dataset.metric, Judged(dataset.name, dataset.labels, outputs, first_input))


def accuracy_of(metric: Metric | None, running: Running | None) -> Accuracy | None:
    """The metric over all batches. Raises BadMetric where a function of one's own fails."""
    if metric is None or running is None:
        return None
    reference, other = running.values()
    return Accuracy(metric.name, reference, other, metric.higher_is_better, metric.share)
