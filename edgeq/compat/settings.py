"""From the arguments of quantize_static to a target and a recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from edgeq.compat.arguments import check
from edgeq.errors import BadRecipe
from edgeq.graph.read import constant, nodes
from edgeq.io.load import Loaded
from edgeq.rewrite.prepare import prepare_for
from edgeq.schema.patterns import exact_pattern
from edgeq.schema.recipe import Recipe
from edgeq.schema.rules import Rule
from edgeq.schema.target import Target, load_target

#: CalibrationMethod -> the rule of a recipe
_RULES: dict[str, Rule] = {"MinMax": "minmax", "Entropy": "kl", "Percentile": "percentile"}
#: QuantType of weights -> bits of a code
_WEIGHT_BITS = {"QInt8": 8, "QUInt8": 8, "QInt4": 4, "QUInt4": 4}
_ACTIVATIONS = ("QInt8", "QUInt8")
#: the share of values that onnxruntime's percentile keeps by default, and its moving average
_PERCENTILE, _MOVING = 99.999, 0.01
#: operators that one and the same layer may be, before and after the model is prepared
_TWINS = {"MatMul": "Gemm", "Gemm": "MatMul"}


@dataclass(frozen=True)
class Asked:
    """The arguments of quantize_static that decide something."""

    activations: Any
    weights: Any
    method: Any
    only_types: Sequence[str] | None
    only_nodes: Sequence[str] | None
    not_nodes: Sequence[str] | None
    #: extra_options
    extra: Mapping[str, Any]
    #: the target of edgeq; None: the arguments choose it
    target: str | Target | None


def settings_of(asked: Asked, loaded: Loaded) -> tuple[Target, Recipe]:
    """The target and the recipe that do what was asked. Raises BadRecipe."""
    for name, value in asked.extra.items():
        check(name, value, extra=True)
    extra = asked.extra
    _word(asked.activations, _ACTIVATIONS, "activation_type", "Integer kernels take 8 bits.")
    bits = _WEIGHT_BITS[_word(asked.weights, _WEIGHT_BITS, "weight_type", "Weights have 8 or 4 bits.")]
    rule = _RULES[_word(asked.method, _RULES, "calibrate_method", "Distribution is for floats of 8 bits.")]
    if rule == "minmax" and extra.get("CalibMovingAverage"):
        rule = "ema"
    target = _target(asked)
    recipe = Recipe(
        rule=rule,
        percentile=float(extra.get("CalibPercentile", _PERCENTILE)),
        ema=1 - float(extra.get("CalibMovingAverageConstant", _MOVING)),
        weight_bits=bits,
        keep_float=tuple(exact_pattern(name) for name in _kept(asked, loaded, target)),
    )
    return target, recipe


def _word(value: object, allowed: Iterable[str], name: str, why: str) -> str:
    """The name of a member of an enumeration, of this module or onnxruntime's."""
    word = str(getattr(value, "name", value))
    if word not in allowed:
        raise BadRecipe(f"edgeq has no counterpart of {word}. {why}", f"quantize_static, `{name}`", f"Use one of {', '.join(allowed)}.")
    return word


def _target(asked: Asked) -> Target:
    if asked.target is not None:
        return load_target(asked.target)
    symmetric = asked.extra.get("ActivationSymmetric") or asked.extra.get("CalibTensorRangeSymmetric")
    return load_target("tensorrt" if symmetric else "cpu")


def _kept(asked: Asked, loaded: Loaded, target: Target) -> list[str]:
    """Names of the nodes that stay float, as they are called once the model is prepared."""
    if not (asked.only_types is not None or asked.only_nodes or asked.not_nodes or asked.extra.get("MatMulConstBOnly")):
        return []  # preparing the model takes a second
    prepared = nodes(prepare_for(loaded.model.clone(), target).model)
    types = None if asked.only_types is None else {*asked.only_types} | {_TWINS[one] for one in asked.only_types if one in _TWINS}
    only, excluded = asked.only_nodes or None, {*(asked.not_nodes or ())}
    return [
        name
        for node in prepared
        if (name := node.name or "")
        and (
            name in excluded
            or (only is not None and name not in only)
            or (types is not None and node.op_type not in types)
            or (asked.extra.get("MatMulConstBOnly") and _multiplies_computed(node))
        )
    ]


def _multiplies_computed(node: ir.Node) -> bool:
    return node.op_type == "MatMul" and all(value is not None and constant(value) is None for value in node.inputs)
