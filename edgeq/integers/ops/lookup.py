"""Lookup: a function of one code as a table of 256 codes; TFLite has no such int8 operator."""

from __future__ import annotations

import numpy as np

from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.machine import Machine
from edgeq.integers.signed import signed_codes


def run(machine: Machine, step: IntegerOp) -> None:
    source, table = step.inputs
    assert source is not None and table is not None and table.data is not None
    index = machine.value(source) if source.dtype == "int8" else machine.value(source) + 128
    machine.values[step.outputs[0].name] = signed_codes(table.data).astype(np.int64)[index]
