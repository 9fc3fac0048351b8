"""The form in which a result is written, and a .tflite file beside the float model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx_ir as ir

from edgeq.calibration.independence import fed_rightly
from edgeq.calibration.pairs.known_outputs import KnownOutputs
from edgeq.data.dataset import Batch, Dataset
from edgeq.data.open import open_dataset
from edgeq.data.sources import DataSource
from edgeq.errors import BadModel
from edgeq.graph.signature import input_specs
from edgeq.integers.emit import emit_tflite
from edgeq.integers.legality.refuse import refuse_illegal
from edgeq.integers.reading.open_file import RanBy, open_file
from edgeq.integers.reading.runner import record_of, runner_of
from edgeq.integers.tflite.parse import parse
from edgeq.io.load import Loaded
from edgeq.io.writing.external_form import written_size
from edgeq.metrics.metric import Metric
from edgeq.numerics.arrays import AnyArray
from edgeq.progress import Progress
from edgeq.proof.compare import CompareSettings, Comparison, compare_models
from edgeq.proof.floor_needs import check_floor_needs
from edgeq.rewrite.carry_out import take_integers
from edgeq.rewrite.in_float32 import in_float32
from edgeq.rewrite.set_up import with_split_outputs
from edgeq.schema.origins import SPLIT_KEY
from edgeq.schema.recipe import Floors
from edgeq.schema.task import Shapes, Task

#: the forms in which a result is written
Form = Literal["onnx", "tflite"]
#: what progress calls it
TITLE = "compare the written file with float"


@dataclass(frozen=True)
class _First:
    """The first samples of a data set."""

    whole: Dataset
    #: how many
    count: int

    @property
    def name(self) -> str:
        return self.whole.name

    @property
    def labels(self) -> AnyArray | None:
        return self.whole.labels

    @property
    def metric(self) -> Metric | None:
        return self.whole.metric

    def batches(self, batch: int) -> Iterator[Batch]:
        return self.whole.batches(batch, 0, self.count)


def compare_written(
    float_model: ir.Model, file: bytes, data: Dataset, progress: Progress, *, known: KnownOutputs | None = None, title: str = TITLE
) -> tuple[Comparison, RanBy]:
    """The fidelity of a file, sample by sample, and what ran it.

    float_model: takes and gives floats. known: its outputs for single samples of this data. Raises
    BadModel where inputs or outputs do not fit, and what opening the file raises.
    """
    opened, ran_by = open_file(file, data.count)
    samples = _First(data, min(data.count, ran_by.samples or data.count))
    runner = runner_of(file, opened, input_specs(float_model), [str(value.name) for value in float_model.graph.outputs])
    settings = CompareSettings(batch=1, threads=1, title=title)
    return compare_models(float_model, runner, samples, settings, known=known, progress=progress), ran_by


def read_file(path: Path, max_bytes: int | None = None) -> bytes:
    """The bytes of a .tflite file. Raises BadModel for one that is missing or larger than that."""
    if not path.is_file():
        raise BadModel("The model file does not exist.", str(path), "Check the path.")
    if max_bytes is not None and path.stat().st_size > max_bytes:
        raise BadModel(f"The file has {path.stat().st_size} bytes.", str(path), "Allow more with --max-bytes.")
    return path.read_bytes()


def reference_for(loaded: Loaded, file: bytes) -> ir.Model:
    """The float model with the outputs that the file has, if those were split; in float32."""
    wide = in_float32(loaded).model
    return with_split_outputs(wide) if SPLIT_KEY in record_of(parse(file)) else wide


def compare_file(
    loaded: Loaded, path: Path, data: DataSource, shapes: Shapes | None, progress: Progress, metric: Metric | None = None
) -> Comparison:
    """The fidelity of a .tflite file on a user's data, and its metric (see open_dataset)."""
    file = read_file(path)
    reference = reference_for(loaded, file)
    dataset = fed_rightly(open_dataset(data, input_specs(reference), shapes=shapes, float_model=reference, metric=metric), reference)
    check_floor_needs(Floors(), dataset, metric=metric)
    return compare_written(reference, file, dataset, progress)[0]


def form_of(path: Path) -> Form:
    """The form that a path stands for."""
    return "tflite" if path.suffix == ".tflite" else "onnx"


def written_form(result: ir.Model, task: Task) -> bytes:
    """The .tflite file of a result that still takes and gives floats.

    Raises UnsupportedOp for what the target or TFLite does not allow.
    """
    copy = result.clone()
    take_integers(copy, task)
    refuse_illegal(copy, task.target)
    return emit_tflite(copy)


def size_of(model: ir.Model, form: Form) -> int:
    """The bytes of the file that the model is written as, external data included."""
    return len(emit_tflite(model)) if form == "tflite" else written_size(model)
