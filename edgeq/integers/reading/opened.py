"""A .tflite file opened in edgeq's own interpreter, in the form of every other runtime."""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.errors import BadModel
from edgeq.integers.graph import Operand
from edgeq.integers.reading.operation import ReadFile
from edgeq.integers.run import Interpreter
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import dequantize
from edgeq.runtimes.protocol import Port

#: what reports call it
NAME = "edgeq's interpreter"


class OpenedFile:
    """A file that was read: exact integers in numpy, TFLite's fixed-point arithmetic."""

    def __init__(self, read: ReadFile) -> None:
        """Raises UnsupportedOp for an operator or an end that the interpreter does not run."""
        self.machine = Interpreter(read.graph)
        self.inputs = tuple(_port(operand) for operand in read.graph.inputs)
        self.outputs = tuple(_port(operand) for operand in read.graph.outputs)

    def run(self, arrays: Sequence[AnyArray]) -> list[AnyArray]:
        """Raises BadModel when a sum leaves int32."""
        ran = self.machine.run(dict(zip((port.name for port in self.inputs), arrays, strict=True)))
        if ran.overflows:
            first = ran.overflows[0]
            what = f"A sum of {first.largest} leaves int32."
            raise BadModel(what, f"node {first.node}", "Quantize the model again: edgeq keeps sums within int32.")
        found = []
        for operand in self.machine.graph.outputs:
            codes, grid = ran.outputs[operand.name], self.machine.output_grids.get(operand.name)
            found.append(dequantize(codes, grid) if operand.is_float and grid is not None else codes)
        return found


def _port(operand: Operand) -> Port:
    scale, zero = (0.0, 0) if operand.grid is None else (float(operand.grid.scale), int(operand.grid.zero_point))
    return Port(operand.name, operand.shape or (), operand.dtype, scale, zero)
