"""Doubts about data that fits the model but may calibrate it badly.

Most are lines of the report. What no calibration survives (a single sample; values unlike what the
first layer was trained on) ends the run before the long work, unless the user accepts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.data.input_scale import first_layer_gains
from edgeq.errors import BadData
from edgeq.graph.signature import InputSpec
from edgeq.numerics.arrays import F64
from edgeq.progress import Progress

#: ranges from fewer samples depend on chance
FEW = 8
#: limits for the standard deviation of first-layer outputs. Sensibly fed networks have 0.3..3 (12
#: networks measured); raw bytes into a network trained on 0..1 or -1..1 give 33..250, the reverse
#: gives 0.001..0.02
GAIN_HIGH, GAIN_LOW = 20.0, 0.03

#: what a doubt is about: a single sample (or copies of one); other values than the first layer saw;
#: few samples; samples that fill no batch; samples of one number; copies; an inner value that was
#: constant; samples that were made up
DoubtKind = Literal["one_sample", "unlike", "few", "unused", "constant", "copies", "constant_values", "made_up"]
#: what becomes of doubts about data that calibrates. refuse: BadData is raised for a single sample
#: and for values unlike what the first layer was trained on; strict: for every doubt; accept: for
#: none
DataDoubts = Literal["refuse", "accept", "strict"]
#: kinds that end a run
ENDING: tuple[DoubtKind, ...] = ("one_sample", "unlike")

_FIXES: dict[DoubtKind, str] = {
    "one_sample": "Give about 100 typical samples, one for each row along axis 0",
    "unlike": "Feed what the application feeds: check scale, mean and std, or the type of the data",
}


@dataclass(frozen=True)
class Doubt:
    """One doubt about the data."""

    #: what it is about
    kind: DoubtKind
    #: the doubt in words, one line
    text: str

    @property
    def ends(self) -> bool:
        """Whether it ends a run that does not accept it."""
        return self.kind in ENDING


def check_data(dataset: Dataset, model: ir.Model, policy: DataDoubts, progress: Progress) -> tuple[Doubt, ...]:
    """The doubts about data to calibrate with; those that were accepted are noted at once.

    model: the float model that is calibrated. Reads all samples once. Raises BadData for doubts
    that the policy refuses.
    """
    found = data_doubts(dataset, dataset.inputs, first_layer_gains(model))
    refuse_doubts(found, dataset.name, policy)
    for one in found:
        if one.ends:
            progress.note(f"doubtful data, accepted: {one.text}")
    return found


def refuse_doubts(found: Iterable[Doubt], where: str, policy: DataDoubts) -> None:
    """Raise BadData for all doubts together that the policy refuses."""
    refused = [one for one in found if policy == "strict" or (policy != "accept" and one.ends)]
    if not refused:
        return
    fix = "Correct the data, or leave --strict-data out to get this as a warning."
    if refused[0].ends:
        fix = _FIXES[refused[0].kind] + ("; or accept it with --accept-data." if policy != "strict" else ".")
    raise BadData(" ".join(one.text for one in refused), where, fix)


def in_words(found: Iterable[Doubt]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The doubts that end a run unless they are accepted, and the others, as reports tell them."""
    every = list(found)
    return tuple(one.text for one in every if one.ends), tuple(one.text for one in every if not one.ends)


def data_doubts(dataset: Dataset, inputs: Sequence[InputSpec], gains: Mapping[str, float] | None = None) -> tuple[Doubt, ...]:
    """Say what looks wrong with the data, those doubts first that end a run.

    gains: input name -> gain of the first layer (edgeq.data.input_scale.first_layer_gains); None:
    the range is judged from the data alone. Reads the samples that no pass has seen yet and, for
    image inputs, the first FEW samples again.
    """
    digests = [row.tobytes() for row in dataset.complete_survey().digests]
    found = [*made_up(known=dataset.made_up), *_few(dataset, len(set(digests))), *_constant(dataset), *_copies(digests)]
    images = [spec for spec in inputs if spec.shape is not None and len(spec.shape) == 4 and spec.dtype.startswith("float")]
    if images:
        heads = _first_values(dataset, [spec.name for spec in images])
        for spec in images:
            found += [Doubt("unlike", text) for text in _range(dataset, spec.name, heads[spec.name], gains)]
    return tuple(sorted(found, key=lambda one: not one.ends))


def single_sample(count: int) -> Doubt:
    """The doubt about a single sample. count: how often the data holds it."""
    what = "There is 1 sample" if count == 1 else f"All {count} samples are the same one"
    return Doubt("one_sample", f"{what}: ranges from it fit no other.")


def made_up(*, known: bool) -> tuple[Doubt, ...]:
    """The doubt about samples that were made up. known: whether they were."""
    what = "No real data: the samples were made up, ranges are wide for that, and the figures say little of real inputs."
    return (Doubt("made_up", f"{what} A folder of any real images gives a better model (--data FOLDER)."),) if known else ()


def _few(dataset: Dataset, different: int) -> list[Doubt]:
    found = []
    if dataset.inputs and different == 1:  # a model without inputs has one sample, whatever the data
        found.append(single_sample(dataset.count))
    elif dataset.count < FEW:
        text = f"Only {dataset.count} samples: ranges from fewer than {FEW} depend on chance; give 100 or more."
        found.append(Doubt("few", text))
    if dataset.unused:
        text = f"{dataset.unused} samples are unused: the model takes {dataset.fixed_batch} at once, and they do not fill a batch."
        found.append(Doubt("unused", text))
    return found


def _constant(dataset: Dataset) -> list[Doubt]:
    """A sample counts as constant when all of its inputs are.

    An all-zero mask or state beside real values is normal.
    """
    constant = np.flatnonzero(dataset.survey.constant)
    if not len(constant):
        return []
    text = f"{len(constant)} of {dataset.count} samples are constant (the first: sample {constant[0]}): they tell nothing about ranges."
    return [Doubt("constant", text)]


def _copies(digests: Sequence[bytes]) -> list[Doubt]:
    first: dict[bytes, int] = {}
    copies = [(index, first[digest]) for index, digest in enumerate(digests) if first.setdefault(digest, index) != index]
    if not copies:
        return []
    copy, original = copies[0]
    text = f"{len(copies)} of {len(digests)} samples are copies of an earlier one (sample {copy} of sample {original})."
    return [Doubt("copies", text)]


def _first_values(dataset: Dataset, names: Sequence[str]) -> dict[str, F64]:
    batches = list(dataset.batches(FEW, 0, dataset.leading(FEW)))
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
