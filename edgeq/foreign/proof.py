"""Prove a conversion: runtimes and interpreter agree code for code, and with the source.

The source runs in onnxruntime with its optimizations off, so that each operator computes in float
between its DequantizeLinear and QuantizeLinear: what the model means, on every processor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.foreign.samples import Samples
from edgeq.foreign.sums import OutputProof, OutputSums, StepsProof, StepSums, with_codes
from edgeq.integers.coded_inputs import coded
from edgeq.integers.run import Interpreter
from edgeq.integers.signed import signed, signed_codes
from edgeq.integers.tflite.layout import inverse, order, permuted
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import QuantParams, quantize
from edgeq.progress import Progress
from edgeq.runtimes.ort import open_session
from edgeq.runtimes.protocol import Port
from edgeq.runtimes.runtime import Request
from edgeq.runtimes.table import look_up

#: the runtimes that execute .tflite files
RUNTIMES = ("litert", "tflm")


@dataclass(frozen=True)
class ConversionProof:
    """What the converted model computes, beside what its source does."""

    #: the outputs, in the model's order
    outputs: tuple[OutputProof, ...]
    #: its operators, one by one
    steps: StepsProof
    #: number of samples
    samples: int
    #: whether the samples are made-up codes
    made_up: bool
    #: name of a runtime that ran the file -> its version
    ran: Mapping[str, str]
    #: runtimes that are not installed
    missing: tuple[str, ...]

    @property
    def apart(self) -> int:
        """The largest difference between TFLite Micro and the interpreter, which follows it.

        LiteRT rounds some sums in another way: those of FULLY_CONNECTED with a scale per output,
        and with XNNPACK all.
        """
        return max((output.runtimes.get("tflm", 0) for output in self.outputs), default=0)

    @property
    def agreement(self) -> float | None:
        """The smallest agreement of an output; None: none has class scores.

        A sample whose source has one code for both classes does not disagree.
        """
        found = [output.agreement + (output.ties or 0.0) for output in self.outputs if output.agreement is not None]
        return min(found, default=None)


def prove_converted(source: ir.Model, own: ir.Model, file: bytes, samples: Samples, progress: Progress) -> ConversionProof:
    """Run the source, the interpreter and every runtime that is installed on each sample.

    source: in Q/DQ form. own: the normalised model of which the file was made, with its float
    inputs and outputs. Raises UnsupportedOp for a step that the interpreter does not have, and
    RuntimeRefused.
    """
    machine, rows = Interpreter(own), [look_up(name) for name in RUNTIMES]
    installed = [row for row in rows if row.installed]
    request = Request(file, len(own.graph.inputs), len(own.graph.outputs), "")
    opened = [(f"{row.name} {one.variant}".strip(), one.model) for row in installed for one in row.open(request) if one.model is not None]
    outputs = [OutputSums(str(value.name), signed(machine.output_grids[str(value.name)])) for value in own.graph.outputs]
    steps, dataset = StepSums(), samples.dataset
    progress.start("prove the conversion", dataset.count)
    with (
        open_session(source, optimize="off", arena=False) as session,
        open_session(with_codes(own), optimize="off", arena=False) as rewritten,
    ):
        for piece in dataset.batches(1):
            feeds = coded(own, piece.feeds)
            codes = {name: _codes(feeds[name], grid) for name, grid in machine.input_grids.items()}
            wanted, expected = machine.run(codes).outputs, session.run(piece.feeds)
            found = dict(zip(rewritten.outputs, rewritten.run(feeds), strict=True))
            steps.add(machine.each_step({**codes, **{name: array for name, array in found.items() if array.dtype in (np.int8, np.uint8)}}))
            fed = [(feeds[name], signed_codes(codes[name])) for name in machine.input_grids]
            for name, model in opened:
                arrays = [_into(real, code, port) for (real, code), port in zip(fed, model.inputs, strict=True)]
                for one, made, port in zip(outputs, model.run(arrays), model.outputs, strict=True):
                    one.runtime(name, _out_of(made, port, one.grid), signed_codes(wanted[one.name]))
            for one, meant in zip(outputs, expected, strict=True):
                one.source(signed_codes(wanted[one.name]), meant, found[one.name])
            progress.advance(len(piece.samples))
    ran = {row.name: row.version() for row in installed}
    missing = tuple(row.name for row in rows if not row.installed)
    return ConversionProof(tuple(one.result() for one in outputs), steps.result(), dataset.count, samples.made_up, ran, missing)


def _codes(array: AnyArray, grid: QuantParams) -> AnyArray:
    return array if array.dtype.kind in "iu" else quantize(array.astype(np.float32), grid)


def _into(real: AnyArray, codes: AnyArray, port: Port) -> AnyArray:
    """A feed as the file takes it: floats, raw pixels or int8 codes, channels last."""
    return permuted(real if port.dtype in ("float32", "uint8") else codes)


def _out_of(array: AnyArray, port: Port, grid: QuantParams) -> AnyArray:
    """An output of the file as int8 codes in ONNX's layout."""
    codes = quantize(array, grid) if port.dtype == "float32" else array
    return codes.transpose(inverse(order(codes.ndim)))
