"""`edgeq palettize`: a float model in; a model whose weights are small indices into tables out, in
floats or in integers.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeq.cli import options as o
from edgeq.cli.screen import Screen
from edgeq.cli.settings import Setting, check_outputs, check_report, codebook_from, parse_shapes, parse_size
from edgeq.errors import BadData, BadRecipe

if TYPE_CHECKING:
    from edgeq.schema.recipe import CodebookWish

SIZES = "Size"
EXAMPLE = """    edgeq palettize model.onnx --bits 4 -o model.w4.onnx

    edgeq palettize model.onnx --size-budget 15% --data calib.npz --compute int8 -o model.small.onnx

    edgeq palettize model.onnx --bits 2 --prune 2:4 --plot pictures/ -o model.w2.onnx"""


Bits = Annotated[int | None, typer.Option("--bits", metavar="B", help="Bits of an index: 1, 2, 3, 4, 5, 6 or 8.", rich_help_panel=SIZES)]
BitsAverage = Annotated[
    float | None, typer.Option("--bits-avg", metavar="B", help="Bits a weight on average, tables included.", rich_help_panel=SIZES)
]
SizeBudget = Annotated[
    str | None, typer.Option("--size-budget", metavar="SHARE", help="Size of the file: 25% of MODEL's.", rich_help_panel=SIZES)
]
MinSqnr = Annotated[
    float | None,
    typer.Option("--min-sqnr", metavar="DB", help="The smallest model with at least this SQNR; needs --data.", rich_help_panel=SIZES),
]
LayerBits = Annotated[
    list[str] | None,
    typer.Option("--layer", metavar="PATTERN=B", help="Bits of single layers: name, glob, /regex/ or type.", rich_help_panel=SIZES),
]
Granularity = Annotated[
    str | None, typer.Option("--granularity", metavar="GRAIN", help="Tables: tensor, channel, group:N or vector:N.", rich_help_panel=SIZES)
]
Prune = Annotated[
    str | None, typer.Option("--prune", metavar="SHARE|N:M", help="Set weights to 0 first: 0.5, or 2:4.", rich_help_panel=SIZES)
]


def palettize(
    model: o.FloatModel,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="The model to write.", rich_help_panel=o.OUTPUT)],
    bits: Bits = None,
    bits_avg: BitsAverage = None,
    size_budget: SizeBudget = None,
    min_sqnr: MinSqnr = None,
    layer: LayerBits = None,
    granularity: Granularity = None,
    prune: Prune = None,
    data: o.MaybeData = None,
    compute: Annotated[str, typer.Option("--compute", metavar="KIND", help="float, or int8 (needs --data).")] = "float",
    target: o.Target = "cpu",
    samples: o.Samples = None,
    shape: o.Shapes = None,
    seed: o.Seed = None,
    uint2: Annotated[bool, typer.Option("--uint2", help="2-bit indices in the type of opset 25, where the model has it.")] = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="DIR", help="A picture a layer; needs edgeq\\[report].", rich_help_panel=o.OUTPUT)
    ] = None,
    no_prove: o.NoProve = False,
    max_bytes: o.MaxBytes = "2GiB",
    report: o.ReportFile = None,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    force: o.Force = False,
) -> None:
    """Store weights as indices of a few bits into small tables, in plain ONNX."""
    screen = Screen(as_json, quiet)
    if min_sqnr is not None:
        bits_avg = 8.0  # a start: the search sets it
    settings: dict[str, Setting] = {"bits": bits, "bits_avg": bits_avg, "size_budget": _share(size_budget)}
    wish = codebook_from(settings | {"layers": tuple(layer or ()) or None, "granularity": granularity, "prune": prune})
    _check(compute, data, min_sqnr, wish, report)
    check_report(report)
    check_outputs([out, report], force=force, inputs=[model, Path(data) if data else None])
    if plot is not None:
        from edgeq.report.codebooks_plots import check_plots

        check_plots(plot)
    from edgeq.cli.palettize.run import Job, run_float, run_int8
    from edgeq.io.load import load_model
    from edgeq.schema.recipe import Recipe

    loaded = load_model(model, max_bytes=parse_size(max_bytes))
    recipe = Recipe(codebook=wish, samples=samples, seed=seed or 0)
    job = Job(loaded, recipe, data, target, parse_shapes(shape), out, plot, report, min_sqnr, not no_prove, uint2, force)
    (run_int8 if compute == "int8" else run_float)(job, screen)


def _check(compute: str, data: str | None, min_sqnr: float | None, wish: CodebookWish, report: Path | None) -> None:
    if compute not in ("float", "int8"):
        raise BadRecipe(f"{compute!r} is no way to compute.", "--compute", "Write float or int8.")
    if data is None and (compute == "int8" or min_sqnr is not None):
        raise BadData("No data was given.", "--data", "Give an .npz, a folder with a set.toml or a shipped set: --data calib.npz.")
    if not wish.wanted:
        raise BadRecipe("No size was given.", "--bits", "Give one of --bits, --bits-avg, --size-budget and --min-sqnr.")
    if report is not None and compute == "float" and report.suffix != ".json":
        raise BadRecipe("The report of --compute float is JSON.", "--report", "End its name in .json.")


def _share(word: str | None) -> float | None:
    """25% or 0.25 to a share. Raises BadRecipe."""
    if word is None:
        return None
    try:
        return float(word.rstrip("%")) / (100 if word.endswith("%") else 1)
    except ValueError:
        raise BadRecipe(f"{word!r} is not a share.", "--size-budget", "Write 25% or 0.25.") from None
