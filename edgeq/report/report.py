"""The report of a run as frozen data.

text.py shows it on a terminal, html.py as a page, and Report.to_json as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from edgeq.errors import BadOutput
from edgeq.integers.reading.open_file import RanBy
from edgeq.io.strict_json import to_json
from edgeq.proof.compare import Accuracy, Comparison, LayerFidelity
from edgeq.proof.evidence import Uncompared
from edgeq.proof.findings import STRUCTURAL, Finding, findings
from edgeq.proof.latency import Latency, Untimed
from edgeq.proof.proof import Proof
from edgeq.proof.unproven import Unproven
from edgeq.report.codebooks import CodebookLayer
from edgeq.report.detail.detail import Detail
from edgeq.report.formats import FormatLayer
from edgeq.report.headline import Fidelity, fidelity_of
from edgeq.report.judging import JudgingInfo, StepSqnr
from edgeq.report.port import Port
from edgeq.report.run_facts import DataInfo, Sizes, Times, Weighed
from edgeq.schema.finetune import Training
from edgeq.schema.provider import Provider
from edgeq.schema.recipe import Recipe
from edgeq.search.verdict import Search

SCHEMA_VERSION = 1
#: what helps where int8 is slower than float
FASTER_WAYS = "--effort best --objective latency measures whole models and does not end up slower than float."
#: a float model that takes fewer milliseconds has little arithmetic: other costs decide
SMALL_MS = 0.1
SMALL = "So small a network leaves little arithmetic to save, and each step between float and integers costs time too."


@dataclass(frozen=True)
class Report:
    """Everything that a run can say about its result.

    None: not measured (--no-prove, no labels, no data).
    """

    #: path of the float model, or "(in memory)"
    model: str
    #: None: the run had statistics or a plan instead
    data: DataInfo | None
    #: name of the target
    target: str
    recipe: Recipe
    #: the recipe's range rule
    rule: str
    #: package -> version of everything that can change the result
    versions: Mapping[str, str]
    size: Sizes
    time_s: Times
    #: the largest resident set of the process, in MB (10^6 bytes)
    peak_rss_mb: float
    #: what placement weighed; None: the run did not place nodes
    weighed: Weighed | None = None
    #: which kernel of the runtime each node runs on
    placement: Proof | None = None
    #: which samples fidelity, accuracy, steps and floors are about
    judged: JudgingInfo | None = None
    #: how far the outputs are from float
    fidelity: Fidelity | None = None
    #: the same on the samples that the model was fitted to, where others judge it
    calibration: Fidelity | None = None
    #: the same on samples that nothing was fitted to, where these are closer to float by more than
    #: LUCKY_DB (edgeq/proof/evidence.py); `fidelity` is then that on the calibration samples
    lucky: Fidelity | None = None
    #: task metric of both models
    accuracy: Accuracy | None = None
    #: the steps of the decision, in order
    steps: tuple[StepSqnr, ...] = ()
    #: names of the steps that were left out because there was no data, in order
    skipped: tuple[str, ...] = ()
    #: why nothing was compared with float: fidelity, accuracy and latency are then not known
    uncompared: Uncompared | None = None
    #: inner values, worst first; empty unless they were compared
    layers: tuple[LayerFidelity, ...] = ()
    #: weights that are stored as codebooks
    codebooks: tuple[CodebookLayer, ...] = ()
    #: weights that are stored in number formats
    formats: tuple[FormatLayer, ...] = ()
    #: time of one run of both models
    latency: Latency | None = None
    #: why there is no latency although the models ran
    untimed: Untimed | None = None
    #: why there is no placement although it was asked for
    unproven: Unproven | None = None
    #: what ran the written .tflite file, which fidelity and accuracy are about; None: they are
    #: about the ONNX model in onnxruntime
    ran_by: RanBy | None = None
    #: the candidates that effort best measured
    search: Search | None = None
    #: what runs the model in onnxruntime; None: its CPU provider
    provider: Provider | None = None
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    #: why nothing was quantized; None: something was
    untouched: str | None = None
    #: whether the floors of the recipe hold; none: there are no floors
    gate: Literal["passed", "failed", "none"] = "none"
    #: one line for each floor that does not hold
    missed: tuple[str, ...] = ()
    #: outputs that are far from float, not finite, or not compared
    findings: tuple[Finding, ...] = ()
    #: operators of the int8 model that are not ONNX's own, with their domains
    contributed: tuple[str, ...] = ()
    #: doubts about the data that end a run unless they are accepted
    accepted: tuple[str, ...] = ()
    #: other doubts about the data
    warnings: tuple[str, ...] = ()
    #: what was done that a user might not expect
    notes: tuple[str, ...] = ()
    #: the losses of fine-tuning; None: nothing was trained
    training: Training | None = None
    #: the graph with its values, bytes and times; None: no page was asked for
    detail: Detail | None = None
    #: which file of the int8 model the report is about (edgeq/io/marks.py); empty: none was written
    mark: str = ""
    #: version of the JSON form
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        """Strict JSON text.

        A number that JSON lacks, such as the infinite SQNR of equal outputs, becomes null.
        """
        return to_json(self)


def with_comparison(report: Report, found: Comparison, name: str) -> Report:
    """The report with the fidelity, accuracy and layers of a comparison on other data.

    name: what the report calls that data.
    """
    judged = JudgingInfo("validation", name, found.samples, found.samples)
    told = (*findings(found), *(one for one in report.findings if one.kind in STRUCTURAL))
    return replace(
        report, judged=judged, fidelity=fidelity_of(found), accuracy=found.accuracy, layers=found.layers, findings=told, uncompared=None
    )


def verdict(latency: Latency) -> str:
    """One or two sentences that say plainly whether int8 pays on this machine."""
    if latency.pace == "unreliable":
        varies = f"the ratios of half of the runs span {latency.spread:.2g} around {latency.paired:.2f}"
        return f"UNRELIABLE: the machine was under load ({varies}). Time both again with `edgeq prove --float` on an idle one."
    if latency.pace == "faster":
        return f"int8 is {1 / latency.ratio:.2f}x as fast as float here."
    if latency.pace == "same":
        return (
            "int8 is NOT faster than float here: the two take the same time. Use it for its size; for speed the float model does as well."
        )
    said = f"int8 is NOT faster: it takes {latency.ratio:.2f}x the time of float."
    return " ".join([said, *([SMALL] if latency.float_ms < SMALL_MS else []), FASTER_WAYS])


def report_format(path: Path) -> Literal["json", "html"]:
    """The format that the suffix of a report's path asks for. Raises BadOutput for any other."""
    forms: dict[str, Literal["json", "html"]] = {".json": "json", ".html": "html", ".htm": "html"}
    form = forms.get(path.suffix.lower())
    if form is None:
        raise BadOutput(f"A report cannot have the extension {path.suffix!r}.", str(path), "End its name in .json or .html.")
    return form
