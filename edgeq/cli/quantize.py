"""`edgeq quantize`: make an int8 model, its plan and a report from a float model and data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from edgeq.calibration.memory import within_memory
from edgeq.cli import options as o
from edgeq.cli.asked import Asked, offers
from edgeq.cli.beside import Beside
from edgeq.cli.forms import check_target_of
from edgeq.cli.outputs import SMALLEST, check_report, size_of
from edgeq.cli.shared import complete
from edgeq.cli.writing import Files, finish
from edgeq.io.endings import INT8, check_ending, plan_path

if TYPE_CHECKING:
    from edgeq.calibration.statistics_file import Statistics
    from edgeq.schema.plan import Plan

EXAMPLE = """    edgeq quantize model.onnx --data calib.npz -o model.int8.onnx

    edgeq quantize model.onnx -d photos/ -o model.int8.onnx --rule percentile --keep-float Softmax --report report.html

    edgeq quantize model.onnx -d calib.npz -o model.tflite --target mcu_tflite    (LiteRT, microcontrollers; needs edgeq\\[tflite])

    edgeq quantize model.onnx -d calib.npz -o model.tflite --target mcu_tflite --golden 4 --layers    (every value's codes, for a board)

    edgeq quantize model.onnx -d calib.npz -o model.int8.onnx --min-sqnr 20 --strict    (in CI: exit code 3 below 20 dB)

    edgeq quantize model.onnx -d calib.npz -o model.int8.onnx --inputs-as uint8 --mean 127.5 --std 127.5    (raw pixels in)

    edgeq quantize model.onnx -d calib.npz -o model.int8.onnx --rounding in_sequence    (closer to float, takes twice as long)

    edgeq quantize model.onnx -d labelled.npz -o model.int8.onnx --effort best --max-drop 0.5 --minutes 10 --work search/

    edgeq quantize model.onnx -d calib.npz -o model.int8.onnx --effort best --objective latency"""


Golden = Annotated[
    int | None,
    typer.Option(
        "--golden", metavar="N", min=1, help="Also write input and output codes of N samples: OUT.golden.npz.", rich_help_panel=o.OUTPUT
    ),
]
Layers = Annotated[
    bool,
    typer.Option("--layers", help="With --golden: the codes of every value, for edgeq compare GOLDEN BOARD.", rich_help_panel=o.OUTPUT),
]
Emit = Annotated[
    list[str] | None,
    typer.Option(
        "--emit",
        autocompletion=complete.forms,
        metavar="FORM",
        help="Also write c: OUT.c and OUT.h for a .tflite OUT (needs tflite-micro); or ort: OUT.ort and OUT.ort.config. Repeatable.",
        rich_help_panel=o.OUTPUT,
    ),
]


@offers(
    "data follow_links validation target recipe rule weights rounding format no_vnni effort objective minutes work keep_float",
    "prefer serve_batch no_rescue tie activations samples no_hold_out accept_data strict_data batch memory shape seed float_io",
    "split_outputs standard_operators inputs_as engine workers address",
    "scale mean std golden layers emit stats plan no_plan no_prove min_sqnr min_agreement min_accuracy max_drop metric",
    "strict max_bytes report",
    writes=True,
)
def quantize(
    asked: Asked,
    model: o.FloatModel,
    out: o.Int8Out,
    golden: Golden = None,
    layers: Layers = False,
    emit: Emit = None,
) -> None:
    """Make an int8 model from a float model and calibration data, and prove what runs."""
    check_ending(out, INT8)
    if asked.stats is None and asked.plan is None:
        asked.needed_data()
    target = asked.load_target()
    check_target_of(out, target)
    plan_out, beside = plan_path(out) if asked.plans else None, Beside(out, golden, layers, emit or ())
    check_report(asked.report)
    asked.check_outputs([out, plan_out, asked.report, *beside.paths()], model, at_least=size_of(model) // SMALLEST)
    from edgeq.api import quantize as run
    from edgeq.proof.written import form_of

    statistics, plan = _made_earlier(asked)
    with within_memory(asked.memory), asked.screen.progress() as progress:
        made = run(asked.load_model(model), asked.data, target=target, recipe=asked.recipe, shapes=asked.shapes, statistics=statistics,
                   plan=plan, validation=asked.validation, metric=asked.metric, work=asked.work, prove=asked.prove,
                   data_doubts=asked.doubts, form=form_of(out), detail=asked.report is not None, progress=progress)  # fmt: skip
    finish(asked, made, Files(out, plan_out, asked.report, lambda digest: beside.contents(made, asked.data, digest)))


def _made_earlier(asked: Asked) -> tuple[Statistics | None, Plan | None]:
    """Statistics and plan of earlier runs; None: not given."""
    from edgeq.calibration.statistics_file import load_statistics
    from edgeq.schema.plan import load_plan

    return None if asked.stats is None else load_statistics(asked.stats), None if asked.plan is None else load_plan(asked.plan)
