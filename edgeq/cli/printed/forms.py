"""The results of commands that are not the result of one function: what --json prints of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeq.integers.legality.violation import Violation
from edgeq.proof.elsewhere.other_runtimes import RuntimeProof
from edgeq.proof.latency import Latency, Untimed
from edgeq.proof.proof import Proof
from edgeq.proof.saturation_audit import LayerBounds
from edgeq.report.explain import Explanation
from edgeq.schema.hold_out import HoldOut


@dataclass(frozen=True)
class Checked:
    """edgeq check."""

    model: Path
    #: name of the target
    target: str
    #: what breaks a fact of the target
    violations: tuple[Violation, ...]
    #: what breaks none, but loses precision
    warnings: tuple[Violation, ...]


@dataclass(frozen=True)
class Proven:
    """edgeq prove, in onnxruntime."""

    model: Path
    #: the float model; null: not given
    float: Path | None
    #: which kernel each node runs on
    placement: Proof
    #: how long both models take; null: there is no float model, or they do not run here
    latency: Latency | None
    #: why no time was measured
    untimed: Untimed | None
    #: the largest sums of each layer
    sums: tuple[LayerBounds, ...]


@dataclass(frozen=True)
class ProvenElsewhere:
    """edgeq prove, in another runtime."""

    model: Path
    #: one for each way in which the runtime runs models
    proofs: tuple[RuntimeProof, ...]


@dataclass(frozen=True)
class Calibrated:
    """edgeq calibrate."""

    #: where the statistics were written
    file: str
    #: samples that were seen
    samples: int
    #: the rule by which samples were held out
    held_out: HoldOut
    #: values that were measured
    tensors: int
    #: sha256 of the statistics
    hash: str
    #: sha256 of the model
    model: str
    #: sha256 of the data
    data: str
    #: what else the statistics depend on
    settings: str


@dataclass(frozen=True)
class Initialized:
    """edgeq init: the files that were written."""

    recipe: Path
    #: null: the data fits the model as it is
    set: Path | None


@dataclass(frozen=True)
class TargetRow:
    """A shipped target."""

    name: str
    title: str


@dataclass(frozen=True)
class TargetList:
    """edgeq targets."""

    targets: tuple[TargetRow, ...]


@dataclass(frozen=True)
class Explained:
    """edgeq explain: a node, or those that make and read a value."""

    explanations: tuple[Explanation, ...]


@dataclass(frozen=True)
class Page:
    """edgeq report."""

    #: the page that was written
    page: Path
    #: the reports that it shows
    reports: tuple[Path, ...]
