"""Open calibration and evaluation data for a model.

The data is an .npz or .npy file, a folder with a set.toml, a shipped set, or arrays in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx_ir as ir

from edgeq.data.checks import frozen_inputs
from edgeq.data.dataset import Batch, Dataset, fit_row
from edgeq.data.folder import open_folder
from edgeq.data.memory import MemorySource, open_memory
from edgeq.data.set_toml import SetInput, holds_integers
from edgeq.data.shipped import shipped_folder, shipped_model, shipped_sets
from edgeq.data.sources import MADE_UP, DataSource, OpenedSource, open_arrays
from edgeq.data.survey import Survey
from edgeq.data.trial import Trial, check_values
from edgeq.errors import BadData
from edgeq.graph.signature import InputSpec
from edgeq.metrics.metric import BUILT_IN, TOP1, Metric
from edgeq.numerics.arrays import AnyArray

__all__ = ["Batch", "Dataset", "InputSpec", "open_dataset", "shipped_model", "shipped_sets"]


def open_dataset(
    spec: DataSource,
    inputs: Sequence[InputSpec],
    *,
    samples: int | None = None,
    split: str = "calibration",
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    float_model: ir.Model | None = None,
    metric: Metric | None = None,
    unlabelled: bool = False,
) -> Dataset:
    """Open data for a model with these inputs.

    spec: an .npz file with one array per input, a .npy file for a model with one input, a folder of
    .npy, .npz or image files with a set.toml, the name of a shipped set (it takes precedence over a
    folder of that name; write ./NAME for the folder), a mapping of arrays like an .npz, or what
    edgeq.data.given.gather made of other data. Axis 0 of an array is the sample; with one rank more
    than the input, each row is a whole feed. A file of a folder is one sample; the only .npz or
    .npy file of a folder may hold all, as above.

    samples: how many to use, from the first on; None: all. split: which part of a set to use.
    shapes: sizes for dynamic dimensions, which freeze them (--shape NAME=DIMS). float_model: judges
    samples with NaN, with infinities or without elements, which are refused without it. metric: of
    the task; default: what a set.toml names, or top1 where there are labels. unlabelled: labels are
    of no use, whatever they are. Names, array lengths and the first sample are checked now, the
    other samples when they are read. A model without inputs has one sample, whatever the data.
    Raises BadData.

    >>> import numpy as np
    >>> from edgeq.graph.signature import InputSpec
    >>> inputs = (InputSpec("x", "float32", ("N", 3)),)
    >>> dataset = open_dataset({"x": np.ones((5, 3), np.float32)}, inputs)
    >>> dataset.count, [batch.feeds["x"].shape for batch in dataset.batches(2)]
    (5, [(2, 3), (2, 3), (1, 3)])
    """
    if samples is not None and samples < 1:
        raise BadData(f"{samples} samples are too few.", "--samples", "Use at least 1, or leave the option out.")
    frozen = frozen_inputs(inputs, shapes or {})
    trial = None if float_model is None else Trial(float_model)
    name, opened, told, how = _open(spec, frozen, split, classes=not unlabelled and (metric is None or metric.takes_classes))
    source, total = opened.source, opened.source.count
    if total == 0:
        raise BadData("There are no samples.", name, "Give at least one; 100 to 500 typical ones calibrate well.")
    (first,) = source.rows(0, 1)
    feeds, whole = fit_row(first, frozen, how, source.where(0))
    check_values(feeds, source.where(0), trial)
    fixed = _fixed_batch(frozen, whole, name)
    used = min(samples or total, total)
    count = used - used % (fixed or 1)
    if count == 0:
        raise BadData(f"The model takes {fixed} samples at once, but there are {used}.", name, f"Give at least {fixed}.")
    labels = None if opened.labels is None or unlabelled else opened.labels[:count]
    chosen = metric or _told_metric(told, labelled=labels is not None)
    if chosen is not None and chosen.needs_labels and labels is None:
        chosen = None  # whoever judges on this data says so
    survey = Survey.empty(count, tuple(i.name for i in frozen))
    notes = (*opened.notes, *_left_as_they_are(first, how))
    return Dataset(name, count, used - count, labels, chosen, notes, frozen, fixed, source, how, survey, trial, opened.made_up)


def _told_metric(told: str | None, *, labelled: bool) -> Metric | None:
    """The metric that a set names; else top1 where there are labels."""
    return BUILT_IN[told] if told is not None else TOP1 if labelled else None


def _left_as_they_are(row: Mapping[str, AnyArray], how: Mapping[str, SetInput]) -> tuple[str, ...]:
    """A note about scale, mean and std that are stated, but not applied to arrays of floats."""
    names = [name for name, one in how.items() if one.changes_values and name in row and not holds_integers(row[name])]
    told = f"scale, mean and std of set.toml are for integers; the floats of {', '.join(names)} are taken as they are"
    return (told,) if names else ()


def _open(
    spec: DataSource, inputs: tuple[InputSpec, ...], split: str, *, classes: bool
) -> tuple[str, OpenedSource, str | None, Mapping[str, SetInput]]:
    """Name, source, metric and preprocessing of what `spec` names."""
    if not inputs:
        note = "The model has no inputs: it is run once, and the data is not read."
        return "no inputs", OpenedSource(MemorySource({}, 1), notes=(note,)), None, {}
    if isinstance(spec, Mapping):
        return "memory", open_memory(spec, inputs, classes=classes), None, {}
    if not isinstance(spec, str | Path):
        return spec.name, spec.opened(inputs, classes=classes), None, {}
    if str(spec).startswith(MADE_UP):
        what = f"Nothing is measured on data that is made up ({spec})."
        raise BadData(what, "--data", "Give real data; quantize, calibrate and palettize take made-up images.")
    path = Path(spec)
    named = isinstance(spec, str) and spec in shipped_sets()
    if named or not path.exists():
        path = shipped_folder(str(spec))
    if path.name == "set.toml":
        path = path.parent
    if path.is_dir():
        folder = open_folder(path, inputs, split, classes=classes)
        return folder.name, folder.opened, folder.metric, folder.how
    if path.suffix.lower() not in (".npz", ".npy"):
        raise BadData(
            "The data is neither an .npz or .npy file nor a folder.", str(path), "numpy.savez('data.npz', INPUT=array) makes an .npz."
        )
    return path.name, open_arrays(path, inputs, classes=classes), None, {}


def _fixed_batch(inputs: Sequence[InputSpec], whole: frozenset[str], where: str) -> int | None:
    """The batch that the model or the data forces; None: any.

    It is 1 for whole feeds, otherwise the fixed first dimension. Raises BadData when inputs
    disagree.
    """
    rows = [spec for spec in inputs if spec.name not in whole and spec.shape is not None]
    fixed = {spec.name: d for spec in rows if isinstance(d := (spec.shape or (None,))[0], int) and d > 0}
    allowed = 1 if whole else None
    if len(set(fixed.values()) | ({1} if whole else set())) > 1:
        listed = ", ".join(f"{name} {size}" for name, size in fixed.items())
        fix = "Give whole feeds for every input: arrays with one rank more than the input, one feed per row."
        raise BadData(f"The inputs do not share one batch dimension: {listed}{', others whole feeds' if whole else ''}.", where, fix)
    return next(iter(fixed.values()), allowed)
