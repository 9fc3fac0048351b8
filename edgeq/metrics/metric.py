"""What a task metric is: the five that are built in, and a function of the user's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

#: the metrics that are built in. top1, top5: share of samples whose label is the class with the
#: highest score, or one of the five highest. f1: the mean of the F1 scores of all classes. mse:
#: mean squared difference between the first output and the first input (autoencoders). ap50:
#: agreement of boxes with the float model's, as average precision at an overlap of one half
BuiltIn = Literal["top1", "top5", "f1", "mse", "ap50"]
#: takes what the model gave and the labels of the same samples; see Metric
Function = Callable[[Any, Any], float]


@dataclass(frozen=True)
class Metric:
    """A number that says how well a model does its task, measured for both models.

    A function of one's own is called once for each model, with all outputs and all labels:
    function(outputs, labels) -> float. `outputs` is the array of the model's only output, axis 0
    the sample; where an output has another number of rows than there are samples, such as the boxes
    that were found, a list of what each sample gave; of several outputs, a dict of these by name.
    The arrays lie in a temporary file (numpy.memmap), so that memory stays constant. `labels` is
    the data's array of labels, of any shape, axis 0 the sample; None: the data has none.

    >>> def exact(outputs, labels):
    ...     return float((outputs.argmax(-1) == labels).mean())
    >>> Metric("exact", exact).higher_is_better
    True
    """

    #: what reports call it
    name: str
    #: computes it; None: it is built in
    function: Function | None = None
    #: whether more of it is better; an error, say, is lower where it is better
    higher_is_better: bool = True
    #: whether it cannot be computed without labels
    needs_labels: bool = False
    #: whether the function is called with one sample after the other (outputs with an axis 0 of
    #: one), and its mean is the metric: nothing is kept then, not even on disk
    each_sample: bool = False
    #: whether it is a share in 0..1, which reports show in percent
    share: bool = False

    def __repr__(self) -> str:
        """One line."""
        kind = "built in" if self.function is None else "of one's own"
        return f"Metric({self.name!r}, {kind}, {'higher' if self.higher_is_better else 'lower'} is better)"

    def text(self, value: float) -> str:
        """A value of it: a share in percent."""
        return metric_text(value, share=self.share)

    @property
    def takes_inputs(self) -> bool:
        """Whether it compares outputs with what the model was fed."""
        return self.function is None and self.name == "mse"

    @property
    def takes_classes(self) -> bool:
        """Whether its labels are class numbers, one a sample."""
        return self.function is None and self.needs_labels


def metric_text(value: float, *, share: bool) -> str:
    """A value of a metric for people: a share in percent.

    >>> metric_text(0.875, share=True), metric_text(31.25, share=False)
    ('87.50 %', '31.25')
    """
    return f"{100 * value:.2f} %" if share else f"{value:.4g}"


TOP1 = Metric("top1", needs_labels=True, share=True)
#: each metric that is built in, by its name
BUILT_IN: dict[str, Metric] = {
    "top1": TOP1,
    "top5": Metric("top5", needs_labels=True, share=True),
    "f1": Metric("f1", needs_labels=True, share=True),
    "mse": Metric("mse", higher_is_better=False),
    "ap50": Metric("ap50", share=True),
}
assert tuple(BUILT_IN) == get_args(BuiltIn)
