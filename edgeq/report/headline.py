"""The fidelity that a report shows: its weakest figure first, then every output and its parts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgeq.io.writing.card import Card, Facts
from edgeq.numerics.output_fidelity import OutputFidelity, Weakest
from edgeq.proof.compare import Comparison


@dataclass(frozen=True, repr=False)
class Fidelity(Card):
    """How far the outputs of the int8 model are from the float model's.

    The first three figures are of the first output as a whole (q) against the float model's (f).
    """

    #: 10 log10(sum f^2 / sum (f - q)^2) in dB; inf when bit-equal
    sqnr_db: float
    #: sum f q / (|f| |q|)
    cosine: float
    #: share of samples with the same arg-max, 0..1; None: the output is not class scores
    top1_agreement: float | None
    #: number of samples that both models ran on
    samples: int
    #: the output, or the part of one, that is farthest from float; floors judge it
    weakest: Weakest
    #: the lowest top1_agreement of any output; None: no output is class scores
    lowest_agreement: float | None
    #: every output with its parts, worst first
    outputs: tuple[OutputFidelity, ...]

    def facts(self) -> Facts:
        """The first output's figures, and the weakest where there are several."""
        rows = [("SQNR", _decibels(self.sqnr_db)), ("cosine", f"{self.cosine:.5f}")]
        if self.top1_agreement is not None:
            rows.append(("same top-1", f"{100 * self.top1_agreement:.2f} %"))
        if not has_one_figure(self):
            part = "" if self.weakest.part is None else f", part {self.weakest.part}"
            rows.append(("weakest", f"{self.weakest.output}{part}: {_decibels(self.weakest.sqnr_db)}"))
        return Facts("int8 against float", (*rows, ("samples", str(self.samples))))


def _decibels(value: float) -> str:
    """An SQNR with its unit; equal outputs have no error to measure."""
    return "bit-equal" if value == math.inf else f"{value:.1f} dB"


def fidelity_of(found: Comparison) -> Fidelity:
    """The fidelity of the outputs of a comparison."""
    first = found.outputs[0]
    return Fidelity(
        first.sqnr_db, first.cosine, first.top1_agreement, found.samples,
        weakest=found.weakest, lowest_agreement=found.top1_agreement, outputs=found.worst_first,
    )  # fmt: skip


def has_one_figure(fidelity: Fidelity) -> bool:
    """Whether there is one output, and it is not joined from parts."""
    return len(fidelity.outputs) == 1 and not fidelity.outputs[0].parts
