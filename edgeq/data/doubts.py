"""Warn about data that fits the model but may calibrate it badly.

The warnings are lines of the report, or errors with --strict-data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgeq.data.dataset import Dataset
from edgeq.graph.signature import InputSpec
from edgeq.numerics.arrays import F64

#: ranges from fewer samples depend on chance
FEW = 8
#: limits for the standard deviation of first-layer outputs. Sensibly fed networks have 0.3..3 (12
#: networks measured); raw bytes into a network trained on 0..1 or -1..1 give 33..250, the reverse
#: gives 0.001..0.02
GAIN_HIGH, GAIN_LOW = 20.0, 0.03


def data_warnings(dataset: Dataset, inputs: Sequence[InputSpec], gains: Mapping[str, float] | None = None) -> tuple[str, ...]:
    """Say what looks wrong with the data, one line per finding.

    Findings are few, unused, constant or duplicate samples, and values of another range than the
    first layer suggests. gains: input name -> gain of the first layer
    (edgeq.data.input_scale.first_layer_gains); None: the range is judged from the data alone. Reads
    the samples that no pass has seen yet and, for image inputs, the first FEW samples again.
    """
    digests = [row.tobytes() for row in dataset.complete_survey().digests]
    found = [*_few(dataset), *_constant(dataset), *_duplicates(digests)]
    images = [spec for spec in inputs if spec.shape is not None and len(spec.shape) == 4 and spec.dtype.startswith("float")]
    if images:
        heads = _first_values(dataset, [spec.name for spec in images])
        for spec in images:
            found += _range(dataset, spec.name, heads[spec.name], gains)
    return tuple(found)


def _few(dataset: Dataset) -> list[str]:
    found = []
    if dataset.count < FEW:
        found.append(f"Only {dataset.count} samples: ranges from fewer than {FEW} depend on chance; give 100 or more.")
    if dataset.unused:
        found.append(f"{dataset.unused} samples are unused: the model takes {dataset.fixed_batch} at once, and they do not fill a batch.")
    return found


def _constant(dataset: Dataset) -> list[str]:
    """A sample counts as constant when all of its inputs are.

    An all-zero mask or state beside real values is normal.
    """
    constant = np.flatnonzero(dataset.survey.constant)
    if not len(constant):
        return []
    return [f"{len(constant)} of {dataset.count} samples are constant (the first: sample {constant[0]}): they tell nothing about ranges."]


def _duplicates(digests: Sequence[bytes]) -> list[str]:
    first: dict[bytes, int] = {}
    copies = [(index, first[digest]) for index, digest in enumerate(digests) if first.setdefault(digest, index) != index]
    if not copies:
        return []
    copy, original = copies[0]
    return [f"{len(copies)} of {len(digests)} samples are copies of an earlier one (sample {copy} of sample {original})."]


def _first_values(dataset: Dataset, names: Sequence[str]) -> dict[str, F64]:
    step = dataset.fixed_batch or 1
    batches = list(dataset.batches(FEW, 0, min(FEW, dataset.count) // step * step or step))
    return {name: np.concatenate([batch.feeds[name].ravel() for batch in batches]).astype(np.float64) for name in names}


def _range(dataset: Dataset, name: str, head: F64, gains: Mapping[str, float] | None) -> list[str]:
    column = dataset.survey.names.index(name)
    low, high = dataset.survey.low[:, column], dataset.survey.high[:, column]
    if low.min() < -1 or high.max() > 255:
        return []
    scaled = np.flatnonzero((low >= 0) & (high <= 1) & (low < high))
    if np.median(high) > 100 and len(scaled):
        return [
            f"Input `{name}`: {len(scaled)} samples lie in 0..1 and others reach {high.max():g} (sample {scaled[0]}): were some not scaled?"
        ]
    spread = f"{low.min():g}..{high.max():g}"
    if gains is None:
        raw = high.max() >= 128 and low.min() >= 0 and bool((head == np.rint(head)).all())
        return [f"Input `{name}` has whole numbers {spread}, like raw pixels: most networks expect them scaled."] if raw else []
    strength = gains.get(name, 0.0) * float(head.std())
    if strength > GAIN_HIGH and low.min() >= 0 and high.max() > 2:
        return [f"Input `{name}` has values {spread}, but the first layer was trained on much smaller ones: scale them to 0..1?"]
    if 0 < strength < GAIN_LOW and high.max() <= 1:
        return [f"Input `{name}` has values {spread}, but the first layer was trained on much larger ones: is it 0..255?"]
    return []
