"""Set up a run: fold raw pixels into the float model, prepare it, and lower it to the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import onnx_ir as ir

from edgeq.calibration.independence import fed_rightly
from edgeq.data.dataset import Dataset
from edgeq.data.open import open_dataset
from edgeq.data.pixel_maps import pixel_maps
from edgeq.data.sources import DataSource
from edgeq.data.synthetic.images import check_preprocessing
from edgeq.errors import BadPlan
from edgeq.graph.code_grids import GRID_KEY, grid_record
from edgeq.graph.edit import vanished
from edgeq.graph.shapes.likely_sizes import note_likely_sizes
from edgeq.graph.signature import input_specs
from edgeq.io.load import Loaded
from edgeq.metrics.metric import Metric
from edgeq.passes.boundary.declared_types import declared_types, float32_edges
from edgeq.passes.boundary.float_boundary import FloatBoundary
from edgeq.passes.boundary.split_outputs import SplitOutputs
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.rewrite.float_kernels import note_float_kernels
from edgeq.rewrite.fold_pixels import fold_pixels
from edgeq.rewrite.in_float32 import in_float32
from edgeq.rewrite.lower import LOWERED, lower
from edgeq.rewrite.pixel_data import on_pixels
from edgeq.rewrite.prepare import Prepared, prepare_for
from edgeq.runtimes.judged import judged
from edgeq.schema.origins import SPLIT_KEY, read_split
from edgeq.schema.patterns import kept_nodes
from edgeq.schema.pixels import OPTION, PixelMap, as_activation, pixel_grid
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target
from edgeq.schema.task import Shapes, Task

SPLIT_OPTION = "--split-outputs"


@dataclass(frozen=True, eq=False)
class SetUp:
    """What a run starts from."""

    #: the float model that everything is compared with; with inputs_as uint8, it reads pixels
    loaded: Loaded
    #: the task's model, lowered, and the nodes of the float model that are gone
    prepared: Prepared
    #: what is planned for
    task: Task

    def open_or_none(self, data: DataSource | None, samples: int | None, metric: Metric | None = None) -> Dataset | None:
        """As open; None without data, unless the model has no inputs and runs without."""
        if data is None and input_specs(self.loaded.model):
            return None
        return self.open({} if data is None else data, samples=samples, metric=metric)

    def open(
        self,
        data: DataSource,
        split: str = "calibration",
        samples: int | None = None,
        metric: Metric | None = None,
        *,
        unlabelled: bool = False,
    ) -> Dataset:
        """Open data in the form that the task's model takes.

        metric, unlabelled: as for open_dataset. Raises BadData, also if rows of axis 0 are no
        samples.
        """
        inputs, floats = input_specs(self.task.model), self.loaded.model
        with judged(floats):
            found = open_dataset(data, inputs, samples=samples, split=split, shapes=self.task.shapes, float_model=floats,
                                 metric=metric, unlabelled=unlabelled)  # fmt: skip
        return fed_rightly(on_pixels(found, self.task.pixels, self.task.pixel_grids), self.task.model)


def set_up(
    loaded: Loaded, target: Target, recipe: Recipe, shapes: Shapes | None, data: DataSource | None, plan: Plan | None = None
) -> SetUp:
    """Prepare the model and lower it to the target.

    With a plan, prepare exactly as when the plan was made, so that its node names are found. data:
    states how its samples were made from pixels, for inputs_as uint8.
    """
    check_preprocessing(recipe, data)
    frozen, opset = shapes or {}, recipe.opset if plan is None else plan.opset
    target = target.with_standard_operators() if recipe.standard_operators else target
    declared = declared_types(loaded.model)
    loaded = in_float32(loaded)
    pixels = _pixels(loaded, recipe, frozen, data) if plan is None else _planned(plan, recipe)
    grids = {name: pixel_grid(one, target.activations) for name, one in pixels.items()}
    taking = replace(loaded, model=fold_pixels(loaded.model, pixels, grids)) if pixels else loaded
    split = recipe.split_outputs if plan is None else plan.split_outputs
    taking, notes = _split(taking) if split else (taking, ())
    with judged(loaded.model):
        prepared = prepare_for(taking.model, _with_opset(target, recipe, plan), shapes=frozen, opset=opset)
    if plan is None:
        keep = frozenset(name for pattern in recipe.keep_float for name in kept_nodes(prepared.model, pattern))
    else:
        keep = frozenset(name for name, node in plan.nodes.items() if node.op_type in LOWERED)
    with judged(loaded.model):
        lower(prepared.model, target, keep)
    note_float_kernels(prepared.model, target)
    note_likely_sizes(prepared.model)
    told = (*loaded.notes, *_widened(loaded, declared, target), *notes, *prepared.notes)
    prepared = replace(prepared, vanished=prepared.vanished | vanished(prepared.model), notes=told)
    for key in [key for key in prepared.model.metadata_props if key.startswith(GRID_KEY)]:
        del prepared.model.metadata_props[key]  # a float model's own records are not edgeq's
    for name, grid in grids.items():
        prepared.model.metadata_props[GRID_KEY + name] = grid_record(as_activation(grid, target.activations))
    return SetUp(taking, prepared, Task(prepared.model, loaded.hash, target, recipe, frozen, loaded.size, pixels, declared))


def _with_opset(target: Target, recipe: Recipe, plan: Plan | None) -> Target:
    """The target, of opsets that have the codes of the plan's activations."""
    may = bool(recipe.activations) or (recipe.effort == "best" and recipe.floors.wanted and target.wide is not None)  # of a search
    wide = may if plan is None else any(node.bits == 16 for node in plan.nodes.values())
    return target.with_wide_opset() if wide else target


