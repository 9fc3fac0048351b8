"""Lower a prepared model to operators that the target has integer kernels for."""

from __future__ import annotations

from collections.abc import Set

import onnx_ir as ir

from edgeq.graph.forms.resize import COORDINATES, ROUNDING
from edgeq.passes.lower.average_to_global_pool import AverageToGlobalPool
from edgeq.passes.lower.deconv_to_conv import DeconvToConv
from edgeq.passes.lower.flatten_to_gemm import FlattenToGemm
from edgeq.passes.lower.functions_on_rows import FunctionsOnRows
from edgeq.passes.lower.nearest_as_taken import NearestAsTaken
from edgeq.passes.lower.pad_all_axes import PadAllAxes
from edgeq.passes.lower.plain_average_pool import PlainAveragePool
from edgeq.passes.lower.resize_all_axes import ResizeAllAxes
from edgeq.passes.lower.resize_planes import ResizePlanes
from edgeq.passes.lower.shuffle_to_gather import ShuffleToGather
from edgeq.passes.lower.split_center_crop_pad import SplitCenterCropPad
from edgeq.passes.lower.split_division import SplitDivision
from edgeq.passes.lower.split_hardsigmoid import SplitHardSigmoid
from edgeq.passes.lower.split_hardswish import SplitHardSwish
from edgeq.passes.lower.split_layer_norm import SplitLayerNorm
from edgeq.passes.lower.split_power import SplitPower
from edgeq.passes.lower.split_prelu import SplitPRelu
from edgeq.passes.lower.sum_to_mean import SumToMean
from edgeq.passes.lower.unit_axis import UnitAxis
from edgeq.rewrite.steps import Steps
from edgeq.schema.target import Target

#: operators that lowering may turn into others; a recipe's keep_float for them would then be lost
LOWERED = ("ConvTranspose", "HardSwish", "HardSigmoid", "MatMul", "LayerNormalization", "Pow", "Div", "ReduceSum", "PRelu")
#: input channels from which on a Conv and DepthToSpace in integers are faster than a float
#: ConvTranspose. Measured in onnxruntime 1.32 (x86-64, one thread, windows of 2x2): the net around
#: it takes 0.69 of the time with 256 channels, 0.83 with 192, 0.89 with 128, 1.00 with 96, 1.09
#: with 64
DECONV_CHANNELS = 128


def lower(prepared: ir.Model, target: Target, keep: Set[str] = frozenset()) -> None:
    """Replace operators, in place, by those that the target has integer kernels for.

    It runs before calibration, because it makes new values. keep: names of nodes of the LOWERED
    types that stay unchanged.
    """
    steps = Steps(prepared)
    if target.kernel_of("HardSwish") is None and (target.kernel_of("HardSigmoid") is not None or target.integer_only):
        steps.run(SplitHardSwish(keep))
    if target.kernel_of("HardSigmoid") is None and target.integer_only:
        steps.run(SplitHardSigmoid(keep))
    if target.integer_only:
        _split_for_integers(steps, target, keep)
    if target.kernel_of("ConvTranspose") is None and "DepthToSpace" in target.movement.ops:
        steps.run(DeconvToConv(keep, 1 if target.integer_only else DECONV_CHANNELS))
    if target.runtime == "onnxruntime" and "Gather" in target.movement.ops:
        steps.run(ShuffleToGather())
    steps.run(FlattenToGemm(keep))
    steps.run(FunctionsOnRows())  # after it: between the Reshapes that it leaves
    if target.window_axes == 2:
        steps.run(UnitAxis())
    steps.run(AverageToGlobalPool())
    steps.run(PlainAveragePool())
    steps.run(SplitCenterCropPad())
    steps.run(PadAllAxes())
    steps.run(ResizeAllAxes())
    steps.run(ResizePlanes())  # after it: it looks at the scale of every axis
    steps.run(NearestAsTaken(_nearest_pairs(target)))


def _split_for_integers(steps: Steps, target: Target, keep: Set[str]) -> None:
    """Replace what a target without float kernels lacks by what it has."""
    has_mean = target.kernel_of("ReduceMean") is not None
    has_reciprocal = target.kernel_of("Reciprocal") is not None
    if target.kernel_of("LayerNormalization") is None and has_mean and has_reciprocal:
        steps.run(SplitLayerNorm(keep))
    if target.kernel_of("Pow") is None and has_reciprocal:
        steps.run(SplitPower(keep))
    if target.kernel_of("Div") is None and has_reciprocal:
        steps.run(SplitDivision(keep))
    if target.kernel_of("PRelu") is None:  # elsewhere float kernels round once less
        steps.run(SplitPRelu(keep))
    if target.kernel_of("ReduceSum") is None and has_mean:
        steps.run(SumToMean(keep))


def _nearest_pairs(target: Target) -> tuple[tuple[str, str], ...]:
    """The coordinates and roundings that the target takes in a Resize of mode nearest."""
    attributes = [form.attributes for form in target.forms_of("Resize") if "nearest" in form.attributes.get("mode", ())]
    return tuple((str(where), str(how)) for one in attributes for where in one.get(COORDINATES, ()) for how in one.get(ROUNDING, ()))
