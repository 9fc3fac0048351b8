"""Build the report of a run of quantize from what the run made and measured."""

from __future__ import annotations

import platform
import resource
import sys
from dataclasses import dataclass, fields
from importlib.metadata import version

import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.data.doubts import Doubt, in_words
from edgeq.data.roles import Roles
from edgeq.errors import FloorMissed
from edgeq.graph.read import ONNX_DOMAINS, nodes
from edgeq.io.reasons import grouped
from edgeq.progress import Clock
from edgeq.proof.compare import Comparison, check_floors
from edgeq.proof.evidence import Evidence
from edgeq.proof.findings import findings, fusions_lost, shared_grids
from edgeq.proof.unproven import unproven
from edgeq.proof.written import Form, size_of
from edgeq.report.codebooks import planned_layers
from edgeq.report.detail.gather import Gathered
from edgeq.report.formats import stored_formats
from edgeq.report.headline import fidelity_of
from edgeq.report.judging import judging_of, steps_of
from edgeq.report.port import port_of, with_sample
from edgeq.report.report import Report
from edgeq.report.run_facts import DataInfo, Sizes, Times, weighed
from edgeq.rewrite.set_up import SetUp
from edgeq.schema.finetune import Training
from edgeq.schema.plan import Plan
from edgeq.schema.provenance import Gate
from edgeq.schema.recipe import Floors
from edgeq.search.verdict import Search
from edgeq.version import __version__


@dataclass(frozen=True, eq=False)
class QuantizeRun:
    """What a run of quantize made and measured."""

    #: what the run started from
    setup: SetUp
    #: the plan that was carried out
    plan: Plan
    #: the int8 model
    model: ir.Model
    #: the data, and which samples of it judge; none: the run had statistics or a plan instead
    data: Roles
    #: what was measured in the real runtime
    evidence: Evidence
    #: the time that each stage took
    clock: Clock
    #: the candidates that were measured; None: without effort best
    search: Search | None = None
    #: names of the steps of the decision that were left out for want of data
    skipped: tuple[str, ...] = ()
    #: the form in which the model is written
    form: Form = "onnx"
    #: how fine-tuning went; None: nothing was trained
    training: Training | None = None
    #: what a page draws; None: it was not gathered
    gathered: Gathered | None = None


@dataclass(frozen=True)
class Verdict:
    """What a run tells in words."""

    #: doubts about the data
    doubts: tuple[Doubt, ...]
    #: what was done that a user might not expect
    notes: tuple[str, ...]
    #: whether the floors of the recipe hold
    gate: Gate
    #: a line for each floor that does not hold
    missed: tuple[str, ...]


def gate_of(comparison: Comparison | None, floors: Floors) -> tuple[Gate, tuple[str, ...]]:
    """Whether the floors hold, and one line for each that does not.

    Raises FloorMissed when there are floors but nothing was compared.
    """
    if not floors.wanted:
        return "none", ()
    if comparison is None:
        raise FloorMissed("The floors cannot be checked: nothing was compared.", "--min-...", "Give --data and leave --no-prove out.")
    missed = check_floors(comparison, floors)
    return ("failed" if missed else "passed"), missed


