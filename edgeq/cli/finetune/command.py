"""`edgeq finetune`: a float model and data in; an int8 model out whose weights, scales and biases
were trained against the float model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli import options as o
from edgeq.cli.finetune.run import Job, run_one
from edgeq.cli.palettize.command import SIZES, Granularity
from edgeq.cli.palettize.width_files import parse_widths
from edgeq.cli.screen import Screen
from edgeq.cli.settings import Setting, codebook_in, parse_shapes, parse_size, recipe_from, tuning_from

TRAINING = "Training"
DEFAULT_MINUTES = 5.0
EXAMPLE = """    edgeq finetune model.onnx --data calib.npz -o model.int8.onnx    (5 minutes, no labels needed)

    edgeq finetune model.onnx -d calib.npz --reconstruct block -o model.int8.onnx    (block by block: AdaRound, BRECQ)

    edgeq finetune model.onnx -d calib.npz --bits 4 --epochs 20 -o model.w4.onnx --keep run.ckpt

    edgeq finetune model.onnx -d calib.npz --bits 4 --epochs 20 -o model.w4.onnx --resume run.ckpt    (after a break)

    edgeq finetune model.onnx -d labelled.npz --labels --target npu_pow2 --minutes 10 -o model.pow2.onnx

    edgeq finetune model.onnx -d labelled.npz --bits 8,4,2 --max-drop 0.5 -o model.onnx    (writes model.w8.onnx, ...)

    edgeq finetune model.onnx -d calib.npz --bits 4,2 --compute float --min-sqnr 25 --epochs 50 -o model.onnx    (stays float)"""

Bits = Annotated[
    str | None,
    typer.Option(
        "--bits",
        metavar="B[,B...]",
        help="Codebooks with indices of so many bits. Several: a model each, OUT.wB, trained where a floor is missed.",
        rich_help_panel=SIZES,
    ),
]
Compute = Annotated[
    str,
    typer.Option("--compute", metavar="KIND", help="int8; or float: tables of floats, with --bits. Writes OUT.wB.", rich_help_panel=SIZES),
]
Centroids = Annotated[
    str | None,
    typer.Option(
        "--centroids",
        metavar="HOW",
        help="Entries of codebooks follow the gradient, or are refit: k-means after each step. Default: gradient.",
        rich_help_panel=TRAINING,
    ),
]

Reconstruct = Annotated[
    str | None,
    typer.Option(
        "--reconstruct",
        metavar="PARTS",
        help="Learn rounding part by part first: layer (AdaRound) or block. Without --epochs and --minutes nothing else.",
        rich_help_panel=TRAINING,
    ),
]
Steps = Annotated[
    int | None, typer.Option("--steps", metavar="N", min=1, help="Of --reconstruct, a part. Default: 600.", rich_help_panel=TRAINING)
]
Epochs = Annotated[int | None, typer.Option("--epochs", metavar="N", min=1, help="Passes over the data.", rich_help_panel=TRAINING)]
Minutes = Annotated[
    float | None,
    typer.Option(
        "--minutes",
        metavar="M",
        help="As many epochs as about fit. Default: 5, without --epochs and --reconstruct.",
        rich_help_panel=TRAINING,
    ),
]
Rate = Annotated[
    float | None,
    typer.Option("--lr", metavar="RATE", help="Learning rate, in codes. Default: by the bits of the weights.", rich_help_panel=TRAINING),
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
    reconstruct: Reconstruct = None,
    steps: Steps = None,
    epochs: Epochs = None,
    minutes: Minutes = None,
    lr: Rate = None,
    labels: Labels = False,
    keep: Keep = None,
    resume: Resume = None,
    centroids: Centroids = None,
    bits: Bits = None,
    granularity: Granularity = None,
    compute: Compute = "int8",
    validation: o.Validation = None,
    target: o.Target = "cpu",
    recipe: o.RecipeFile = None,
    weights: o.WeightScales = None,
    rounding: o.Rounding = None,
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
    """Quantize, then train the integers against the float model; needs edgeq\\[learn], no
    labels and no training code.
    """
    screen = Screen(as_json, quiet)
    chosen = recipe_from(
        recipe,
        {"weights": weights, "rounding": rounding, "keep_float": keep_float or None, "samples": samples, "seed": seed},
        {"min_sqnr": min_sqnr, "min_accuracy": min_accuracy, "max_drop": max_drop},
    )
    tuning: dict[str, Setting] = {"epochs": epochs, "minutes": minutes, "rate": lr, "labels": 0.5 if labels else None,
                                  "centroids": centroids, "reconstruct": reconstruct, "steps": steps}  # fmt: skip
    chosen, widths = tuning_from(chosen, tuning, DEFAULT_MINUTES), parse_widths(bits, granularity)
    if widths:
        chosen = codebook_in(chosen, {"bits": widths[0], "granularity": granularity})
    job = Job(model, data, validation, chosen, recipe, compute, target, float_io, parse_shapes(shape), parse_size(max_bytes), plan, keep,
              resume, out, report, not no_plan, not no_prove, force, strict)  # fmt: skip
    job.check(widths)
    _run(job, widths, screen)


def _run(job: Job, widths: tuple[int, ...], screen: Screen) -> None:
    if not job.several(widths):
        run_one(job, screen)
    elif job.compute == "float":
        from edgeq.cli.finetune.floats import run_floats

        run_floats(job, widths, screen)
    else:
        from edgeq.cli.finetune.widths import run_widths

        run_widths(job, widths, screen)
