"""Format figures for people: bytes, decibels, shares and counts; and grade an SQNR."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from rich.text import Text

from edgeq.integers.reading.open_file import RanBy
from edgeq.metrics.metric import metric_text
from edgeq.numerics.output_fidelity import OutputFidelity, agreement_name
from edgeq.proof.compare import Accuracy
from edgeq.proof.evidence import Uncompared
from edgeq.proof.findings import CLEAR_DB
from edgeq.proof.latency import Latency, Untimed
from edgeq.report.headline import Fidelity, has_one_figure
from edgeq.report.judging import JudgingInfo, StepSqnr

Grade = Literal["good", "fair", "poor"]

#: SQNR in dB that fills a bar
FULL_BAR_DB = CLEAR_DB
#: dB of a step that are shown, with one decimal
SHOWN_DB = 0.05
_COLOURS: dict[Grade, str] = {"good": "green", "fair": "yellow", "poor": "red"}


def human_bytes(count: int | float) -> str:
    """A number of bytes in decimal units, such as 999 B, 12.3 kB or 4.56 MB."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}" if count < 1000 * factor else f"{count / factor:,.0f} {unit}"
    return f"{count:.0f} B"


def milliseconds(latency: Latency) -> tuple[str, str]:
    """The medians of the float and the int8 model, with as many digits as their ratio needs.

    Times that look equal stand beside a ratio that looks like 1 alone.
    """
    for digits in (3, 4, 6):
        before, after = f"{latency.float_ms:.{digits}g}", f"{latency.int8_ms:.{digits}g}"
        if before != after or f"{latency.ratio:.2f}" == "1.00":
            break
    return f"{before} ms", f"{after} ms"


def decibels(value: float | None) -> str:
    """dB with one decimal; "exact" for equal outputs, which have no noise; "-" when unknown."""
    if value is None or math.isnan(value):
        return "-"
    return "exact" if value == math.inf else f"{value:.1f}"


def sqnr_text(value: float | None) -> str:
    """An SQNR with its unit; "bit-equal" for equal outputs."""
    return "bit-equal" if value == math.inf else f"SQNR {decibels(value)} dB"


def samples_text(count: int) -> str:
    """A number of samples in words."""
    return f"{count} sample{'s' if count != 1 else ''}"


def bar_share(sqnr_db: float) -> float:
    """Length of a layer's bar, 0..1."""
    return 0.0 if math.isnan(sqnr_db) else min(1.0, max(0.0, sqnr_db / FULL_BAR_DB))


def grade(sqnr_db: float) -> Grade:
    """Grade an SQNR: at 20 dB the noise has 10 % of the signal's amplitude, at 10 dB 32 %."""
    return "good" if sqnr_db >= 20 else "fair" if sqnr_db >= 10 else "poor"


def colour(sqnr_db: float) -> str:
    """The colour of an SQNR on a terminal."""
    return _COLOURS[grade(sqnr_db)]


def fidelity_text(fidelity: Fidelity) -> Text:
    """SQNR, cosine or name of what is weakest, agreement and samples on one line."""
    agreement = (
        "" if fidelity.lowest_agreement is None else f" · {agreement_name(fidelity.outputs)} {100 * fidelity.lowest_agreement:.2f} %"
    )
    weakest = fidelity.weakest
    which = f"cosine {fidelity.cosine:.5f}" if has_one_figure(fidelity) else f"at worst, {weakest.label}"
    text = Text.assemble((sqnr_text(weakest.sqnr_db), colour(weakest.sqnr_db)), f" · {which}{agreement}")
    return text.append(f" · {samples_text(fidelity.samples)}", "dim")


def output_lines(outputs: Sequence[OutputFidelity]) -> list[str]:
    """A line for every output and for each of its parts, in the order given."""
    lines = []
    for output in outputs:
        lines.append(f"{output.name}: {_figure(output)}")
        lines += [f"  part {part.name}: {decibels(part.sqnr_db)} dB" for part in output.parts]
    return lines


