"""`edgeq convert`: write a quantized ONNX model of any tool as full-int8 .tflite, and prove it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli import options as o
from edgeq.cli.asked import Asked, offers
from edgeq.cli.outputs import SMALLEST, size_of
from edgeq.errors import BadOutput, FloorMissed

EXAMPLE = """    edgeq convert peers_model.int8.onnx -o model.tflite    (onnxruntime, Quark, NNCF, edgeq: Q/DQ or QOperator)

    edgeq convert peers_model.int8.onnx -o model.tflite --data eval.npz --min-agreement 0.97    (in CI: exit code 3 below)

    edgeq convert peers_model.int8.onnx -o model.tflite --requantize --data calib.npz    (where the rules do not allow it as it is)

    edgeq convert peers_model.int8.onnx -o model.c    (C source: model.c and model.h; or model.ort for onnxruntime)"""


@offers("data follow_links samples accept_data strict_data shape float_io no_prove max_bytes", writes=True)
def convert(
    asked: Asked,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A quantized ONNX model: Q/DQ or QOperator form, of any tool.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="NAME.tflite, .c or .ort.", rich_help_panel=o.OUTPUT)],
    requantize: Annotated[
        bool,
        typer.Option(
            "--requantize",
            help="Where a rule does not allow the model as it is, round weights, biases and grids anew, and list each change.",
            rich_help_panel=o.RANGES,
        ),
    ] = False,
    min_agreement: Annotated[
        float | None,
        typer.Option(
            "--min-agreement", metavar="SHARE", min=0, max=1, help="Floor for top-1 agreement with MODEL, 0..1.", rich_help_panel=o.FLOORS
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write the result as .json.", rich_help_panel=o.OUTPUT)
    ] = None,
) -> None:
    """Convert another tool's quantized model to int8 .tflite: its codes and grids are kept."""
    from edgeq.cli.convert.text import Conversion, conversion_text, doubts
    from edgeq.foreign.convert import convert as run
    from edgeq.foreign.converted import written
    from edgeq.io.file_set import FileSet
    from edgeq.io.marks import mark_of
    from edgeq.io.strict_json import to_document

    if report is not None and report.suffix != ".json":
        raise BadOutput("The ending of the report names no form of it.", str(report), "Name it .json.")
    files = written(out)
    asked.check_outputs([*files, report], model, at_least=size_of(model) // SMALLEST)
    with asked.screen.progress() as progress:
        made = run(asked.load_model(model, quantized=True), asked.data, requantize=requantize, float_io=asked.float_io,
                   shapes=asked.shapes, samples=asked.recipe.samples, data_doubts=asked.doubts, prove=asked.prove,
                   progress=progress)  # fmt: skip
    wrote = (*files, report) if report is not None else files
    found = Conversion(str(model), tuple(map(str, wrote)), len(made.tflite), made.changes, made.proof)
    with FileSet(force=asked.force, inputs=made.inputs) as together:
        found = replace(found, mark=mark_of(made.add_to(together, out)))
        if report is not None:
            together.add_text(report, to_document(found))
        together.commit()
    asked.screen.show(found, lambda: conversion_text(found))
    for line in doubts(found):
        asked.screen.warn(line)
    reached = None if made.proof is None else made.proof.agreement
    if min_agreement is not None and (reached is None or reached < min_agreement):
        what = "There is no agreement to measure." if reached is None else f"Agreement with the source is {reached:.4f}."
        fix = "Compare in floats where the model has class scores, and without --no-prove; or lower the floor."
        raise FloorMissed(what, f"--min-agreement {min_agreement}", fix)
