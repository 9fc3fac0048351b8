"""How chips compute an operator otherwise than the golden codes: the rules that are tried.

The golden codes are TFLite's, which rounds twice (gemmlowp): SaturatingRoundingDoublingHighMul,
then RoundingDivideByPOT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.integers.bounds import clamp_codes
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.fixed_point import Multiplier, round_away
from edgeq.integers.interpreter.machine import Machine
from edgeq.integers.operands import grid_out
from edgeq.integers.ops.table import run_of
from edgeq.integers.reading.operation import Operation
from edgeq.numerics.arrays import F64, I64
from edgeq.numerics.grid import LIMITS

#: the rules, the most common first
Rule = Literal[
    "single_rounding", "half_even", "half_away", "half_up", "floor", "toward_zero", "output_zero_point_higher", "output_zero_point_lower",
    "input_zero_point_higher", "input_zero_point_lower", "narrow", "wraps", "no_clamp", "no_bias",
]  # fmt: skip
RULES: tuple[Rule, ...] = get_args(Rule)
#: what each rule does, for people
WORDS: dict[Rule, str] = {
    "single_rounding": "one rounding shift (TFLITE_SINGLE_ROUNDING), halves up, in place of gemmlowp's two",
    "half_even": "rounding of the exact product, halves to even",
    "half_away": "rounding of the exact product, halves away from zero",
    "half_up": "rounding of the exact product, halves up",
    "floor": "rounding down: a shift without a rounding constant",
    "toward_zero": "rounding toward zero: what is behind the point is cut off",
    "output_zero_point_higher": "the zero point of the output is one too high",
    "output_zero_point_lower": "the zero point of the output is one too low",
    "input_zero_point_higher": "the zero point of an input is one too high",
    "input_zero_point_lower": "the zero point of an input is one too low",
    "narrow": "codes saturate at -127 in place of -128",
    "wraps": "codes do not saturate: they wrap around",
    "no_clamp": "the Relu or Clip is left out",
    "no_bias": "the bias is left out",
}
_ROUNDINGS: dict[Rule, Callable[[F64], F64]] = {
    "half_even": np.rint,
    "half_away": round_away,
    "half_up": lambda real: np.floor(real + 0.5),
    "floor": np.floor,
    "toward_zero": np.trunc,
}
_ZERO_POINTS: dict[Rule, int] = {
    "output_zero_point_higher": 1, "output_zero_point_lower": -1, "input_zero_point_higher": 1, "input_zero_point_lower": -1,
}  # fmt: skip
#: operators whose third input is a bias
_WITH_BIAS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
#: operators that do nothing but clamp, beside a change of grid
_CLAMPS = ("Relu", "Clip")
#: steps that only lay elements out for the step that computes
_LAYS_OUT = ("Transpose", "Reshape")


@dataclass
class RuledMachine(Machine):
    """A machine that computes by one of the rules; None: as the golden codes were made."""

    rule: Rule | None = None

    def scaled(self, x: I64, by: Multiplier) -> I64:
        return _once(x, by) if self.rule == "single_rounding" else super().scaled(x, by)

    def rounded(self, real: F64) -> I64:
        round_ = np.rint if self.rule is None else _ROUNDINGS.get(self.rule, np.rint)
        return np.asarray(round_(real)).astype(np.int64)

    def finish(self, step: IntegerOp, rescaled: I64) -> None:
        super().finish(step, rescaled + self._shift)

    @property
    def _shift(self) -> int:
        """What the zero point of outputs is off by."""
        return _ZERO_POINTS[self.rule] if self.rule in ("output_zero_point_higher", "output_zero_point_lower") else 0

    def store(self, step: IntegerOp, codes: I64, number: int = 0) -> None:
        low, high = clamp_codes(step, grid_out(step, number))
        least, most = LIMITS["int8"]
        if step.clamp is not None:  # bounds are made of the zero point too
            low, high = (int(np.clip(end + self._shift, least, most)) for end in (low, high))
        if self.rule == "narrow":
            low = max(low, least + 1)
        elif self.rule == "no_clamp":
            low, high = least, most
        elif self.rule == "wraps" and (low, high) == (least, most):
            codes = (codes - least) % (most - least + 1) + least
        self.values[step.outputs[number].name] = np.clip(codes, low, high)


def _once(x: I64, by: Multiplier) -> I64:
    """x * factor with one rounding (MultiplyByQuantizedMultiplier, TFLITE_SINGLE_ROUNDING)."""
    shift = 31 - by.exponent  # 62 at most, so that products of 32-bit numbers and the half fit into 64
    half = np.int64(1) << (shift - 1)
    return np.asarray((np.asarray(x, np.int64) * by.mantissa + half) >> shift, np.int64)


def recomputed(operation: Operation, values: Mapping[str, I64], rule: Rule | None) -> dict[str, I64] | None:
    """The int8 codes of the operation's outputs, of inputs that are known.

    values: name of a value -> int8 codes of one sample. None where the rule does not apply to the
    operation, or cannot be run.
    """
    steps = operation.steps if rule is None else tuple(_changed(step, rule) for step in operation.steps)
    if rule in ("input_zero_point_higher", "input_zero_point_lower", "no_bias") and all(map(_same, steps, operation.steps)):
        return None
    machine = RuledMachine("float" if rule in _ROUNDINGS else "fixed_point", dict(values), rule=rule)
    try:
        for step in steps:
            run_of(step)(machine, step)
    except EdgeqError:
        return None
    return {one.name: machine.values[one.name] for one in operation.outputs if one.name in machine.values}


def _same(one: IntegerOp, other: IntegerOp) -> bool:
    return one is other


def _changed(step: IntegerOp, rule: Rule) -> IntegerOp:
    """The step with what the rule is wrong about; itself where it is about nothing in it."""
    if rule == "no_bias" and step.op_type in _WITH_BIAS and len(step.inputs) > 2 and step.inputs[2] is not None:
        return replace(step, inputs=step.inputs[:2])
    if rule == "no_clamp" and step.op_type in _CLAMPS:
        return replace(step, op_type="Requantize", inputs=step.inputs[:1])
    if rule not in ("input_zero_point_higher", "input_zero_point_lower") or step.op_type in _LAYS_OUT:
        return step
    first = step.inputs[0]
    if first is None or first.grid is None or first.data is not None or first.grid.dtype not in ("int8", "uint8"):
        return step
    zero = np.asarray(first.grid.zero_point + _ZERO_POINTS[rule], np.int32)
    return replace(step, inputs=(replace(first, grid=replace(first.grid, zero_point=zero)), *step.inputs[1:]))
