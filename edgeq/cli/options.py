"""The options that commands share: one place for their names, help and grouping. Imports
nothing large, so that --help stays fast.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeq.schema.rules import RULES

RANGES = "Ranges and weights"
DATA = "Data"
SEARCH = "Search (--effort best)"
FLOORS = "Proof and floors"
OUTPUT = "Output"

Json = Annotated[bool, typer.Option("--json", help="Machine-readable result on stdout, and nothing else there.", rich_help_panel=OUTPUT)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors (and --json).", rich_help_panel=OUTPUT)]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace files that exist.", rich_help_panel=OUTPUT)]
#: for commands that write no file: accepted, so that one set of options fits every command
NoForce = Annotated[bool, typer.Option("--force", "-f", hidden=True)]
ReportFile = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Write the report: .json, or .html (needs edgeq\\[report]).", rich_help_panel=OUTPUT),
]
MaxBytes = Annotated[
    str,
    typer.Option("--max-bytes", metavar="SIZE", help="Refuse models larger than this, weights included."),
]
StrictFloors = Annotated[bool, typer.Option("--strict", help="Write nothing when a floor is missed.", rich_help_panel=FLOORS)]
NoProve = Annotated[bool, typer.Option("--no-prove", help="Skip the proof and the comparison: faster.", rich_help_panel=FLOORS)]
NoPlan = Annotated[bool, typer.Option("--no-plan", help="Do not write OUT.plan.json.", rich_help_panel=OUTPUT)]
StatsFile = Annotated[
    Path | None,
    typer.Option("--stats", metavar="FILE", help="Reuse the statistics that edgeq calibrate wrote.", rich_help_panel=DATA),
]
PlanFile = Annotated[
    Path | None,
    typer.Option("--plan", metavar="FILE", help="Repeat a run from its OUT.plan.json; no calibration.", rich_help_panel=DATA),
]

FloatModel = Annotated[Path, typer.Argument(metavar="MODEL", help="The float ONNX model.")]
Target = Annotated[str, typer.Option("--target", "-t", metavar="NAME|FILE", help="A shipped target, or your own target.toml.")]
Shapes = Annotated[
    list[str] | None,
    typer.Option(
        "--shape", metavar="NAME=DIMS", help="Freeze an input's dynamic shape, as in image=1,3,224,224. Repeatable.", rich_help_panel=DATA
    ),
]
MaybeData = Annotated[
    str | None,
    typer.Option("--data", "-d", metavar="DATA", help="An .npz, a folder with a set.toml, or a shipped set's name.", rich_help_panel=DATA),
]
Data = Annotated[
    str,
    typer.Option("--data", "-d", metavar="DATA", help="An .npz, a folder with a set.toml, or a shipped set's name.", rich_help_panel=DATA),
]
Samples = Annotated[
    int | None, typer.Option("--samples", metavar="N", min=1, help="Use the first N samples. Default: all.", rich_help_panel=DATA)
]
Range = Annotated[
    str | None,
    typer.Option(
        "--range", metavar="START:STOP", help="Take only these samples: one shard of the data, for --merge.", rich_help_panel=DATA
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option("--batch", metavar="B", min=1, help="Samples a step. Changes speed and memory, not the result.", rich_help_panel=DATA),
]
Threads = Annotated[
    int, typer.Option("--threads", metavar="N", min=0, help="Threads of the runtime. 0: its own choice.", rich_help_panel=FLOORS)
]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", metavar="FILE", help="A recipe.toml, as edgeq init writes it.")]
Rule = Annotated[
    str | None,
    typer.Option("--rule", metavar="RULE", help=f"Range rule: {', '.join(RULES[:-1])} or {RULES[-1]}.", rich_help_panel=RANGES),
]
WeightScales = Annotated[
    str | None,
    typer.Option("--weights", metavar="GRAIN", help="Weight scales: per_channel or per_tensor.", rich_help_panel=RANGES),
]
Rounding = Annotated[
    str | None,
    typer.Option(
        "--rounding",
        metavar="HOW",
        help="Weights of a layer: apart from others, or in_sequence: on what the integers before it give. Slower, mostly nearer.",
        rich_help_panel=RANGES,
    ),
]
Effort = Annotated[
    str | None,
    typer.Option(
        "--effort",
        metavar="LEVEL",
        help="fast: ranges only; default: weights rounded with the data; best: then search.",
        rich_help_panel=RANGES,
    ),
]
Objective = Annotated[
    str | None,
    typer.Option(
        "--objective",
        metavar="GOAL",
        help="accuracy: most work in integers that the floors allow; latency; or size.",
        rich_help_panel=SEARCH,
    ),
]
Minutes = Annotated[
    float | None, typer.Option("--minutes", metavar="M", help="Begin no measurement after this long. Default: 5.", rich_help_panel=SEARCH)
]
Work = Annotated[
    Path | None,
    typer.Option("--work", metavar="DIR", help="Keep the search here; the same command goes on from it.", rich_help_panel=SEARCH),
]
Validation = Annotated[
    str | None,
    typer.Option(
        "--validation",
        metavar="DATA",
        help="Judge on this data instead of --data; of a set, on its evaluation split.",
        rich_help_panel=DATA,
    ),
]
KeepFloat = Annotated[
    list[str] | None,
    typer.Option(
        "--keep-float", metavar="PATTERN", help="Leave in float: name, glob, /regex/ or operator type. Repeatable.", rich_help_panel=RANGES
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="S", min=0, help="Seed of everything random.", rich_help_panel=RANGES)]
FloatIo = Annotated[bool, typer.Option("--float-io", help="Float inputs and outputs, on targets of integers too.", rich_help_panel=OUTPUT)]
InputsAs = Annotated[
    str | None,
    typer.Option(
        "--inputs-as",
        metavar="TYPE",
        help="uint8: image inputs take raw pixels; what set.toml or --scale, --mean, --std say of them is folded into the model.",
        rich_help_panel=OUTPUT,
    ),
]
Scale = Annotated[
    float | None,
    typer.Option("--scale", metavar="S", help="With --inputs-as: your inputs are (pixel * S - mean) / std.", rich_help_panel=OUTPUT),
]
Mean = Annotated[
    str | None, typer.Option("--mean", metavar="M[,M,...]", help="The mean: one number, or one a channel.", rich_help_panel=OUTPUT)
]
Std = Annotated[str | None, typer.Option("--std", metavar="D[,D,...]", help="The std: likewise.", rich_help_panel=OUTPUT)]
Emit = Annotated[
    list[str] | None,
    typer.Option(
        "--emit",
        metavar="FORM",
        help="Also write c: OUT.c and OUT.h of a .tflite OUT (needs tflite-micro); or ort: OUT.ort and OUT.ort.config. Repeatable.",
        rich_help_panel=OUTPUT,
    ),
]
Golden = Annotated[
    int | None,
    typer.Option("--golden", metavar="N", min=1, help="Also write codes in and out of N samples: OUT.golden.npz.", rich_help_panel=OUTPUT),
]
StrictData = Annotated[bool, typer.Option("--strict-data", help="Doubts about the data are errors.", rich_help_panel=DATA)]
MinSqnr = Annotated[
    float | None, typer.Option("--min-sqnr", metavar="DB", help="Floor for the SQNR of the first output, in dB.", rich_help_panel=FLOORS)
]
MinAgreement = Annotated[
    float | None,
    typer.Option(
        "--min-agreement", metavar="SHARE", min=0, max=1, help="Floor for top-1 agreement with float, 0..1.", rich_help_panel=FLOORS
    ),
]
MinAccuracy = Annotated[
    float | None,
    typer.Option(
        "--min-accuracy", metavar="SHARE", min=0, max=1, help="Floor for task accuracy, 0..1; needs labels.", rich_help_panel=FLOORS
    ),
]
MaxDrop = Annotated[
    float | None,
    typer.Option(
        "--max-drop", metavar="POINTS", min=0, max=100, help="Most points of task accuracy lost; needs labels.", rich_help_panel=FLOORS
    ),
]
NoVnni = Annotated[
    bool,
    typer.Option("--no-vnni", help="Keep sums exact on x86 without VNNI; the target cpu always does.", rich_help_panel=RANGES),
]
