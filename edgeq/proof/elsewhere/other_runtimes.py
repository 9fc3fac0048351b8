"""Prove a model in a runtime other than onnxruntime.

The proof says what ran in integers, as far as the runtime tells, and how far its outputs are from
those of the ONNX int8 model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.errors import EdgeqError
from edgeq.graph.signature import input_specs
from edgeq.integers.code_operators import code_operators
from edgeq.integers.coded_inputs import pixel_inputs
from edgeq.integers.graph import Operand, integer_graph
from edgeq.integers.reading.runner import runner_of
from edgeq.integers.tflite.read import file_operators
from edgeq.passes.boundary.integer_boundary import IntegerBoundary
from edgeq.progress import Progress, Silent
from edgeq.proof.compare import CompareSettings, Comparison, compare_models
from edgeq.proof.elsewhere.differing import Differing, find_differing
from edgeq.proof.elsewhere.distance import Distance, measure_distance
from edgeq.proof.elsewhere.file_distance import OwnFile, file_distance
from edgeq.proof.elsewhere.handed import ProofSubject, handed, request_of, with_floats
from edgeq.runtimes.protocol import OpenedModel
from edgeq.runtimes.ran_operator import RanOperator
from edgeq.runtimes.runtime import Runtime
from edgeq.runtimes.table import look_up


@dataclass(frozen=True)
class RuntimeProof:
    """What one runtime reported about a model, and what it computed."""

    #: name of the runtime, and the way in which it ran the model where there are several
    runtime: str
    #: version of its package
    version: str
    #: the operators that it lists, else those of the file
    operators: tuple[RanOperator, ...]
    #: how far it is from the reference; None: there is no reference, or nothing is executed
    distance: Distance | None
    #: what was read from the runtime, and what was not
    told: str
    #: what `distance` is from: the ONNX int8 model in onnxruntime, or edgeq's interpreter of the
    #: same .tflite file; None: there is no distance
    against: Literal["onnx", "interpreter"] | None = None
    #: why edgeq's interpreter does not run the file; empty: it does, or was not asked
    unread: str = ""
    #: how far it is from the float model; None: that was not given
    fidelity: Comparison | None = None
    #: the operators that give something else than in onnxruntime on the same codes, in the order of
    #: the graph; None: they were not looked for
    differing: tuple[Differing, ...] | None = None

    @property
    def integer(self) -> int:
        """How many operators are integer."""
        return sum(op.integer for op in self.operators)


def prove_in(
    runtime: str,
    subject: ProofSubject,
    dataset: Dataset | None = None,
    *,
    accelerator: str | None = None,
    progress: Progress | None = None,
) -> tuple[RuntimeProof, ...]:
    """One proof for each way in which the runtime runs models.

    litert has two: its reference kernels, and XNNPACK as on phones. accelerator: for a runtime that
    compiles for several; None: its default. Raises MissingExtra, RuntimeRefused, BadRecipe for an
    unknown accelerator, and UnsupportedOp when a runtime of .tflite files is asked about a model
    that TFLite cannot express.
    """
    row, progress = look_up(runtime), progress or Silent()
    file, named = handed(row, subject, dataset), row.accelerator(accelerator)
    progress.start(f"open in {row.name}", None)
    proofs: list[RuntimeProof] = []
    own, unread = _own(subject)
    for opened in row.open(request_of(row, file, named)):
        operators = _file_operators(file, row.kernel) if row.kernel else opened.operators
        proof = RuntimeProof(f"{row.name} {opened.variant}".strip(), row.version(), operators, None, row.told, unread=unread)
        if opened.model is not None and own is not None:
            proof = replace(proof, distance=file_distance(own, opened.model, dataset, progress), against="interpreter")
        elif opened.model is not None and (distance := _distance(row, subject, opened.model, dataset, progress)) is not None:
            proof = replace(proof, distance=distance, against="onnx")
        if opened.model is not None and subject.floats is not None and subject.tflite is not None and dataset is not None:
            proof = replace(proof, fidelity=_fidelity(subject.floats, subject.tflite, opened.model, dataset, progress))
        proofs.append(proof)
    if row.runs_parts and dataset is not None and not isinstance(file, bytes):
        differing = find_differing(file, partial(_first, row), dataset, progress)
        proofs = [replace(proof, differing=differing) for proof in proofs]
    return tuple(proofs)


def _own(subject: ProofSubject) -> tuple[OwnFile | None, str]:
    """The file in edgeq's interpreter where no ONNX model is the reference, and why it is not."""
    if subject.model is not None or subject.tflite is None:
        return None, ""
    try:
        return OwnFile.of(subject.tflite), ""
    except EdgeqError as error:  # what no runtime opens is refused by it
        return None, error.what


def _fidelity(floats: ir.Model, file: bytes, opened: OpenedModel, dataset: Dataset, progress: Progress) -> Comparison:
    runner = runner_of(file, opened, input_specs(floats), [str(value.name) for value in floats.graph.outputs])
    return compare_models(floats, runner, dataset, CompareSettings(batch=1, threads=1), progress=progress)


@contextmanager
def _first(row: Runtime, model: ir.Model) -> Iterator[OpenedModel]:
    """A model in the first way in which a runtime runs it."""
    ways = row.open(request_of(row, model, ""))
    try:
        found = next(ways).model
        assert found is not None  # a row that runs parts runs models
        yield found
    finally:
        ways.close()


def _file_operators(file: bytes | ir.Model, kernel: str) -> tuple[RanOperator, ...]:
    return file_operators(file, kernel) if isinstance(file, bytes) else code_operators(file, kernel)


def _distance(row: Runtime, subject: ProofSubject, opened: OpenedModel, dataset: Dataset | None, progress: Progress) -> Distance | None:
    if dataset is None or subject.model is None:
        return None
    outputs, channels_last = _coded_outputs(subject.model), row.takes == "tflite"
    reference, pixels = with_floats(subject.model), pixel_inputs(subject.model)
    return measure_distance(reference, outputs, opened, dataset, channels_last=channels_last, pixels=pixels, progress=progress)


def _coded_outputs(model: ir.Model) -> tuple[Operand, ...]:
    codes = model.clone()
    IntegerBoundary()(codes)
    return integer_graph(codes).outputs
