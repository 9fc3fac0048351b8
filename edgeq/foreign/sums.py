"""What is counted while a conversion is proven: of each output, and of all operators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import is_op
from edgeq.integers.graph import IntegerOp
from edgeq.integers.signed import signed_codes
from edgeq.numerics.arrays import F32, F64, I64, AnyArray
from edgeq.numerics.fidelity import Agreement
from edgeq.numerics.grid import QuantParams, dequantize


@dataclass(frozen=True)
class OutputProof:
    """How the codes of one output compare over all samples."""

    #: name of the output
    name: str
    #: number of codes compared
    codes: int
    #: name of a runtime -> the largest difference between its codes and the interpreter's
    runtimes: Mapping[str, int]
    #: largest difference between the model that was written, in float between its grids, and the
    #: source, in steps of the output's grid: what the changes did
    changed_lsb: float
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
class StepsProof:
    """Every operator on the codes that onnxruntime made before it, so that no rounding adds up."""

    #: number of codes compared
    codes: int
    #: share of equal codes, 0..1
    exact: float
    #: largest difference in codes
    largest: int
    #: name of the node that it is at; empty: there is no difference
    node: str
    op_type: str


class OutputSums:
    """What is counted of one output while samples run."""

    def __init__(self, name: str, grid: QuantParams) -> None:
        self.name, self.grid = name, grid
        self.apart: dict[str, int] = {}
        self.largest = self.total = self.changed = 0.0
        self.count = self.same = self.near = 0
        self.agreement = Agreement()

    def runtime(self, name: str, codes: AnyArray, wanted: AnyArray) -> None:
        apart = int(np.abs(codes.astype(np.int64) - wanted.astype(np.int64)).max(initial=0))
        self.apart[name] = max(self.apart.get(name, 0), apart)

    def source(self, codes: AnyArray, expected: AnyArray, rewritten: AnyArray) -> None:
        """Add one sample: int8 codes, and the floats or codes of source and rewritten model."""
        made = dequantize(codes, self.grid)
        meant = self._real(expected).reshape(made.shape)
        self.changed = max(self.changed, float(self._lsb(self._real(rewritten).reshape(made.shape), meant).max(initial=0.0)))
        lsb = self._lsb(made, meant)
        self.largest = max(self.largest, float(lsb.max(initial=0.0)))
        self.total += float(lsb.sum())
        self.same += int((lsb == 0).sum())
        self.near += int((lsb <= 1).sum())
        self.count += lsb.size
        self.agreement.add(meant, made)

    def _real(self, array: AnyArray) -> F32:
        return array.astype(np.float32) if array.dtype.kind == "f" else dequantize(signed_codes(array), self.grid)

    def _lsb(self, one: F32, other: F32) -> F64:
        apart = np.abs(one.astype(np.float64) - other.astype(np.float64)) / float(self.grid.scale)
        return np.asarray(np.rint(apart * 1e3) / 1e3)  # rounding errors of float32 are no distance

    def result(self) -> OutputProof:
        count = max(self.count, 1)
        return OutputProof(
            self.name, self.count, self.apart, self.changed, self.largest, self.total / count, self.same / count,
            self.near / count, self.agreement.share, self.agreement.ties,
        )  # fmt: skip


class StepSums:
    """What is counted of the operators while samples run."""

    def __init__(self) -> None:
        self.codes = self.same = self.largest = 0
        self.node = self.op_type = ""

    def add(self, steps: Iterable[tuple[IntegerOp, I64, I64]]) -> None:
        """Add the steps of one sample: their codes, and those of the reference."""
        for step, made, known in steps:
            apart = np.abs(made - known.reshape(made.shape))
            self.codes += apart.size
            self.same += int((apart == 0).sum())
            most = int(apart.max(initial=0))
            if most > self.largest:
                self.largest, self.node, self.op_type = most, step.name, step.op_type

    def result(self) -> StepsProof:
        return StepsProof(self.codes, self.same / max(self.codes, 1), self.largest, self.node, self.op_type)


def with_codes(model: ir.Model) -> ir.Model:
    """A copy of the model that also hands out the result of every QuantizeLinear."""
    copy = model.clone()
    for node in copy.graph:
        value = node.outputs[0]
        if is_op(node, "QuantizeLinear") and not value.is_graph_output():
            copy.graph.outputs.append(value)
    return copy