def build_report(run: QuantizeRun, verdict: Verdict) -> Report:
    """The report of one run."""
    loaded, task, plan = run.setup.loaded, run.setup.task, run.plan
    comparison, recipe, graph = run.evidence.reported, task.recipe, run.model.graph
    lucky, held_out, fitted = run.evidence.lucky, run.evidence.comparison, run.evidence.calibration
    accepted, warnings = in_words(verdict.doubts)
    return Report(
        model=str(loaded.path) if loaded.path is not None else "(in memory)",
        data=None if run.data.whole is None else _data_of(run.data.whole, plan),
        target=plan.target,
        recipe=recipe,
        rule=recipe.rule,
        versions=versions(),
        size=Sizes(loaded.size, size_of(run.model, run.form)),
        time_s=Times(**{one.name: run.clock.seconds.get(one.name) for one in fields(Times)}),
        peak_rss_mb=peak_rss_mb(),
        weighed=weighed(task.target, recipe.placement),
        placement=run.evidence.placement,
        judged=None if comparison is None else judging_of(run.data, comparison.samples if lucky else None),
        fidelity=None if comparison is None else fidelity_of(comparison),
        calibration=None if fitted is None or lucky else fidelity_of(fitted),
        lucky=fidelity_of(held_out) if held_out is not None and lucky else None,
        accuracy=None if comparison is None else comparison.accuracy,
        steps=steps_of(run.evidence.steps),
        skipped=run.skipped,
        uncompared=run.evidence.uncompared,
        layers=() if run.gathered is None else run.gathered.layers,
        codebooks=planned_layers(task.model, plan),
        formats=stored_formats(task.model, plan),
        latency=run.evidence.latency,
        untimed=run.evidence.untimed,
        unproven=unproven(task.target, run.evidence.ran_by) if run.evidence.placement is None else None,
        ran_by=run.evidence.ran_by,
        search=run.search,
        provider=task.target.provider,
        inputs=tuple(with_sample(port_of(value, plan), run.data.whole) for value in graph.inputs),
        outputs=tuple(port_of(value, plan) for value in graph.outputs),
        untouched=untouched(plan),
        gate=verdict.gate,
        missed=verdict.missed,
        findings=(
            *(() if comparison is None else findings(comparison)),
            *shared_grids(plan.shared, comparison),
            *fusions_lost(() if run.evidence.placement is None else run.evidence.placement.lost),
        ),
        training=run.training,
        detail=None if run.gathered is None else run.gathered.detail,
        contributed=contributed(run.model),
        accepted=accepted,
        warnings=warnings,
        notes=(*verdict.notes, *_told(run.model, loaded.model)),
    )


def _data_of(whole: Dataset, plan: Plan) -> DataInfo:
    return DataInfo(whole.name, plan.data, whole.count, whole.made_up)


def untouched(plan: Plan) -> str | None:
    """Why a plan quantizes nothing; None: it does.

    The cause of most nodes is told, and how many others there are.
    """
    if plan.weights or plan.stored or any(node.runs in ("int8", "dynamic") for node in plan.nodes.values()):
        return None
    causes = grouped((name, node.op_type, node.reason) for name, node in plan.nodes.items() if node.runs == "float")
    if not causes:
        return "no node of the model computes floats"
    others = len(causes) - 1
    return causes[0].cause if not others else f"{causes[0].cause}; {others} other cause{'s' if others > 1 else ''}, see edgeq explain"


def contributed(model: ir.Model) -> tuple[str, ...]:
    """The operators of a model that are not ONNX's own, as DOMAIN.OPERATOR, sorted.

    >>> from edgeq.data.shipped import shipped_model
    >>> from edgeq.io.load import load_model
    >>> contributed(load_model(shipped_model("digits")).model)
    ()
    """
    return tuple(sorted({f"{node.domain}.{node.op_type}" for node in nodes(model) if node.domain not in ONNX_DOMAINS}))


def _told(made: ir.Model, given: ir.Model) -> tuple[str, ...]:
    """A line about the operators of other domains that the float model did not have."""
    new = [name for name in contributed(made) if name not in contributed(given)]
    what = f"the file uses operators that onnxruntime has and ONNX has not: {', '.join(new)}"
    return (f"{what}; --standard-operators does without",) if new else ()


def versions() -> dict[str, str]:
    """Package -> version, for everything that can change the result."""
    packages = ("numpy", "onnx", "onnxruntime", "onnx-ir", "onnxscript", "onnxsim")
    return {"edgeq": __version__, "python": platform.python_version()} | {name: version(name) for name in packages}


def peak_rss_mb() -> float:
    """The largest resident set of this process so far, in MB (10^6 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
