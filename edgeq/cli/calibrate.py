"""`edgeq calibrate`: take statistics once, reuse them for many runs; merge those of shards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeq.cli import options as o
from edgeq.cli.screen import Screen
from edgeq.cli.settings import check_outputs, parse_range, parse_shapes, parse_size, preprocessing_from, recipe_from
from edgeq.errors import BadData, BadRecipe

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgeq.calibration.statistics_file import Statistics

EXAMPLE = """    edgeq calibrate model.onnx --data calib.npz -o stats.npz

    edgeq quantize model.onnx --data calib.npz --stats stats.npz -o model.int8.onnx --rule kl

    edgeq calibrate model.onnx --data calib.npz --range 0:500 -o shard1.npz    (and 500:1000 on another machine)

    edgeq calibrate --merge shard1.npz shard2.npz -o stats.npz"""


def calibrate(
    source: Annotated[list[Path], typer.Argument(metavar="MODEL", help="The float ONNX model; with --merge: the statistics files.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="S.npz", help="The statistics file to write.", rich_help_panel=o.OUTPUT)],
    data: o.MaybeData = None,
    merge: Annotated[bool, typer.Option("--merge", help="Merge the statistics of shards: --merge A B -o C.")] = False,
    target: o.Target = "cpu",
    recipe: o.RecipeFile = None,
    keep_float: o.KeepFloat = None,
    samples: o.Samples = None,
    part: o.Range = None,
    shape: o.Shapes = None,
    inputs_as: o.InputsAs = None,
    scale: o.Scale = None,
    mean: o.Mean = None,
    std: o.Std = None,
    max_bytes: o.MaxBytes = "2GiB",
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    force: o.Force = False,
) -> None:
    """Run the float model over the data once and save the statistics that every range rule
    needs.
    """
    screen = Screen(as_json, quiet)
    check_outputs([out], force=force, inputs=[*source, recipe, Path(data) if data else None])
    if merge:
        found = _merge(source, data)
    else:
        model, spec = _one_model(source, data)
        given = {"keep_float": keep_float or None, "samples": samples, "inputs_as": inputs_as}
        chosen = recipe_from(recipe, given, {}, preprocessing_from(scale, mean, std))
        shapes, limit, (start, stop) = parse_shapes(shape), parse_size(max_bytes), parse_range(part)
        from edgeq.api import calibrate as run
        from edgeq.io.load import load_model

        with screen.progress() as progress:
            loaded = load_model(model, max_bytes=limit)
            found = run(loaded, spec, target=target, recipe=chosen, shapes=shapes, start=start, stop=stop, progress=progress)
    found.save(out, force=force)
    screen.show(_facts(found, out), lambda: _text(found, out))


def _merge(parts: list[Path], data: str | None) -> Statistics:
    if data is not None:
        raise BadRecipe("--merge takes statistics files, not data.", "--data", "Leave --data out: edgeq calibrate --merge A B -o C.")
    if len(parts) < 2:
        raise BadRecipe("--merge needs at least two statistics files.", "--merge", "Name them all: edgeq calibrate --merge A B -o C.")
    from edgeq.calibration.statistics_file import load_statistics, merge_statistics

    return merge_statistics([load_statistics(part) for part in parts])


def _one_model(source: list[Path], data: str | None) -> tuple[Path, str]:
    if len(source) != 1:
        where = " ".join(map(str, source))
        raise BadRecipe(
            f"One model is calibrated at a time, not {len(source)}.", where, "Give one model, or add --merge to merge statistics."
        )
    if data is None:
        raise BadData(
            "No calibration data was given.", "--data", "Give an .npz, a folder with a set.toml or a shipped set: --data calib.npz."
        )
    return source[0], data


def _facts(found: Statistics, out: Path) -> dict[str, str | int]:
    return {
        "file": str(out),
        "samples": len(found.samples),
        "tensors": len(found.tensors),
        "hash": found.hash,
        "model": found.model,
        "data": found.data,
        "settings": found.settings,
    }


def _text(found: Statistics, out: Path) -> RenderableType:
    from rich.text import Text

    return Text(f"wrote {out}: {len(found.tensors)} tensors, {len(found.samples)} samples, sha256 {found.hash[:12]}")
