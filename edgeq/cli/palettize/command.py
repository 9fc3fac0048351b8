"""`edgeq palettize`: store weights as indices into small tables, in a float or an int8 model."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli import options as o
from edgeq.cli.asked import Asked, offers
from edgeq.cli.forms import check_target_of
from edgeq.cli.outputs import SMALLEST, check_report, size_of
from edgeq.cli.settings import Compute, parse_compute, parse_share, refuse_two_sizes, with_codebook
from edgeq.cli.shared import complete
from edgeq.errors import BadRecipe
from edgeq.io.endings import FLOAT, INT8, check_ending

SIZES = "Size"
EXAMPLE = """    edgeq palettize model.onnx --bits 4 -o model.w4.onnx

    edgeq palettize model.onnx --size-budget 15% --data calib.npz --compute int8 -o model.small.onnx

    edgeq palettize model.onnx --bits 2 --prune 2:4 --plot pictures/ -o model.w2.onnx"""

_size = partial(typer.Option, rich_help_panel=SIZES)

Bits = Annotated[int | None, _size("--bits", metavar="B", help="Bits of an index: 1, 2, 3, 4, 5, 6 or 8.")]
BitsAverage = Annotated[float | None, _size("--bits-avg", metavar="B", help="Bits per weight on average, tables included.")]
SizeBudget = Annotated[str | None, _size("--size-budget", metavar="SHARE", help="Size of the file, as in 25% of MODEL's.")]
MinSqnr = Annotated[float | None, _size("--min-sqnr", metavar="DB", help="The smallest model with at least this SQNR; needs --data.")]
LayerBits = Annotated[
    list[str] | None,
    _size("--layer", metavar="PATTERN=B", help="Bits of single layers, by name, glob, /regex/ or operator type. Repeatable."),
]
Granularity = Annotated[
    str | None, _size("--granularity", metavar="GRAIN", help="What shares a table: tensor, channel, group:N or vector:N.")
]
Solver = Annotated[
    str | None,
    _size(
        "--solver", autocompletion=complete.solvers, metavar="NAME", help="First tables: exact, or fast-pytorch-kmeans (edgeq\\[learn])."
    ),
]
Prune = Annotated[str | None, _size("--prune", metavar="SHARE|N:M", help="Set weights to 0 first: 0.5, or 2:4.")]


@offers(
    "data follow_links format compute target prefer samples no_hold_out accept_data strict_data shape scale mean std seed uint2 plot",
    "no_prove max_bytes report",
    writes=True,
)
def palettize(
    asked: Asked,
    model: o.FloatModel,
    out: o.ModelOut,
    bits: Bits = None,
    bits_avg: BitsAverage = None,
    size_budget: SizeBudget = None,
    min_sqnr: MinSqnr = None,
    layer: LayerBits = None,
    granularity: Granularity = None,
    prune: Prune = None,
    solver: Solver = None,
    compute: Annotated[
        str, typer.Option("--compute", autocompletion=complete.kinds, metavar="KIND", help="float, or int8 (needs --data).")
    ] = "float",
    uint2: Annotated[bool, typer.Option("--uint2", help="2-bit indices in the type of opset 25, where the model has it.")] = False,
    typed: Annotated[bool, typer.Option("--typed", help="FP8 formats in ONNX's own types, Cast and Mul, at opset 24.")] = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="DIR", help="A picture per layer; needs edgeq\\[report].", rich_help_panel=o.OUTPUT)
    ] = None,
) -> None:
    """Store weights as indices of a few bits into small tables, in plain ONNX."""
    # with --min-sqnr this is only a first value: the search for the smallest model replaces it
    average = bits_avg if min_sqnr is None else 8.0
    sizes = {"bits": bits, "bits_avg": average, "size_budget": parse_share(size_budget), "layers": layer}
    tables = {"granularity": granularity, "prune": prune, "solver": solver}
    refuse_two_sizes(asked.format, {"--bits": bits, "--bits-avg": bits_avg, "--size-budget": size_budget, "--layer": layer,
                                    "--min-sqnr": min_sqnr})  # fmt: skip
    recipe = with_codebook(asked.recipe, sizes | tables | ({"bits": asked.recipe.codebook.bits} if asked.format else {}))
    asked, way = replace(asked, recipe=recipe), parse_compute(compute)
    check_ending(out, INT8 if way == "int8" else FLOAT)
    _check(asked, way, min_sqnr, typed)
    if way == "int8":
        check_target_of(out, asked.load_target())
    asked.check_outputs([out, asked.report], model, at_least=size_of(model) // SMALLEST)
    if plot is not None:
        from edgeq.report.codebooks_plots import check_plots

        check_plots(plot)
    from edgeq.cli.palettize.run import Job, run_float, run_int8

    job = Job(asked, asked.load_model(model), out, plot, min_sqnr, uint2, typed)
    (run_int8 if way == "int8" else run_float)(job)


def _check(asked: Asked, compute: Compute, min_sqnr: float | None, typed: bool) -> None:
    if compute == "int8" or min_sqnr is not None:
        asked.needed_data()
    if not asked.recipe.small_weights:
        raise BadRecipe("No size was given.", "--bits", "Give one of --bits, --bits-avg, --size-budget, --min-sqnr and --format.")
    if typed and (compute == "int8" or not asked.recipe.weight_format.wanted):
        raise BadRecipe("--typed is for number formats of float models.", "--typed", "Add --format mxfp8_e4m3, or leave --typed out.")
    check_report(asked.report)
