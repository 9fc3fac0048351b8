"""Rules about activations of 16 bits: which operators take them, and one width around each."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.integers.graph import IntegerOp
from edgeq.integers.legality.violation import Violation
from edgeq.numerics.grid import QuantParams
from edgeq.planning.fit.kernel_forms import unmet_form
from edgeq.schema.target import Target
from edgeq.schema.target_facts import ActivationFacts, OutputGrid

_WIDE = ("int16", "uint16")
_FIX = "Quantize the float model again for this target."


def facts_of(grid: QuantParams, target: Target) -> ActivationFacts:
    """What the target asks of activations of the grid's width."""
    return target.facts_of(16 if grid.dtype in _WIDE else 8)


def fixed_grid(step: IntegerOp, own: OutputGrid | None, target: Target) -> OutputGrid | None:
    """The only output grid of the step's kernel, of the width that it works on; None: it has any.

    own: that of 8 bits.
    """
    return target.wide.output_grids.get(step.op_type) if _is_wide(step) and target.wide is not None else own


def width_rules(step: IntegerOp, target: Target) -> Iterator[Violation]:
    """Find operators without a kernel of 16 bits, and those that read one width and make two."""
    if target.wide is None or not _is_wide(step):
        return  # another rule reports the type
    source = target.wide.source
    unmet = unmet_form(step.node, target.wide.forms.get(step.op_type, ()))
    if step.op_type not in target.wide.ops or unmet is not None:
        found = "it works on 16 bits" if unmet is None else unmet.found
        fact = f"{target.name} takes {step.op_type} in 8 bits" if unmet is None else f"in 16 bits it is taken {unmet.wanted}"
        yield Violation(step.name, step.op_type, "wide_operator", found, fact, source, _FIX)
        return
    types = _types(step)
    if len(types) > 1:
        observed, fact = f"it reads and makes {' and '.join(sorted(types))}", "one width around an operator"
        yield Violation(
            step.name, step.op_type, "one_width", observed, fact, source, "Requantize what it reads to the width that it makes."
        )


def _types(step: IntegerOp) -> set[str]:
    """The types of the step's activations."""
    operands = [operand for operand in step.inputs if operand is not None and operand.data is None]
    return {operand.grid.dtype for operand in (*operands, *step.outputs) if operand.grid is not None}


def _is_wide(step: IntegerOp) -> bool:
    return not _types(step).isdisjoint(_WIDE)
