"""Gather what a run of quantize measured into a Report."""

from __future__ import annotations

import platform
import resource
import sys
from dataclasses import dataclass, fields
from importlib.metadata import version

import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.graph.signature import InputSpec
from edgeq.io.load import Loaded
from edgeq.progress import Clock
from edgeq.prove.compare import Comparison
from edgeq.prove.evidence import Evidence
from edgeq.report.report import DataInfo, Fidelity, Port, Report, Sizes, StepSqnr, Times
from edgeq.schema.plan import Plan
from edgeq.schema.provenance import Gate
from edgeq.schema.recipe import Recipe
from edgeq.version import __version__


@dataclass(frozen=True)
class Verdict:
    """What a run has to tell in words. missed: a line for each floor that does not hold."""

    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    gate: Gate
    missed: tuple[str, ...]


def build_report(
    loaded: Loaded,
    result: ir.Model,
    plan: Plan,
    dataset: Dataset | None,
    recipe: Recipe,
    evidence: Evidence,
    clock: Clock,
    said: Verdict,
) -> Report:
    """The report of one run."""
    return Report(
        model=str(loaded.path) if loaded.path is not None else "(in memory)",
        data=None if dataset is None else DataInfo(dataset.name, plan.data, dataset.count),
        target=plan.target,
        recipe=recipe,
        rule=recipe.rule,
        versions=versions(),
        size=Sizes(loaded.size, ir.to_proto(result).ByteSize()),
        time_s=Times(**{one.name: clock.seconds.get(one.name) for one in fields(Times)}),
        peak_rss_mb=peak_rss_mb(),
        placement=evidence.placement,
        fidelity=_fidelity(evidence.comparison),
        accuracy=None if evidence.comparison is None else evidence.comparison.accuracy,
        steps=tuple(StepSqnr(name, sqnr) for name, sqnr in evidence.steps),
        latency=evidence.latency,
        inputs=tuple(_port(value, plan) for value in result.graph.inputs),
        outputs=tuple(_port(value, plan) for value in result.graph.outputs),
        gate=said.gate,
        missed=said.missed,
        warnings=said.warnings,
        notes=said.notes,
    )


def versions() -> dict[str, str]:
    """Versions of everything that can change the result."""
    packages = ("numpy", "onnx", "onnxruntime", "onnx-ir", "onnxscript", "onnxsim")
    return {"edgeq": __version__, "python": platform.python_version()} | {name: version(name) for name in packages}


def peak_rss_mb() -> float:
    """The largest resident set of this process so far, MB (10^6 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _fidelity(comparison: Comparison | None) -> Fidelity | None:
    if comparison is None:
        return None
    first = comparison.outputs[0]
    return Fidelity(first.sqnr_db, first.cosine, first.top1_agreement, comparison.samples)


def _port(value: ir.Value, plan: Plan) -> Port:
    shape: InputSpec = InputSpec(str(value.name), "", None if value.shape is None else tuple(_dim(d) for d in value.shape))
    dtype = "unknown" if value.dtype is None else str(value.dtype.numpy())
    grid = plan.grids.get(str(value.name))
    if str(value.name) in plan.pixels:
        return Port(str(value.name), dtype, shape.shape, pixels=True)
    if grid is None:
        return Port(str(value.name), dtype, shape.shape)
    return Port(str(value.name), dtype, shape.shape, grid.dtype, grid.scale[0], grid.zero_point[0])


def _dim(size: int | ir.SymbolicDim) -> int | str | None:
    return size if isinstance(size, int) else size.value
