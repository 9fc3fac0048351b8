"""The public function palettize: weights of a float model in few bits, everything else float."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import onnx_ir as ir

from edgeq.calibration.independence import fed_rightly
from edgeq.data.doubts import DataDoubts, Doubt, check_data, in_words
from edgeq.data.given.gather import Data, Preprocess, gathered_or_none
from edgeq.data.open import open_dataset
from edgeq.data.roles import Roles, roles_of
from edgeq.data.synthetic.images import check_preprocessing, with_images_or_none
from edgeq.errors import BadData, BadModel, BadRecipe
from edgeq.few_bits.fewest_bits import fewest_bits
from edgeq.few_bits.float_formats import in_formats
from edgeq.few_bits.tables import Palettized, with_tables
from edgeq.graph.signature import input_specs
from edgeq.io.endings import FLOAT, check_ending
from edgeq.io.load import Loaded
from edgeq.io.model_source import ModelSource, load
from edgeq.io.run_files import files_read, watched
from edgeq.io.save import save_model
from edgeq.io.writing.card import Card, Facts
from edgeq.io.writing.external_form import written_size
from edgeq.learn.door import clustering_of
from edgeq.numerics.arrays import F32
from edgeq.progress import Progress, default_progress
from edgeq.proof.compare import CompareSettings, compare_models
from edgeq.report.float_report import FloatReport
from edgeq.report.headline import Fidelity, fidelity_of
from edgeq.report.judging import judging_of
from edgeq.report.run_facts import Sizes
from edgeq.schema.recipe import Recipe, RecipeLike, recipe_of
from edgeq.schema.task import Shapes


@dataclass(frozen=True, eq=False, repr=False)
class Stored(Card):
    """A float model whose weights are stored in few bits, and what that costs."""

    #: the model
    model: ir.Model
    #: sizes, layers and fidelity
    report: FloatReport
    #: by node, the float weight and its new values, for pictures
    weights: Mapping[str, tuple[F32, F32]]
    #: the files that were read
    inputs: tuple[Path, ...] = ()

    def facts(self) -> Facts:
        """What a line and a table show."""
        size, near = self.report.size, self.report.fidelity
        told = "not compared" if near is None else f"{near.weakest.sqnr_db:.1f} dB"
        return Facts(self.report.model, (("SQNR", told), ("bytes", f"{size.int8_bytes} of {size.float_bytes}")))

    def save(self, path: str | Path, *, force: bool = False) -> tuple[Path, ...]:
        """Write the model; returns the files. Raises BadOutput."""
        check_ending(Path(path), FLOAT)
        return save_model(self.model, Path(path), force=force, inputs=self.inputs)


@dataclass(frozen=True, eq=False)
class _Job:
    loaded: Loaded
    recipe: Recipe
    data: Roles
    uint2: bool
    typed: bool
    prove: bool
    progress: Progress

    def made(self, recipe: Recipe) -> tuple[Palettized, Fidelity | None]:
        """The model of a recipe, and how far it is from float where there is data."""
        seen = None if self.data.division is None else self.data.division.fitted
        if recipe.weight_format.wanted:
            stored = in_formats(self.loaded, recipe.weight_format, seen, self.progress, seed=recipe.seed, typed=self.typed)
        else:
            solver = clustering_of(recipe.codebook.solver)
            stored = with_tables(self.loaded, recipe.codebook, seen, self.progress, seed=recipe.seed, uint2=self.uint2, clustering=solver)
        if self.data.judging is None or not self.prove:
            return stored, None
        settings = CompareSettings(batch=recipe.batch)
        found = compare_models(self.loaded.model, stored.model, self.data.judging, settings, progress=self.progress)
        return stored, fidelity_of(found)

    def with_average(self, bits: float) -> tuple[tuple[Palettized, Fidelity | None], float]:
        """The same with so many bits a weight on average, and its SQNR."""
        made = self.made(self.recipe.with_codebook(self.recipe.codebook.with_average(bits)))
        return made, float("-inf") if made[1] is None else made[1].weakest.sqnr_db


@watched
def palettize(
    model: ModelSource,
    data: Data | None = None,
    *,
    preprocess: Preprocess | None = None,
    recipe: RecipeLike | None = None,
    shapes: Shapes | None = None,
    min_sqnr: float | None = None,
    uint2: bool = False,
    typed: bool = False,
    prove: bool = True,
    data_doubts: DataDoubts = "refuse",
    progress: Progress | None = None,
) -> Stored:
    """Store the weights of a float model as indices into tables, or in a number format of few bits.

    recipe: its `codebook` or its `weight_format` says the size; the same recipe makes a model that
    computes in integers with quantize. data: weights that matter more come closer, and the result
    is compared; see quantize. min_sqnr: in dB; the smallest model that reaches it on the data, in
    place of a size. uint2: 2-bit indices in the type of opset 25. typed: FP8 in types of its own.
    Raises EdgeqError; a min_sqnr that no size reaches shows in the report.

    >>> import edgeq
    >>> from edgeq.data.shipped import shipped_model
    >>> made = edgeq.palettize(shipped_model("digits"), recipe={"codebook": {"bits": 4}})
    >>> made.report.size.int8_bytes < made.report.size.float_bytes / 2
    True
    """
    recipe, progress, loaded = recipe_of(recipe), progress or default_progress(), load(model)
    if min_sqnr is not None and not recipe.codebook.wanted:  # a first value, which the search replaces
        recipe = recipe_of({**recipe.model_dump(), "codebook": recipe.codebook.with_average(8.0).model_dump()})
    if not recipe.small_weights:
        what = "No size was given."
        raise BadRecipe(what, "--bits", "Give one of --bits, --bits-avg, --size-budget, --min-sqnr and --format.")
    if min_sqnr is not None and data is None:
        raise BadData("No data was given.", "--data", "Give samples, on which --min-sqnr is measured.")
    given, dataset, doubts = gathered_or_none(data, preprocess, recipe.samples), None, tuple[Doubt, ...]()
    given = with_images_or_none(given, recipe)
    check_preprocessing(recipe, given)
    if given is not None:
        specs = input_specs(loaded.model)
        opened = open_dataset(given, specs, samples=recipe.samples, shapes=shapes, float_model=loaded.model, unlabelled=True)
        dataset = fed_rightly(opened, loaded.model)
        doubts = check_data(dataset, loaded.model, data_doubts, progress)
    roles = roles_of(dataset, None, recipe, None, None)
    job = _Job(loaded, recipe, roles, uint2, typed, prove or min_sqnr is not None, progress)
    if min_sqnr is None:
        made, fidelity = job.made(recipe)
    else:
        (made, fidelity), _ = fewest_bits(job.with_average, min_sqnr)
    refuse_none(made.left, recipe, loaded, stored=bool(made.layers or made.formats))
    size = Sizes(loaded.size, written_size(made.model))
    report = FloatReport(str(loaded.path or "(in memory)"), "", recipe.codebook, size, made.layers, made.left, fidelity,
                         None if fidelity is None else judging_of(roles), *in_words(doubts), formats=made.formats)  # fmt: skip
    return Stored(made.model, report, made.weights, files_read(loaded.path))


def written_as(stored: Stored, out: Path, mark: str) -> FloatReport:
    """The report on a model that was written. mark: of its file (edgeq/io/marks.py)."""
    return replace(stored.report, out=str(out), mark=mark)


def refuse_none(left: tuple[tuple[str, str], ...], recipe: Recipe, loaded: Loaded, *, stored: bool) -> None:
    """Raise BadModel where no weight was stored in fewer bits: there is nothing to write.

    left: nodes whose weights are unchanged, each with the reason. stored: whether any other is.
    """
    if stored:
        return
    name = recipe.weight_format.name if recipe.weight_format.wanted else None
    why = left[0][1] if left else "no layer has weights that a table could hold" if name is None else "no layer can take it"
    what = f"Nothing was stored in {name or 'tables'}: {why}."
    # without reasons it is a model for integers: weights of what stays float are no codes
    more = "" if left else " --prefer integers lets more layers run in integers."
    raise BadModel(what, str(loaded.path or "the model"), f"Leave the model as it is, or choose other sizes.{more}")
