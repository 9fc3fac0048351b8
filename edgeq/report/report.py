"""What came of a run: frozen, JSON by `to_json`, terminal text by report_text.py, HTML by
report_html.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from edgeq.errors import BadOutput
from edgeq.io.strict_json import to_json
from edgeq.prove.compare import Accuracy, Comparison, LayerFidelity
from edgeq.prove.latency import Latency
from edgeq.prove.proof import Proof
from edgeq.report.codebooks import CodebookLayer
from edgeq.schema.recipe import Recipe
from edgeq.search.verdict import Search

SCHEMA_VERSION = 1

#: from this int8/float ratio upwards the int8 model counts as not faster: below it lies the noise
#: of a paired median
NOT_FASTER = 0.97


@dataclass(frozen=True)
class DataInfo:
    """The calibration data. hash: sha256 hex over what was read. samples: how many were used."""

    name: str
    hash: str
    samples: int


@dataclass(frozen=True)
class Sizes:
    """Bytes of the ONNX files on disk, external data included."""

    float_bytes: int
    int8_bytes: int


@dataclass(frozen=True)
class Times:
    """Wall time of each stage in seconds; None: the stage did not run."""

    prepare: float | None = None
    calibrate: float | None = None
    plan: float | None = None
    rewrite: float | None = None
    prove: float | None = None
    search: float | None = None
    finetune: float | None = None


@dataclass(frozen=True)
class Fidelity:
    """Int8 against float on the first output. sqnr_db: 10 log10(sum f^2 / sum (f - q)^2), inf when
    bit-equal.
    """

    sqnr_db: float
    cosine: float
    top1_agreement: float | None
    samples: int


@dataclass(frozen=True)
class StepSqnr:
    """A step that changes the numbers, and the SQNR (dB, first output) after it."""

    name: str
    sqnr_db: float | None


@dataclass(frozen=True)
class Port:
    """A model input or output. scale, zero_point: its grid inside the int8 model, None when it
    stays float. pixels: takes raw ones.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None
    grid: str | None = None
    scale: float | None = None
    zero_point: int | None = None
    pixels: bool = False


@dataclass(frozen=True)
class Report:
    """Everything a run can say about its result. None: not measured (--no-prove, no labels, no
    data).

    model: path or name of the float model. gate: whether the floors of the recipe hold; missed: one
    line a floor that does not.
    """

    model: str
    data: DataInfo | None
    target: str
    recipe: Recipe
    rule: str
    versions: Mapping[str, str]
    size: Sizes
    time_s: Times
    peak_rss_mb: float
    placement: Proof | None = None
    fidelity: Fidelity | None = None
    accuracy: Accuracy | None = None
    steps: tuple[StepSqnr, ...] = ()
    layers: tuple[LayerFidelity, ...] = ()
    codebooks: tuple[CodebookLayer, ...] = ()
    latency: Latency | None = None
    search: Search | None = None
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    gate: Literal["passed", "failed", "none"] = "none"
    missed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        """Strict JSON text; a number that JSON lacks (the SQNR of equal outputs is infinite) is
        null.
        """
        return to_json(self)


def with_comparison(report: Report, found: Comparison) -> Report:
    """The report with the fidelity, accuracy and layers of another comparison, such as one on
    evaluation data.
    """
    return replace(report, fidelity=fidelity_of(found), accuracy=found.accuracy, layers=found.layers)


def fidelity_of(found: Comparison) -> Fidelity:
    """The first output's figures."""
    first = found.outputs[0]
    return Fidelity(first.sqnr_db, first.cosine, first.top1_agreement, found.samples)


def verdict(latency: Latency) -> str:
    """One sentence that says plainly whether int8 pays on this machine. ratio = int8 time / float
    time.
    """
    if latency.ratio < NOT_FASTER:
        return f"int8 is {1 / latency.ratio:.2f}x as fast as float here."
    if latency.ratio <= 1 / NOT_FASTER:
        return (
            "int8 is NOT faster than float here: the two take the same time. Use it for its size; for speed the float model does as well."
        )
    return f"int8 is NOT faster: it takes {latency.ratio:.2f}x the time of float. On this machine the float model is the faster one."


def report_format(path: Path) -> Literal["json", "html"]:
    """The form that a report path asks for by its extension. Raises BadOutput for any other."""
    forms: dict[str, Literal["json", "html"]] = {".json": "json", ".html": "html", ".htm": "html"}
    form = forms.get(path.suffix.lower())
    if form is None:
        raise BadOutput(f"A report cannot have the extension {path.suffix!r}.", str(path), "End its name in .json or .html.")
    return form
