"""`edgeq demo`: quantize, prove, compare and report on the small model that ships with edgeq."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeq.cli import options as o
from edgeq.cli.asked import Asked, offers
from edgeq.cli.writing import add_report
from edgeq.io.endings import plan_path
from edgeq.io.output_path import check_folder

if TYPE_CHECKING:
    from edgeq.api import Quantized
    from edgeq.progress import Progress
    from edgeq.report.report import Report

EXAMPLE = """    edgeq demo

    edgeq demo -o /tmp/demo --json"""

SET = "digits"


FolderOut = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Where to write; created when missing.", rich_help_panel=o.OUTPUT)
]


@offers("target", writes=True)
def demo(
    asked: Asked,
    out: FolderOut = Path("edgeq-demo"),
) -> None:
    """Quantize the digit classifier that ships with edgeq, prove it and compare its accuracy."""
    screen, force = asked.screen, asked.force
    model = out / "digits.int8.onnx"
    plan, report, page = plan_path(model), out / "report.json", out / "report.html"
    check_folder(out, [model, plan, report, page], force=force, inputs=[])
    from edgeq.api import quantize as run
    from edgeq.data.open import shipped_model
    from edgeq.io.file_set import FileSet
    from edgeq.io.marks import mark_of
    from edgeq.report.text import report_text
    from edgeq.schema.cost import INTEGERS
    from edgeq.schema.recipe import Recipe

    with screen.progress() as progress:
        # it shows integers, which a net of this size gains nothing from on a server
        made = run(shipped_model(SET), SET, target=asked.load_target(), recipe=Recipe(placement=INTEGERS), detail=True, progress=progress)
        quantized = _judge(made, progress)
    from edgeq.io.output_path import make_folder

    make_folder(out)
    with FileSet(force=force) as files:
        mark = mark_of(made.add_to(files, model))
        quantized = replace(quantized, mark=mark)
        files.add_text(plan, made.plan.with_mark(mark).to_json())
        add_report(files, quantized, report, model)
        add_report(files, quantized, page, model)
        files.commit()
    screen.show(quantized, lambda: report_text(quantized, str(model)))
    screen.note(f"wrote {out}/: the model, its plan, report.json and report.html; ask: edgeq explain {model} NODE")


def _judge(made: Quantized, progress: Progress) -> Report:
    """The report with figures of the evaluation split: on calibration data they are too good."""
    from edgeq.data.open import open_dataset, shipped_model
    from edgeq.graph.signature import input_specs
    from edgeq.io.load import load_model
    from edgeq.proof.compare import CompareSettings, compare_models
    from edgeq.report.report import with_comparison

    original = load_model(shipped_model(SET)).model
    data = open_dataset(SET, input_specs(original), split="evaluation")
    found = compare_models(original, made.model, data, CompareSettings(batch=64, layers=True), progress=progress)
    return with_comparison(made.report, found, f"the evaluation split of {SET}")