def _widened(loaded: Loaded, declared: Mapping[str, ir.DataType], target: Target) -> tuple[str, ...]:
    """What became of the types of inputs and outputs that are no float32 in the file."""
    others = [name for name, kind in declared_types(loaded.model).items() if kind != declared[name]]
    if not others:
        return ()
    fate = f"{target.name} has no Cast, and takes and gives them otherwise" if target.integer_only else "they keep their own types by Casts"
    return (f"inputs and outputs that are no float32 in the file: {', '.join(others)}; {fate}",)


def _split(loaded: Loaded) -> tuple[Loaded, tuple[str, ...]]:
    """The model with the parts of its outputs as outputs, and what was done in words."""
    model = with_split_outputs(loaded.model)
    split = read_split(model)
    if not split:
        return loaded, (f"{SPLIT_OPTION} changed nothing: no output ends in a Concat that can be taken off",)
    told = []
    for output, parts in split.items():
        own = (f"{output}.{index} ({part})" for index, part in enumerate(parts))
        told.append(f"output {output} was split into its parts, which are outputs now: {', '.join(own)}")
    return replace(loaded, model=model), tuple(told)


def with_split_outputs(model: ir.Model) -> ir.Model:
    """A copy of the model whose outputs are the parts that Concats join in them."""
    copy = model.clone()
    InferShapes()(copy)  # the sizes of the parts
    SplitOutputs()(copy)
    return copy


def comparable(first: Loaded, second: Loaded) -> tuple[ir.Model, ir.Model]:
    """A float model and its int8 form, changed so that one data set feeds both.

    Both compute in float32 and take float32, whichever float types or codes their files declare.
    The float model has the outputs that its int8 form has, if those were split.
    """
    wide, int8 = in_float32(first).model, in_float32(second).model.clone()
    FloatBoundary()(int8)
    reference = with_split_outputs(wide) if SPLIT_KEY in int8.metadata_props else wide
    float32_edges(int8, declared_types(reference))
    return reference, int8


def _pixels(loaded: Loaded, recipe: Recipe, shapes: Shapes, data: DataSource | None) -> dict[str, PixelMap]:
    if recipe.inputs_as != "uint8":
        return {}
    specs = input_specs(loaded.model)
    how = {} if data is None else open_dataset(data, specs, shapes=shapes, float_model=loaded.model, unlabelled=True).how
    return pixel_maps(specs, how, recipe.preprocessing)


def _planned(plan: Plan, recipe: Recipe) -> dict[str, PixelMap]:
    if recipe.inputs_as == "uint8" and not plan.pixels:
        raise BadPlan("The plan was made for float inputs.", OPTION, "Leave it out, or quantize again without --plan.")
    return plan.pixels
