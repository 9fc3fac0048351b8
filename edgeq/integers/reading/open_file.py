"""Open a .tflite file to measure it: in LiteRT where that is installed, else in edgeq itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgeq.integers.reading.opened import NAME, OpenedFile
from edgeq.integers.reading.read import read_tflite
from edgeq.integers.tflite.flatbuffer import TfModel, TfOperator
from edgeq.integers.tflite.parse import parse
from edgeq.runtimes.protocol import OpenedModel
from edgeq.runtimes.runtime import Request
from edgeq.runtimes.table import look_up
from edgeq.version import __version__

#: multiply-accumulates of all samples up to which slow kernels are worth their exactness: a minute
#: or two of LiteRT's reference kernels or of numpy on one core
LARGEST_WORK = 2e10
#: the operators that do the work; their second input is the weight
_LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")


@dataclass(frozen=True)
class RanBy:
    """What ran a .tflite file that was measured."""

    #: name of the runtime, and the way in which it ran the file where there are several
    runtime: str
    version: str
    #: samples at most; None: all of them. numpy is slow, and large files run on fewer
    samples: int | None = None


def open_file(data: bytes, samples: int) -> tuple[OpenedModel, RanBy]:
    """Open a file for runs on so many samples.

    LiteRT runs it with its reference kernels, which are those of microcontrollers, or with XNNPACK
    where that would take too long. Raises RuntimeRefused, and without LiteRT what read_tflite
    raises.
    """
    model, row = parse(data), look_up("litert")
    work = _work(model) * samples
    if not row.installed:
        most = max(int(LARGEST_WORK / max(_work(model), 1)), 1)
        return OpenedFile(read_tflite(data)), RanBy(NAME, __version__, most if most < samples else None)
    wanted = "reference" if work <= LARGEST_WORK else "xnnpack"
    for opened in row.open(Request(data, len(model.inputs), len(model.outputs), "")):
        if opened.variant == wanted and opened.model is not None:
            return opened.model, RanBy(f"{row.name} {wanted}", row.version())
    raise AssertionError(f"litert has no {wanted} kernels")


def _work(model: TfModel) -> int:
    """The multiply-accumulates of one run."""
    return sum(_macs(model, op) for op in model.operators if op.code in _LAYERS)


def _macs(model: TfModel, op: TfOperator) -> int:
    weight, output = math.prod(model.tensors[op.inputs[1]].shape), math.prod(model.tensors[op.outputs[0]].shape)
    outputs = model.tensors[op.inputs[1]].shape[-1 if op.code == "DEPTHWISE_CONV_2D" else 0]
    if op.code == "TRANSPOSE_CONV":  # every element of the input meets the whole window
        source = model.tensors[op.inputs[2]].shape
        return math.prod(source[:-1]) * weight
    return output * weight // max(outputs, 1)
