"""What the tests of targets do with the operator cases: quantize, run, measure."""

from __future__ import annotations

from typing import Literal

import numpy as np

from edgeq.api import Quantized, quantize
from edgeq.numerics.arrays import F64
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target
from edgeq.testing.case import Case
from edgeq.testing.operator_nets import build, data_for


def quantized(case: Case, target: Target) -> Quantized:
    return quantize(build(case), data_for(case), target=target, recipe=Recipe(effort="fast", rule="minmax"), prove=False)


def run(model: bytes, case: Case, optimize: Literal["off", "all"]) -> list[F64]:
    """Every output over all the data."""
    session = open_session(model, threads=1, optimize=optimize)
    x = data_for(case)["x"]
    parts = [session.run({"x": x[start : start + 2]}) for start in range(0, len(x), 2)]
    return [np.stack(output).astype(np.float64) for output in zip(*parts, strict=True)]


def float_result(case: Case) -> F64:
    return run(build(case).SerializeToString(), case, "off")[0]


def sqnr(wanted: F64, got: F64) -> float:
    return float(10 * np.log10((wanted**2).sum() / max(((wanted - got) ** 2).sum(), 1e-30)))
