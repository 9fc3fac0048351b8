"""Rules about shifts: targets with power-of-two scales requantize by a limited number of bits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgeq.integers.graph import IntegerOp
from edgeq.integers.legality.violation import Violation
from edgeq.schema.target_facts import KernelFacts

_FIX = "Quantize the float model again for this target, or bring these scales closer to each other."
#: tolerance in bits; another rule reports scales that are no powers of two
_NOISE = 1e-3


def shift_rules(step: IntegerOp, kernel: KernelFacts) -> Iterator[Violation]:
    """Check the shift that aligns the inputs' scales, and the shift to the output's scale."""
    operands = [operand for operand in step.inputs[:2] if operand is not None and operand.grid is not None]
    grid = step.outputs[0].grid if step.outputs else None
    if len(operands) < 2 or grid is None or (kernel.shift is None and kernel.align is None):
        return
    inputs = [np.log2(operand.grid.scale.astype(np.float64).reshape(-1)) for operand in operands if operand.grid is not None]
    output = np.log2(grid.scale.astype(np.float64).reshape(-1))
    if kernel.align is not None:
        apart = float(np.max(np.abs(inputs[0] - inputs[1])))
        if apart > kernel.align + _NOISE:
            observed = f"the scales of {operands[0].name} and {operands[1].name} are {apart:g} places apart"
            yield Violation(step.name, step.op_type, "align", observed, f"at most {kernel.align}", kernel.source, _FIX)
    if kernel.shift is not None:
        least, most = kernel.shift
        places = output - (np.maximum(*inputs) if kernel.align is not None else inputs[0] + inputs[1])
        worst = float(places.max() if places.max() > most else places.min())
        if not least - _NOISE <= worst <= most + _NOISE:
            observed = f"the result is shifted by {worst:g} places"
            yield Violation(step.name, step.op_type, "shift", observed, f"{least}..{most} places", kernel.source, _FIX)
