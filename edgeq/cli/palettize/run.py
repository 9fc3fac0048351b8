"""Runs of `edgeq palettize`: tables of floats in a float model, or of integers in an int8 model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edgeq.api import Quantized, quantize
from edgeq.cli.asked import Asked
from edgeq.cli.outputs import stale_lines
from edgeq.cli.writing import add_report
from edgeq.errors import FloorMissed
from edgeq.few_bits.fewest_bits import fewest_bits
from edgeq.few_bits.report import float_text
from edgeq.few_bits.stored import palettize, refuse_none, written_as
from edgeq.io.file_set import FileSet
from edgeq.io.load import Loaded
from edgeq.io.marks import mark_of
from edgeq.io.output_path import make_folder
from edgeq.numerics.arrays import F32
from edgeq.progress import Progress
from edgeq.report.codebooks import CodebookLayer, planned_weights
from edgeq.report.codebooks_plots import add_plots
from edgeq.report.headline import Fidelity
from edgeq.report.text import report_text
from edgeq.rewrite.prepare import prepare


@dataclass(frozen=True)
class Job:
    """The options of one call."""

    #: the shared options, with the codebooks in the recipe
    asked: Asked
    #: the float model
    loaded: Loaded
    #: the model to write
    out: Path
    #: folder for the plots; None: not requested
    plot: Path | None
    #: floor of a search for the smallest model: SQNR in dB; None: the size is given
    min_sqnr: float | None
    #: whether 2-bit indices are stored in the type of opset 25
    uint2: bool
    #: whether FP8 and its scales are stored in types of their own
    typed: bool

    def with_average(self, bits: float) -> Job:
        """The same job with this average number of bits per weight."""
        codebook = self.asked.recipe.codebook.with_average(bits)
        return replace(self, asked=replace(self.asked, recipe=self.asked.recipe.with_codebook(codebook)))


def run_float(job: Job) -> None:
    """Palettize a float model, compare it if there is data, write and show it.

    Raises FloorMissed after that when no size reaches --min-sqnr.
    """
    asked = job.asked
    with asked.screen.progress() as progress:
        made = palettize(job.loaded, asked.data, recipe=asked.recipe, shapes=asked.shapes, min_sqnr=job.min_sqnr, uint2=job.uint2,
                         typed=job.typed, prove=asked.prove, data_doubts=asked.doubts, progress=progress)  # fmt: skip
        with FileSet(force=asked.force) as files:
            found = written_as(made, job.out, mark_of(files.add_model(made.model, job.out)))
            _plots(files, job, found.codebooks, made.weights)
            if asked.report is not None:
                add_report(files, found, asked.report, job.out)
            wrote = files.commit()
    asked.screen.show(found, lambda: float_text(found))
    asked.screen.wrote(wrote)
    for line in stale_lines(job.out):
        asked.screen.warn(line)
    _judge(job, found.fidelity)


def run_int8(job: Job) -> None:
    """Quantize a model with codebooks, write and show it.

    Raises FloorMissed after that when no size reaches --min-sqnr.
    """
    asked = job.asked
    with asked.screen.progress() as progress:
        if job.min_sqnr is None:
            made = _int8(job, asked.prove, progress)
        else:
            made, _ = fewest_bits(lambda bits: _quantized_sqnr(_int8(job.with_average(bits), True, progress)), job.min_sqnr)
        refuse_none((), asked.recipe, job.loaded, stored=bool(made.report.codebooks or made.report.formats))
        with FileSet(force=asked.force, inputs=made.inputs) as files:
            digest = made.add_to(files, job.out)
            if job.plot is not None:
                prepared = prepare(job.loaded.model, shapes=asked.shapes, opset=made.plan.opset).model
                told = planned_weights(prepared, made.plan).values()
                _plots(files, job, made.report.codebooks, {name: (weight, new) for name, weight, new, _, _ in told})
            if asked.report is not None:
                add_report(files, replace(made.report, mark=mark_of(digest)), asked.report, job.out)
            wrote = files.commit()
    asked.screen.show(made.report, lambda: report_text(made.report, str(job.out)))
    asked.screen.wrote(wrote)
    for line in stale_lines(job.out):
        asked.screen.warn(line)
    _judge(job, made.report.fidelity)


def _int8(job: Job, prove: bool, progress: Progress) -> Quantized:
    asked = job.asked
    return quantize(job.loaded, asked.data, target=asked.load_target(), recipe=asked.recipe, shapes=asked.shapes, prove=prove,
                    data_doubts=asked.doubts, detail=asked.report is not None, progress=progress)  # fmt: skip


def _quantized_sqnr(made: Quantized) -> tuple[Quantized, float]:
    return made, float("-inf") if made.report.fidelity is None else made.report.fidelity.weakest.sqnr_db


def _plots(files: FileSet, job: Job, layers: tuple[CodebookLayer, ...], weights: Mapping[str, tuple[F32, F32]]) -> None:
    if job.plot is not None:
        make_folder(job.plot)
        add_plots(files, job.plot, tuple(layer for layer in layers if layer.node in weights), weights, force=job.asked.force)


def _judge(job: Job, fidelity: Fidelity | None) -> None:
    if job.min_sqnr is None or (fidelity is not None and fidelity.weakest.sqnr_db >= job.min_sqnr):
        return
    reached = "nothing" if fidelity is None else f"{fidelity.weakest.sqnr_db:.1f} dB"
    raise FloorMissed(f"No size reaches {job.min_sqnr:g} dB: {reached} at most.", "--min-sqnr", "Lower the floor, or keep --compute float.")
