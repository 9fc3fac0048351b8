"""The facts of a target about activations of 16 bits: the table `[wide]` of its TOML file."""

from __future__ import annotations

from collections.abc import Set
from typing import Literal

from pydantic import Field

from edgeq.schema.target_facts import ActivationFacts, Form, OutputGrid

#: the first opset whose QuantizeLinear and DequantizeLinear have codes of 16 bits
WIDE_OPSET = 21


class Wide(ActivationFacts):
    """Activations of 16 bits: their grids, and the operators that take them beside those of 8."""

    dtype: Literal["int16", "uint16"]
    ops: tuple[str, ...] = Field(
        description="operators of its kernels and of its movement that take and make 16 bits; the others stay at 8"
    )
    forms: dict[str, tuple[Form, ...]] = Field(
        default_factory=dict, description="the forms in which one of them does, as `forms` of a kernel"
    )
    output_grids: dict[str, OutputGrid] = Field(default_factory=dict, description="kernels with one output grid, and that grid in 16 bits")


def check_wide(wide: Wide | None, activations: ActivationFacts, operators: Set[str]) -> None:
    """Raises ValueError for other activations that have not 8 bits, and for unknown operators.

    operators: those that the target has.
    """
    if activations.dtype not in ("int8", "uint8"):
        raise ValueError("activations have 8 bits; those of 16 are stated in [wide]")
    unknown = sorted(set(wide.ops if wide else ()) - operators)
    if unknown:
        raise ValueError(f"[wide] lists {unknown[0]}, which is neither a kernel nor a movement operator")
