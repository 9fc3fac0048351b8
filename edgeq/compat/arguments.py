"""What becomes of each argument of onnxruntime.quantization: the table of the migration guide."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from edgeq.errors import BadRecipe

#: mapped: edgeq has a counterpart, which is used. needless: edgeq does it, or has no use for it,
#: whatever the value. refused: another value than `plain` ends with an error
Fate = Literal["mapped", "needless", "refused"]


@dataclass(frozen=True)
class Argument:
    """One argument of quantize_static, or one key of its extra_options."""

    name: str
    fate: Fate
    #: what edgeq does instead, or what to use; a whole sentence
    instead: str
    #: values that ask for nothing, where the argument is refused
    plain: tuple[object, ...] = (None, False)
    #: whether it is a key of extra_options
    extra: bool = True


ARGUMENTS = (
    Argument("model_input", "mapped", "A path, a ModelProto, or bytes.", extra=False),
    Argument("model_output", "mapped", "The model is written there, in place of what is there.", extra=False),
    Argument("calibration_data_reader", "mapped", "It is read once; any other data that edgeq takes will do.", extra=False),
    Argument(
        "quant_format", "refused", "QDQ is written, of which onnxruntime makes the operators of QOperator itself.", ("QDQ",), extra=False
    ),
    Argument("op_types_to_quantize", "mapped", "Nodes of other types stay float (`keep_float`).", extra=False),
    Argument("per_channel", "needless", "Weights have a scale for each channel: the kernels are the same.", extra=False),
    Argument("reduce_range", "needless", "Weights keep clear of saturation by themselves, with as much of 8 bits as is safe.", extra=False),
    Argument(
        "activation_type",
        "mapped",
        "Both types of 8 bits give what the target computes with; int8 with ActivationSymmetric, TensorRT's.",
        extra=False,
    ),
    Argument("weight_type", "mapped", "QInt8 and QUInt8 give int8; QInt4 and QUInt4 codes of 4 bits (`weight_bits`).", extra=False),
    Argument("nodes_to_quantize", "mapped", "All other nodes stay float (`keep_float`).", extra=False),
    Argument("nodes_to_exclude", "mapped", "They stay float (`keep_float`).", extra=False),
    Argument("use_external_data_format", "needless", "Weights lie beside the model where one file cannot hold them.", extra=False),
    Argument("calibrate_method", "mapped", "MinMax, Entropy and Percentile are the rules minmax, kl and percentile.", extra=False),
    Argument(
        "calibration_providers",
        "refused",
        "Calibration runs on the CPU, whose numbers repeat.",
        (None, ["CPUExecutionProvider"]),
        extra=False,
    ),
    Argument(
        "calibration_cache_path", "refused", "Use edgeq.calibrate once, and give edgeq.quantize its `statistics`.", (None,), extra=False
    ),
    Argument("ActivationSymmetric", "mapped", "True chooses a target whose activations have zero point 0: TensorRT."),
    Argument("CalibTensorRangeSymmetric", "mapped", "As ActivationSymmetric."),
    Argument("CalibMovingAverage", "mapped", "The rule ema."),
    Argument("CalibMovingAverageConstant", "mapped", "The rule's `ema` is 1 less the constant."),
    Argument("CalibPercentile", "mapped", "`percentile`."),
    Argument("MatMulConstBOnly", "mapped", "True keeps products of two computed values float."),
    Argument("CalibMaxIntermediateOutputs", "needless", "Values are summed up as they come: memory stays constant."),
    Argument("CalibStridedMinMax", "needless", "Values are summed up as they come: memory stays constant."),
    Argument("DedicatedQDQPair", "needless", "Readers share a pair, of which onnxruntime makes the same kernels."),
    Argument("EnableSubgraph", "needless", "Bodies of If, Loop and Scan are handled without being asked."),
    Argument("ForceQuantizeNoInputCheck", "needless", "Nodes that only move values run in integers where their neighbours do."),
    Argument("QDQDisableWeightAdjustForInt32Bias", "needless", "Scales of weights are chosen so that their biases fit."),
    Argument("QDQOpTypePerChannelSupportToAxis", "needless", "The axis of the output channels of each operator is known."),
    Argument("SmoothQuant", "needless", "Ranges are moved between activations and weights where that helps on the data."),
    Argument("SmoothQuantAlpha", "needless", "How much is moved is chosen on the data."),
    Argument("SmoothQuantFolding", "needless", "What is moved is folded where it can be."),
    Argument("UseQDQContribOps", "needless", "Only standard Q/DQ nodes are needed."),
    Argument("WeightSymmetric", "refused", "Weights have zero point 0, which the integer kernels take.", (None, True)),
    Argument("QuantizeBias", "refused", "Biases are int32, which the integer kernels take.", (None, True)),
    Argument("ActivationRestrictedAsymmetric", "refused", "Leave it out, or describe the chip in a target of your own."),
    Argument("AddQDQPairToWeight", "refused", "Weights are stored as integers, a quarter of the bytes."),
    Argument("MinimumRealRange", "refused", "Describe the chip in a target of your own; qnn_htp knows Qualcomm's limits."),
    Argument("OpTypesToExcludeOutputQuantization", "refused", "Name the nodes in nodes_to_exclude: they stay float."),
    Argument("QDQKeepRemovableActivations", "refused", "Choose the target of the chip that needs them."),
    Argument("TensorQuantOverrides", "refused", "Use nodes_to_exclude, a target of your own, or edgeq.quantize with a recipe.", (None, {})),
    Argument("BlockSize", "refused", "Weights have a scale for each channel."),
    Argument("DefaultTensorType", "needless", "Types of values are inferred."),
    Argument("extra.Sigmoid.nnapi", "needless", "The target nnapi knows its operators."),
)
_BY_NAME = {one.name: one for one in ARGUMENTS}


def check(name: str, value: object, *, extra: bool) -> None:
    """Refuse an argument that edgeq has no counterpart for, or that does not exist.

    Raises BadRecipe with its name, and what to use.
    """
    where = f"quantize_static, {'extra_options, ' if extra else ''}`{name}`"
    known = _BY_NAME.get(name)
    if known is None or known.extra is not extra:
        near = get_close_matches(name, [one.name for one in ARGUMENTS if one.extra is extra], n=1)
        fix = f"Did you mean `{near[0]}`?" if near else "See docs/migration.md for those that exist."
        raise BadRecipe(f"There is no option `{name}`.", where, fix)
    if known.fate == "refused" and not any(_same(value, one) for one in known.plain):
        raise BadRecipe(f"edgeq has no counterpart of this argument with the value {_shown(value)}.", where, known.instead)


def _same(value: object, plain: object) -> bool:
    return _shown(value) == plain if isinstance(plain, str) else type(value) is type(plain) and value == plain


def _shown(value: object) -> str:
    return str(getattr(value, "name", value))


def table() -> list[str]:
    """The lines of the table of docs/migration.md."""
    rows = [f"| `{one.name}` | {one.fate} | {one.instead} |" for one in ARGUMENTS]
    return ["| argument | | in edgeq |", "|---|---|---|", *rows]
