"""What a user must know of a comparison: outputs far from float, not finite, not compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edgeq.proof.compare import Comparison
from edgeq.proof.output_fidelity import OutputFidelity, weakest_of

#: below this SQNR in dB an output is warned of: noise of 18 % of the signal's amplitude
WEAK_DB = 15.0

#: weak: an output or a part of one is far from float; nonfinite: NaN or infinity stands in one
#: model where the other has something else; uncompared: some runs could not be compared
FindingKind = Literal["weak", "nonfinite", "uncompared"]


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with an output, or that is not known of it."""

    #: what it is, for code
    kind: FindingKind
    #: name of the output
    output: str
    #: name of the part of the output; None: the output as a whole
    part: str | None
    #: SQNR of the part or the output in dB; None: it was not measured
    sqnr_db: float | None
    #: the same for people
    text: str


def findings(found: Comparison) -> tuple[Finding, ...]:
    """What is wrong with each output, in the order of the outputs, worst first."""
    return tuple(one for output in found.worst_first for one in (*_weak(output), *_nonfinite(output), *_uncompared(output)))


def _weak(output: OutputFidelity) -> tuple[Finding, ...]:
    weakest = weakest_of(output)
    if output.compared == 0 or not weakest.sqnr_db < WEAK_DB:
        return ()
    if output.equal is not None:
        text = f"Output {output.name} holds integers or truth values, of which {100 * output.equal:.2f} % are those of the float model."
        return (Finding("weak", output.name, None, output.sqnr_db, text),)
    weak = [part for part in output.parts if part.sqnr_db < WEAK_DB]
    if not weak:
        text = f"Output {output.name} is far from float: SQNR {_decibels(output.sqnr_db)}."
        return (Finding("weak", output.name, None, output.sqnr_db, text),)
    return tuple(
        Finding("weak", output.name, part.name, part.sqnr_db, f"Part {part.name} of output {output.name} is far from float: "
                f"SQNR {_decibels(part.sqnr_db)} (the whole output: {_decibels(output.sqnr_db)}).")
        for part in weak
    )  # fmt: skip


def _nonfinite(output: OutputFidelity) -> tuple[Finding, ...]:
    if not output.nonfinite:
        return ()
    text = f"Output {output.name} has {output.nonfinite} elements that are NaN or infinite in one of the two models and not in the other."
    return (Finding("nonfinite", output.name, None, None, text),)


def _uncompared(output: OutputFidelity) -> tuple[Finding, ...]:
    if not output.uncompared:
        return ()
    runs = output.uncompared + (output.compared or 0)
    text = f"Output {output.name} could be compared in {output.compared or 0} of {runs} runs: "
    text += "elsewhere its shape depends on the numbers and differs between the models, or it holds no numbers."
    return (Finding("uncompared", output.name, None, None, text),)


def _decibels(value: float) -> str:
    return "unknown" if math.isnan(value) else "no signal" if value == -math.inf else f"{value:.1f} dB"
