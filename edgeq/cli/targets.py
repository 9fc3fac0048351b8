"""`edgeq targets`: list the shipped targets, or show the facts of one with their sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgeq.cli.asked import Asked, offers
from edgeq.cli.screen import Screen
from edgeq.errors import BadRecipe

if TYPE_CHECKING:
    from edgeq.schema.target import Target
    from edgeq.schema.target_facts import KernelFacts

EXAMPLE = """    edgeq targets                     list the shipped targets

    edgeq targets show cpu            its facts, each with its source

    edgeq targets show ./my_npu.toml  check and read your own target file

    edgeq targets schema              the JSON schema of target files, for editors"""


@offers()
def targets(
    asked: Asked,
    action: Annotated[str, typer.Argument(metavar="[list|show|schema]", help="What to do.", show_default=False)] = "list",
    name: Annotated[str | None, typer.Argument(metavar="[NAME|FILE]", help="The target to show.", show_default=False)] = None,
) -> None:
    """List the shipped targets, or show the facts of one."""
    from edgeq.schema.target import Target, load_target, shipped_targets

    screen = asked.screen
    if action == "show" and name is not None:
        target = load_target(name)
        screen.show(target, lambda: facts(target))
    elif action == "list" and name is None:
        found = tuple(load_target(shipped) for shipped in shipped_targets())
        screen.show([{"name": target.name, "title": target.title} for target in found], lambda: listing(found))
    elif action == "schema" and name is None:
        schema = Target.model_json_schema()
        Screen(True, screen.quiet).show(schema, lambda: "")  # a schema is printed only as JSON
    else:
        raise BadRecipe(
            "edgeq targets has no such form.",
            " ".join(("targets", action, name or "")),
            "Use: edgeq targets, edgeq targets show NAME, or edgeq targets schema.",
        )


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
