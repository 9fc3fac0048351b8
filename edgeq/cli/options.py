"""The options that several commands share: name, help, panel and default of each.

Nothing large is imported here, so that --help stays fast.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli.shared import complete
from edgeq.schema.rules import RULES

RANGES = "Ranges and weights"
DATA = "Data"
SEARCH = "Search (--effort best)"
FLOORS = "Proof and floors"
OUTPUT = "Output"
ENGINE = "Engine (changes no result)"

MAX_THREADS = 1024  # more than machines have
_ranges = partial(typer.Option, rich_help_panel=RANGES)
_data = partial(typer.Option, rich_help_panel=DATA)
_search = partial(typer.Option, rich_help_panel=SEARCH)
_floors = partial(typer.Option, rich_help_panel=FLOORS)
_engine = partial(typer.Option, rich_help_panel=ENGINE)
_output = partial(typer.Option, rich_help_panel=OUTPUT)

Json = Annotated[bool, _output("--json", help="Machine-readable result on stdout, and nothing else there.")]
Quiet = Annotated[bool, _output("--quiet", "-q", help="Print nothing but errors (and --json).")]
Force = Annotated[bool, _output("--force", "-f", help="Replace files that exist.")]
#: --force for commands that write no file: accepted, so that the same options fit all
NoForce = Annotated[bool, typer.Option("--force", "-f", hidden=True)]
ReportFile = Annotated[Path | None, _output("--report", metavar="FILE", help="Write the report: .json, or .html to look at.")]
_MAX_BYTES = "Refuse models larger than this, weights included. Default: 2 GiB, or a quarter of the free memory."
MaxBytes = Annotated[str | None, typer.Option("--max-bytes", metavar="SIZE", help=_MAX_BYTES)]
StrictFloors = Annotated[bool, _floors("--strict", help="Write nothing when a floor is missed.")]
NoProve = Annotated[bool, _floors("--no-prove", help="Skip the proof and the comparison: faster.")]
NoPlan = Annotated[bool, _output("--no-plan", help="Do not write OUT.plan.json.")]
StatsFile = Annotated[Path | None, _data("--stats", metavar="FILE", help="Reuse the statistics that edgeq calibrate wrote.")]
PlanFile = Annotated[Path | None, _data("--plan", metavar="FILE", help="Repeat a run from its OUT.plan.json; no calibration.")]

Int8Out = Annotated[Path, _output("--out", "-o", metavar="OUT", help="The int8 model to write.")]
ModelOut = Annotated[Path, _output("--out", "-o", metavar="OUT", help="The model to write.")]
FloatModel = Annotated[Path, typer.Argument(metavar="MODEL", help="The float ONNX model.")]
Target = Annotated[
    str,
    typer.Option("--target", "-t", autocompletion=complete.targets, metavar="NAME|FILE", help="A shipped target, or your own target.toml."),
]
Memory = Annotated[
    str | None,
    _data(
        "--memory", metavar="SIZE", help="What passes over the data may take: changes speed, not the result. Default: half of what is free."
    ),
]
Shapes = Annotated[
    list[str] | None, _data("--shape", metavar="NAME=DIMS", help="Freeze an input's dynamic shape, as in image=1,3,224,224. Repeatable.")
]
_DATA = _data(
    "--data",
    "-d",
    autocompletion=complete.sets,
    metavar="DATA",
    help="An .npz, a folder with a set.toml, a shipped set; or synthetic:images.",
)
#: --data for commands that require data
Data = Annotated[str, _DATA]
#: --data for commands that accept something else instead, such as statistics or a plan
MaybeData = Annotated[str | None, _DATA]
FollowLinks = Annotated[bool, _data("--follow-links", help="Allow links that lead out of a data folder.")]
Samples = Annotated[int | None, _data("--samples", metavar="N", min=1, help="Use the first N samples. Default: all.")]
AcceptData = Annotated[bool, _data("--accept-data", help="Go on with a single sample, or with values unlike those of training.")]
StrictData = Annotated[bool, _data("--strict-data", help="Treat every doubt about the data as an error.")]
NoHoldOut = Annotated[
    bool,
    _data("--no-hold-out", help="Calibrate with all samples. Default: of 20 or more, every fifth judges and is not calibrated with."),
]
BatchSize = Annotated[int | None, _data("--batch", metavar="B", min=1, help="Samples per step. Changes speed and memory, not the result.")]
Threads = Annotated[int, _floors("--threads", metavar="N", min=0, max=MAX_THREADS, help="Threads of the runtime. 0: the runtime chooses.")]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", metavar="FILE", help="A recipe.toml, as edgeq init writes it.")]
Rule = Annotated[
    str | None,
    _ranges("--rule", autocompletion=complete.rules, metavar="RULE", help=f"Range rule: {', '.join(RULES[:-1])} or {RULES[-1]}."),
]
WeightScales = Annotated[
    str | None, _ranges("--weights", autocompletion=complete.grains, metavar="GRAIN", help="per_channel or per_tensor.")
]
WeightFormat = Annotated[
    str | None, _ranges("--format", autocompletion=complete.formats, metavar="NAME", help="Number format of weights: see edgeq formats.")
]
Rounding = Annotated[
    str | None,
    _ranges(
        "--rounding",
        autocompletion=complete.roundings,
        metavar="HOW",
        help="apart; or in_sequence: on what quantized layers produce. Slower, usually more accurate.",
    ),
]
Effort = Annotated[
    str | None,
    _ranges(
        "--effort",
        autocompletion=complete.efforts,
        metavar="LEVEL",
        help="fast: ranges only; default: weights rounded with the data; best: then search.",
    ),
]
Objective = Annotated[
    str | None,
    _search(
        "--objective",
        autocompletion=complete.objectives,
        metavar="GOAL",
        help="Search for accuracy (as much work in integers as floors allow), latency or size.",
    ),
]
Minutes = Annotated[float | None, _search("--minutes", metavar="M", help="Begin no measurement after this many minutes. Default: 5.")]
Work = Annotated[Path | None, _search("--work", metavar="DIR", help="Keep what is finished here; the same command continues from it.")]
Engine = Annotated[
    str | None,
    _engine(
        "--engine", autocompletion=complete.engines, metavar="NAME", help="local: threads; processes; or ray: a cluster (edgeq\\[ray])."
    ),
]
Workers = Annotated[
    int | None, _engine("--workers", metavar="N", min=1, help="How many work at once. Default: one a core; local: at most 4.")
]
Address = Annotated[str | None, _engine("--address", metavar="ADDRESS", help="Of the Ray cluster. Default: Ray is started here.")]
Validation = Annotated[
    str | None,
    _data(
        "--validation",
        autocompletion=complete.sets,
        metavar="DATA",
        help="Measure on this data instead of --data; of a set, on its evaluation split.",
    ),
]
Metric = Annotated[
    str | None,
    _floors(
        "--metric",
        autocompletion=complete.metrics,
        metavar="NAME",
        help="Task metric: top1, top5, f1, mse, ap50 (boxes against float's), module:function or FILE.py:function.",
    ),
]
KeepFloat = Annotated[
    list[str] | None,
    _ranges("--keep-float", metavar="PATTERN", help="Nodes to keep in float: name, glob, /regex/ or operator type. Repeatable."),
]
Activations = Annotated[
    list[str] | None,
    _ranges("--activations", autocompletion=complete.wide_types, metavar="TYPE", help="int16 or uint16, PATTERN=int16. Repeatable."),
]
_PREFER = "speed: integers only where not slower; integers: wherever possible."
Prefer = Annotated[str | None, _ranges("--prefer", autocompletion=complete.wishes, metavar="WHAT", help=_PREFER)]
ServeBatch = Annotated[int | None, _ranges("--serve-batch", metavar="N", min=1, help="Samples of a call, where the model leaves it open.")]
Tie = Annotated[
    list[str] | None,
    _ranges("--tie", metavar="OUT=IN", help="An output that is fed to an input at the next run: both get one grid. Repeatable."),
]
NoRescue = Annotated[
    bool, _ranges("--no-rescue", help="Leave layers in integers that make an output useless (below 10 dB); by default they stay float.")
]
Seed = Annotated[int | None, _ranges("--seed", metavar="S", min=0, help="Seed of everything random.")]
SplitOutputs = Annotated[
    bool | None,
    _output("--split-outputs", help="Hand out the parts of outputs that end in a Concat, each on a grid of its own: OUT.0, OUT.1, ..."),
]
StandardOperators = Annotated[
    bool | None,
    _ranges("--standard-operators", help="Use ONNX's own operators only. LSTM on cpu, which needs another in integers, stays float."),
]
FloatIo = Annotated[bool, _output("--float-io", help="Keep inputs and outputs in float, also on targets of integers only.")]
InputsAs = Annotated[
    str | None,
    _output(
        "--inputs-as",
        autocompletion=complete.input_types,
        metavar="TYPE",
        help="uint8: image inputs take raw pixels; the preprocessing in set.toml or in --scale, --mean, --std is folded into the model.",
    ),
]
Scale = Annotated[
    float | None, _output("--scale", metavar="S", help="With --inputs-as or made-up images: your inputs are (pixel * S - mean) / std.")
]
Mean = Annotated[str | None, _output("--mean", metavar="M[,M,...]", help="Mean: one number, or one per channel.")]
Std = Annotated[str | None, _output("--std", metavar="D[,D,...]", help="Standard deviation: one number, or one per channel.")]
MinSqnr = Annotated[float | None, _floors("--min-sqnr", metavar="DB", help="Floor for the SQNR of the weakest output or part, in dB.")]
_share = partial(_floors, metavar="SHARE", min=0, max=1)
MinAgreement = Annotated[float | None, _share("--min-agreement", help="Floor for top-1 agreement with float, 0..1.")]
MinAccuracy = Annotated[float | None, _share("--min-accuracy", help="Floor for the task metric, 0..1; top1 needs labels.")]
_points = partial(_floors, metavar="POINTS", min=0, max=100)
MaxDrop = Annotated[float | None, _points("--max-drop", help="Largest accepted loss of the task metric, in points; top1 needs labels.")]
NoVnni = Annotated[bool, _ranges("--no-vnni", help="Keep sums exact on x86 without VNNI; the target cpu always does.")]
