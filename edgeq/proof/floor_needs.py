"""What floors need to be measured: a proof, data, and labels; looked at before the work."""

from __future__ import annotations

from edgeq.data.dataset import Dataset
from edgeq.errors import BadData, BadRecipe
from edgeq.metrics.metric import Metric
from edgeq.metrics.open import lacks_labels
from edgeq.schema.recipe import Floors

#: a floor -> its option
_OPTIONS = {
    "min_sqnr": "--min-sqnr",
    "min_agreement": "--min-agreement",
    "min_accuracy": "--min-accuracy",
    "max_drop": "--max-drop",
}
#: floors of accuracy, which labels tell
_LABELLED = ("min_accuracy", "max_drop")


def check_floor_needs(floors: Floors, judging: Dataset | None, *, prove: bool = True, metric: Metric | None = None) -> None:
    """Refuse floors that nothing will measure, and a metric that needs labels which are not there.

    judging: the samples that judge the result; None: there are none. prove: whether it is run and
    compared. metric: that the user asks for. Raises BadRecipe without a proof, and for a share of a
    metric of which less is better; BadData without samples or labels.
    """
    if metric is not None and prove and judging is not None and judging.metric is None:
        raise lacks_labels(metric, judging.name)
    given = [name for name in _OPTIONS if getattr(floors, name) is not None]
    if not given:
        return
    option = _OPTIONS[given[0]]
    if not prove:
        raise BadRecipe("A floor holds for what the proof measures, and --no-prove skips it.", option, f"Leave {option} or --no-prove out.")
    if judging is None:
        raise BadData("A floor holds for what is measured on data, and there is none.", option, f"Give --data, or leave {option} out.")
    labelled = next((name for name in given if name in _LABELLED), None)
    if labelled is not None and judging.metric is None:
        option = _OPTIONS[labelled]
        what = f"{option} is about task accuracy, and the data that judges has no labels."
        fix = "Add labels (an array `labels` in the .npz, or `labels` in set.toml); or use --min-agreement or --min-sqnr, which need none."
        raise BadData(what, judging.name, fix)
    if floors.min_accuracy is not None and judging.metric is not None and not judging.metric.higher_is_better:
        what = f"--min-accuracy is a lowest value, and of the metric {judging.metric.name} less is better."
        raise BadRecipe(what, "--min-accuracy", "Use --max-drop, which counts hundredths of the metric by which the result is worse.")
