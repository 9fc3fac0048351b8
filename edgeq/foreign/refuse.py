"""Refuse a quantized model that the runtime's rules do not allow: nodes, rules and a way out."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeq.errors import UnsupportedOp
from edgeq.integers.legality.foreign import MEASURED, MENDED, foreign_rules
from edgeq.integers.legality.violation import Violation
from edgeq.schema.target import Target

#: number of nodes that are named before the rest becomes a count
SHOWN = 5


def refuse_illegal(model: ir.Model, target: Target, *, requantize: bool) -> None:
    """Refuse a normalised model that breaks a rule.

    Raises UnsupportedOp, which names each node with its rule, and says whether requantize helps.
    """
    _refuse(foreign_rules(model, target), requantize=requantize)


def refuse_beyond_help(model: ir.Model, target: Target) -> None:
    """Refuse a normalised model that breaks a rule which no grid or rounding mends.

    Called before grids are measured. Raises UnsupportedOp.
    """
    _refuse([one for one in foreign_rules(model, target) if one.rule not in MENDED | MEASURED], requantize=True)


def _refuse(found: Sequence[Violation], *, requantize: bool) -> None:
    if not found:
        return
    named = "; ".join(f"node {one.node} ({one.op_type}, {one.rule}): {one.observed}, but {one.fact}" for one in found[:SHOWN])
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    rules = "a rule" if len(found) == 1 else f"{len(found)} rules"
    what = f"The model breaks {rules} of TFLite's int8 scheme, so that its codes cannot be kept as they are."
    raise UnsupportedOp(what, named + more, _fix(found, requantize=requantize))


def _fix(found: Sequence[Violation], *, requantize: bool) -> str:
    rules = {one.rule for one in found}
    other = "Change these nodes in the tool that quantized the model, or quantize the float model: edgeq quantize --target mcu_tflite."
    if requantize or not rules <= MENDED | MEASURED:
        return other
    if rules & MEASURED:
        return f"Add --requantize and --data, which give a grid to what is float and list each change. {other}"
    return f"Add --requantize, which rounds these weights, biases and grids anew and lists each change. {other}"
