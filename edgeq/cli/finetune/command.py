"""`edgeq finetune`: make an int8 model whose integers are trained against the float model."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli import options as o
from edgeq.cli.asked import Asked, offers
from edgeq.cli.finetune.job import Job
from edgeq.cli.finetune.run import run_one
from edgeq.cli.finetune.width_files import parse_widths
from edgeq.cli.palettize.command import SIZES, Granularity
from edgeq.cli.settings import Setting, parse_compute, refuse_two_sizes, with_codebook, with_training
from edgeq.cli.shared import complete

TRAINING = "Training"
EXAMPLE = """    edgeq finetune model.onnx --data calib.npz -o model.int8.onnx    (5 minutes, no labels needed)

    edgeq finetune model.onnx -d calib.npz --reconstruct block -o model.int8.onnx    (block by block: AdaRound, BRECQ)

    edgeq finetune model.onnx -d calib.npz --bits 4 --epochs 20 -o model.w4.onnx --keep run.ckpt

    edgeq finetune model.onnx -d calib.npz --bits 4 --epochs 20 -o model.w4.onnx --resume run.ckpt    (after a break)

    edgeq finetune model.onnx -d labelled.npz --labels --target npu_pow2 --minutes 10 -o model.pow2.onnx

    edgeq finetune model.onnx -d labelled.npz --bits 8,4,2 --max-drop 0.5 -o model.onnx    (writes model.w8.onnx, ...)

    edgeq finetune model.onnx -d calib.npz --bits 4,2 --compute float --min-sqnr 25 --epochs 50 -o model.onnx    (stays float)"""

_training = partial(typer.Option, rich_help_panel=TRAINING)

Bits = Annotated[
    str | None,
    typer.Option(
        "--bits",
        metavar="B[,B...]",
        help="Codebooks with indices of B bits. Several widths: one model each, OUT.wB, trained where it misses a floor.",
        rich_help_panel=SIZES,
    ),
]
Compute = Annotated[
    str,
    typer.Option(
        "--compute",
        autocompletion=complete.kinds,
        metavar="KIND",
        help="int8; or float: tables of floats, with --bits. Writes OUT.wB.",
        rich_help_panel=SIZES,
    ),
]
Centroids = Annotated[
    str | None,
    _training(
        "--centroids",
        autocompletion=complete.ways,
        metavar="HOW",
        help="gradient: entries of codebooks follow the gradient. refit: k-means after each step. Default: gradient.",
    ),
]

Reconstruct = Annotated[
    str | None,
    _training(
        "--reconstruct",
        autocompletion=complete.parts,
        metavar="PARTS",
        help="First learn rounding part by part: layer (AdaRound) or block. Without --epochs and --minutes that is all.",
    ),
]
Steps = Annotated[int | None, _training("--steps", metavar="N", min=1, help="Steps of --reconstruct for each part. Default: 600.")]
Epochs = Annotated[int | None, _training("--epochs", metavar="N", min=1, help="Passes over the data.")]
Minutes = Annotated[
    float | None,
    _training("--minutes", metavar="M", help="Train for about this many minutes. Default: 5, without --epochs and --reconstruct."),
]
Rate = Annotated[
    float | None, _training("--lr", metavar="RATE", help="Learning rate, in codes. Default: chosen by the bits of the weights.")
]
Labels = Annotated[bool, _training("--labels", help="Learn from the data's labels too: half of the loss.")]
Keep = Annotated[
    Path | None,
    _training("--keep", metavar="CKPT", help="Write the state of the training to this file after every epoch. Default: OUT.ckpt."),
]
Resume = Annotated[Path | None, _training("--resume", metavar="CKPT", help="Continue from the state that the same command kept.")]


@offers(
    "follow_links validation target recipe weights rounding format keep_float prefer tie samples no_hold_out accept_data strict_data",
    "shape seed float_io plan no_plan no_prove min_sqnr min_accuracy max_drop metric strict max_bytes report",
    writes=True,
)
def finetune(
    asked: Asked,
    model: o.FloatModel,
    data: o.Data,
    out: o.Int8Out,
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
) -> None:
    """Quantize, then train the integers against the float model, without labels or training code.

    Needs edgeq\\[learn].
    """
    from edgeq.schema.finetune import DEFAULT_MINUTES

    training: dict[str, Setting] = {"epochs": epochs, "minutes": minutes, "rate": lr, "labels": 0.5 if labels else None,
                                    "centroids": centroids, "reconstruct": reconstruct, "steps": steps}  # fmt: skip
    recipe, widths = with_training(asked.recipe, training, DEFAULT_MINUTES), parse_widths(bits, granularity)
    refuse_two_sizes(asked.format, {"--bits": bits})
    if widths:
        recipe = with_codebook(recipe, {"bits": widths[0], "granularity": granularity})
    job = Job(replace(asked, recipe=recipe), model, data, out, widths, parse_compute(compute), keep, resume)
    job.check()
    if not job.several:
        run_one(job)
    elif job.compute == "float":
        from edgeq.cli.finetune.floats import run_floats

        run_floats(job)
    else:
        from edgeq.cli.finetune.widths import run_widths

        run_widths(job)
