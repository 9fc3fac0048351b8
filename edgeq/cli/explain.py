"""`edgeq explain`: why a node is int8 or float, and where its scales and zero points come from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeq.cli.asked import Asked, offers

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgeq.report.explain import Explanation, ValueGrid
    from edgeq.schema.grids import GridPlan
    from edgeq.schema.weights import WeightPlan

EXAMPLE = """    edgeq explain model.int8.onnx Conv_3        reads model.int8.plan.json beside the model

    edgeq explain model.int8.plan.json Conv_3   reads the plan alone"""


@offers()
def explain(
    asked: Asked,
    source: Annotated[Path, typer.Argument(metavar="MODEL|PLAN", help="An int8 model that edgeq wrote, or its .plan.json.")],
    node: Annotated[str, typer.Argument(metavar="NODE", help="The name of a node (or of a value) of the float model.")],
    plan: Annotated[Path | None, typer.Option(help="The plan of an int8 MODEL that has none beside it.")] = None,
) -> None:
    """Say which rule gave NODE its dtype, scale and zero point, or why it is float."""
    from edgeq.cli.printed.forms import Explained
    from edgeq.questions import explain as explain_node

    found = explain_node(source, node, plan=plan)
    asked.screen.show(Explained(found), lambda: explanation_text(found))


def explanation_text(found: tuple[Explanation, ...]) -> RenderableType:
    """The text of the result: for each node where it runs and why, then its values.

    Of several nodes, reasons come first, each once.
    """
    from rich.console import Group
    from rich.text import Text

    from edgeq.report.text import reasons

    several = len(found) > 1
    parts: list[RenderableType] = reasons([(one.node, one.op_type, f"{one.runs}: {one.reason}") for one in found]) if several else []
    for entry in found:
        colour = "yellow" if entry.runs == "float" else "green"
        gap = "\n" if several else ""
        parts.append(Text.assemble(gap, (entry.node, "bold"), f"  {entry.op_type}  ", (entry.runs, colour)))
        if not several:
            figures = "" if entry.slower is None else f" ({entry.slower.told})"
            parts.append(Text(f"  {entry.reason}{figures}"))
        for value in entry.values:
            parts.append(Text.assemble(f"  {value.role:<7}", (value.name, "cyan")))
            parts.append(Text(f"         {_grid_words(value)}"))
            if value.grid is not None:
                parts.append(Text(f"         {_why(value)}", "dim"))
    return Group(*parts)


def _grid_words(value: ValueGrid) -> str:
    from edgeq.numerics.grid import PerChannel

    if value.grid is None:
        if value.role == "output":
            return "no grid: float, or fused with the node that reads it"
        return "int32, scale = input scale * weight scale" if value.role == "bias" else "float: no grid"
    grid = value.grid.params
    zero = int(grid.zero_point.flat[0])
    if isinstance(grid.granularity, PerChannel):
        scales = f"scales {float(grid.scale.min()):.4g} to {float(grid.scale.max()):.4g}"
        return f"{grid.dtype}, {grid.scale.size} {scales} along axis {grid.granularity.axis}, zero point {zero}"
    reach = f"{float(grid.low.flat[0]):.6g} to {float(grid.high.flat[0]):.6g}"
    return f"{grid.dtype}, scale {float(grid.scale.flat[0]):.9g}, zero point {zero}, range {reach}"


def _why(value: ValueGrid) -> str:
    from edgeq.schema.grids import GridPlan

    grid = value.grid
    assert grid is not None
    more = ""
    if isinstance(grid, GridPlan):
        more = f"; one grid with {grid.group}" if grid.group and grid.group != value.name else ""
        more += "" if grid.readers == "all" else "; what reads it in float sees the float value"
    rule = "" if grid.rule in grid.reason else f"rule {grid.rule}: "
    return f"{rule}{grid.reason}{more}{_stored_as(grid)}"


def _stored_as(grid: GridPlan | WeightPlan) -> str:
    """In what the file stores a weight, where that is not its int8 codes."""
    from edgeq.schema.grids import GridPlan

    if isinstance(grid, GridPlan):
        return ""
    if grid.format == "number":
        return f"; stored as {grid.name}, {grid.number_format.nominal_bits:g} bits a number"
    return f"; stored as indices of up to {grid.bits} bits into tables" if grid.format == "codebook" else ""
