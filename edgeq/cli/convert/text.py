"""The result of `edgeq convert` as data, as text, and as warnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from edgeq.foreign.proof import ConversionProof
from edgeq.io.visible import visible
from edgeq.passes.foreign.changes import Change

if TYPE_CHECKING:
    from edgeq.foreign.sums import OutputProof

#: changes that are shown one by one; a report has all of them
SHOWN = 12


@dataclass(frozen=True)
class Conversion:
    """What a conversion did."""

    #: path of the source
    source: str
    #: paths of the files that were written
    written: tuple[str, ...]
    #: size of the .tflite form in bytes
    bytes: int
    #: what the file has otherwise than the source
    changes: tuple[Change, ...]
    #: None: not requested
    proof: ConversionProof | None
    #: which .tflite file it is about (edgeq/io/marks.py)
    mark: str = ""


def conversion_text(found: Conversion) -> RenderableType:
    """What was written, what was changed, and what was proven."""
    from edgeq.report.figures import human_bytes

    head = f"wrote {' and '.join(found.written)}"
    parts: list[RenderableType] = [Text(f"{head} ({human_bytes(found.bytes)} as .tflite)", "bold")]
    parts += list(_changes(found.changes))
    if found.proof is not None:
        parts += list(_proof(found.proof))
    return Group(*parts)


def _changes(changes: Sequence[Change]) -> Iterator[Text]:
    if not changes:
        yield Text("every code and grid is the source's", "green")
        return
    yield Text(f"\nChanges ({len(changes)}); all other codes and grids are the source's", "bold")
    for one in changes[:SHOWN]:
        by = "exact" if not one.steps else f"by up to {one.steps:.2g} steps"
        yield Text(f"  {visible(one.node)} ({visible(one.op_type)}): {visible(one.what)}, {by}")
    if len(changes) > SHOWN:
        yield Text(f"  and {len(changes) - SHOWN} more; --report lists all of them", "dim")


def _proof(proof: ConversionProof) -> Iterator[Text]:
    data = "made-up codes" if proof.made_up else "samples"
    yield Text(f"\nProof on {proof.samples} {data}", "bold")
    steps = proof.steps
    where = f", at {steps.node} ({steps.op_type})" if steps.node else ""
    yield Text(f"  operators  {100 * steps.exact:.2f} % of {steps.codes} codes are the source's, {steps.largest} apart at most{where}")
    for output in proof.outputs:
        yield Text(f"  {visible(output.name)}: {_runtimes(output)}")
        agreement = "" if output.agreement is None else f", same arg-max {100 * output.agreement:.2f} %"
        if output.ties:
            agreement += f" (and {100 * output.ties:.2f} % ties: both classes have one code)"
        lsb = f"{output.max_lsb:.3g} LSB at most, {output.mean_lsb:.3g} on average, {100 * output.exact:.1f} % equal"
        yield Text(f"    against the source, roundings added up: {lsb}{agreement}")
    ran = ", ".join(f"{name} {version}" for name, version in sorted(proof.ran.items()))
    yield Text(f"  ran in {ran}; the source in onnxruntime" if ran else "  ran in edgeq's interpreter alone", "dim")


def _runtimes(output: OutputProof) -> str:
    if not output.runtimes:
        return f"{output.codes} codes"
    apart = (f"{name} equal" if not codes else f"{name} {codes} apart at most" for name, codes in output.runtimes.items())
    return f"{output.codes} codes, beside the interpreter: {', '.join(apart)}"


def doubts(found: Conversion) -> Iterator[str]:
    """What the user must know about the proof."""
    proof = found.proof
    if proof is None:
        return
    if proof.missing:
        yield f"{' and '.join(proof.missing)} did not run the file: install edgeq[backends]."
    if proof.apart > 1:
        yield f"TFLite Micro and edgeq's interpreter are {proof.apart} codes apart at an output"
    if proof.steps.largest > 1:
        steps = proof.steps
        yield f"node {steps.node} ({steps.op_type}) makes codes that are up to {steps.largest} from the source's on the same inputs"
