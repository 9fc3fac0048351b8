"""What stands on top of a page: the verdict in plain words, and the figures."""

from __future__ import annotations

import math

from edgeq.metrics.metric import metric_text
from edgeq.numerics.output_fidelity import agreement_name
from edgeq.proof.latency import Latency
from edgeq.proof.task_accuracy import Accuracy
from edgeq.report.figures import Grade, decibels, grade, human_bytes, milliseconds, samples_text, threads_text
from edgeq.report.headline import Fidelity, has_one_figure
from edgeq.report.page.document import Db, Figure, Line
from edgeq.report.report import Report, verdict
from edgeq.report.run_facts import Sizes

_NEAR: dict[Grade, str] = {"good": "The outputs stay close to float", "fair": "The outputs differ clearly from float",
                           "poor": "The outputs are far from float"}  # fmt: skip


def db(value: float | None) -> Db:
    """An SQNR as a page has it."""
    if value is None or math.isnan(value):
        return None
    return value if math.isfinite(value) else "exact" if value > 0 else "none"


def noise(sqnr_db: float) -> str:
    """An SQNR in plain words: the error against the signal."""
    if math.isnan(sqnr_db):
        return "not measured"
    if math.isinf(sqnr_db):
        return "equal to float, bit for bit" if sqnr_db > 0 else "not finite"
    share = 100 * 10 ** (-sqnr_db / 20)
    if share < 0.001:
        return "the error is below 0.001 % of the signal"
    return f"the error is {_brief(share)} % of the signal" if share < 99.5 else f"the error is {_brief(share / 100)} times the signal"


def _brief(number: float) -> str:
    """In two digits, never as a power of ten."""
    return f"{number:.2g}" if number < 9.95 else f"{number:.0f}"


def shrunk(size: Sizes) -> str:
    """How the size of the file changed."""
    ratio = size.float_bytes / max(size.int8_bytes, 1)
    return f"{ratio:.2f}x smaller" if ratio >= 1 else f"{1 / ratio:.2f}x larger"


def verdict_lines(report: Report) -> tuple[Line, ...]:
    """What came of a run, the most important sentence first."""
    lines = [Line(f"Doubtful data: {line}", "poor") for line in report.accepted]
    if report.untouched is not None:
        return (*lines, Line(f"Nothing was quantized: {report.untouched}", "poor"))
    if report.gate == "failed":
        lines.append(Line(f"A floor is missed: {'; '.join(report.missed)}.", "poor"))
    return (*lines, closeness(report.fidelity, report.accuracy, shrunk(report.size)))


def pace_line(report: Report) -> Line | None:
    """How fast the int8 model is beside float; None: it was not timed, or there is none."""
    if report.latency is None or report.untouched is not None:
        return None
    return Line(verdict(report.latency), "good" if report.latency.pace == "faster" else "fair")


def closeness(fidelity: Fidelity | None, accuracy: Accuracy | None, size: str) -> Line:
    """How close to float a model is, and how its size changed."""
    if fidelity is None:
        return Line(f"The model is {size}; how close it is to float was not measured.", "fair")
    near = fidelity.weakest.sqnr_db
    how: Grade = "poor" if math.isnan(near) else grade(near)
    task = (
        "" if accuracy is None else f"; {accuracy.metric} goes from {score(accuracy.float, accuracy)} to {score(accuracy.int8, accuracy)}"
    )
    return Line(f"{_NEAR[how]}: {noise(near)}{task}. The model is {size}.", how)


def score(value: float, accuracy: Accuracy) -> str:
    """A share in percent; any other metric as it is."""
    return metric_text(value, share=accuracy.share)


def figures_of(report: Report) -> tuple[Figure, ...]:
    """The large figures of a run of quantize."""
    found = [] if report.untouched is not None else [size_figure(report.size)]
    if report.latency is not None and report.untouched is None:
        found.append(_time(report.latency))
    found += near_figures(report.fidelity, report.accuracy)
    if report.placement is not None:
        inner = report.placement.inner_qdq
        left = f"{inner} conversion{'s' * (inner != 1)} left inside" if inner else "no conversion left inside"
        found.append(Figure("Work in integers", f"{report.placement.macs_int8_pct:.1f} %", f"of the multiply-accumulates; {left}"))
    return tuple(found)


def size_figure(size: Sizes) -> Figure:
    """The size of the file against the float model's."""
    ratio = size.int8_bytes / max(size.float_bytes, 1)
    return Figure(
        "Size", f"{ratio:.2f}x", f"{human_bytes(size.float_bytes)} to {human_bytes(size.int8_bytes)}", "good" if ratio < 1 else "fair"
    )


def near_figures(fidelity: Fidelity | None, accuracy: Accuracy | None) -> list[Figure]:
    """SQNR, agreement and accuracy, as far as they were measured."""
    found = []
    if fidelity is not None:
        weakest = fidelity.weakest
        which = f"cosine {fidelity.cosine:.5f}" if has_one_figure(fidelity) else f"at worst: {weakest.label}"
        shown = decibels(weakest.sqnr_db)
        value = f"{shown} dB" if math.isfinite(weakest.sqnr_db) else shown
        how: Grade = "poor" if math.isnan(weakest.sqnr_db) else grade(weakest.sqnr_db)
        found.append(Figure("SQNR", value, f"{noise(weakest.sqnr_db)}; {which}, {samples_text(fidelity.samples)}", how))
        if fidelity.lowest_agreement is not None:
            name = agreement_name(fidelity.outputs)
            found.append(Figure(name[0].upper() + name[1:], f"{100 * fidelity.lowest_agreement:.2f} %", "same answer as float"))
    if accuracy is not None:
        found.append(Figure(f"Accuracy ({accuracy.metric})", score(accuracy.int8, accuracy), f"float: {score(accuracy.float, accuracy)}"))
    return found


def _time(latency: Latency) -> Figure:
    before, after = milliseconds(latency)
    sure = ", unreliable" if latency.pace == "unreliable" else ""
    return Figure("Time per run", f"{latency.ratio:.2f}x", f"{before} to {after}{sure}", "good" if latency.pace == "faster" else "fair")


def timed_text(latency: Latency) -> str:
    """How the times were measured."""
    return f"Medians of {latency.runs} interleaved runs, batch {latency.batch}, {threads_text(latency.threads)}."
