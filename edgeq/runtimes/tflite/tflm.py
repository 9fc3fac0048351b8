"""TFLite Micro (tflite-micro) on the host: the integer arithmetic of microcontrollers.

This file is its only importer.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from edgeq.errors import RuntimeRefused
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.protocol import Port, as_float, as_int
from edgeq.runtimes.runtime import Opened, Request, Runtime
from edgeq.runtimes.tflite.off_terminal import off_terminal
from edgeq.runtimes.tflite.rehearse import rehearse

#: the largest arena that is tried for any model, in bytes
LARGEST_ARENA = 1 << 28
_FIX = "Check it: edgeq check --target mcu_tflite."


class TfLiteMicro:
    """A .tflite model opened in TFLite Micro.

    arena: bytes for tensors; None: four times the model, from 16 MiB up, and LARGEST_ARENA where
    that is too little.
    """

    def __init__(self, model: bytes, inputs: int = 1, outputs: int = 1, arena: int | None = None) -> None:
        """Raises MissingExtra, and RuntimeRefused when TFLite Micro does not accept the model."""
        try:
            from tflite_micro.python.tflite_micro import runtime
        except ImportError:
            raise RUNTIME.missing() from None
        sizes = [arena] if arena else [min(max(len(model) * 4, 1 << 24), LARGEST_ARENA), LARGEST_ARENA]
        for place, size in enumerate(sizes, start=1):
            try:
                with off_terminal():
                    self._interpreter = runtime.Interpreter.from_bytes(model, arena_size=size)
                break
            except Exception as error:  # a damaged file can raise anything
                if place == len(sizes):
                    raise RuntimeRefused(f"TFLite Micro refuses the model: {error}", "tflm", _FIX) from error
        self.inputs = tuple(_port(self._interpreter.get_input_details(place), f"input {place}") for place in range(inputs))
        self.outputs = tuple(_port(self._interpreter.get_output_details(place), f"output {place}") for place in range(outputs))

    def run(self, arrays: Sequence[AnyArray]) -> list[AnyArray]:
        """Raises RuntimeRefused where a kernel fails on the arrays."""
        try:
            for place, array in enumerate(arrays):
                self._interpreter.set_input(np.ascontiguousarray(array), place)
            self._interpreter.invoke()
        except Exception as error:  # whatever its kernels raise
            raise RuntimeRefused(f"TFLite Micro does not run the model: {error}", "tflm", _FIX) from error
        return [np.array(self._interpreter.get_output(place)) for place in range(len(self.outputs))]


def _port(details: dict[str, Any], name: str) -> Port:
    quantization = details["quantization_parameters"]
    shape = tuple(int(size) for size in details["shape"])
    dtype = np.dtype(details["dtype"]).name
    return Port(name, shape, dtype, as_float(quantization["scales"]), as_int(quantization["zero_points"]))


def _open(request: Request) -> Generator[Opened, None, None]:
    if RUNTIME.installed:
        rehearse("tflm", request.model, request.inputs, request.outputs)
    yield Opened(model=TfLiteMicro(request.model, request.inputs, request.outputs))


RUNTIME = Runtime(
    name="tflm",
    package="tflite-micro",
    module="tflite_micro",
    takes="tflite",
    told="TFLite Micro does not list what it runs: operators are the file's; that it allocates them proves that it has their kernels",
    open=_open,
    kernel="TFLite Micro",
)
