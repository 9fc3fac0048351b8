"""Prove a conversion: the runtimes and edgeq's interpreter agree code for code, and with the source.

The source runs in onnxruntime with its optimizations off, so that each operator computes in float
between its DequantizeLinear and QuantizeLinear: what the model means, on every processor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.foreign.samples import Samples
from edgeq.integers.run import Interpreter
from edgeq.integers.signed import signed, signed_codes
from edgeq.integers.tflite.layout import inverse, order, permuted
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.fidelity import Agreement
from edgeq.numerics.grid import QuantParams, dequantize, quantize
from edgeq.progress import Progress
from edgeq.runtimes.ort import open_session
from edgeq.runtimes.protocol import OpenedModel, Port
from edgeq.runtimes.runtime import Request
from edgeq.runtimes.table import look_up

#: the runtimes that execute .tflite files
RUNTIMES = ("litert", "tflm")


@dataclass(frozen=True)
class OutputProof:
    """How the codes of one output compare over all samples."""

    #: name of the output
    name: str
    #: number of codes compared
    codes: int
    #: name of a runtime -> the largest difference between its codes and the interpreter's
    runtimes: Mapping[str, int]
    #: largest difference from the source, in steps of the output's grid
    max_lsb: float
    #: mean of that difference
    mean_lsb: float
    #: share of codes that are the source's, 0..1
    exact: float
    #: share of codes at most one step from the source's, 0..1
    within_one: float
    #: share of samples with equal arg-max, 0..1; None: the output is not class scores
    agreement: float | None
    #: share of samples whose arg-max differs although the source has one code for both classes;
    #: None: the output is not class scores
    ties: float | None


@dataclass(frozen=True)
class ConversionProof:
    """What the converted model computes, beside what its source does."""

    #: the outputs, in the model's order
    outputs: tuple[OutputProof, ...]
    #: number of samples
    samples: int
    #: whether the samples are made-up codes
    made_up: bool
    #: name of a runtime that ran the file -> its version
    ran: Mapping[str, str]
    #: runtimes that are not installed
    missing: tuple[str, ...]

    @property
    def code_for_code(self) -> bool:
        """Whether every runtime that ran made the interpreter's codes."""
        return all(not apart for output in self.outputs for apart in output.runtimes.values())

    @property
    def agreement(self) -> float | None:
        """The smallest agreement of an output; None: none has class scores."""
        found = [output.agreement for output in self.outputs if output.agreement is not None]
        return min(found, default=None)


class _Sums:
    """What is counted of one output while samples run."""

    def __init__(self, name: str, grid: QuantParams) -> None:
        self.name, self.grid = name, grid
        self.apart: dict[str, int] = {}
        self.largest = self.total = 0.0
        self.count = self.same = self.near = 0
        self.agreement = Agreement()

    def runtime(self, name: str, codes: AnyArray, wanted: AnyArray) -> None:
        apart = int(np.abs(codes.astype(np.int64) - wanted.astype(np.int64)).max(initial=0))
        self.apart[name] = max(self.apart.get(name, 0), apart)

    def source(self, codes: AnyArray, expected: AnyArray) -> None:
        """Add one sample: int8 codes, and the source's floats or codes."""
        made = dequantize(codes, self.grid)
        meant = expected.astype(np.float32) if expected.dtype.kind == "f" else dequantize(signed_codes(expected), self.grid)
        meant = meant.reshape(made.shape)
        lsb = np.abs(made.astype(np.float64) - meant.astype(np.float64)) / float(self.grid.scale)
        lsb = np.rint(lsb * 1e3) / 1e3  # rounding errors of float32 are no distance
        self.largest = max(self.largest, float(lsb.max(initial=0.0)))
        self.total += float(lsb.sum())
        self.same += int((lsb == 0).sum())
        self.near += int((lsb <= 1).sum())
        self.count += lsb.size
        self.agreement.add(meant, made)

    def result(self) -> OutputProof:
        count = max(self.count, 1)
        return OutputProof(
            self.name, self.count, self.apart, self.largest, self.total / count, self.same / count, self.near / count,
            self.agreement.share, self.agreement.ties,
        )  # fmt: skip


def prove_converted(source: ir.Model, own: ir.Model, file: bytes, samples: Samples, progress: Progress) -> ConversionProof:
    """Run the source, the interpreter and every runtime that is installed on each sample.

    source: in Q/DQ form. own: the normalised model of which the file was made. Raises UnsupportedOp
    for a step that the interpreter does not have, and RuntimeRefused.
    """
    machine = Interpreter(own)
    rows = [look_up(name) for name in RUNTIMES]
    installed = [row for row in rows if row.installed]
    request = Request(file, len(own.graph.inputs), len(own.graph.outputs), "")
    opened: list[tuple[str, OpenedModel]] = []
    for row in installed:
        opened += [(f"{row.name} {one.variant}".strip(), one.model) for one in row.open(request) if one.model is not None]
    sums = [_Sums(str(value.name), signed(machine.output_grids[str(value.name)])) for value in own.graph.outputs]
    dataset = samples.dataset
    progress.start("prove the conversion", dataset.count)
    with open_session(source, optimize="off") as session:
        for piece in dataset.batches(1):
            codes = {name: _codes(piece.feeds[name], grid) for name, grid in machine.input_grids.items()}
            wanted = machine.run(codes).outputs
            expected = session.run(piece.feeds)
            fed = [(piece.feeds[name], signed_codes(codes[name])) for name in machine.input_grids]
            for name, model in opened:
                arrays = [_into(real, code, port) for (real, code), port in zip(fed, model.inputs, strict=True)]
                for one, made, port in zip(sums, model.run(arrays), model.outputs, strict=True):
                    one.runtime(name, _out_of(made, port, one.grid), signed_codes(wanted[one.name]))
            for one, meant in zip(sums, expected, strict=True):
                one.source(signed_codes(wanted[one.name]), meant)
            progress.advance(len(piece.samples))
    ran = {row.name: row.version() for row in installed}
    missing = tuple(row.name for row in rows if not row.installed)
    return ConversionProof(tuple(one.result() for one in sums), dataset.count, samples.made_up, ran, missing)


def _codes(array: AnyArray, grid: QuantParams) -> AnyArray:
    return array if array.dtype.kind in "iu" else quantize(array.astype(np.float32), grid)


def _into(real: AnyArray, codes: AnyArray, port: Port) -> AnyArray:
    """A feed as the file takes it: floats, raw pixels or int8 codes, channels last."""
    return permuted(real if port.dtype in ("float32", "uint8") else codes)


def _out_of(array: AnyArray, port: Port, grid: QuantParams) -> AnyArray:
    """An output of the file as int8 codes in ONNX's layout."""
    codes = quantize(array, grid) if port.dtype == "float32" else array
    return codes.transpose(inverse(order(codes.ndim)))
