"""Prove a model in another runtime: what ran as integers, as far as that runtime tells, and how far
it is from the ONNX int8 model.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.integers.code_operators import code_operators
from edgeq.integers.coded_inputs import pixel_inputs
from edgeq.integers.graph import Operand, integer_graph
from edgeq.integers.tflite.emit import emit_tflite, fixed_batch
from edgeq.integers.tflite.read import file_operators
from edgeq.passes.boundary.float_boundary import FloatBoundary
from edgeq.passes.boundary.integer_boundary import IntegerBoundary
from edgeq.progress import Progress, Silent
from edgeq.prove.distance import Distance, measure_distance
from edgeq.runtimes.litert import Kernels, LiteRt
from edgeq.runtimes.openvino import OpenVino
from edgeq.runtimes.protocol import OpenedModel
from edgeq.runtimes.qnn import Qnn
from edgeq.runtimes.ran_operator import RanOperator
from edgeq.runtimes.tflm import TfLiteMicro
from edgeq.runtimes.vela import place_on_npu

RuntimeName = Literal["openvino", "qnn", "litert", "tflm", "vela"]
Count = int
RUNTIMES: tuple[RuntimeName, ...] = ("openvino", "qnn", "litert", "tflm", "vela")
#: who is asked by default about placement
ACCELERATOR = "ethos-u55-128"


@dataclass(frozen=True)
class RuntimeProof:
    """What one runtime said. operators: its own, not those of the file. distance: None without
    data, or where nothing runs.

    told: what was read from the runtime and what was not.
    """

    runtime: str
    version: str
    operators: tuple[RanOperator, ...]
    distance: Distance | None
    told: str

    @property
    def integer(self) -> Count:
        return sum(op.integer for op in self.operators)


@dataclass(frozen=True, eq=False)
class ProofSubject:
    """What is proven. model: the ONNX int8 model, the reference too; None: only the .tflite bytes
    are given.
    """

    model: ir.Model | None
    tflite: bytes | None = None


def prove_in(
    runtime: RuntimeName,
    subject: ProofSubject,
    dataset: Dataset | None = None,
    *,
    accelerator: str = ACCELERATOR,
    progress: Progress | None = None,
) -> tuple[RuntimeProof, ...]:
    """One proof, two for litert: its reference kernels, and XNNPACK as on phones.

    Raises MissingExtra, RuntimeRefused, and UnsupportedOp when a TFLite runtime is asked about a
    model that TFLite cannot express.
    """
    progress = progress or Silent()
    if runtime == "vela":
        told = "read from Vela: which of its operators the NPU takes; it executes nothing"
        progress.start("compile", None)
        operators = place_on_npu(_tflite(subject), accelerator)
        return (RuntimeProof(f"vela {accelerator}", _version("ethos-u-vela"), operators, None, told),)
    if runtime == "tflm":
        return (_tflm(subject, dataset, progress),)
    if runtime == "litert":
        return tuple(_litert(subject, kernels, dataset, progress) for kernels in ("reference", "xnnpack"))
    return (_onnx(runtime, subject, dataset, progress),)


def _litert(subject: ProofSubject, kernels: Kernels, dataset: Dataset | None, progress: Progress) -> RuntimeProof:
    opened = LiteRt(_tflite(subject), kernels)
    told = "read from LiteRT: operators, their tensors' types, and who takes them"
    distance = _distance(subject, opened, dataset, progress, channels_last=True)
    return RuntimeProof(f"litert {kernels}", _version("ai-edge-litert"), opened.operators(), distance, told)


def _tflm(subject: ProofSubject, dataset: Dataset | None, progress: Progress) -> RuntimeProof:
    model = _tflite(subject)
    reference = None if subject.model is None else integer_graph(fixed_batch(subject.model))
    inputs, outputs = (1, 1) if reference is None else (len(reference.inputs), len(reference.outputs))
    opened = TfLiteMicro(model, inputs, outputs)
    told = "TFLite Micro does not list what it runs: operators are the file's; that it allocates them proves that it has their kernels"
    distance = _distance(subject, opened, dataset, progress, channels_last=True)
    return RuntimeProof("tflm", _version("tflite-micro"), file_operators(model, "TFLite Micro"), distance, told)


def _onnx(runtime: RuntimeName, subject: ProofSubject, dataset: Dataset | None, progress: Progress) -> RuntimeProof:
    if subject.model is None:
        raise ValueError(f"{runtime} takes ONNX models")
    model = _with_floats(subject.model, pixels=False)
    progress.start("compile", None)
    model = fixed_batch(model)
    opened: OpenVino | Qnn = OpenVino(model) if runtime == "openvino" else Qnn(model)
    operators = opened.operators() if isinstance(opened, OpenVino) else code_operators(model, "HTP emulator")
    told = {
        "openvino": "read from OpenVINO: the precision of every primitive of its runtime model",
        "qnn": "QNN lists no kernels: with the CPU fallback disabled every node is on the HTP, one sample a run, with the file's types",
    }[runtime]
    package = {"openvino": "openvino", "qnn": "onnxruntime-qnn"}[runtime]
    distance = _distance(subject, opened, dataset, progress, channels_last=False)
    return RuntimeProof(runtime, _version(package), operators, distance, told)


def _distance(
    subject: ProofSubject, opened: OpenedModel, dataset: Dataset | None, progress: Progress, *, channels_last: bool
) -> Distance | None:
    if dataset is None or subject.model is None:
        return None
    outputs = _coded_outputs(subject.model)
    reference, pixels = _with_floats(subject.model), pixel_inputs(subject.model)
    return measure_distance(reference, outputs, opened, dataset, channels_last=channels_last, pixels=pixels, progress=progress)


def _coded_outputs(model: ir.Model) -> tuple[Operand, ...]:
    codes = model.clone()
    IntegerBoundary()(codes)
    return integer_graph(codes).outputs


def _with_floats(model: ir.Model, *, pixels: bool = True) -> ir.Model:
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


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
