"""The two ways of `edgeq palettize`: tables of floats in the model as it is, or tables of integers
in an int8 model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import onnx_ir as ir
from rich.console import Group, RenderableType
from rich.text import Text

from edgeq.api import Quantized, quantize
from edgeq.cli.screen import Screen
from edgeq.cli.settings import write_report
from edgeq.data.dataset import Dataset
from edgeq.data.open import open_dataset
from edgeq.errors import FloorMissed
from edgeq.graph.signature import input_specs
from edgeq.io.load import Loaded
from edgeq.io.save import atomic_write_text, save_model
from edgeq.io.strict_json import to_json
from edgeq.numerics.arrays import F32
from edgeq.palettize.palettize import Palettized, palettize
from edgeq.palettize.smallest import smallest
from edgeq.progress import Progress
from edgeq.prove.compare import compare_models
from edgeq.report.codebooks import CodebookLayer, planned_weights
from edgeq.report.codebooks_plots import write_plots
from edgeq.report.codebooks_text import codebook_lines
from edgeq.report.report import Fidelity, Sizes, fidelity_of
from edgeq.report.text import fidelity_text, human_bytes, report_text
from edgeq.rewrite.prepare import prepare
from edgeq.schema.recipe import CodebookWish, Recipe


@dataclass(frozen=True)
class Job:
    """What the command line asks for."""

    loaded: Loaded
    recipe: Recipe
    data: str | None
    target: str
    shapes: Mapping[str, tuple[int, ...]]
    out: Path
    plot: Path | None
    report: Path | None
    min_sqnr: float | None
    prove: bool
    uint2: bool
    force: bool

    def with_average(self, bits: float) -> Job:
        """The same with another size."""
        wish = self.recipe.codebook.model_copy(update={"bits_avg": bits})
        return replace(self, recipe=self.recipe.model_copy(update={"codebook": wish}))


@dataclass(frozen=True)
class FloatReport:
    """What came of codebooks in a float model. left: weights that stay as they are, and why.
    fidelity: with data.
    """

    model: str
    out: str
    codebook: CodebookWish
    size: Sizes
    codebooks: tuple[CodebookLayer, ...]
    left: tuple[tuple[str, str], ...]
    fidelity: Fidelity | None


def run_float(job: Job, screen: Screen) -> None:
    """Palettize, compare when there is data, write, tell."""
    with screen.progress() as progress:
        dataset = None
        if job.data is not None:
            dataset = open_dataset(job.data, input_specs(job.loaded.model), samples=job.recipe.samples, shapes=job.shapes)
        if job.min_sqnr is None:
            made, fidelity = _float(job, dataset, progress)
        else:
            (made, fidelity), _ = smallest(lambda bits: _with_sqnr(_float(job.with_average(bits), dataset, progress)), job.min_sqnr)
        size = Sizes(job.loaded.size, ir.to_proto(made.model).ByteSize())
        found = FloatReport(str(job.loaded.path), str(job.out), job.recipe.codebook, size, made.layers, made.left, fidelity)
        save_model(made.model, job.out, force=job.force, inputs=[job.loaded.path] if job.loaded.path else [])
        _plots(job, made.layers, made.weights)
    if job.report is not None:
        atomic_write_text(job.report, to_json(found), force=job.force)
    screen.show(found, lambda: _float_text(found))
    _judge(job, fidelity)


def run_int8(job: Job, screen: Screen) -> None:
    """Quantize with codebooks, write, tell."""
    with screen.progress() as progress:
        if job.min_sqnr is None:
            made = _int8(job, job.prove, progress)
        else:
            made, _ = smallest(lambda bits: _quantized_sqnr(_int8(job.with_average(bits), True, progress)), job.min_sqnr)
        made.save(job.out, force=job.force)
        if job.plot is not None:
            prepared = prepare(job.loaded.model, shapes=job.shapes, opset=made.plan.opset).model
            told = planned_weights(prepared, made.plan).values()
            _plots(job, made.report.codebooks, {name: (weight, new) for name, weight, new, _, _ in told})
    if job.report is not None:
        write_report(made.report, job.report, str(job.out), force=job.force)
    screen.show(made.report, lambda: report_text(made.report, str(job.out)))
    _judge(job, made.report.fidelity)


def _float(job: Job, dataset: Dataset | None, progress: Progress) -> tuple[Palettized, Fidelity | None]:
    made = palettize(job.loaded, job.recipe.codebook, dataset, progress, seed=job.recipe.seed, uint2=job.uint2)
    if dataset is None or not (job.prove or job.min_sqnr is not None):
        return made, None
    return made, fidelity_of(compare_models(job.loaded.model, made.model, dataset, batch=job.recipe.batch, progress=progress))


def _int8(job: Job, prove: bool, progress: Progress) -> Quantized:
    return quantize(job.loaded, job.data, target=job.target, recipe=job.recipe, shapes=job.shapes, prove=prove, progress=progress)


def _with_sqnr(found: tuple[Palettized, Fidelity | None]) -> tuple[tuple[Palettized, Fidelity | None], float]:
    return found, float("-inf") if found[1] is None else found[1].sqnr_db


def _quantized_sqnr(made: Quantized) -> tuple[Quantized, float]:
    return made, float("-inf") if made.report.fidelity is None else made.report.fidelity.sqnr_db


def _plots(job: Job, layers: tuple[CodebookLayer, ...], weights: Mapping[str, tuple[F32, F32]]) -> None:
    if job.plot is not None:
        write_plots(job.plot, tuple(layer for layer in layers if layer.node in weights), weights, force=job.force)


def _judge(job: Job, fidelity: Fidelity | None) -> None:
    if job.min_sqnr is None or (fidelity is not None and fidelity.sqnr_db >= job.min_sqnr):
        return
    reached = "nothing" if fidelity is None else f"{fidelity.sqnr_db:.1f} dB"
    raise FloorMissed(f"No size reaches {job.min_sqnr:g} dB: {reached} at most.", "--min-sqnr", "Lower the floor, or keep --compute float.")


def _float_text(found: FloatReport) -> RenderableType:
    before, after = found.size.float_bytes, found.size.int8_bytes
    head = f"{found.model}: {human_bytes(before)} became {human_bytes(after)} ({after / max(before, 1):.3f}x); wrote {found.out}"
    parts: list[RenderableType] = [Text(head)]
    if found.fidelity is not None:
        parts.append(fidelity_text(found.fidelity))
    parts += codebook_lines(found.codebooks)
    parts += [Text(f"left as it is: {name}: {why}", "dim") for name, why in found.left[:8]]
    if len(found.left) > 8:
        parts.append(Text(f"and {len(found.left) - 8} more left as they are", "dim"))
    return Group(*parts)
