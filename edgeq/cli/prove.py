"""`edgeq prove`: which nodes really run as integers in the runtime, and how fast the model is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeq.cli import options as o
from edgeq.cli.asked import Asked, offers
from edgeq.cli.prove_runtime import Accelerator, Reference, Runtime, RuntimeRequest, prove_runtime
from edgeq.io.visible import visible
from edgeq.runtimes.table import DEFAULT, OF_TFLITE

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from edgeq.io.load import Loaded
    from edgeq.proof.latency import Latency
    from edgeq.proof.proof import Proof
    from edgeq.proof.saturation_audit import LayerBounds

EXAMPLE = """    edgeq prove model.int8.onnx

    edgeq prove model.int8.onnx --float model.onnx --data calib.npz --threads 1

    edgeq prove model.tflite    (in LiteRT, against edgeq's interpreter; with --float model.onnx --data eval.npz also against float)

    edgeq prove model.int8.onnx --runtime tflm --data eval.npz    (others: see --runtime; needs edgeq\\[backends])

    edgeq prove model.int8.onnx --require-int8 Conv,Gemm    (in CI: exit code 3 when one of them runs in float)

    edgeq prove model.int8.onnx --no-vnni    (in CI: exit code 3 when a sum can saturate on some x86 processor)"""


@offers("float_model data follow_links shape threads runtime samples reference accelerator require no_vnni max_bytes")
def prove(
    asked: Asked,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The int8 ONNX model, or a .tflite file.")],
    float_model: Annotated[
        Path | None,
        typer.Option("--float", metavar="FLOAT", help="The float model: list its nodes, and time both.", rich_help_panel=o.FLOORS),
    ] = None,
    threads: o.Threads = 0,
    runtime: Runtime = None,
    reference: Reference = None,
    accelerator: Accelerator = None,
    require: Annotated[
        str | None,
        typer.Option(
            "--require-int8", metavar="OPTYPES", help="Exit 3 when a node of these types runs in float.", rich_help_panel=o.FLOORS
        ),
    ] = None,
    no_vnni: Annotated[
        bool,
        typer.Option("--no-vnni", help="Exit 3 when a sum can leave its type on x86 processors without VNNI.", rich_help_panel=o.FLOORS),
    ] = False,
) -> None:
    """Read back which kernel the runtime really uses for each node; with --float also the speed."""
    required = [part.strip() for part in (require or "").split(",") if part.strip()]
    chosen = runtime or (OF_TFLITE if model.suffix == ".tflite" else DEFAULT)
    if chosen != DEFAULT or model.suffix == ".tflite":
        prove_runtime(asked, RuntimeRequest(model, chosen, reference, accelerator, float_model, tuple(required)))
        return
    from edgeq.cli.printed.forms import Proven
    from edgeq.proof.findings import fusions_lost
    from edgeq.proof.made_for import made_for
    from edgeq.proof.proof import prove_placement, require_int8
    from edgeq.proof.saturation_audit import audit_sums, require_exact
    from edgeq.report.figures import untimed_text

    with asked.screen.progress() as progress:
        progress.start("prove", None)
        proven = asked.load_model(model, quantized=True)
        original = None if float_model is None else asked.load_model(float_model)
        placement = prove_placement(model, None if original is None else original.model)
        latency, untimed = None, made_for(proven.model).untimed
        if original is not None and untimed is None:
            progress.start("time", None)
            latency = _latency(asked, original, proven, threads)
        sums = audit_sums(proven.model)
    untimed = None if original is None else untimed
    found = Proven(model, float_model, placement, latency, untimed, tuple(sums))
    asked.screen.show(found, lambda: proof_text(placement, latency, sums))
    if untimed is not None:
        asked.screen.note(f"latency {untimed_text(untimed, 'its target')}")
    for one in fusions_lost(placement.lost):
        asked.screen.warn(one.text)
    require_int8(placement, required)
    if no_vnni:
        require_exact(sums)


def _latency(asked: Asked, original: Loaded, proven: Loaded, threads: int) -> Latency:
    from edgeq.data.made_up import made_up_feeds
    from edgeq.data.open import open_dataset
    from edgeq.graph.signature import input_specs
    from edgeq.integers.coded_inputs import coded
    from edgeq.proof.latency import measure_latency

    inputs = input_specs(original.model)
    if asked.data is None:
        feeds = made_up_feeds(inputs, asked.shapes)
    else:
        dataset = open_dataset(asked.data, inputs, shapes=asked.shapes, float_model=original.model)
        feeds = dict(next(iter(dataset.batches(1, 0, dataset.fixed_batch or 1))).feeds)
    return measure_latency(original.model, proven.model, feeds, int8_feeds=coded(proven.model, feeds), threads=threads)


def proof_text(placement: Proof, latency: Latency | None, sums: Sequence[LayerBounds]) -> RenderableType:
    """The text of the result: nodes, reasons of the float ones, counts, sums and latency."""
    from rich.console import Group
    from rich.text import Text

    from edgeq.report.latency_text import latency_lines
    from edgeq.report.text import float_nodes, placement_lines

    parts: list[RenderableType] = [_nodes(placement)]
    reasons = float_nodes(placement)
    if reasons:
        parts += [Text("\nFloat nodes, and why", "bold"), *reasons]
    parts += [Text(), *placement_lines(placement)]
    if sums:
        parts.append(sums_line(sums))
    if latency is not None:
        parts += latency_lines(latency)
    return Group(*parts)


def sums_line(sums: Sequence[LayerBounds]) -> Text:
    """The largest possible sums relative to their types, and the number of layers beyond them."""
    from rich.text import Text

    from edgeq.proof.saturation_audit import INT16, INT32

    pair = max((one.pair for one in sums if one.pair is not None), default=0)
    bad = sum(one.saturates or one.overflows for one in sums)
    line = Text(f"Worst sums: two products {100 * pair / INT16:.0f} % of int16 (x86 without VNNI), ")
    line.append(f"accumulators {100 * max(one.accumulator for one in sums) / INT32:.0f} % of int32: ")
    return line.append("all exact", "green") if not bad else line.append(f"{bad} of {len(sums)} layers can saturate", "bold yellow")


def _nodes(placement: Proof) -> Table:
    """A table with one row per node; integer nodes name the runtime's kernel."""
    from rich.table import Table
    from rich.text import Text

    colours = {"int8": "green", "float": "yellow"}
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("node", overflow="fold")
    for column in ("operator", "runs as", "kernel"):
        table.add_column(column, overflow="fold")
    for node in placement.nodes:
        kernel = node.reason if node.runs_as == "int8" else ""
        table.add_row(
            Text(visible(node.name)), Text(visible(node.op_type)), Text(node.runs_as, colours.get(node.runs_as, "dim")), Text(kernel, "dim")
        )
    return table
