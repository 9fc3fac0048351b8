"""Bring a prepared model to operators that the target has integer kernels for, before
calibration.
"""

from __future__ import annotations

from collections.abc import Set

import onnx_ir as ir

from edgeq.passes.lower.average_to_global_pool import AverageToGlobalPool
from edgeq.passes.lower.flatten_to_gemm import FlattenToGemm
from edgeq.passes.lower.pad_all_axes import PadAllAxes
from edgeq.passes.lower.plain_average_pool import PlainAveragePool
from edgeq.passes.lower.split_hardsigmoid import SplitHardSigmoid
from edgeq.passes.lower.split_hardswish import SplitHardSwish
from edgeq.passes.lower.unit_axis import UnitAxis
from edgeq.schema.target import Target

#: operators that lowering may turn into others, and then a recipe's wish for them would be lost
LOWERED = ("HardSwish", "HardSigmoid", "MatMul")


def lower(prepared: ir.Model, target: Target, keep: Set[str] = frozenset()) -> None:
    """Bring a prepared model, in place, to operators that the target has integer kernels for.
    Before calibration: it makes new values.

    keep: names of nodes of the LOWERED types that stay what they are.
    """
    if target.kernel_of("HardSwish") is None and (target.kernel_of("HardSigmoid") is not None or target.integer_only):
        SplitHardSwish(keep)(prepared)
    if target.kernel_of("HardSigmoid") is None and target.integer_only:
        SplitHardSigmoid(keep)(prepared)
    FlattenToGemm(keep)(prepared)
    if target.window_axes == 2:
        UnitAxis()(prepared)
    AverageToGlobalPool()(prepared)
    PlainAveragePool()(prepared)
    PadAllAxes()(prepared)
