"""Open a metric for a comparison: its running value on this data, for these models."""

from __future__ import annotations

from edgeq.errors import BadData
from edgeq.metrics.boxes import BoxAgreement
from edgeq.metrics.classes import AmongBest, F1Score
from edgeq.metrics.metric import Metric
from edgeq.metrics.own import OverSamples, OverSet
from edgeq.metrics.running import Judged, Running, SquaredError


def running_of(metric: Metric, judged: Judged) -> Running:
    """The running value of a metric. Raises BadData where it needs labels and there are none."""
    if metric.needs_labels and judged.labels is None:
        raise lacks_labels(metric, judged.data)
    if metric.function is not None:
        return OverSamples(metric, judged) if metric.each_sample else OverSet(metric, judged)
    if metric.name == "f1":
        return F1Score(judged)
    if metric.name == "ap50":
        return BoxAgreement(judged)
    if metric.name == "mse":
        return SquaredError(judged)
    return AmongBest(metric.name, 5 if metric.name == "top5" else 1, judged)


def lacks_labels(metric: Metric, data: str) -> BadData:
    """What is raised for a metric that needs labels where the data has none."""
    return BadData(f"The metric {metric.name} needs labels.", data, "Add labels to the data, or leave the metric out.")
