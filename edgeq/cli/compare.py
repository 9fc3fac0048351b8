"""`edgeq compare`: measure how far an int8 model is from the float model, and check floors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeq.cli import options as o
from edgeq.cli.asked import Asked, offers
from edgeq.cli.proving.boards import compare_with_board
from edgeq.cli.proving.tflite import compare_with_file
from edgeq.errors import BadData, FloorMissed
from edgeq.io.visible import visible

if TYPE_CHECKING:
    import onnx_ir as ir
    from rich.console import RenderableType
    from rich.table import Table

    from edgeq.data.dataset import Dataset
    from edgeq.integers.reading.open_file import RanBy
    from edgeq.proof.compare import Comparison

EXAMPLE = """    edgeq compare model.onnx model.int8.onnx --data eval.npz

    edgeq compare model.onnx model.int8.onnx --data eval/ --labels --layers

    edgeq compare model.onnx model.tflite --data eval.npz    (the file itself, in LiteRT where it is installed)

    edgeq compare model.golden.npz board.npz    (made with --golden N --layers: the first operator that differs, exit code 3)

    edgeq compare model.onnx model.int8.onnx -d eval.npz --min-sqnr 20 --min-agreement 0.98    (in CI: exit code 3 below)

    edgeq compare model.onnx model.int8.onnx -d eval.npz --metric metrics.py:recall --max-drop 5    (a metric of your own)"""


@offers("data follow_links labels layers samples batch shape threads min_sqnr min_agreement min_accuracy max_drop metric max_bytes")
def compare(
    asked: Asked,
    float_model: Annotated[Path, typer.Argument(metavar="FLOAT", help="The float ONNX model, or golden vectors of --golden N --layers.")],
    int8_model: Annotated[
        Path, typer.Argument(metavar="INT8", help="Its int8 form, or the .tflite file made of it; of golden vectors, the codes of a board.")
    ],
    labels: Annotated[
        bool, typer.Option("--labels", help="Refuse data without labels: task accuracy must be measured.", rich_help_panel=o.DATA)
    ] = False,
    layers: Annotated[
        bool, typer.Option("--layers", help="Also show the SQNR of every layer, worst first.", rich_help_panel=o.FLOORS)
    ] = False,
    threads: o.Threads = 0,
) -> None:
    """Compare a model with its int8 form: SQNR, cosine, largest error, agreement, accuracy.

    GOLDEN.npz BOARD.npz: the first operator that a board computes otherwise, and by which rule.
    """
    from edgeq.proof.compare import check_floors
    from edgeq.proof.findings import findings

    if ".npz" in (float_model.suffix, int8_model.suffix):
        compare_with_board(asked, float_model, int8_model)
        return
    asked.needed_data()
    if int8_model.suffix == ".tflite":
        found, ran_by = compare_with_file(asked, float_model, int8_model, lambda one: _opened(asked, one, one, labels), layers=layers)
        asked.screen.show(found, lambda: comparison_text(found, ran_by))
    else:
        found = _compared(asked, float_model, int8_model, labels=labels, layers=layers, threads=threads)
        asked.screen.show(found, lambda: comparison_text(found))
    for one in findings(found):
        asked.screen.warn(one.text)
    missed = check_floors(found, asked.recipe.floors)
    if missed:
        fix = "See edgeq compare --layers for the weak layers; keep them float, or quantize with another --rule."
        raise FloorMissed("; ".join(missed) + ".", str(int8_model), fix)


def _compared(asked: Asked, float_model: Path, int8_model: Path, *, labels: bool, layers: bool, threads: int) -> Comparison:
    from edgeq.proof.compare import CompareSettings, compare_models
    from edgeq.rewrite.set_up import comparable

    reference, int8 = comparable(asked.load_model(float_model), asked.load_model(int8_model, quantized=True))
    dataset = _opened(asked, reference, int8, labels)
    settings = CompareSettings(batch=asked.recipe.batch, layers=layers, threads=threads)
    with asked.screen.progress() as progress:
        return compare_models(reference, int8, dataset, settings, progress=progress)


def _opened(asked: Asked, reference: ir.Model, int8: ir.Model, labels: bool) -> Dataset:
    """The data for both models. Raises BadData where labels are asked for and there are none."""
    from edgeq.calibration.independence import fed_rightly
    from edgeq.data.open import open_dataset
    from edgeq.graph.signature import input_specs, narrower
    from edgeq.proof.floor_needs import check_floor_needs

    data, both = asked.needed_data(), narrower(input_specs(reference), input_specs(int8))
    split = evaluation_split(data)
    dataset = open_dataset(data, both, samples=asked.recipe.samples, split=split, shapes=asked.shapes, float_model=reference,
                           metric=asked.metric)  # fmt: skip
    if labels and dataset.labels is None:
        raise BadData("The data has no labels.", data, "Add labels (see `edgeq init`), or leave --labels out.")
    check_floor_needs(asked.recipe.floors, dataset, metric=asked.metric)
    return fed_rightly(dataset, reference)


def evaluation_split(spec: str) -> str:
    """The split of a set on which models are measured: evaluation, or else its first split."""
    from edgeq.data.set_toml import read_set
    from edgeq.data.shipped import shipped_folder, shipped_sets

    folder = shipped_folder(spec) if spec in shipped_sets() else Path(spec)
    toml = folder if folder.name == "set.toml" else folder / "set.toml"
    if toml.is_file():
        splits = read_set(toml).split
        if splits and "evaluation" not in splits:
            return next(iter(splits))
    return "evaluation"


def comparison_text(found: Comparison, ran_by: RanBy | None = None) -> RenderableType:
    """The text of the result: rows of outputs and parts, the accuracy, the layers if compared.

    ran_by: what ran a .tflite file; None: onnxruntime ran the int8 model.
    """
    from rich.console import Group
    from rich.text import Text

    from edgeq.report.figures import accuracy_text, ran_by_text, samples_text
    from edgeq.report.text import layer_table

    parts: list[RenderableType] = [
        _outputs(found),
        Text(samples_text(found.samples) + ("" if ran_by is None else f", {ran_by_text(ran_by)}"), "dim"),
    ]
    if found.accuracy is not None:
        parts.append(Text("accuracy ", "bold").append_text(accuracy_text(found.accuracy)))
    if found.layers:
        parts += [Text("\nLayers, weakest first", "bold"), layer_table(found.layers)]
    return Group(*parts)


def _outputs(found: Comparison) -> Table:
    from rich.table import Table
    from rich.text import Text

    from edgeq.numerics.output_fidelity import agreement_name
    from edgeq.report.figures import decibels

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("output", overflow="fold")
    for column in ("SQNR dB", "cosine", "max error", agreement_name(found.outputs)):
        table.add_column(column, justify="right")
    for output in found.worst_first:
        agreement = "-" if output.top1_agreement is None else f"{100 * output.top1_agreement:.2f} %"
        table.add_row(Text(visible(output.name)), decibels(output.sqnr_db), f"{output.cosine:.5f}", f"{output.max_error:.4g}", agreement)
        for part in output.parts:
            table.add_row(Text(f"  {visible(part.name)}", "dim"), decibels(part.sqnr_db), f"{part.cosine:.5f}", f"{part.max_error:.4g}", "")
    return table
