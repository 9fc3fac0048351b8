"""`edgeq inspect`: the size and operators of a float model, and what would be quantized."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeq.cli.asked import Asked, offers
from edgeq.cli.options import FloatModel
from edgeq.io.visible import visible

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from edgeq.graph.signature import InputSpec
    from edgeq.report.inspection import Inspection

EXAMPLE = """    edgeq inspect model.onnx

    edgeq inspect model.onnx --shape input=1,3,224,224 --target cpu_arm --json

    edgeq inspect model.onnx --keep-float Softmax"""

#: how far a placement without data goes
FORESEEN = "quantize places nodes like this, but for what only data shows: values that never vary, ranges too far apart, useless outputs"


@offers("target recipe no_vnni keep_float prefer serve_batch split_outputs standard_operators shape max_bytes")
def inspect(asked: Asked, model: FloatModel) -> None:
    """Show operators, parameters, MACs, flash and RAM in float and int8, and what stays float."""
    from edgeq.calibration.memory import collecting_where_grown
    from edgeq.questions import inspect as inspect_model

    with collecting_where_grown():
        found = inspect_model(asked.load_model(model), target=asked.load_target(), recipe=asked.recipe, shapes=asked.shapes)
    asked.screen.show(found, lambda: inspection_text(found))


def inspection_text(found: Inspection) -> RenderableType:
    """The text of the result: figures, operators, and why nodes would stay float."""
    from rich.console import Group
    from rich.text import Text

    from edgeq.report.text import reasons

    float_nodes = reasons([(node.name, node.op_type, node.reason) for node in found.nodes if node.runs == "float"])
    parts: list[RenderableType] = [_facts(found), Text(), _operators(found)]
    if float_nodes:
        parts += [Text(f"\nWould stay float on {found.target}", "bold"), *float_nodes]
    parts += [Text.assemble(("note: ", "dim"), note) for note in (*found.notes, FORESEEN)]
    return Group(*parts)


def _facts(found: Inspection) -> Table:
    from rich.table import Table
    from rich.text import Text

    from edgeq.graph.macs import UNKNOWN_DIM
    from edgeq.report.figures import human_bytes

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("model", Text(f"{found.model}  opset {found.opset}, {human_bytes(found.file_bytes)}"))
    for label, specs in (("input", found.inputs), ("output", found.outputs)):
        for spec in specs:
            table.add_row(label, Text(f"{visible(spec.name)}: {spec.holds} {_shape(spec)}"))
    share = f" ({found.macs_int8_pct:.1f} % in int8)" if found.macs else ""
    table.add_row("work", Text(f"{_count(found.parameters)} parameters, {_count(found.macs)} MACs per sample{share}"))
    table.add_row("flash", Text(f"{human_bytes(found.weight_bytes_float)} float, {human_bytes(found.weight_bytes_int8)} int8 (weights)"))
    table.add_row(
        "RAM",
        Text(f"{human_bytes(found.activation_bytes_float)} float, {human_bytes(found.activation_bytes_int8)} int8 (peak of activations)"),
    )
    if found.dynamic_dims:
        counted = Text(f" (counted as 1 for the batch, {UNKNOWN_DIM} elsewhere; freeze with --shape)", "dim")
        table.add_row("dynamic", Text(", ".join(found.dynamic_dims)).append(counted))
    return table


def _operators(found: Inspection) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("operator", header_style="bold")
    for column in ("in file", "simplified", "int8", "float", "MACs"):
        table.add_column(column, header_style="bold", justify="right")
    for row in found.operators:
        floating = row.prepared - row.int8
        style = "yellow" if floating else "dim"
        work = _count(row.macs) if row.macs else ""
        table.add_row(Text(visible(row.op_type)), str(row.in_file), str(row.prepared), str(row.int8), Text(str(floating), style), work)
    return table


def _shape(spec: InputSpec) -> str:
    return "of unknown rank" if spec.shape is None else "[" + ", ".join("?" if size is None else str(size) for size in spec.shape) + "]"


def _count(number: int) -> str:
    for unit, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= factor:
            return f"{number / factor:.3g} {unit}"
    return str(number)
