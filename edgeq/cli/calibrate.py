"""`edgeq calibrate`: measure statistics once for many runs, or merge those of shards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeq.calibration.memory import within_memory
from edgeq.cli import options as o
from edgeq.cli.asked import Asked, offers
from edgeq.cli.settings import parse_range
from edgeq.errors import BadRecipe
from edgeq.io.endings import STATISTICS, check_ending

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgeq.calibration.statistics_file import Statistics
    from edgeq.cli.printed.forms import Calibrated

EXAMPLE = """    edgeq calibrate model.onnx --data calib.npz -o stats.npz

    edgeq quantize model.onnx --data calib.npz --stats stats.npz -o model.int8.onnx --rule kl

    edgeq calibrate model.onnx --data calib.npz --range 0:500 -o shard1.npz    (and 500:1000 on another machine)

    edgeq calibrate model.onnx --data calib.npz -o stats.npz --engine processes --workers 4 --work folder/

    edgeq calibrate --merge shard1.npz shard2.npz -o stats.npz"""


Range = Annotated[
    str | None,
    typer.Option(
        "--range", metavar="START:STOP", help="Take only these samples: one shard of the data, for --merge.", rich_help_panel=o.DATA
    ),
]


@offers(
    "data follow_links merge target recipe keep_float prefer serve_batch tie samples no_hold_out accept_data strict_data part memory shape",
    "split_outputs standard_operators inputs_as scale mean std engine workers address work max_bytes",
    writes=True,
)
def calibrate(
    asked: Asked,
    source: Annotated[list[Path], typer.Argument(metavar="MODEL", help="The float ONNX model; with --merge: the statistics files.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="S.npz", help="The statistics file to write.", rich_help_panel=o.OUTPUT)],
    merge: Annotated[bool, typer.Option("--merge", help="Merge the statistics of shards: --merge A B -o C.")] = False,
    part: Range = None,
) -> None:
    """Run the float model over the data once and save the statistics for every range rule."""
    check_ending(out, STATISTICS)
    asked.check_outputs([out], *source)
    found = _merged(asked, source) if merge else _measured(asked, source, part)
    found.save(out, force=asked.force)
    asked.screen.show(_facts(found, out), lambda: _text(found, out))


def _merged(asked: Asked, parts: list[Path]) -> Statistics:
    if asked.data is not None:
        raise BadRecipe("--merge takes statistics files, not data.", "--data", "Leave --data out: edgeq calibrate --merge A B -o C.")
    if len(parts) < 2:
        raise BadRecipe("--merge needs at least two statistics files.", "--merge", "Name them all: edgeq calibrate --merge A B -o C.")
    from edgeq.calibration.statistics_file import load_statistics, merge_statistics

    return merge_statistics([load_statistics(part) for part in parts])


def _measured(asked: Asked, source: list[Path], part: str | None) -> Statistics:
    """Statistics of one model. part: the value of --range."""
    if len(source) != 1:
        what = f"One model is calibrated at a time, not {len(source)}."
        raise BadRecipe(what, " ".join(map(str, source)), "Give one model, or add --merge to merge statistics.")
    data, (start, stop) = asked.needed_data(), parse_range(part)
    from edgeq.api import calibrate as run

    target = asked.load_target()
    with within_memory(asked.memory), asked.screen.progress() as progress:
        return run(asked.load_model(source[0]), data, target=target, recipe=asked.recipe, shapes=asked.shapes, start=start, stop=stop,
                   work=asked.work, data_doubts=asked.doubts, progress=progress)  # fmt: skip


def _facts(found: Statistics, out: Path) -> Calibrated:
    from edgeq.cli.printed.forms import Calibrated

    return Calibrated(str(out), len(found.samples), found.held_out, len(found.tensors), found.hash, found.model, found.data, found.settings)


def _text(found: Statistics, out: Path) -> RenderableType:
    from rich.text import Text

    held = ", every fifth held out" if found.held_out == "every_fifth" else ""
    return Text(f"wrote {out}: {len(found.tensors)} tensors, {len(found.samples)} samples{held}, sha256 {found.hash[:12]}")
