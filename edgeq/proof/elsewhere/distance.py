"""Measure how far a runtime's outputs are from those of the ONNX int8 model.

onnxruntime computes the reference: in integer kernels where the model is for it and this machine,
else without fused kernels, whose sums could saturate here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.errors import BadModel
from edgeq.integers.graph import Operand
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.fidelity import Agreement, ErrorSums
from edgeq.progress import Progress, Silent
from edgeq.proof.made_for import made_for
from edgeq.runtimes.ort import open_session
from edgeq.runtimes.protocol import CODE_TYPES, OpenedModel, Port
from edgeq.schema.pixels import PixelMap


@dataclass(frozen=True)
class OutputDistance:
    """How far one output is from the reference over all samples. An LSB is a step of its grid."""

    #: name of the output
    name: str
    #: largest |a - b| / scale
    max_lsb: float
    #: mean of |a - b| / scale
    mean_lsb: float
    #: share of equal codes, 0..1
    exact: float
    #: share of samples with equal arg-max, 0..1; None: the output is not class scores
    agreement: float | None
    #: share of samples whose arg-max differs although the reference has one code for both classes;
    #: None: the output is not class scores
    ties: float | None
    #: signal to quantization noise ratio, dB
    sqnr_db: float


@dataclass(frozen=True)
class Distance:
    """How far a runtime is from the ONNX int8 model."""

    #: the outputs, in the model's order
    outputs: tuple[OutputDistance, ...]
    #: number of samples that both ran on
    samples: int
    #: median time of one run in the runtime on one thread, in milliseconds
    ms: float


class Sums:
    """What is counted of one output while samples run."""

    def __init__(self, name: str, scale: float) -> None:
        self.name, self.scale = name, scale
        self.largest = self.total = 0.0
        self.count = self.same = 0
        self.errors, self.agreement = ErrorSums(), Agreement()

    def add(self, reference: AnyArray, other: AnyArray) -> None:
        lsb = np.abs(reference.astype(np.float64) - other.astype(np.float64)) / self.scale
        lsb = np.rint(lsb * 1e3) / 1e3  # rounding errors of float32 are no distance
        self.largest = max(self.largest, float(lsb.max(initial=0.0)))
        self.total += float(lsb.sum())
        self.same += int((lsb == 0).sum())
        self.count += lsb.size
        self.errors.add(reference, other)
        self.agreement.add(reference, other)

    def result(self) -> OutputDistance:
        mean, exact = self.total / max(self.count, 1), self.same / max(self.count, 1)
        return OutputDistance(self.name, self.largest, mean, exact, self.agreement.share, self.agreement.ties, self.errors.sqnr_db)


def measure_distance(
    reference: ir.Model,
    grids: Sequence[Operand],
    runs: OpenedModel,
    dataset: Dataset,
    *,
    channels_last: bool,
    pixels: Mapping[str, PixelMap] | None = None,
    progress: Progress | None = None,
) -> Distance:
    """Run the reference and the opened model on every sample and compare their outputs.

    reference: the int8 model with float inputs and outputs. grids: its outputs as codes, whose
    scales define one LSB. channels_last: whether the runtime wants images so. pixels: maps of the
    inputs for which the runtime takes raw pixels. Raises BadModel where the opened model is another
    than the reference: it takes or gives something else.
    """
    progress = progress or Silent()
    session = open_session(reference, optimize=made_for(reference).optimize, arena=False)
    scales = [1.0 if operand.grid is None else float(operand.grid.scale) for operand in grids]
    sums = [Sums(name, scale) for name, scale in zip(session.outputs, scales, strict=True)]
    _same_count("inputs", session.inputs, runs.inputs)
    _same_count("outputs", session.outputs, runs.outputs)
    times = []
    progress.start("compare with the ONNX int8 model", dataset.count)
    for piece in dataset.batches(1):
        fed = {name: pixels[name].codes(array) if pixels and name in pixels else array for name, array in piece.feeds.items()}
        arrays = [_into(fed[spec.name], port, channels_last) for spec, port in zip(session.inputs, runs.inputs, strict=True)]
        _takes(arrays, runs.inputs)
        begin = time.perf_counter()
        found = runs.run(arrays)
        times.append(time.perf_counter() - begin)
        expected = session.run(piece.feeds)
        for one, wanted, array, port in zip(sums, expected, found, runs.outputs, strict=True):
            if array.size != wanted.size:
                raise _other(f"its output {port.name} has {array.size} elements, that of the ONNX model {wanted.size}")
            one.add(np.asarray(wanted, np.float32), _out_of(array, port, wanted.shape, channels_last))
        progress.advance(len(piece.samples))
    return Distance(tuple(one.result() for one in sums), dataset.count, 1e3 * float(np.median(times)) if times else 0.0)


def _same_count(what: str, reference: Sequence[object], ports: Sequence[Port]) -> None:
    if len(reference) != len(ports):
        raise _other(f"it has {len(ports)} {what}, the ONNX model {len(reference)}")


def _takes(arrays: Sequence[AnyArray], ports: Sequence[Port]) -> None:
    """Raise BadModel where a port takes another shape; () stands for one that no runtime told, 0
    for a size."""
    for array, port in zip(arrays, ports, strict=True):
        told = port.shape and any(size > 0 for size in port.shape)
        if told and (len(port.shape) != array.ndim or any(a != b for a, b in zip(port.shape, array.shape, strict=True) if a > 0)):
            raise _other(f"its input {port.name} is {list(port.shape)}, that of the ONNX model {list(array.shape)} in its layout")


def _other(difference: str) -> BadModel:
    what = f"The model that the runtime opened is not the one that it is compared with: {difference}"
    return BadModel(what, "the ONNX int8 model and what the runtime opened", "Give the int8 ONNX model of which that file was made.")


def _into(array: AnyArray, port: Port, channels_last: bool) -> AnyArray:
    """A float feed in the runtime's layout and codes."""
    if channels_last and array.ndim == 4 and port.dtype != "int32":  # indices keep their layout
        array = array.transpose(0, 2, 3, 1)
    if array.dtype == np.uint8:  # raw pixels
        return array
    if port.dtype not in CODE_TYPES:
        return np.asarray(array.astype(port.dtype))
    limits = np.iinfo(port.dtype)
    codes = np.rint(array.astype(np.float32) / np.float32(port.scale)) + port.zero_point
    return np.asarray(np.clip(codes, limits.min, limits.max).astype(port.dtype))


def _out_of(array: AnyArray, port: Port, shape: tuple[int, ...], channels_last: bool) -> AnyArray:
    """An output of the runtime as floats in ONNX's layout."""
    if port.dtype in CODE_TYPES:
        array = (array.astype(np.int32) - port.zero_point).astype(np.float32) * np.float32(port.scale)
    if channels_last and array.ndim == 4 and port.dtype != "int32":
        array = array.transpose(0, 3, 1, 2)
    return np.asarray(array, np.float32).reshape(shape)
