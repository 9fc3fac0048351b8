"""`edgeq finetune`: a float model and data in; an int8 model out whose weights, scales and biases were trained against the float model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeq.cli import options as o
from edgeq.cli.palettize import Bits, Granularity
from edgeq.cli.quantize import Files, finish
from edgeq.cli.screen import Screen
from edgeq.cli.settings import (
    Setting,
    check_outputs,
    check_report,
    codebook_from,
    parse_shapes,
    parse_size,
    plan_path,
    recipe_from,
    tuning_from,
)

if TYPE_CHECKING:
    from edgeq.api import Quantized
    from edgeq.recipe import Recipe

TRAINING = "Training"
DEFAULT_MINUTES = 5.0
EXAMPLE = """    edgeq finetune model.onnx --data calib.npz -o model.int8.onnx    (5 minutes, no labels needed)

    edgeq finetune model.onnx -d calib.npz --bits 4 --epochs 20 -o model.w4.onnx --keep run.ckpt

    edgeq finetune model.onnx -d calib.npz --bits 4 --epochs 20 -o model.w4.onnx --resume run.ckpt    (after a break)

    edgeq finetune model.onnx -d labelled.npz --labels --target npu_pow2 --minutes 10 -o model.pow2.onnx"""

Epochs = Annotated[int | None, typer.Option("--epochs", metavar="N", min=1, help="Passes over the data.", rich_help_panel=TRAINING)]
Minutes = Annotated[
    float | None,
    typer.Option("--minutes", metavar="M", help="As many epochs as about fit. Default: 5, without --epochs.", rich_help_panel=TRAINING),
]
Rate = Annotated[
    float | None,
    typer.Option("--lr", metavar="RATE", help="Learning rate, in codes. Default: 0.003 at 8 bits.", rich_help_panel=TRAINING),
]
Labels = Annotated[bool, typer.Option("--labels", help="Learn from the data's labels too: half of the loss.", rich_help_panel=TRAINING)]
Keep = Annotated[
    Path | None,
    typer.Option("--keep", metavar="CKPT", help="Write the state there after every epoch. Default: OUT.ckpt.", rich_help_panel=TRAINING),
]
Resume = Annotated[
    Path | None, typer.Option("--resume", metavar="CKPT", help="Go on from the state of the same command.", rich_help_panel=TRAINING)
]


def finetune(
    model: o.FloatModel,
    data: o.Data,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="The int8 model to write.", rich_help_panel=o.OUTPUT)],
    epochs: Epochs = None,
    minutes: Minutes = None,
    lr: Rate = None,
    labels: Labels = False,
    keep: Keep = None,
    resume: Resume = None,
    bits: Bits = None,
    granularity: Granularity = None,
    validation: o.Validation = None,
    target: o.Target = "cpu",
    recipe: o.RecipeFile = None,
    weights: o.WeightScales = None,
    keep_float: o.KeepFloat = None,
    samples: o.Samples = None,
    shape: o.Shapes = None,
    seed: o.Seed = None,
    float_io: o.FloatIo = False,
    plan: o.PlanFile = None,
    no_plan: o.NoPlan = False,
    no_prove: o.NoProve = False,
    min_sqnr: o.MinSqnr = None,
    min_accuracy: o.MinAccuracy = None,
    max_drop: o.MaxDrop = None,
    strict: o.StrictFloors = False,
    max_bytes: o.MaxBytes = "2GiB",
    report: o.ReportFile = None,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    force: o.Force = False,
) -> None:
    """Quantize, then train the integers against the float model; needs edgeq\\[learn], no labels and no training code."""
    screen = Screen(as_json, quiet)
    wish = recipe_from(
        recipe,
        {"weights": weights, "keep_float": keep_float or None, "samples": samples, "seed": seed},
        {"min_sqnr": min_sqnr, "min_accuracy": min_accuracy, "max_drop": max_drop},
    )
    given: dict[str, Setting] = {"epochs": epochs, "minutes": minutes, "rate": lr, "labels": 0.5 if labels else None}
    wish = tuning_from(wish, given, DEFAULT_MINUTES)
    if bits is not None:
        wish = wish.model_copy(update={"codebook": codebook_from({"bits": bits, "granularity": granularity})})
    shapes, limit = parse_shapes(shape), parse_size(max_bytes)
    plan_out, kept = None if no_plan else plan_path(out), keep or resume or out.with_suffix(".ckpt")
    check_report(report)
    inputs = [Path(path) for path in (model, data, validation, recipe, plan) if path is not None]
    check_outputs([out, plan_out, report], force=force, inputs=inputs)
    check_outputs([kept], force=force or kept == resume, inputs=inputs)
    made = _run(model, data, Options(wish, shapes, limit, target, float_io, plan, validation, not no_prove), (kept, resume), screen)
    finish(screen, made, Files(out, plan_out, report), force=force, strict=strict)
    if keep is None and resume is None:
        kept.unlink(missing_ok=True)  # it was for the case of a break


@dataclass(frozen=True)
class Options:
    """What the command line says about a run, beside its files."""

    recipe: Recipe
    shapes: dict[str, tuple[int, ...]]
    limit: int
    target: str
    float_io: bool
    plan: Path | None
    validation: str | None
    prove: bool


def _run(model: Path, data: str, wish: Options, checkpoint: tuple[Path, Path | None], screen: Screen) -> Quantized:
    from edgeq.api import quantize
    from edgeq.fine_tuning import Checkpoint, require_torch
    from edgeq.load import load_model
    from edgeq.plan import load_plan
    from edgeq.target import load_target

    require_torch()
    earlier = None if wish.plan is None else load_plan(wish.plan)
    with screen.progress() as progress:
        loaded, chip = load_model(model, max_bytes=wish.limit), load_target(wish.target, float_io=wish.float_io)
        return quantize(loaded, data, target=chip, recipe=wish.recipe, shapes=wish.shapes, plan=earlier, validation=wish.validation,
                        prove=wish.prove, checkpoint=Checkpoint(*checkpoint), progress=progress)  # fmt: skip
