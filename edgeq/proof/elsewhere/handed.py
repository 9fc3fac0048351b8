"""What a runtime is handed: an ONNX model of one sample a run, or a .tflite file."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.errors import EdgeqError, RuntimeRefused
from edgeq.graph.signature import input_specs
from edgeq.integers.emit import emit_tflite
from edgeq.integers.fixed_batch import fixed_batch
from edgeq.integers.tflite.flatbuffer import TfModel
from edgeq.integers.tflite.parse import parse
from edgeq.passes.boundary.float_boundary import FloatBoundary
from edgeq.passes.boundary.integer_boundary import IntegerBoundary
from edgeq.runtimes.runtime import Request, Runtime


@dataclass(frozen=True, eq=False)
class ProofSubject:
    """What is proven."""

    #: the ONNX int8 model, which is also the reference; None: only the .tflite file is given
    model: ir.Model | None
    #: a .tflite file; None: one is made of the ONNX model for a runtime that takes one
    tflite: bytes | None = None
    #: the float model of the .tflite file; None: not given
    floats: ir.Model | None = None


def handed(row: Runtime, subject: ProofSubject, dataset: Dataset | None) -> bytes | ir.Model:
    """What the runtime takes: a .tflite file, or an ONNX model whose batch is 1.

    Sizes that are not fixed are those of the first sample.
    """
    if row.takes == "tflite":
        return _tflite(subject)
    if subject.model is None:
        raise ValueError(f"{row.name} takes ONNX models")
    first = {} if dataset is None else next(iter(dataset.batches(1))).feeds
    return fixed_batch(with_floats(subject.model, pixels=False), {name: array.shape for name, array in first.items()})


def request_of(row: Runtime, file: bytes | ir.Model, accelerator: str) -> Request:
    if isinstance(file, bytes):
        try:
            parsed = parse(file)
        except EdgeqError:  # the runtime itself says what is wrong with it
            return Request(file, 1, 1, accelerator)
        _refuse_int4(row, parsed)
        inputs, outputs = len(parsed.inputs), len(parsed.outputs)
    else:
        inputs, outputs = len(input_specs(file)), len(file.graph.outputs)
    data = file if isinstance(file, bytes) else ir.to_proto(file).SerializeToString(deterministic=True)
    return Request(data, inputs, outputs, accelerator)


def _refuse_int4(row: Runtime, file: TfModel) -> None:
    names = [tensor.name for tensor in file.tensors if tensor.dtype == "int4"]
    if names and not row.takes_int4:
        what = f"{row.name} does not take weights of type INT4, and the file has {len(names)}: {names[0]} and the like."
        raise RuntimeRefused(what, f"--runtime {row.name}", "Quantize for target ethos_u, which stores codes of 4 bits in 8.")


def with_floats(model: ir.Model, *, pixels: bool = True) -> ir.Model:
    copy = model.clone()
    FloatBoundary(pixels)(copy)
    return copy


def _tflite(subject: ProofSubject) -> bytes:
    if subject.tflite is not None:
        return subject.tflite
    assert subject.model is not None
    codes = subject.model.clone()
    IntegerBoundary()(codes)
    return emit_tflite(codes)