def _figure(output: OutputFidelity) -> str:
    if output.compared == 0:
        return "not compared"
    if output.equal is not None:
        return f"{100 * output.equal:.2f} % of the elements are equal"
    return f"{decibels(output.sqnr_db)} dB"


def judged_text(judged: JudgingInfo) -> str:
    """Which samples the figures are about."""
    if judged.on == "held_out":
        return f"held-out samples: {judged.samples} of {judged.of}, every fifth"
    if judged.on == "calibration":
        return f"on the calibration samples: {judged.samples}; new data may do worse"
    return f"samples of {judged.name}: {judged.samples}" + (", which the plan was not made from" if judged.on == "other" else "")


def calibration_text(calibration: Fidelity) -> str:
    """The SQNR on the samples that the model was fitted to."""
    return f"on the calibration samples: {sqnr_text(calibration.weakest.sqnr_db)}, {samples_text(calibration.samples)}"


def lucky_text(held_out: Fidelity) -> str:
    """The SQNR on held-out samples that were lucky."""
    figure = f"{sqnr_text(held_out.weakest.sqnr_db)}, {samples_text(held_out.samples)}"
    return f"on samples not fitted to: {figure}; that much better is luck: few samples carry the noise"


def step_text(step: StepSqnr) -> str:
    """A step, the SQNR after it, and what it lost."""
    text, lost = f"after {step.name}: {decibels(step.sqnr_db)}" + (" dB" if step.sqnr_db != math.inf else ""), step.lost_db
    if step.kept:
        return text + (f", kept although it lost {lost:.1f} dB" if lost is not None and lost >= SHOWN_DB else "")
    if lost is None or lost >= SHOWN_DB:
        return f"{text}, not kept" + ("" if lost is None else f": it lost {lost:.1f} dB")
    if step.mean_lost_db is not None and step.mean_lost_db >= SHOWN_DB:
        return f"{text}, not kept: the mean over the outputs lost {step.mean_lost_db:.1f} dB"
    if lost <= -SHOWN_DB:
        return f"{text}, not kept: it gained {-lost:.1f} dB, which is too little"
    return f"{text}, not kept: it changed " + ("nothing" if not lost else f"less than {SHOWN_DB:g} dB")


def accuracy_text(accuracy: Accuracy) -> Text:
    """The metric of both models; for a share also the change in percentage points."""
    first, second = (metric_text(value, share=accuracy.share) for value in (accuracy.float, accuracy.int8))
    if not accuracy.share:
        return Text(f"{accuracy.metric}: float {first}, int8 {second}")
    change = 100 * (accuracy.int8 - accuracy.float)
    text = Text(f"{accuracy.metric}: float {first}, int8 {second} ")
    return text.append(f"({change:+.2f} points)", "green" if accuracy.drop < 1 else "yellow")


def uncompared_text(why: Uncompared) -> str:
    """What stands in the place of the fidelity."""
    if why == "not_asked":
        return "not measured: nothing was compared with float, as --no-prove asks"
    return "not measured: there was no data, so nothing was compared with float; `edgeq compare` does it on data"


def skipped_text(skipped: Sequence[str]) -> str:
    """The steps that were left out for want of data."""
    return f"skipped without data: {', '.join(skipped)}"


def ran_by_text(ran_by: RanBy) -> str:
    """What was measured where the result is a .tflite file."""
    some = "" if ran_by.samples is None else f", the first {samples_text(ran_by.samples)}"
    return f"measured on the written file in {ran_by.runtime} {ran_by.version}{some}"


def untimed_text(why: Untimed, target: str) -> str:
    """Why a time says nothing, in the place of the figures of a latency."""
    other = {"other_architecture": "processors of another architecture", "other_runtime": "another runtime"}[why]
    return f"not measured: {target} is for {other}"


def threads_text(threads: int) -> str:
    """A number of threads in words; 0 leaves the number to the runtime."""
    return f"{threads} thread{'s' if threads != 1 else ''}" if threads else "default threads"
