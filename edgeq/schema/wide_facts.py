"""The facts of a target about activations of 16 bits: the table `[wide]` of its TOML file."""

from __future__ import annotations

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
