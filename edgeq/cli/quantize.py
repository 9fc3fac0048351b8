"""`edgeq quantize`: a float model and data in; an int8 model, its plan and a report out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeq.cli import options as o
from edgeq.cli.beside import Beside, Written
from edgeq.cli.screen import Screen
from edgeq.cli.settings import (
    check_given,
    check_outputs,
    check_report,
    check_search,
    parse_shapes,
    parse_size,
    plan_path,
    preprocessing_from,
    recipe_from,
    write_report,
)
from edgeq.errors import FloorMissed

if TYPE_CHECKING:
    from edgeq.api import Quantized
    from edgeq.calibration.statistics_file import Statistics
    from edgeq.io.load import Loaded
    from edgeq.schema.plan import Plan
    from edgeq.schema.recipe import Recipe
    from edgeq.schema.target import Target as Chip

EXAMPLE = """    edgeq quantize model.onnx --data calib.npz -o model.int8.onnx

    edgeq quantize model.onnx -d photos/ -o model.int8.onnx --rule percentile --keep-float Softmax --report report.html

    edgeq quantize model.onnx -d calib.npz -o model.tflite --target mcu_tflite    (LiteRT, microcontrollers; needs edgeq\\[tflite])

    edgeq quantize model.onnx -d calib.npz -o model.int8.onnx --min-sqnr 20 --strict    (in CI: exit code 3 below 20 dB)

    edgeq quantize model.onnx -d calib.npz -o model.int8.onnx --inputs-as uint8 --mean 127.5 --std 127.5    (raw pixels in)

    edgeq quantize model.onnx -d calib.npz -o model.int8.onnx --rounding in_sequence    (nearer to float, takes twice as long)

    edgeq quantize model.onnx -d labelled.npz -o model.int8.onnx --effort best --max-drop 0.5 --minutes 10 --work search/

    edgeq quantize model.onnx -d calib.npz -o model.int8.onnx --effort best --objective latency"""


def quantize(
    model: o.FloatModel,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="The int8 model to write.", rich_help_panel=o.OUTPUT)],
    data: o.MaybeData = None,
    validation: o.Validation = None,
    target: o.Target = "cpu",
    recipe: o.RecipeFile = None,
    rule: o.Rule = None,
    weights: o.WeightScales = None,
    rounding: o.Rounding = None,
    no_vnni: o.NoVnni = False,
    effort: o.Effort = None,
    objective: o.Objective = None,
    minutes: o.Minutes = None,
    work: o.Work = None,
    keep_float: o.KeepFloat = None,
    samples: o.Samples = None,
    batch: o.BatchSize = None,
    shape: o.Shapes = None,
    seed: o.Seed = None,
    float_io: o.FloatIo = False,
    inputs_as: o.InputsAs = None,
    scale: o.Scale = None,
    mean: o.Mean = None,
    std: o.Std = None,
    golden: o.Golden = None,
    emit: o.Emit = None,
    stats: o.StatsFile = None,
    plan: o.PlanFile = None,
    no_plan: o.NoPlan = False,
    no_prove: o.NoProve = False,
    min_sqnr: o.MinSqnr = None,
    min_agreement: o.MinAgreement = None,
    min_accuracy: o.MinAccuracy = None,
    max_drop: o.MaxDrop = None,
    strict: o.StrictFloors = False,
    strict_data: o.StrictData = False,
    max_bytes: o.MaxBytes = "2GiB",
    report: o.ReportFile = None,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    force: o.Force = False,
) -> None:
    """Make an int8 model from a float model and calibration data, and prove what runs."""
    screen = Screen(as_json, quiet)
    chosen = recipe_from(recipe, {"rule": rule, "weights": weights, "rounding": rounding, "effort": effort,
        "keep_float": keep_float or None, "inputs_as": inputs_as, "samples": samples, "batch": batch, "seed": seed,
        "objective": objective, "minutes": minutes},
        {"min_sqnr": min_sqnr, "min_agreement": min_agreement, "min_accuracy": min_accuracy, "max_drop": max_drop},
        preprocessing_from(scale, mean, std))  # fmt: skip
    _check_given(chosen, {"--objective": objective, "--minutes": minutes, "--work": work}, data, stats, plan)
    shapes, limit = parse_shapes(shape), parse_size(max_bytes)
    plan_out, beside = None if no_plan else plan_path(out), Beside(out, golden, emit or ())
    _check_paths([out, plan_out, report, *beside.paths()], [model, data, validation, recipe, stats, plan], report, force)
    from edgeq.api import quantize as run

    (known, earlier), facts = _made_earlier(stats, plan), _target(target, no_vnni, float_io)
    with screen.progress() as progress:
        made = run(_loaded(model, limit), data, target=facts, recipe=chosen, shapes=shapes, statistics=known, plan=earlier,
                   validation=validation, work=work, prove=not no_prove, strict_data=strict_data, progress=progress)  # fmt: skip
    finish(screen, made, Files(out, plan_out, report, beside.contents(made, data)), force=force, strict=strict)


def _check_given(chosen: Recipe, search: Mapping[str, object], data: str | None, stats: Path | None, plan: Path | None) -> None:
    check_search(chosen, search, plan)
    check_given(data, stats, plan)


def _check_paths(outputs: list[Path | None], inputs: list[str | Path | None], report: Path | None, force: bool) -> None:
    check_report(report)
    check_outputs(outputs, force=force, inputs=[Path(path) for path in inputs if path])


def _loaded(path: Path, limit: int) -> Loaded:
    from edgeq.io.load import load_model

    return load_model(path, max_bytes=limit)


def _target(name: str, no_vnni: bool, float_io: bool) -> Chip:
    from edgeq.schema.target import load_target

    facts = load_target(name, float_io=float_io)
    return facts.without_vnni() if no_vnni else facts


def _made_earlier(stats: Path | None, plan: Path | None) -> tuple[Statistics | None, Plan | None]:
    """Statistics and plan of earlier runs, where given."""
    from edgeq.calibration.statistics_file import load_statistics
    from edgeq.schema.plan import load_plan

    return None if stats is None else load_statistics(stats), None if plan is None else load_plan(plan)


@dataclass(frozen=True)
class Files:
    """What a run writes; None: not wanted."""

    model: Path
    plan: Path | None
    report: Path | None
    beside: Written = ()


def write(made: Quantized, files: Files, *, force: bool, strict: bool) -> None:
    """Write what was made; with `strict`, where a floor is missed, nothing but the report."""
    from edgeq.io.save import atomic_write_bytes, atomic_write_text

    if not (made.report.gate == "failed" and strict):
        made.check_form(files.model)
        # the plan first: a model that is there has its plan beside it
        if files.plan is not None:
            atomic_write_text(files.plan, made.plan.to_json(), force=force)
        made.save(files.model, force=force)
        for path, content in files.beside:
            atomic_write_bytes(path, content, force=force)
    if files.report is not None:
        write_report(made.report, files.report, str(files.model), force=force)


def finish(screen: Screen, made: Quantized, files: Files, *, force: bool, strict: bool) -> None:
    """Write, show, and judge. Raises FloorMissed after all is written; with `strict` nothing but
    the report is.
    """
    from edgeq.report.text import report_text

    write(made, files, force=force, strict=strict)
    screen.show(made.report, lambda: report_text(made.report, str(files.model)))
    if made.report.gate == "failed":
        wrote = f"{files.model} was not written" if strict else f"{files.model}, marked gate: failed"
        fix = "Try --effort best, which searches; or find weak layers with edgeq compare --layers and keep them float; or lower the floor."
        raise FloorMissed("; ".join(made.report.missed) + ".", wrote, fix)
