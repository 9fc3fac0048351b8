"""`edgeq targets`: list the shipped targets, or show the facts of one with their sources."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgeq.cli.asked import Asked, offers
from edgeq.errors import BadRecipe
from edgeq.io.endings import TARGET, check_ending

if TYPE_CHECKING:
    from edgeq.schema.target import Target
    from edgeq.schema.target_facts import KernelFacts

EXAMPLE = """    edgeq targets                     list the shipped targets

    edgeq targets show cpu            its facts, each with its source

    edgeq targets show ./my_npu.toml   check and read your own target file

    edgeq targets tune cpu -o my.toml   measure this machine's kernels (two minutes); --target my.toml places by them

    edgeq targets schema              the JSON schema of target files, for editors"""


@offers("out threads", writes=True)
def targets(
    asked: Asked,
    action: Annotated[str, typer.Argument(metavar="[list|show|tune|schema]", help="What to do.", show_default=False)] = "list",
    name: Annotated[str | None, typer.Argument(metavar="[NAME|FILE]", help="The target to show or tune.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="MY.toml", help="tune: the target file to write.")] = None,
    threads: Annotated[int, typer.Option("--threads", metavar="N", min=1, help="tune: threads of one operator.")] = 1,
) -> None:
    """List the shipped targets, show the facts of one, or measure its kernels on this machine."""
    from edgeq.cli.printed.forms import TargetList, TargetRow
    from edgeq.io.strict_json import to_json
    from edgeq.schema.target import Target, load_target, shipped_targets

    screen = asked.screen
    if action == "show" and name is not None:
        target = load_target(name)
        screen.show(target, lambda: facts(target))
    elif action == "tune" and name is not None and out is not None:
        _tune(asked, name, out, threads)
    elif action == "list" and name is None:
        found = tuple(load_target(shipped) for shipped in shipped_targets())
        rows = tuple(TargetRow(target.name, target.title) for target in found)
        screen.show(TargetList(rows), lambda: listing(found))
    elif action == "schema" and name is None:
        sys.stdout.write(to_json(Target.model_json_schema()))  # a schema has no other form
    else:
        raise BadRecipe(
            "edgeq targets has no such form.",
            " ".join(("targets", action, name or "")),
            "Use: edgeq targets, edgeq targets show NAME, edgeq targets tune NAME -o MY.toml, or edgeq targets schema.",
        )


@dataclass(frozen=True)
class TunedFile:
    """A target file that was written, for --json."""

    #: path of the file
    out: str
    #: the processor, as the operating system names it
    machine: str
    #: the shipped column whose ratios of integer to float kernels are closest; None: none is known
    most_like: str | None
    #: mean factor between these ratios and the machine's own; 1: alike
    factor: float | None


def _tune(asked: Asked, name: str, out: Path, threads: int) -> None:
    """Measure the costs of this machine, and write a target that places by them alone."""
    from edgeq.io.file_set import FileSet
    from edgeq.schema.target import load_target
    from edgeq.schema.target_text import target_text
    from edgeq.tuning.tune import HERE, most_like, tuned

    check_ending(out, TARGET)
    asked.check_outputs([out])
    before = load_target(name)
    with asked.screen.progress() as progress:
        target = tuned(before, threads, progress)
    assert target.cost is not None and target.cost.tuned is not None
    near = most_like(target.cost.columns[HERE], {} if before.cost is None else dict(before.cost.columns))
    with FileSet(force=asked.force) as files:
        files.add_text(out, target_text(target))
        files.commit()
    done = TunedFile(str(out), target.cost.tuned.machine, *(near or (None, None)))
    asked.screen.show(done, lambda: _tuned_text(done))


def _tuned_text(done: TunedFile) -> Text:
    text = Text(f"{done.machine}: measured, and written to {done.out}; use it as --target {done.out}\n")
    if done.most_like is not None and done.factor is not None:
        text.append(f"of the columns of the target, {done.most_like} is most like it (integer against float: {done.factor:.2f}x apart)\n")
    return text


def listing(found: tuple[Target, ...]) -> RenderableType:
    """The text of `edgeq targets list`, with one line per target."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in ("name", "activations", "weights", "what it is"):
        table.add_column(head, header_style="bold")
    for target in found:
        table.add_row(*map(Text, (target.name, target.activations.dtype, target.weights.dtype, target.title)))
    return table


def facts(target: Target) -> RenderableType:
    """The text of `edgeq targets show`: the facts of a target, grouped, with their sources."""
    head = Text.assemble((target.name, "bold"), f"  {target.title}\n")
    head.append(f"runtime {target.runtime}, opset {target.min_opset} to {target.max_opset}, ")
    head.append("inputs and outputs stay float\n" if target.float_io else "inputs and outputs are integers\n")
    grids = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("", "grid", "source"):
        grids.add_column(column, header_style="bold")
    activations, weights, bias = target.activations, target.weights, target.bias
    grids.add_row(
        "activations", f"{activations.dtype}, {_symmetry(activations.symmetric)}, one scale per tensor", Text(activations.source, "dim")
    )
    if target.wide is not None:
        wide = f"{target.wide.dtype}, {_symmetry(target.wide.symmetric)}, for {', '.join(target.wide.ops)}"
        grids.add_row("of 16 bits", wide, Text(target.wide.source, "dim"))
    narrow = ", lowest code unused" if weights.narrow else ""
    grain = " or ".join(weights.granularity)
    grids.add_row("weights", f"{weights.dtype}, {_symmetry(weights.symmetric)}{narrow}, {grain}", Text(weights.source, "dim"))
    kept = "not quantized" if bias.dtype == "float32" else "scale = input scale * weight scale"
    grids.add_row("bias", f"{bias.dtype}, {kept}", Text(bias.source, "dim"))
    moves = Text.assemble(("\nMoved as integers\n", "bold"), ", ".join(target.movement.ops), "\n", (target.movement.source, "dim"))
    return Group(head, grids, Text("\nInteger kernels", "bold"), _kernels(target), moves)


def _kernels(target: Target) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("operator", "role", "output Q", "notes and source"):
        table.add_column(column, header_style="bold")
    for kernel in target.kernel:
        notes = Text("".join(f"{note}; " for note in _notes(kernel)))
        table.add_row(Text(kernel.op), kernel.role, kernel.output, notes.append(kernel.source, "dim"))
    return table


def _notes(kernel: KernelFacts) -> list[str]:
    """The restrictions of a kernel, in a few words each."""
    notes = [] if kernel.fixed_range is None else [f"range {kernel.fixed_range[0]:g}..{kernel.fixed_range[1]:g}"]
    if kernel.output_grid is not None:
        notes.append(f"output scale {kernel.output_grid.scale:g}, zero point {kernel.output_grid.zero_point}")
    flags = ((kernel.same_scale, "one grid for inputs and output"), (kernel.lookup, "table of 256 codes"))
    limits = ((kernel.max_window, "window up to"), (kernel.max_stride, "stride up to"))
    return notes + [word for flag, word in flags if flag] + [f"{word} {limit}" for limit, word in limits if limit is not None]


def _symmetry(symmetric: bool) -> str:
    return "symmetric" if symmetric else "asymmetric"
